"""What chain and journal tell is held together: nothing that was done twice or lost goes unseen."""

from collections import Counter

from benchmarks.effects import doubled_and_lost
from keeper.model.flow import Status
from keeper.model.records import Record
from keeper.testing.conformance.journal_events import NOW_MS, an_attempt, an_intent, an_outcome


def ended(number: int, status: Status | None) -> Record:
    intent = an_intent(number)
    attempts = (an_attempt(intent, number), an_attempt(intent, number, bump=1))
    outcome = None if status is None else an_outcome(intent, status)
    return Record(intent, NOW_MS, attempts, outcome, None)


def effects(*records: Record) -> Counter[str]:
    """Return one effect of the last attempt of each."""
    return Counter(record.attempts[-1].hash for record in records)


DONE, CANCELLED, OPEN = ended(1, "done"), ended(2, "cancelled"), ended(3, None)


def test_what_ended_as_the_chain_shows_is_neither_doubled_nor_lost() -> None:
    assert doubled_and_lost(effects(DONE), [DONE, CANCELLED]) == (0, 0)


def test_a_second_effect_is_one_too_many_whichever_attempt_had_it() -> None:
    both = Counter(attempt.hash for attempt in DONE.attempts)
    assert doubled_and_lost(both, [DONE]) == (1, 0)
    assert doubled_and_lost(effects(DONE, DONE), [DONE]) == (1, 0)


def test_an_effect_that_no_intent_explains_is_one_too_many() -> None:
    assert doubled_and_lost(effects(DONE, OPEN), [DONE]) == (1, 0)


def test_what_ended_otherwise_than_the_chain_shows_is_lost() -> None:
    assert doubled_and_lost(Counter(), [DONE]) == (0, 1)
    assert doubled_and_lost(effects(CANCELLED), [CANCELLED]) == (0, 1)
    assert doubled_and_lost(effects(OPEN), [OPEN]) == (0, 1)
