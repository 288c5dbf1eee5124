from itertools import pairwise

import pytest

from keeper.model.errors import ConfigError
from keeper.sim.paths import Crash, Point, crash_path, read_csv


def test_the_same_seed_is_the_same_path() -> None:
    one, two, other = (
        crash_path(seed=seed, steps=50, step_s=288, start=2_000.0, sigma=0.8) for seed in (1, 1, 2)
    )
    assert one == two != other


def test_without_noise_only_the_crash_is_left() -> None:
    path = crash_path(seed=1, steps=100, step_s=288, start=2_000.0, sigma=0.0)
    assert path[0] == Point(0, 2_000.0)
    assert path[50].price == pytest.approx(1_700.0)
    assert path[-1] == Point(28_800, 2_000.0)
    assert min(p.price for p in path) == pytest.approx(1_700.0)


def test_the_noise_has_the_volatility_it_was_asked_for() -> None:
    flat = Crash(depth=0.0)
    path = crash_path(seed=3, steps=20_000, step_s=3_600, start=1.0, sigma=0.8, crash=flat)
    squares = [(b.price / a.price - 1) ** 2 for a, b in pairwise(path)]
    assert (sum(squares) / len(squares) * 8_760) ** 0.5 == pytest.approx(0.8, rel=0.02)


def test_a_csv_is_read() -> None:
    assert read_csv(["ts,price", "10,2000", "20,1990.5"]) == (
        Point(10, 2_000.0),
        Point(20, 1_990.5),
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["ts,price"], "no rows"),
        (["ts,price", "10,0"], "above zero"),
        (["ts,price", "10,1", "10,1"], "rising"),
        (["time,price", "10,1"], "ts,price"),
        (["ts,price", "10,abc"], "ts,price"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(lines: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_csv(lines)
