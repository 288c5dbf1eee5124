import numpy as np
import pytest
from msgspec.structs import replace

from keeper.model.errors import ConfigError
from keeper.sim.market import Market


def market() -> Market:
    return Market(
        name="three",
        at_s=np.array([0, 3_600, 7_200], dtype=np.int64),
        price=np.array([2_000.0, 2_100.0, 1_900.0]),
        base_fee_wei=np.array([1, 2, 3], dtype=np.int64),
        funding=np.array([0.001, 0.002, 0.0]),
        native_price=np.array([2_000.0, 2_100.0, 1_900.0]),
    )


def test_it_knows_how_long_it_lasts() -> None:
    assert market().bars == 3
    assert market().years == pytest.approx(2 / 8_760)
    assert market().step_s == 3_600


def test_its_step_is_the_shortest_one_since_a_gap_is_none() -> None:
    gap = np.array([0, 86_400, 90_000], dtype=np.int64)
    assert replace(market(), at_s=gap).step_s == 3_600


def test_a_part_of_it_is_a_market() -> None:
    part = market().part(1, 3)
    assert part.price.tolist() == [2_100.0, 1_900.0]
    assert part.base_fee_wei.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("at_s", [0, 3_600, 3_600]),
        ("price", [2_000.0, 0.0, 1.0]),
        ("price", [2_000.0, float("nan"), 1.0]),
        ("base_fee_wei", [1, -1, 1]),
        ("funding", [0.0, float("inf"), 0.0]),
        ("native_price", [1.0, 1.0]),
    ],
)
def test_what_no_market_can_be_is_refused(column: str, values: list[float]) -> None:
    with pytest.raises(ConfigError) as refused:
        replace(market(), **{column: np.array(values)})
    assert refused.value.facts["column"] == column


def test_a_single_bar_is_no_market() -> None:
    with pytest.raises(ConfigError, match="two bars"):
        market().part(0, 1)
