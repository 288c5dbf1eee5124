"""A journal in memory with the rules of the real one, for simulations and tests."""

from keeper.adapters.event_log import newest_code_hash, open_of
from keeper.model.chain import Address
from keeper.model.errors import Fatal, Stopped
from keeper.model.events import (
    Adopted,
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
    Unseen,
)
from keeper.model.flow import Attempt, Command, Intent, Outcome
from keeper.model.units import DAY_S, HOUR_S
from keeper.ports.acting import History, Open, Request

REVERTED = frozenset({"failed", "out_of_gas"})


class MemoryJournal:
    """Keeps every event in a list; what is open is worked out from it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._requests: list[Request] = []
        self._served: set[int] = set()

    def append(self, *events: Event) -> None:
        """Append all of *events*, or none if one would make a double possible."""
        kept = len(self.events)
        try:
            for event in events:
                self._refuse_a_double(event)
                self.events.append(event)
        except Fatal:
            del self.events[kept:]
            raise

    def make_ready(self) -> None:
        """There is nothing to prepare."""

    def knows(self, intent_id: str) -> bool:
        return any(intent.id == intent_id for intent in self.intents())

    def open(self) -> tuple[Open, ...]:
        closed = {outcome.intent_id for outcome in self.outcomes()}
        return tuple(self._opened(i) for i in self.intents() if i.id not in closed)

    def _opened(self, intent: Intent) -> Open:
        told = (e for e in self.events if isinstance(e, Sent | Unseen | Placed | Progressed))
        return open_of(
            intent,
            tuple(attempt for attempt in self.attempts() if attempt.intent_id == intent.id),
            [event for event in told if event.intent_id == intent.id],
        )

    def next_nonce(self, account: Address) -> int | None:
        mine = {intent.id for intent in self.intents() if intent.account == account}
        bound = [attempt.nonce + 1 for attempt in self.attempts() if attempt.intent_id in mine]
        adopted = [e.nonce for e in self.events if isinstance(e, Adopted) and e.account == account]
        return max(bound + adopted, default=None)

    def history(self, book: str, now_ms: int) -> History:
        mine = {intent.id for intent in self.intents() if intent.book == book}
        trades = mine & {intent.id for intent in self.intents() if intent.withdraws is None}
        signed = [a.signed_at_ms for a in self.attempts() if a.intent_id in mine]
        settled = [e for e in self.events if isinstance(e, Settled) and e.outcome.intent_id in mine]
        gas = [
            e.outcome.gas_used
            for e in settled
            if e.outcome.status == "done" and e.outcome.intent_id in trades
        ]
        since_ms = now_ms - DAY_S * 1_000
        within_day = [e.outcome for e in settled if e.at_ms >= since_ms]
        reasons = [
            e.decision.why
            for e in self.events
            if isinstance(e, Decided) and e.book == book and e.decision.why is not None
        ]
        states = [why.volatility for why in reasons if why.volatility is not None]
        levels = [why.gas for why in reasons if why.gas is not None]
        return History(
            last_trade_at_ms=max(signed, default=None),
            gas_usd_24h=sum(outcome.gas_usd for outcome in within_day),
            last_gas_used=gas[-1] if gas else None,
            volatility=states[-1] if states else None,
            gas=levels[-1] if levels else None,
            reverts_1h=self._reverts(trades, since_ms=now_ms - HOUR_S * 1_000),
            ran_out_of_gas=any(
                outcome.status == "out_of_gas" and outcome.intent_id in trades
                for outcome in within_day
            ),
        )

    def _reverts(self, intents: set[str], *, since_ms: int) -> int:
        turns = [at for at, e in enumerate(self.events) if isinstance(e, Halted | Resumed)]
        return sum(
            isinstance(e, Settled)
            and e.outcome.intent_id in intents
            and e.outcome.status in REVERTED
            and e.outcome.gas_used > 0
            and e.at_ms >= since_ms
            for e in self.events[max(turns, default=0) :]
        )

    def code_hash(self, address: Address) -> str | None:
        return newest_code_hash(reversed(self.events), address)

    def halted(self) -> str | None:
        turns = [e for e in self.events if isinstance(e, Halted | Resumed)]
        return turns[-1].reason if turns and isinstance(turns[-1], Halted) else None

    def requests(self) -> tuple[Request, ...]:
        return tuple(r for r in self._requests if r.id not in self._served)

    def serve(self, request_id: int) -> None:
        self._served.add(request_id)

    def ask(self, command: Command) -> None:
        """Put a person's request into the journal, as another process would."""
        self._requests.append(Request(len(self._requests), command))

    def intents(self) -> list[Intent]:
        """Return every intent, oldest first."""
        return [e.intent for e in self.events if isinstance(e, Intended)]

    def attempts(self) -> list[Attempt]:
        """Return every attempt, oldest first."""
        return [e.attempt for e in self.events if isinstance(e, Signed)]

    def outcomes(self) -> list[Outcome]:
        """Return every outcome, oldest first."""
        return [e.outcome for e in self.events if isinstance(e, Settled)]

    def _refuse_a_double(self, event: Event) -> None:
        match event:
            case Intended(intent=intent):
                if self.knows(intent.id):
                    raise Fatal("an intent is written down once", intent=intent.id)
                if any(_are_alike(o.intent, intent) for o in self.open()):
                    raise Fatal("an intent of this account is still open", intent=intent.id)
            case Placed():
                self._refuse_a_second_order(event)
            case Signed(attempt=attempt):
                self._refuse_bytes(attempt)
            case _:
                pass

    def _refuse_a_second_order(self, event: Placed) -> None:
        for other in self.events:
            if isinstance(other, Placed) and (
                other.intent_id == event.intent_id or other.order == event.order
            ):
                raise Fatal("an intent leaves one order, once", order=event.order)

    def _refuse_bytes(self, attempt: Attempt) -> None:
        if (halted := self.halted()) is not None:
            raise Stopped("trading is halted: nothing is signed", reason=halted)
        for other in self.attempts():
            if other.nonce == attempt.nonce and other.intent_id != attempt.intent_id:
                raise Fatal("a nonce belongs to one intent for ever", nonce=attempt.nonce)


def _are_alike(one: Intent, other: Intent) -> bool:
    """A withdrawal may be open beside the trade whose order it takes back, and nothing else."""
    return one.account == other.account and (one.withdraws is None) == (other.withdraws is None)
