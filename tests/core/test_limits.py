import msgspec
import pytest

from keeper.core.limits import Limits, trade_gates
from keeper.model.errors import ConfigError
from keeper.model.flow import Gate
from keeper.model.position import VenueState
from keeper.sim.world import LIMITS

HELD = VenueState(
    size_base=-10.0,
    open_notional_usd=20_000.0,
    pending_funding_usd=0.0,
    account_value_usd=5_000.0,
    free_collateral_usd=1_000.0,
    margin_ratio=0.25,
    liquidation_price=2_300.0,
    mark_price=2_000.0,
    trade_price=2_000.0,
    index_price=2_000.0,
    fee_rate=0.001,
    impact_per_base=0.0,
    initial_margin_ratio=0.1,
)


def gates(units: float, **changes: float) -> dict[str, Gate]:
    venue = msgspec.structs.replace(HELD, **changes)
    return {gate.name: gate for gate in trade_gates(units, venue, 2_000.0, LIMITS)}


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", Limits.__struct_fields__)
def test_f3_a_limit_that_does_not_limit_is_refused(name: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=name):
        msgspec.structs.replace(LIMITS, **{name: bad})


def test_f3_there_is_no_default_for_a_limit() -> None:
    with pytest.raises(TypeError, match="Missing required argument"):
        Limits()  # type: ignore[call-arg]  # that is the point


def test_leverage_is_counted_after_the_trade() -> None:
    assert gates(-2.0)["leverage"].value == pytest.approx(12 * 2_000 / 5_000)
    assert gates(-2.0)["leverage"].ok
    assert not gates(-3.0)["leverage"].ok


def test_v11_a_trade_that_only_reduces_passes_however_bad_the_account_is() -> None:
    passed = gates(4.0, account_value_usd=-1.0, free_collateral_usd=-5_000.0)
    assert passed["leverage"].ok
    assert passed["leverage"].note == "the account has no equity"
    assert gates(4.0, free_collateral_usd=0.0)["margin"].ok


def test_v11_growing_needs_free_collateral_for_its_initial_margin() -> None:
    assert gates(-5.0)["margin"].value == pytest.approx(1_000.0)
    assert gates(-5.0)["margin"].ok
    assert not gates(-5.1)["margin"].ok


def test_a_small_trade_waits() -> None:
    assert not gates(0.009)["min trade"].ok
    assert gates(0.01)["min trade"].ok
