import pytest

from keeper.cli.policy_names import PLAIN, strategy
from keeper.model.errors import ConfigError
from keeper.model.strategies import FixedBand, Interval, Optimal, Strategy


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("optimal", Optimal()),
        ("fixed_band:20", FixedBand(width_base=20.0, to="edge")),
        ("fixed_band:2.5:zero", FixedBand(width_base=2.5, to="zero")),
        ("fixed_band:2.5:edge", FixedBand(width_base=2.5, to="edge")),
        ("interval:8h", Interval(every_s=28_800)),
        ("interval:90 min", Interval(every_s=5_400)),
    ],
)
def test_a_name_says_a_policy(name: str, meant: Strategy) -> None:
    assert strategy(name) == meant


def test_every_plain_policy_is_found_by_its_tag() -> None:
    for name in PLAIN:
        assert strategy(name).__struct_config__.tag == name


@pytest.mark.parametrize(
    "name",
    ["", "best", "optimal:2", "fixed_band", "fixed_band:x", "fixed_band:-1", "fixed_band:2:up",
     "interval", "interval:8", "interval:0 s", "fixed_band:inf"],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_what_is(name: str) -> None:
    with pytest.raises(ConfigError, match="--policy") as refused:
        strategy(name)
    assert "interval:8h" in (refused.value.remedy or "")
