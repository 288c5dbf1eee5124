from math import nan

import numpy as np
from scipy.special import ndtr

from keeper.core.normal import density_of, distribution


def test_the_normal_distribution_is_exact_in_both_tails() -> None:
    x = np.random.default_rng(1).permutation(np.linspace(-37.0, 37.0, 100_001))
    ours = distribution(x, density_of(x))
    # What roundings of x² are worth to either: neither can write the tail without one.
    allowed = 4.5e-16 * (4.0 + x * x) * ndtr(x)
    assert np.all(np.abs(ours - ndtr(x)) <= allowed)
    np.testing.assert_allclose(ours + distribution(-x, density_of(x)), 1.0, rtol=0, atol=2.3e-16)


def test_the_normal_distribution_ends_in_nothing_and_in_all() -> None:
    x = np.array([-1e200, -39.0, 0.0, 39.0, 1e200, nan])
    ours = distribution(x, density_of(np.clip(x, -1e100, 1e100)))
    assert ours[:5].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert np.isnan(ours[5])
