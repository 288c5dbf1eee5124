"""Events for tests of whatever keeps or shows them: plausible, and told apart by a number."""

from msgspec.structs import replace

from keeper.model.chain import Address, BlockRef, Fees
from keeper.model.events import Decided, Event, Intended, Sent, Settled, Signed
from keeper.model.flow import (
    Attempt,
    Band,
    Costs,
    Exposure,
    Fill,
    GasState,
    Gate,
    Hold,
    Intent,
    Outcome,
    Reasoning,
    Rebalance,
    Status,
    VolState,
)
from keeper.model.units import MS_PER_S

ACCOUNT = Address("0x00000000000000000000000000000000DeaDBeef")
OTHER_ACCOUNT = Address("0x000000000000000000000000000000000000dEaD")
NOW_MS = 1_700_000_000_000
BLOCK = BlockRef(
    number=1_000,
    hash="0x" + "aa" * 32,
    parent_hash="0x" + "bb" * 32,
    timestamp_s=NOW_MS // MS_PER_S,
    base_fee_wei=10**9,
)


def an_intent(number: int = 0, *, account: Address = ACCOUNT, book: str = "eth") -> Intent:
    """Return an intent; another *number* is another intent."""
    return Intent(
        id=f"{number:032x}",
        book=book,
        account=account,
        units=-1.5,
        reduce_only=False,
        worst_price=1_980.0,
        deadline_s=BLOCK.timestamp_s + 600,
        native_price=2_000.0,
        block=BLOCK,
    )


def an_attempt(intent: Intent, nonce: int, *, bump: int = 0) -> Attempt:
    """Return signed bytes for *intent*; another *bump* is another transaction."""
    return Attempt(
        intent_id=intent.id,
        hash=f"0x{intent.id}{nonce:016x}{bump:016x}",
        raw=bytes([2, bump]) + intent.id.encode(),
        nonce=nonce,
        # Beyond 64 bits: a store that rounds fees would sign other bytes than it remembers.
        fees=Fees(max_fee_wei=2**70 + bump, tip_wei=10**9 + bump),
        signed_at_ms=NOW_MS + bump,
    )


def an_outcome(
    intent: Intent, status: Status = "done", *, gas_usd: float = 1.25, gas_used: int = 400_000
) -> Outcome:
    """Return how *intent* ended."""
    fill = Fill(units=intent.units, price=1_999.5, fee_usd=0.5, realized_pnl_usd=-0.25)
    return Outcome(
        intent_id=intent.id,
        status=status,
        reason="filled" if status == "done" else "it reverted on inclusion",
        fill=fill if status == "done" else None,
        gas_used=gas_used,
        gas_usd=gas_usd,
    )


def a_reasoning(*, variance: float | None = 0.64, gas: GasState | None = None) -> Reasoning:
    """Return the reasoning of a decision; without *variance*, one that estimated none."""
    return Reasoning(
        book="eth",
        block=BLOCK,
        exposure=Exposure(10.0, -0.01, 0.0, 0.0, 20_000.0, 2_000.0),
        hedge=-9.5,
        hedge_ratio=1.0,
        net=0.5,
        band=Band(0.4, 0.1),
        costs=Costs(400_000, 2 * 10**9, 1.6, 0.001, 0.0001),
        risk_aversion=1e-5,
        sigma=0.8,
        volatility=None if variance is None else VolState(variance, 2_000.0, BLOCK.timestamp_s),
        gas=gas,
        risk_now_usd_per_year=3.2,
        trade_cost_usd=2.6,
        trade_benefit_usd=4.0,
        gates=(Gate("band", True, 0.5, 0.4, "base", "at least"),),  # noqa: FBT003  # a row of a table
        would_trade_if="it is outside the band: only a gate can hold it back",
    )


def a_hold(number: int = 0, *, book: str = "eth", why: Reasoning | None = None) -> Decided:
    """Return a decision to do nothing; *number* tells it from others."""
    return Decided(book, Hold(f"inside the band {number}", why), NOW_MS + number, ("block",))


def a_rebalance(*, book: str = "eth") -> Decided:
    """Return a decision to trade."""
    decision = Rebalance(
        units=-1.5, reduce_only=False, worst_price=1_980.0, why=a_reasoning(variance=0.5)
    )
    return Decided(book, decision, NOW_MS, ("block",))


def a_life(intent: Intent, nonce: int, *, at_ms: int = NOW_MS) -> tuple[Event, ...]:
    """Return every event of an intent that was signed once and filled."""
    attempt = replace(an_attempt(intent, nonce), signed_at_ms=at_ms)
    return (
        Intended(intent, at_ms=at_ms),
        Signed(attempt),
        Sent(intent.id, attempt.hash, attempt.hash, at_ms=at_ms),
        Settled(an_outcome(intent), at_ms=at_ms),
    )
