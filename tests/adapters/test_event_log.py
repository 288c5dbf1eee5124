from hashlib import sha256

import pytest

from keeper.adapters.event_log import (
    ENCODER,
    Tip,
    decode,
    genesis,
    history_of,
    newest_code_hash,
    open_of,
    record,
    totals_of,
)
from keeper.model.errors import BadData, Fatal
from keeper.model.events import (
    CodeSeen,
    Halted,
    Intended,
    Placed,
    Progressed,
    Sent,
    Settled,
    Signed,
    Unseen,
)
from keeper.model.flow import GasState, Progress, Send, VolState
from keeper.model.records import Totals
from keeper.ports.acting import History, Open
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    OTHER_ACCOUNT,
    an_attempt,
    an_intent,
    an_outcome,
)


def text(event: object) -> str:
    return ENCODER.encode(event).decode()


def test_each_event_is_hashed_with_the_one_before() -> None:
    begun = genesis(1, 2)
    assert begun == Tip(0, sha256(b"keeper journal 1 2").digest())
    after = begun.follow(b"a").follow(b"b")
    assert after.seq == 2
    assert after.hash == sha256(sha256(begun.hash + b"a").digest() + b"b").digest()


def test_an_end_of_the_log_does_not_move_under_whoever_remembers_it() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        genesis(1, 2).seq = 7  # type: ignore[misc]


def test_two_chains_begin_differently() -> None:
    assert len({genesis(chain, born).hash for chain in (1, 2) for born in (1, 2)}) == 4


def test_what_was_encoded_is_decoded() -> None:
    event = Signed(an_attempt(an_intent(), 7))
    assert decode(text(event), 1) == event


def test_an_unknown_shape_is_bad_data() -> None:
    with pytest.raises(BadData, match="cannot be read"):
        decode('{"type":"Dreamt"}', 4)


def test_an_intent_is_read_from_its_events() -> None:
    intent, attempt = an_intent(), an_attempt(an_intent(), 3)
    begun, ended = Intended(intent, NOW_MS), Settled(an_outcome(intent), NOW_MS + 5)
    found = record(intent.id, text(begun), [text(Signed(attempt))], text(ended))
    assert (found.intent, found.attempts, found.settled_at_ms) == (intent, (attempt,), NOW_MS + 5)
    assert record(intent.id, text(begun), [], None).outcome is None


def test_an_event_in_the_wrong_place_is_fatal() -> None:
    halted = text(Halted("by hand", NOW_MS))
    with pytest.raises(Fatal, match="another kind"):
        record("id", halted, [], None)
    with pytest.raises(Fatal, match="another kind"):
        record("id", text(Intended(an_intent(), NOW_MS)), [], halted)


def test_an_open_intent_has_all_that_was_said_of_it_and_the_newest_of_its_order() -> None:
    intent, attempt = an_intent(), an_attempt(an_intent(), 3)
    placed = Placed(intent.id, "0x07", 90_000, 2**70, NOW_MS)
    rests = Progressed(intent.id, Progress("open", None), 5, NOW_MS)
    filled = Progressed(intent.id, Progress("filled", an_outcome(intent).fill), 6, NOW_MS)
    said = (
        Sent(intent.id, attempt.hash, "ok", NOW_MS, "refusal", 7),
        Unseen(intent.id, 3, 8, NOW_MS),
        placed,
        rests,
        Unseen(intent.id, 3, 9, NOW_MS),
        filled,
    )
    sends = (Send(attempt.hash, NOW_MS, "refusal", 7),)
    whole = Open(intent, (attempt,), sends, (8, 9), placed, filled)
    assert open_of(intent, (attempt,), said) == whole
    assert open_of(intent, (), ()) == Open(intent, ())


def test_the_code_seen_last_at_an_address_is_the_first_of_it_from_the_end() -> None:
    newest_first = (
        Halted("by hand", NOW_MS),
        CodeSeen(OTHER_ACCOUNT, "0x03", NOW_MS),
        CodeSeen(ACCOUNT, "0x02", NOW_MS),
        CodeSeen(ACCOUNT, "0x01", NOW_MS),
    )
    assert newest_code_hash(newest_first, ACCOUNT) == "0x02"
    assert newest_code_hash(newest_first[:2], ACCOUNT) is None


def test_a_row_of_the_past_is_a_history() -> None:
    volatility = VolState(0.64, 2_000.0, 5)
    gas = GasState(9, 30e9, True, 23.0, 24.0, 12.0, 3.0, 1.0)  # noqa: FBT003  # the state's own order
    row = (NOW_MS, 1.5, 400_000, text(volatility), text(gas), 2, 1)
    assert history_of(row) == History(NOW_MS, 1.5, 400_000, volatility, gas, 2, ran_out_of_gas=True)
    assert history_of((None, 0.0, None, None, None, 0, 0)) == History(None, 0.0, None, None)


def test_sums_tell_what_is_open_from_what_ended() -> None:
    sums = (3, 5, 3.0, 1.0, -0.5, 4.5)
    assert totals_of({"done": 2, "failed": 1, "open": 1}, sums) == Totals(
        intents=4,
        open_intents=1,
        by_status={"done": 2, "failed": 1},
        transactions=3,
        attempts=5,
        gas_usd=3.0,
        fees_usd=1.0,
        realized_pnl_usd=-0.5,
        traded_base=4.5,
    )
    assert totals_of({}, (0, 0, 0.0, 0.0, 0.0, 0.0)) == Totals(0, 0, {}, 0, 0, 0.0, 0.0, 0.0, 0.0)
