"""One of each event."""

import pytest

from keeper.model.chain import Address, BlockRef, Fees
from keeper.model.events import (
    Adopted,
    CodeSeen,
    Decided,
    Event,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import (
    Attempt,
    Band,
    Costs,
    Exposure,
    Fill,
    Gate,
    Hold,
    Intent,
    Outcome,
    Progress,
    Reasoning,
)

BLOCK = BlockRef(7, "0x" + "ab" * 32, "0x" + "cd" * 32, 1_790_000_000, 10**9)
ACCOUNT = Address("0x00000000000000000000000000000000000000A1")


@pytest.fixture
def decided() -> Decided:
    why = Reasoning(
        book="eth-lp",
        block=BLOCK,
        exposure=Exposure(
            delta=10.5, gamma=-0.002, vega=0.0, theta=0.0, value_usd=21_000.0, price=2_000.0
        ),
        hedge=-10.0,
        hedge_ratio=1.0,
        net=0.5,
        band=Band(outer=0.8, inner=0.3),
        costs=Costs(350_000, 10**9, 0.7, 0.001, 0.0),
        risk_aversion=1e-5,
        sigma=0.6,
        volatility=None,
        risk_now_usd_per_year=1.8,
        trade_cost_usd=0.0,
        trade_benefit_usd=0.0,
        gates=(
            Gate("band", False, 0.5, 0.8, "base", "at least"),  # noqa: FBT003  # a row of a table
            Gate("price age", True, 12.0, 3_600.0, "s"),  # noqa: FBT003  # ditto
        ),
        would_trade_if="net delta beyond ±0.8",
    )
    return Decided("eth-lp", Hold("inside the band", why), 1_790_000_003_500, ("timer",))


@pytest.fixture
def settled() -> Settled:
    fill = Fill(units=-0.5, price=1_999.0, fee_usd=1.0, realized_pnl_usd=0.0)
    return Settled(Outcome("i1", "done", "filled", fill, 350_000, 0.7), at_ms=1_790_000_010_000)


@pytest.fixture
def one_of_each(decided: Decided, settled: Settled) -> tuple[Event, ...]:
    intent = Intent(
        id="i1",
        book="eth-lp",
        account=ACCOUNT,
        units=-0.5,
        reduce_only=False,
        worst_price=1_990.0,
        deadline_s=1_790_000_600,
        native_price=2_000.0,
        block=BLOCK,
    )
    attempt = Attempt("i1", "0x" + "11" * 32, b"\x02raw", 4, Fees(2 * 10**9, 10**9), 1)
    return (
        decided,
        Intended(intent, 1),
        Signed(attempt),
        Sent("i1", attempt.hash, "accepted", 1),
        Unseen("i1", 4, 9, 1),
        Placed("i1", "0x07", 90_000, 10**9, 1),
        Progressed("i1", Progress("open", None), 9, 1),
        Progressed("i1", Progress("filled", settled.outcome.fill), 9, 1),
        settled,
        Adopted(ACCOUNT, 9, 1),
        CodeSeen(ACCOUNT, "0xc0de", 1),
        Troubled("Transient", "no answer from https://rpc.example/v1/SECRET", 1),
        Halted("the key was used elsewhere", 1),
        Resumed("checked", 1),
    )
