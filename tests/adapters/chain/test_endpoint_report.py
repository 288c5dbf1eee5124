"""What people are told about the endpoints."""

from typing import Any

from keeper.adapters.chain.endpoint_health import (
    Health,
    HealthPolicy,
    after_trouble,
    banned,
)
from keeper.adapters.chain.endpoint_report import reasons, report
from keeper.model.errors import Transient

POLICY = HealthPolicy()


def failing(times: int, **facts: Any) -> Health:
    health = Health()
    for _ in range(times):
        health = after_trouble(health, Transient("no answer", **facts), 100.0, POLICY)
    return health


def test_every_endpoint_has_its_line_in_the_owners_order() -> None:
    known = {
        "a": Health(head=10, latency_ms=4.0),
        "b": Health(head=4, lag_blocks=6),
        "c": failing(3),
    }
    a, b, c = report(known, "a", 100.5, POLICY)
    assert (a.name, a.usable, a.serving, a.lag_blocks, a.latency_ms) == ("a", True, True, 0, 4.0)
    assert (b.usable, b.serving, b.lag_blocks, b.trouble) == (False, False, 6, "")
    assert (c.usable, c.breaker, c.head, c.trouble) == (False, "open", None, "no answer")


def test_a_ban_is_told_while_it_lasts() -> None:
    health = banned(Health(last_error="older"), "it lies", 100.0)
    assert report({"a": health}, None, 99.0, POLICY)[0].trouble == "it lies"
    assert report({"a": health}, None, 100.0, POLICY)[0].trouble == "older"


def test_why_nobody_can_be_asked_is_said_for_each() -> None:
    known = {
        "banned": banned(Health(), "it serves another chain"),
        "limited": failing(1, status=429, retry_after_s=30.0),
        "resting": failing(3),
        "failing": failing(1),
        "behind": Health(),
    }
    assert reasons(known, 100.5) == {
        "banned": "banned: it serves another chain",
        "limited": "asks for patience, 30 s more",
        "resting": "rests after 3 failures: no answer",
        "failing": "no answer",
        "behind": "behind the others",
    }
