"""One event, one line, no secrets."""

import io
import json
from typing import Any

import msgspec
import pytest

from keeper.adapters.sinks.log import Log
from keeper.model.events import Decided, Event, Settled
from keeper.model.flow import Hold, Rebalance


def lines(*events: Event) -> list[dict[str, Any]]:
    stream = io.StringIO()
    log = Log(stream, as_json=True)
    for event in events:
        log.tell(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_event_is_one_line_named_after_it(one_of_each: tuple[Event, ...]) -> None:
    assert [line["event"] for line in lines(*one_of_each)] == [
        type(event).__name__.lower() for event in one_of_each
    ]


def test_a_decision_carries_the_numbers_it_was_made_on(decided: Decided) -> None:
    (line,) = lines(decided)
    assert {key: line[key] for key in ("book", "decision", "reason", "price", "net", "outer")} == {
        "book": "eth-lp",
        "decision": "hold",
        "reason": "inside the band",
        "price": 2_000.0,
        "net": 0.5,
        "outer": 0.8,
    }


@pytest.mark.parametrize(
    ("name", "level"),
    [("decided", "info"), ("troubled", "error"), ("halted", "critical"), ("resumed", "warning")],
)
def test_the_level_says_how_urgent_it_is(
    one_of_each: tuple[Event, ...], name: str, level: str
) -> None:
    assert [line["level"] for line in lines(*one_of_each) if line["event"] == name] == [level]


def test_an_intent_that_failed_is_a_warning_with_its_reason(settled: Settled) -> None:
    outcome = msgspec.structs.replace(
        settled.outcome, status="failed", reason="reverted", fill=None
    )
    (line,) = lines(Settled(outcome, 1))
    assert (line["level"], line["reason"]) == ("warning", "reverted")


def test_a_trade_carries_its_size_and_no_reason(decided: Decided) -> None:
    assert decided.decision.why is not None
    trade = Rebalance(units=-0.7, reduce_only=False, worst_price=1.0, why=decided.decision.why)
    (line,) = lines(msgspec.structs.replace(decided, decision=trade))
    assert (line["decision"], line["units"], "reason" in line) == ("rebalance", -0.7, False)


def test_a_book_that_could_not_be_read_carries_the_reason_alone() -> None:
    (line,) = lines(Decided("eth-lp", Hold("the feed is stale"), 1, ()))
    assert (line["reason"], "price" in line) == ("the feed is stale", False)


def test_signed_bytes_are_never_logged(one_of_each: tuple[Event, ...]) -> None:
    assert "raw" not in str(lines(*one_of_each))


def test_an_api_key_in_a_url_is_never_logged(one_of_each: tuple[Event, ...]) -> None:
    text = str(lines(*one_of_each))
    assert "https://rpc.example" in text
    assert "SECRET" not in text


def test_people_get_one_readable_line(decided: Decided) -> None:
    stream = io.StringIO()
    Log(stream, as_json=False).tell(decided)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert "book=eth-lp" in text
    assert "\x1b" not in text


def test_a_reader_who_went_away_does_not_stop_the_keeper(decided: Decided) -> None:
    stream = io.StringIO()
    log = Log(stream, as_json=True)
    stream.close()
    log.tell(decided)
