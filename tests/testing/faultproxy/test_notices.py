from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.testing.faultproxy.chooser import Chooser
from keeper.testing.faultproxy.notices import Notices
from keeper.testing.faultproxy.rules import (
    Drop,
    Duplicate,
    Fault,
    Latency,
    Mutate,
    Removed,
    Reorder,
    Stale,
)


def notice(about: Any, subscription: str = "0x1") -> Any:
    params = {"subscription": subscription, "result": about}
    return {"method": "eth_subscription", "params": params}


def told(fault: Fault, heads: list[Any], kind: str = "newHeads") -> list[Any]:
    notices = Notices(Chooser(0, (fault,)))
    return [
        one["params"]["result"] for head in heads for one in notices.arrive(kind, notice(head))[1]
    ]


@pytest.mark.parametrize(
    ("fault", "heads"),
    [
        (Drop(method="@newHeads", after=1, times=1), [1, 3]),
        (Duplicate(method="@*", n=3, times=1), [1, 1, 1, 2, 3]),
        (Reorder(method="@newHeads", times=1), [2, 1, 3]),
        (Reorder(method="@newHeads", times=2), [3, 1, 2]),
        (Reorder(method="@newHeads"), [2, 1]),
        (Reorder(method="@newHeads", after=1), [1, 3, 2]),
        (Stale(method="@newHeads", lag=2), [1]),
        (Mutate(method="@newHeads", value=0), [0, 0, 0]),
        (Drop(method="@logs"), [1, 2, 3]),
    ],
)
def test_heads_are_missing_doubled_late_or_wrong(fault: Fault, heads: list[int]) -> None:
    assert told(fault, [1, 2, 3]) == heads


def test_a_head_is_as_old_as_the_lag_says_whichever_heads_were_struck_before() -> None:
    late = Stale(method="@newHeads", lag=2, after=3, times=1)
    assert told(late, [1, 2, 3, 4, 5]) == [1, 2, 3, 2, 5]


def test_each_subscription_lags_by_its_own_news() -> None:
    notices = Notices(Chooser(0, (Stale(method="@*", lag=1),)))
    arrived = [(block, about) for block in (1, 2, 3) for about in ("newHeads", "logs")]
    seen = [
        one["params"]
        for block, about in arrived
        for one in notices.arrive(about, notice(block, subscription=about))[1]
    ]
    assert [(one["result"], one["subscription"]) for one in seen] == arrived[:4]


def test_a_log_is_told_and_then_taken_back() -> None:
    log = {"logIndex": "0x0", "removed": False}
    assert told(Removed(method="@logs"), [log], "logs") == [log, {**log, "removed": True}]
    assert log["removed"] is False


def test_what_is_no_log_cannot_be_taken_back() -> None:
    assert told(Removed(method="@*"), ["0xhash"], "newPendingTransactions") == ["0xhash"] * 2


def test_latency_is_asked_for_and_not_slept_here() -> None:
    notices = Notices(Chooser(0, (Latency(method="@newHeads", seconds=3),)))
    wait_s, shown = notices.arrive("newHeads", notice(1))
    assert (wait_s, len(shown)) == (3, 1)


def test_params_choose_among_notifications_by_what_they_are_about() -> None:
    fault = Drop(method="@logs", params={"0.address": "0xAA"})
    assert told(fault, [{"address": "0xaa"}, {"address": "0xbb"}], "logs") == [{"address": "0xbb"}]


def test_a_reordering_without_an_end_lets_pairs_change_places() -> None:
    assert told(Reorder(method="@newHeads"), [1, 2, 3, 4, 5]) == [2, 1, 4, 3]


@given(st.lists(st.integers(), max_size=30), st.integers(0, 1_000))
def test_reordering_loses_and_invents_nothing_but_may_hold_the_last(
    heads: list[int], seed: int
) -> None:
    notices = Notices(Chooser(seed, (Reorder(method="@newHeads", probability=0.5),)))
    seen = [
        one["params"]["result"]
        for head in heads
        for one in notices.arrive("newHeads", notice(head))[1]
    ]
    held = [one["params"]["result"] for one in notices._held]
    assert sorted(seen + held) == sorted(heads)
