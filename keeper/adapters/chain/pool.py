"""Several nodes as one `Chain`, `Network` and `Witness`: one decision, one block, one endpoint.

`head` chooses the endpoint and pins the block; whatever is read until the next `head` comes from
there. If it fails on the way, the decision fails with it and the next one is read elsewhere: values
of two endpoints are never mixed. The decisions themselves (who is healthy, what a reorg is, who
agrees) are pure and stand in `endpoint_health`, `chain_view` and `quorum`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Final, TypeVar

from msgspec import Struct

from keeper.adapters.chain import chain_view, endpoint_health, endpoint_report, quorum
from keeper.adapters.chain.anchor import Anchor, agreed, anchor_height, is_due
from keeper.adapters.chain.broadcast import broadcast
from keeper.adapters.chain.chain_view import ChainView, NonceSeen
from keeper.adapters.chain.endpoint_health import HealthPolicy
from keeper.adapters.chain.endpoint_report import EndpointReport
from keeper.adapters.chain.evm import Evm
from keeper.adapters.chain.member import Clock, Member
from keeper.adapters.chain.metered import Tally, merged
from keeper.adapters.chain.outlets import Outlets
from keeper.adapters.chain.read_ahead import Named, caught_up
from keeper.model.chain import Address, Answer, BlockRef, Call, Fees, Message
from keeper.model.errors import (
    BadData,
    CallReverted,
    ConfigError,
    KeeperError,
    Rejected,
    Transient,
)
from keeper.model.flow import Mined
from keeper.ports.acting import Rehearsal, Standing, Work, nothing

T = TypeVar("T")

_Answers = tuple[Answer | CallReverted, ...]
_HEAD_COUNTS_FOR_LOOKS: Final = 3
"""So many looks later the head of an endpoint that has shown no other puts nobody behind."""


class PoolConfig(Struct, frozen=True):
    """How several endpoints are used."""

    quorum: int = 1
    """How many must agree before risk is added; 1 asks nobody else."""
    look_every_s: float = 12.0
    """Between two looks at the head of each endpoint."""
    deadline_s: float = 5.0
    """For a transaction, at each endpoint."""
    public_after_s: float = 30.0
    """Until then a transaction is at the private endpoints alone, if there are any."""
    health: HealthPolicy = HealthPolicy()


class Pool:
    """For one thread, but for `report`, `start` and `close`."""

    def __init__(
        self,
        members: Sequence[Member],
        config: PoolConfig,
        *,
        private: Sequence[Member] = (),
        now_s: Clock = monotonic,
    ) -> None:
        """Take *members* in the owner's order; *private* ones are sent to and never read."""
        self._members = tuple(members)
        self._private = tuple(private)
        self._config = config
        self._now_s = now_s
        self._anchor: Anchor | None = None
        self._view = ChainView()
        self._serving: Member | None = None
        self._served_last: Member | None = None
        self._pin: BlockRef | None = None
        self._named: Named | None = None
        self._heard: list[tuple[tuple[Call, ...], _Answers]] = []
        self._nonces: dict[Address, NonceSeen] = {}
        self._outlets = Outlets(config.public_after_s)
        self._closing = Event()

    def connect(self) -> None:
        """Examine every endpoint: its chain, its history, its head.

        Raises:
            ConfigError: All serve another chain, or they have different histories of it
                and no majority tells which is right.
            Transient: None answered.

        """
        with ThreadPoolExecutor(len(self._members)) as crew:
            troubles = [*crew.map(self._examine, self._members)]
        self._agree_on_the_past()
        wrong = [trouble for trouble in troubles if isinstance(trouble, ConfigError)]
        if len(wrong) == len(troubles):
            raise wrong[0]
        if None not in troubles:
            raise self._nobody()

    def start(self) -> None:
        """Look at the head of every endpoint from now on, each in its own thread."""
        for member in self._members:
            Thread(target=self._patrol, args=(member,), name="keeper-endpoint", daemon=True).start()

    def close(self) -> None:
        """Stop looking, drop all connections."""
        self._closing.set()
        for member in (*self._members, *self._private):
            member.close()

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Return the newest block of the best endpoint, and read from there until the next time.

        Our head never goes down, unless the one we know is shown not to be on the chain any more.

        Raises:
            ConfigError: See `connect`.
            Transient: No endpoint can be used now.

        """
        named, self._named = self._named, None
        return caught_up(lambda: self._look(meanwhile)[1], named)

    def foresee(self, named: Named) -> None:
        """Hear of a block that is most likely the next head; from any thread."""
        self._named = named
        for member in self._members:
            member.foresee(named)

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """See `Chain.answer`."""
        answers = self._ask(_answering(calls, at))
        if self._config.quorum > 1:
            self._heard.append((calls, answers))
        return answers

    def confirm(self, at: BlockRef) -> None:
        """See `Witness.confirm`: everything that was read at *at* is read again elsewhere."""
        if self._config.quorum <= 1:
            return
        serving = self._serving
        if serving is None or self._pin != at:
            raise BadData("nothing was read at this block that could be confirmed", at=at.number)
        own = (_header(at), *(answer for _, answers in self._heard for answer in answers))
        others: dict[str, quorum.Heard] = {}
        needed = self._config.quorum
        for member in self._ranked():
            if member is not serving and (again := self._read_again(member, at)) is not None:
                others[member.name] = again
                if quorum.weigh(serving.name, own, others, needed).result == "confirmed":
                    return
        verdict = quorum.weigh(serving.name, own, others, needed)
        if not verdict.differ:  # as in the moment after a block, which reaches one before another
            raise Transient(
                "too few endpoints know this block to confirm what was read",
                needed=needed,
                agree=", ".join(verdict.agree),
                block=at.number,
            )
        if verdict.result == "refuted":
            self._distrust(serving, at)
        raise BadData(
            "the endpoints do not confirm what was read: nothing is risked on it",
            needed=needed,
            agree=", ".join(verdict.agree),
            differ=", ".join(verdict.differ),
            block=at.number,
        )

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        """See `Network.nonce`; read at the block that `head` returned last.

        A lower one than seen before is believed only after a reorg of the block it was seen at.
        """
        at = self._pin or self.head()
        if depth > 0:
            return self._ask(lambda evm: evm.nonce_below(account, at, depth))
        found = self._ask(lambda evm: evm.nonce_at(account, at))
        seen = self._nonces.get(account)
        if seen is not None and found < seen.nonce and not self._is_undone(seen.at):
            return seen.nonce
        self._nonces[account] = NonceSeen(found, at)
        return found

    def standing(self, account: Address, target: Address, at: BlockRef) -> Standing:
        """See `Network.standing`."""
        return self._ask(lambda evm: evm.standing(account, target, at))

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        """See `Network.simulate`."""
        return self._ask(lambda evm: evm.simulate(sender, message, fees, at))

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        """See `Network.rehearse`."""
        return self._ask(lambda evm: evm.rehearse(sender, message, fees, at, meanwhile))

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        """See `Network.mined`."""
        return self._ask(lambda evm: evm.mined(hashes, head))

    def send(self, raw: bytes) -> str:
        """See `Network.send`: to all endpoints at once, banned ones left out."""
        now_s, deadline_s = self._now_s(), self._config.deadline_s
        public = self._outlets.is_public(raw, now_s) if self._private else True
        ways = {
            member.name: partial(member.deliver, raw, deadline_s)
            for member in (*self._private, *(self._members if public else ()))
            if not endpoint_health.is_banned(member.health, now_s)
        }
        return broadcast(ways, deadline_s)

    def recent_tip_wei(self) -> int:
        """See `Evm.recent_tip_wei`."""
        return self._ask(Evm.recent_tip_wei)

    def code_at(self, address: Address) -> bytes:
        """See `Evm.code_at`."""
        return self._ask(lambda evm: evm.code_at(address))

    def balance_wei(self, address: Address) -> int:
        """See `Evm.balance_wei`."""
        return self._ask(lambda evm: evm.balance_wei(address))

    def client_version(self) -> str:
        """Return what the serving endpoint calls itself."""
        return self._ask(Evm.client_version)

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """What each method has cost so far, over all connections."""
        return merged(
            transport.tallies
            for member in (*self._members, *self._private)
            for transport in member.transports
        )

    def report(self) -> tuple[EndpointReport, ...]:
        """Return what is known of every endpoint that is read; from any thread."""
        known = {member.name: member.health for member in self._members}
        serving = member.name if (member := self._serving) else None  # read once: it may go
        return endpoint_report.report(known, serving, self._now_s(), self._config.health)

    def _ranked(self) -> list[Member]:
        everybody = [member.health for member in self._members]
        last = next((n for n, m in enumerate(self._members) if m is self._served_last), None)
        places = endpoint_health.ranked(everybody, self._now_s(), self._config.health, last)
        return [self._members[place] for place in places]

    def _ask(self, question: Callable[[Evm], T]) -> T:
        try:
            return self._reader().ask(question)
        except (CallReverted, Rejected):
            raise
        except (BadData, Transient):
            self._serving = None  # the next decision is read elsewhere
            raise

    def _reader(self) -> Member:
        if self._serving is None and self._pin is not None:
            raise Transient(
                "the endpoint that this decision reads from has failed",
                remedy="the next one reads from another",
            )
        return self._serving or self._look()[0]

    def _look(self, meanwhile: Work = nothing) -> tuple[Member, BlockRef]:
        self._serving, self._pin = None, None
        self._heard.clear()
        known = self._view.head
        if self._anchor is None or (known is not None and is_due(self._anchor, known.number)):
            self._agree_on_the_past()
        for member in self._ranked():
            try:
                block = member.newest(meanwhile)
            except (BadData, Transient):  # noted in its health
                continue
            is_behind = self._observe(member, block.number)
            verdict = chain_view.judge(self._view, block)
            if verdict != "lags" and not is_behind:
                self._view = chain_view.advanced(self._view, block, verdict)
                self._serving = self._served_last = member
                self._pin = block
                return member, block
        raise self._nobody()

    def _is_undone(self, block: BlockRef) -> bool:
        found = self._ask(lambda evm: evm.hash_at(block.number))
        return found is not None and found != block.hash

    def _read_again(self, member: Member, at: BlockRef) -> quorum.Heard | None:
        """Return what *member* says to everything read at *at*; None if it cannot say."""
        try:
            block = member.ask(lambda evm: evm.block(at.number))
            if block is None:  # it is a block behind
                return None
            again: list[Answer | CallReverted] = [_header(block)]
            if block.hash == at.hash:
                for calls, _ in self._heard:
                    again += member.ask(_answering(calls, at))
        except (BadData, Transient):  # noted in its health
            return None
        return again

    def _distrust(self, member: Member, at: BlockRef) -> None:
        reason = f"what it said about block {at.number} is not what the others say"
        until_s = self._now_s() + self._config.health.denied_rest_s
        member.note(lambda health: endpoint_health.banned(health, reason, until_s))
        self._serving = None

    def _agree_on_the_past(self) -> None:
        """Choose the block that every endpoint must know from now on.

        It stays while those that may be read now disagree on its successor.
        """
        heads, anchor = self._heads_of_voters(), self._anchor
        if not heads or (anchor is not None and not is_due(anchor, min(heads.values()))):
            return
        number = anchor_height(min(heads.values()))
        votes = {member.name: found for member in heads if (found := _hash_at(member, number))}
        if not votes:
            return
        try:
            self._anchor = agreed(number, votes)
        except ConfigError:
            if anchor is None:
                raise
            return
        for member in self._members:
            member.expect(self._anchor)
            if votes.get(member.name, self._anchor.hash) != self._anchor.hash:
                member.note(endpoint_health.outvoted)

    def _heads_of_voters(self) -> dict[Member, int]:
        voters = self._members if self._anchor is None else self._ranked()
        now_s = self._now_s()
        sound = (m for m in voters if not endpoint_health.is_banned(m.health, now_s))
        return {member: head for member in sound if (head := member.health.head) is not None}

    def _nobody(self) -> Transient:
        now_s = self._now_s()
        told = endpoint_report.reasons({m.name: m.health for m in self._members}, now_s)
        return Transient(
            "no endpoint can be used now",
            remedy="`keeper doctor` shows each of them",
            reason="; ".join(f"{name}: {why}" for name, why in told.items()),
        )

    def _patrol(self, member: Member) -> None:
        while not self._closing.wait(self._config.look_every_s):
            self.look_at(member)
        member.hang_up()  # it may have dialled again while the pool was closed

    def look_at(self, member: Member) -> None:
        """Note the head of one endpoint; what its thread does now and then."""
        number = member.probe()
        if number is not None:
            self._observe(member, number)

    def _observe(self, member: Member, number: int) -> bool:
        """Note a head; return whether it is too far behind those of the others."""
        healths = (other.health for other in self._members if other is not member)
        now_s, config = self._now_s(), self._config
        longest_s = _HEAD_COUNTS_FOR_LOOKS * config.look_every_s + config.deadline_s
        highest = endpoint_health.highest_head(healths, now_s, longest_s)
        member.note(lambda health: endpoint_health.after_head(health, number, highest, now_s))
        return highest - number > self._config.health.max_lag_blocks

    def _examine(self, member: Member) -> KeeperError | None:
        try:
            member.ask(Evm.check_chain)
            self._observe(member, member.newest().number)
        except (BadData, ConfigError, Transient) as trouble:  # noted in its health
            return trouble
        return None


def _hash_at(member: Member, number: int) -> str | None:
    try:
        return member.ask(lambda evm: evm.hash_at(number))
    except (BadData, Transient):  # noted in its health; it has no vote
        return None


def _answering(calls: tuple[Call, ...], at: BlockRef) -> Callable[[Evm], _Answers]:
    return lambda evm: evm.answer(calls, at)


def _header(block: BlockRef) -> Answer:
    return ("block", block.hash, block.parent_hash, block.timestamp_s, block.base_fee_wei)
