"""A venue whose orders pass through an `IntentGuard`: a hedge decided on an old view cannot happen.

The journal makes a double impossible for everybody who shares it. The guard does so for everybody
who does not: it counts the hedges of one account on the chain, and an order carries the count that
was read, at the same block, with the position it was decided on. If another hedge came in between,
sent by a second keeper with a journal of its own, or brought back by a reorg, the order reverts.

It wraps any venue that lets its account approve who trades for it, and holds no money itself.
Source: `contracts/IntentGuard.sol`.
"""

from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from keeper.adapters.abi import checksum_address, error, function
from keeper.model.chain import Address, Log, Message, Watch
from keeper.model.errors import BadData, CallReverted, ConfigError, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.ports.reading import OrderVenue, Read, Venue

EXECUTE = function("intent_guard", "execute")
SEQUENCE = function("intent_guard", "sequence")
OWNER = function("intent_guard", "owner")
OVERTAKEN = error("intent_guard", "Overtaken")

MEANINGS: Final = {
    OVERTAKEN.selector: "another hedge of this account came first; the next tick decides afresh",
    error("intent_guard", "NotOwner").selector: "the guard belongs to another key: "
    "check [guard] address",
    error("intent_guard", "NoCode").selector: "there is no contract at the venue's address",
}

OWN_GAS: Final = 60_000
"""The count's storage, the event, and an order in another's name: 37,145 for the first order at
Perp v2 on a local chain, 20,056 for each later one."""


class GuardConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[guard]` in keeper.toml."""

    address: Address

    def __post_init__(self) -> None:
        """Refuse what is not an address."""
        try:
            checksum_address(self.address)
        except ValueError as malformed:
            raise ConfigError(str(malformed), remedy="copy the address again") from malformed


class Guarded:
    """A venue behind a guard; the same in everything that reads."""

    def __init__(self, venue: Venue, guard: Address) -> None:
        """Wrap *venue*, which must have been made for the guard as the account that signs.

        Raises:
            ConfigError: It fills later: nothing here can take such an order back.

        """
        if isinstance(venue, OrderVenue):
            raise ConfigError(
                "a guard cannot stand before a venue that fills later",
                remedy="leave [guard] out, or hedge at another venue",
            )
        self._venue = venue
        self._guard = checksum_address(guard)
        self._asks = SEQUENCE(self._guard)
        self.account = venue.account
        self.typical_gas = venue.typical_gas + OWN_GAS

    def read(self) -> Read[VenueState]:
        """Read the venue, and in its first round how many hedges the guard has seen.

        Raises:
            BadData: As the venue, or the guard does not answer.

        """
        reading = self._venue.read()
        step = partial(next, reading)
        sequence: int | None = None
        while True:
            try:
                calls = step()
            except StopIteration as done:
                state: VenueState = done.value
                break
            try:
                answers = yield (*calls, self._asks) if sequence is None else calls
            except CallReverted as revert:
                step = partial(reading.throw, revert)
                continue
            if sequence is None:
                *rest, (sequence,) = answers
                answers = tuple(rest)
            step = partial(reading.send, answers)
        if sequence is None:
            raise BadData(
                "the guard does not answer",
                guard=self._guard,
                remedy="check [guard] address in keeper.toml, and the chain",
            )
        return replace(state, sequence=sequence)

    def watch(self) -> tuple[Watch, ...]:
        return self._venue.watch()

    def prepare(self, intent: Intent) -> Message:
        """Return the venue's order, carried by the guard.

        Raises:
            Rejected: As the venue; or the intent does not know how many hedges there were.

        """
        if intent.sequence is None:
            raise Rejected(
                "an order through a guard needs the number of hedges before it",
                intent=intent.id,
                remedy="it was decided before [guard] was configured: the next tick decides afresh",
            )
        order = self._venue.prepare(intent)
        return Message(
            to=self._guard,
            data=EXECUTE.encode_call(
                intent.sequence, bytes.fromhex(intent.id).rjust(32, b"\0"), order.to, order.data
            ),
            value_wei=0,
            # A contract hands on at most 63/64 of its gas.
            gas_limit=-(-order.gas_limit * 64 // 63) + OWN_GAS,
        )

    def preview(self, intent: Intent, returned: bytes) -> Fill:
        return self._venue.preview(intent, returned)

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        return self._venue.fill(logs)

    def explain(self, revert: bytes) -> str:
        return MEANINGS.get(revert[:4]) or self._venue.explain(revert)
