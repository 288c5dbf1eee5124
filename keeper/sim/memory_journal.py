"""A journal in memory with the rules of the real one, for simulations and tests."""

from keeper.model.chain import Address
from keeper.model.errors import Fatal
from keeper.model.events import Adopted, Decided, Event, Halted, Intended, Resumed, Settled, Signed
from keeper.model.flow import Command, Intent, Outcome
from keeper.model.units import DAY_S
from keeper.ports.acting import History, Open, Request


class MemoryJournal:
    """Keeps every event in a list; what is open is worked out from it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._requests: list[Request] = []
        self._served: set[int] = set()

    def append(self, *events: Event) -> None:
        """Append all of *events*, or none if one would make a double possible."""
        for event in events:
            self._refuse_a_double(event)
        self.events.extend(events)

    def knows(self, intent_id: str) -> bool:
        return any(intent.id == intent_id for intent in self.intents())

    def open(self) -> tuple[Open, ...]:
        closed = {outcome.intent_id for outcome in self.outcomes()}
        attempts = [e.attempt for e in self.events if isinstance(e, Signed)]
        return tuple(
            Open(intent, tuple(a for a in attempts if a.intent_id == intent.id))
            for intent in self.intents()
            if intent.id not in closed
        )

    def next_nonce(self, account: Address) -> int | None:
        mine = {intent.id for intent in self.intents() if intent.account == account}
        bound = [
            e.attempt.nonce + 1
            for e in self.events
            if isinstance(e, Signed) and e.attempt.intent_id in mine
        ]
        adopted = [e.nonce for e in self.events if isinstance(e, Adopted) and e.account == account]
        return max(bound + adopted, default=None)

    def history(self, book: str, now_ms: int) -> History:
        mine = {intent.id for intent in self.intents() if intent.book == book}
        signed = [
            e.attempt.signed_at_ms
            for e in self.events
            if isinstance(e, Signed) and e.attempt.intent_id in mine
        ]
        settled = [e for e in self.events if isinstance(e, Settled) and e.outcome.intent_id in mine]
        gas = [e.outcome.gas_used for e in settled if e.outcome.status == "done"]
        since_ms = now_ms - DAY_S * 1_000
        reasons = [
            e.decision.why
            for e in self.events
            if isinstance(e, Decided) and e.book == book and e.decision.why is not None
        ]
        states = [why.volatility for why in reasons if why.volatility is not None]
        levels = [why.gas for why in reasons if why.gas is not None]
        return History(
            last_trade_at_ms=max(signed, default=None),
            gas_usd_24h=sum(e.outcome.gas_usd for e in settled if e.at_ms >= since_ms),
            last_gas_used=gas[-1] if gas else None,
            volatility=states[-1] if states else None,
            gas=levels[-1] if levels else None,
        )

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

    def outcomes(self) -> list[Outcome]:
        """Return every outcome, oldest first."""
        return [e.outcome for e in self.events if isinstance(e, Settled)]

    def _refuse_a_double(self, event: Event) -> None:
        match event:
            case Intended(intent=intent):
                if self.knows(intent.id):
                    raise Fatal("an intent is written down once", intent=intent.id)
                if any(o.intent.account == intent.account for o in self.open()):
                    raise Fatal("an intent of this account is still open", intent=intent.id)
            case Signed(attempt=attempt):
                for other in (e.attempt for e in self.events if isinstance(e, Signed)):
                    if other.nonce == attempt.nonce and other.intent_id != attempt.intent_id:
                        raise Fatal("a nonce belongs to one intent for ever", nonce=attempt.nonce)
            case _:
                pass
