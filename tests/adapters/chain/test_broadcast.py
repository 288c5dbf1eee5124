"""One transaction to several endpoints at once."""

from threading import Event
from typing import Any

import pytest

from keeper.adapters.chain.broadcast import broadcast
from keeper.adapters.chain.evm import Said
from keeper.model.errors import Refused, Uncertain

TAKEN = Said(taken=True, text="0xhash")
REFUSED = Said(taken=False, text="-32000: nonce too low")
PATIENT_S = 20.0


def saying(said: Any) -> Any:
    def deliver() -> Said:
        if isinstance(said, Exception):
            raise said
        assert isinstance(said, Said)
        return said

    return deliver


def test_the_first_that_takes_it_ends_the_wait_while_another_hangs() -> None:
    hung = Event()

    def hang() -> Said:
        hung.wait(PATIENT_S)
        return REFUSED

    try:
        assert broadcast({"a": hang, "b": saying(TAKEN)}, PATIENT_S) == "0xhash"
        assert not hung.is_set()
    finally:
        hung.set()


def test_a_refusal_does_not_end_the_wait() -> None:
    refused = Event()

    def late() -> Said:
        assert refused.wait(PATIENT_S)
        return TAKEN

    def refuse() -> Said:
        refused.set()
        return REFUSED

    assert broadcast({"a": refuse, "b": late}, PATIENT_S) == "0xhash"


def test_refusals_are_returned_in_words_and_are_no_verdict() -> None:
    said = broadcast({"a": saying(REFUSED), "b": saying(Uncertain("gone"))}, PATIENT_S)
    assert said == "a: -32000: nonce too low"


POOR = Said(taken=False, text="-32000: insufficient funds", refused=True)


def test_only_if_every_one_refuses_beyond_doubt_is_it_refused() -> None:
    with pytest.raises(Refused, match="a: -32000: insufficient funds"):
        broadcast({"a": saying(POOR), "b": saying(POOR)}, PATIENT_S)
    for other in (REFUSED, Uncertain("gone")):
        assert "insufficient" in broadcast({"a": saying(POOR), "b": saying(other)}, PATIENT_S)
    assert broadcast({"a": saying(POOR), "b": saying(TAKEN)}, PATIENT_S) == "0xhash"


def test_silence_of_all_is_uncertain_and_names_each() -> None:
    ways = {"a": saying(Uncertain("gone", reason="reset")), "b": saying(Uncertain("hangs"))}
    with pytest.raises(Uncertain, match="nothing was heard") as caught:
        broadcast(ways, PATIENT_S)
    told = str(caught.value.facts["endpoints"])
    assert sorted(told.split("; ")) == ["a: reset", "b: hangs"]


def test_whoever_hangs_beyond_the_deadline_is_silent() -> None:
    hung = Event()

    def hang() -> Said:
        hung.wait(PATIENT_S)
        return TAKEN

    try:
        with pytest.raises(Uncertain) as caught:
            broadcast({"a": hang}, 0.0)
        assert caught.value.facts["endpoints"] == "a: no answer in time"
    finally:
        hung.set()


def test_nobody_to_send_to_is_uncertain_too() -> None:
    with pytest.raises(Uncertain) as caught:
        broadcast({}, PATIENT_S)
    assert caught.value.facts["endpoints"] == "none is left"
