import csv
from math import inf
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core import vanilla

LINES = (Path(__file__).parents[1] / "vectors/black_scholes.csv").read_text().splitlines()
ROWS = [row for row in csv.DictReader(LINES) if float(row["q"]) == 0.0]
KINDS = st.sampled_from(["call", "put"])


def test_it_agrees_with_forty_digit_arithmetic() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        spot, strike = float(row["S"]), float(row["K"])
        ours = vanilla.worth(
            "call" if float(row["cp"]) > 0 else "put",
            spot=spot,
            strike=strike,
            years=float(row["T"]),
            sigma=float(row["sigma"]),
            rate=float(row["r"]),
        )
        # The price and theta are differences of two numbers as large as spot and strike.
        cancelled = 4e-16 * (spot + strike)
        assert ours.delta == pytest.approx(float(row["delta"]), rel=1e-12, abs=1e-14)
        assert ours.gamma == pytest.approx(float(row["gamma"]), rel=1e-12, abs=1e-14)
        assert ours.vega == pytest.approx(float(row["vega"]), rel=1e-12, abs=1e-14)
        assert ours.price == pytest.approx(float(row["price"]), rel=1e-12, abs=cancelled)
        assert ours.theta == pytest.approx(float(row["theta_per_year"]), rel=1e-12, abs=cancelled)


@given(KINDS, st.floats(1.0, 9.0), st.floats(1.0, 9.0), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_the_delta_alone_is_the_delta_of_the_whole(
    kind: Literal["call", "put"], spot: float, strike: float, years: float, sigma: float
) -> None:
    numbers = {"spot": spot, "strike": strike, "years": years, "sigma": sigma}
    assert vanilla.delta(kind, **numbers) == vanilla.worth(kind, **numbers).delta


@pytest.mark.parametrize(
    ("kind", "spot", "price", "delta"),
    [
        ("call", 5.0, 1.0, 1.0),
        ("call", 3.0, 0.0, 0.0),
        ("put", 5.0, 0.0, 0.0),
        ("put", 3.0, 1.0, -1.0),
        ("call", 4.0, 0.0, 0.5),
        ("put", 4.0, 0.0, -0.5),
    ],
)
def test_at_expiry_an_option_is_its_intrinsic_value(
    kind: Literal["call", "put"], spot: float, price: float, delta: float
) -> None:
    ours = vanilla.worth(kind, spot=spot, strike=4.0, years=0.0, sigma=0.8)
    assert (ours.price, ours.delta) == (price, delta)
    assert ours.gamma == (inf if spot == 4.0 else 0.0)


def test_without_volatility_a_call_in_the_money_is_a_forward() -> None:
    # Its strike is paid later: worth 5 − 4·e^−0.1, and the strike's interest is lost every year.
    ours = vanilla.worth("call", spot=5.0, strike=4.0, years=1.0, sigma=0.0, rate=0.1)
    assert ours.price == pytest.approx(5.0 - 4.0 * 0.9048374180359595)
    assert ours.theta == pytest.approx(-0.1 * 4.0 * 0.9048374180359595)


def test_after_expiry_the_delta_is_what_it_was_at_expiry() -> None:
    assert vanilla.delta("call", spot=5.0, strike=4.0, years=-1.0, sigma=0.8) == 1.0
    assert vanilla.delta("put", spot=5.0, strike=4.0, years=-1.0, sigma=0.8) == 0.0
