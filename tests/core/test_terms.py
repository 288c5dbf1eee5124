"""A policy that no owner can want is refused where it is made."""

from math import inf, nan

import msgspec
import pytest

from keeper.core.terms import MAX_SIGMA, EwmaVolatility, FixedVolatility, Policy
from keeper.model.errors import ConfigError
from keeper.model.strategies import Optimal, Zakamouline

POLICY = Policy(risk_aversion_per_usd=1e-5, volatility=FixedVolatility(0.8))


def with_(**changes: object) -> Policy:
    return msgspec.structs.replace(POLICY, **changes)


def test_what_an_owner_leaves_out_is_the_whole_hedge_at_least_cost() -> None:
    assert POLICY.hedge_ratio == 1.0
    assert POLICY.strategy == Optimal()
    assert POLICY.max_net_base is None
    assert (POLICY.horizon_s, POLICY.check_interval_s) == (604_800, 12)


@pytest.mark.parametrize("ratio", [0.0, 1.0, 1.5])
def test_any_share_up_to_one_and_a_half_may_be_hedged(ratio: float) -> None:
    assert with_(hedge_ratio=ratio).hedge_ratio == ratio


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        *(("hedge_ratio", bad) for bad in (-0.01, 1.51, nan, inf)),
        *(("risk_aversion", bad) for bad in (0.0, -1e-5, nan)),
        *(("horizon", bad) for bad in (0, -1)),
        ("check_interval", -1),
        *(("max_net", bad) for bad in (0.0, -5.0, nan)),
    ],
)
def test_a_number_that_nobody_can_mean_is_refused_by_its_key(key: str, bad: float) -> None:
    suffixes = {
        "risk_aversion": "_per_usd",
        "horizon": "_s",
        "check_interval": "_s",
        "max_net": "_base",
    }
    with pytest.raises(ConfigError, match=f"^{key} must") as caught:
        with_(**{key + suffixes.get(key, ""): bad})
    assert repr(bad) in repr(caught.value.facts["value"])


def test_looking_without_a_pause_is_no_mistake() -> None:
    assert with_(check_interval_s=0).check_interval_s == 0


@pytest.mark.parametrize("sigma", [MAX_SIGMA + 0.1, 80.0])
def test_a_volatility_in_percent_is_refused(sigma: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "fixed", "sigma_fraction": sigma}, FixedVolatility)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(
            {"type": "ewma", "half_life_s": 60, "floor_fraction": sigma}, EwmaVolatility
        )


def test_a_strategy_is_told_by_its_type() -> None:
    said = {
        "risk_aversion_per_usd": 1e-5,
        "volatility": {"type": "fixed", "sigma_fraction": 0.8},
        "strategy": {"type": "zakamouline"},
    }
    assert msgspec.convert(said, Policy).strategy == Zakamouline()
    with pytest.raises(msgspec.ValidationError, match="zakamulin"):
        msgspec.convert(said | {"strategy": {"type": "zakamulin"}}, Policy)
    with pytest.raises(msgspec.ValidationError, match="gamma"):
        msgspec.convert(said | {"strategy": {"type": "zakamouline", "gamma": 1}}, Policy)
