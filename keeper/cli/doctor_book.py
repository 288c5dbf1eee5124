"""What is checked about each book: price, vaults, hedge account, and a rehearsed trade."""

from collections.abc import Iterator

from keeper.cli.doctor_view import Check
from keeper.cli.numbers import duration, percent, plain, signed, usd
from keeper.core import exposure
from keeper.engine.dry_run import Rehearsal, dry_run
from keeper.engine.reader import read_all
from keeper.engine.tick import Book, Desk
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData
from keeper.model.market import Quote
from keeper.model.position import VaultState, VenueState
from keeper.ports.reading import Oracle, Venue


def native_price(desk: Desk, head: BlockRef) -> Check:
    """Check the price of the coin that pays for gas."""
    quote = _quote(desk, desk.native_oracle, head)
    return _price("native price", quote, head, None)


def book(desk: Desk, book: Book, head: BlockRef) -> Iterator[Check]:
    """Check one book's parts, each by itself."""
    name = book.terms.book
    quote = _quote(desk, book.oracle, head)
    yield _price(f"{name} price", quote, head, book.terms.limits.max_price_age_s)
    price = quote.price if isinstance(quote, Quote) else None
    for key, vault in book.vaults.items():
        state = read_all(desk.chain, head, {"": vault.read()})[""]
        yield _vault(f"{name} {key}", state, book, price, head.timestamp_s)
    yield from _venue(f"{name} venue", _state(desk, book.venue, head), book, price)


def rehearsal(desk: Desk) -> Iterator[Check]:
    """Rehearse a trade to the exact target: allowances, margin and gas all have to be right."""
    for rehearsed in dry_run(desk, "rebalance"):
        yield _rehearsed(rehearsed)


def _quote(desk: Desk, oracle: Oracle, head: BlockRef) -> Quote | BadData:
    return read_all(desk.chain, head, {"": oracle.read()})[""]


def _state(desk: Desk, venue: Venue, head: BlockRef) -> VenueState | BadData:
    return read_all(desk.chain, head, {"": venue.read()})[""]


def _price(name: str, quote: Quote | BadData, head: BlockRef, limit_s: int | None) -> Check:
    if isinstance(quote, BadData):
        return Check(name, "fail", str(quote))
    age_s = head.timestamp_s - quote.updated_at_s
    most_s = quote.max_age_s if limit_s is None else min(limit_s, quote.max_age_s)
    found = f"{usd(quote.price)}, {duration(max(age_s, 0))} old, the limit is {duration(most_s)}"
    if age_s > most_s:
        return Check(name, "fail", found, "the feed has stopped, or the limit is too tight for it")
    return Check(name, "ok", found)


def _vault(
    name: str, state: VaultState | BadData, book: Book, price: float | None, now_s: int
) -> Check:
    if isinstance(state, BadData):
        return Check(name, "fail", str(state))
    legs = f"{len(state.legs)} leg" + ("" if len(state.legs) == 1 else "s")
    if price is None:
        return Check(name, "ok", legs)
    try:
        held = exposure.net(state.legs, book.terms.asset, price, now_s)
    except BadData as unusable:
        return Check(name, "fail", str(unusable))
    return Check(
        name, "ok", f"{legs}, delta {signed(held.delta)}, gamma {signed(held.gamma)} per USD"
    )


def _venue(
    name: str, state: VenueState | BadData, book: Book, price: float | None
) -> Iterator[Check]:
    if isinstance(state, BadData):
        yield Check(name, "fail", str(state))
        return
    ratio = "no position" if state.margin_ratio is None else f"margin {percent(state.margin_ratio)}"
    found = f"hedge {signed(state.size_base)}, account {usd(state.account_value_usd)}, {ratio}"
    if state.account_value_usd <= 0:
        yield Check(name, "fail", found, f"deposit collateral for {book.venue.account}")
        return
    yield Check(name, "ok", found)
    if price is not None:
        yield _collateral(name, state, book, price)


def _collateral(name: str, state: VenueState, book: Book, price: float) -> Check:
    largest = book.terms.limits.max_order_base
    margin_usd = largest * price * state.initial_margin_ratio
    found = (
        f"{usd(state.free_collateral_usd)} free; the largest order, {plain(largest)}, "
        f"takes {usd(margin_usd)}"
    )
    if margin_usd > state.free_collateral_usd:
        remedy = f"deposit collateral for {book.venue.account}, or lower max_order"
        return Check(f"{name} margin", "warn", found, remedy)
    return Check(f"{name} margin", "ok", found)


def _rehearsed(rehearsed: Rehearsal) -> Check:
    name = f"{rehearsed.book} rehearsal"
    if rehearsed.refusal is not None:
        return Check(name, "fail", rehearsed.refusal)
    if rehearsed.promised is None:
        reason = getattr(rehearsed.decision, "reason", "nothing to trade")
        readable = rehearsed.decision.why is not None
        return Check(name, "ok" if readable else "fail", f"no trade now: {reason}")
    fill = rehearsed.promised
    return Check(
        name, "ok", f"a rebalance now would fill {signed(fill.units)} at {usd(fill.price)}"
    )
