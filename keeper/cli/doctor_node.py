"""What is checked about the node, the chain and the account that pays for gas."""

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any, Final

from keeper.adapters.abi import checksum_address, function
from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.clock import SystemClock
from keeper.adapters.guarded import OWNER, SEQUENCE
from keeper.bootstrap import Node
from keeper.cli.doctor_view import Check
from keeper.cli.numbers import duration, plain
from keeper.config import Config
from keeper.core import fees
from keeper.engine.tick import Desk
from keeper.model.chain import Address, BlockRef
from keeper.model.errors import CallReverted, ConfigError, Transient
from keeper.model.units import GWEI, MS_PER_S, wei_to_ether

DECIMALS = function("erc20", "decimals")

AHEAD_S: Final = 5.0
"""A block may be stamped a little ahead of our clock; more means that one of the two is wrong."""
FEW_HEDGES: Final = 5
SOME_HEDGES: Final = 50
_ADDRESS_LENGTH: Final = 42
_PEOPLE: Final = frozenset({"holder", "owner", "trader"})
"""Keys whose address may be a person's: no code is expected there."""


def node(node: Node, config: Config) -> tuple[list[Check], bool]:
    """Check that the node answers and serves the configured chain."""
    several = f"one of {len(config.chain.rpc)} endpoints"
    name = several if node.pool else str(Endpoint(config.chain.rpc[0].reveal()))
    began = perf_counter()
    try:
        node.evm.connect()
    except Transient as silence:
        reason = silence.facts.get("reason", silence.message)
        remedy = "check [chain] rpc, the node and the network"
        return [Check("rpc", "fail", f"{name} does not answer: {reason}", remedy)], False
    except ConfigError as other:
        found = f"the node serves {other.facts.get('found')}, keeper.toml says {config.chain_id}"
        return [Check("chain id", "fail", found, other.remedy)], False
    spent_ms = (perf_counter() - began) * MS_PER_S
    told = f"{name} answers in {spent_ms:.1f} ms: {node.evm.client_version()}"
    return [Check("rpc", "ok", told), Check("chain id", "ok", str(config.chain_id))], True


def clock(head: BlockRef, config: Config) -> Check:
    """Check the newest block's age: a stalled chain and a wrong clock look alike."""
    age_s = SystemClock().now_ms() / MS_PER_S - head.timestamp_s
    block = f"block {head.number:,} is"
    if age_s < -AHEAD_S:
        return Check(
            "clock", "warn", f"{block} stamped {duration(-age_s)} ahead of this machine's clock",
            "set the clock by NTP; on a devnet it is harmless",
        )  # fmt: skip
    limit_s = min(book.limits.max_block_age_s for book in config.books)
    if age_s > limit_s:
        found = f"{block} {duration(age_s)} old, the limit is {duration(limit_s)}"
        return Check("clock", "fail", found, "is the node in sync? is this machine's clock right?")
    return Check("clock", "ok", f"{block} {duration(max(age_s, 0))} old")


def code(node: Node, config: Config) -> Iterator[Check]:
    """Check that there is a contract at each address of keeper.toml."""
    for place, address in addresses(config).items():
        size = len(node.evm.code_at(address))
        if size:
            yield Check(place, "ok", f"{size:,} bytes of code at {address}")
        else:
            remedy = f"correct {place} in keeper.toml: wrong address, or wrong chain"
            yield Check(place, "fail", f"no code at {address}", remedy)


def addresses(config: Config) -> dict[str, Address]:
    """Return every contract that keeper.toml names, by where it stands."""
    found = {"chain.multicall": config.chain.multicall}
    found |= _in_table("native_price", config.native_price.entries)
    for book in config.books:
        found[f"{book.name}.asset"] = book.asset
        found |= _in_table(f"{book.name}.oracle", book.oracle.entries)
        found |= _in_table(f"{book.name}.venue", book.venue.entries)
        for name, table in book.named_vaults.items():
            found |= _in_table(f"{book.name}.{name}", table.entries)
    return found


def _in_table(place: str, entries: Mapping[str, Any]) -> dict[str, Address]:
    return {
        f"{place}.{key}": Address(value)
        for key, value in entries.items()
        if isinstance(value, str)
        and value.startswith("0x")
        and len(value) == _ADDRESS_LENGTH
        and key not in _PEOPLE
    }


def decimals(node: Node, config: Config, head: BlockRef) -> Iterator[Check]:
    """Check that each asset is a token that says its decimals."""
    for book in config.books:
        (answer,) = node.evm.answer((DECIMALS(book.asset),), head)
        name = f"{book.name} decimals"
        if isinstance(answer, CallReverted):
            yield Check(name, "fail", f"{book.asset} is no ERC-20 token", "correct books.asset")
        else:
            yield Check(name, "ok", f"{book.symbol} has {answer[0]}")


def gas(node: Node, desk: Desk, head: BlockRef, config: Config) -> Iterator[Check]:
    """Check how many hedges the account can pay for, and the fee of today."""
    account, tip_wei = desk.hands.signer.address, config.transactions.tip_wei
    price_wei = fees.expected_price_wei(base_fee_wei=head.base_fee_wei, tip_wei=tip_wei)
    balance_wei = node.evm.balance_wei(account)
    cost_wei = price_wei * max(book.venue.typical_gas for book in desk.books)
    hedges = balance_wei // cost_wei
    found = f"{plain(wei_to_ether(balance_wei))} coins pay for {hedges:,} hedges"
    remedy = f"send coins to {account}"
    if hedges < FEW_HEDGES:
        yield Check("gas runway", "fail", found, remedy)
    elif hedges < SOME_HEDGES:
        yield Check("gas runway", "warn", found, remedy)
    else:
        yield Check("gas runway", "ok", found)
    cap_wei = min(book.limits.max_gas_price_wei for book in config.books)
    told = f"{plain(price_wei / GWEI)} gwei, the limit is {plain(cap_wei / GWEI)} gwei"
    if price_wei > cap_wei:
        yield Check("gas price", "warn", told, "it waits until gas is cheaper, or raise the limit")
    else:
        yield Check("gas price", "ok", told)


def guard(node: Node, desk: Desk, head: BlockRef, config: Config) -> Iterator[Check]:
    """Check that the configured guard is there and obeys the signer; nothing without one."""
    if config.guard is None:
        return
    at, account = config.guard.address, desk.hands.signer.address
    owner, count = node.evm.answer((OWNER(at), SEQUENCE(at)), head)
    if isinstance(owner, CallReverted) or isinstance(count, CallReverted):
        yield Check("guard", "fail", f"{at} is no IntentGuard", "correct [guard] address")
    elif checksum_address(owner[0]) != account:
        found = f"it obeys {owner[0]}, and the signer is {account}"
        yield Check("guard", "fail", found, "deploy one for this signer")
    else:
        yield Check("guard", "ok", f"{count[0]:,} hedges so far")


VOUCH: Final = "if you know what sent them, the next start needs --adopt; docs/runbook.md"


def nonce(node: Node, desk: Desk) -> Check:
    """Check that chain and journal agree on what the account has done."""
    account = desk.hands.signer.address
    on_chain, journalled = node.evm.nonce(account), desk.hands.log.journal.next_nonce(account)
    if journalled is None:
        found = f"{on_chain} on the chain, none in the journal yet"
        return Check("nonce", "warn", found, VOUCH) if on_chain else Check("nonce", "ok", found)
    if on_chain > journalled and not desk.hands.log.journal.open():
        found = f"{on_chain} on the chain, {journalled} in the journal: the key was used by hand"
        return Check("nonce", "warn", found, VOUCH)
    if on_chain < journalled and not desk.hands.log.journal.open():
        found = f"{on_chain} on the chain, {journalled} in the journal: another chain's journal?"
        return Check("nonce", "fail", found, "check [chain] rpc and [journal] path")
    return Check("nonce", "ok", f"{on_chain} on the chain, {journalled} in the journal")
