from hashlib import sha256

import pytest

from keeper.adapters.event_log import ENCODER, Tip, decode, genesis, record
from keeper.model.errors import BadData, Fatal
from keeper.model.events import Halted, Intended, Settled, Signed
from keeper.testing.conformance.journal_events import NOW_MS, an_attempt, an_intent, an_outcome


def text(event: object) -> str:
    return ENCODER.encode(event).decode()


def test_each_event_is_hashed_with_the_one_before() -> None:
    begun = genesis(1, 2)
    assert begun == Tip(0, sha256(b"keeper journal 1 2").digest())
    after = begun.follow(b"a").follow(b"b")
    assert after.seq == 2
    assert after.hash == sha256(sha256(begun.hash + b"a").digest() + b"b").digest()


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
