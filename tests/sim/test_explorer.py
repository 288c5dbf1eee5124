"""Within these bounds nothing was left out; `./scripts/bench explore` goes further."""

import pytest

from keeper.core import tx_steps
from keeper.engine import execute
from keeper.model.flow import Facts
from keeper.sim.explorer import Explorer, Scope

QUIET = Scope(intents=1, blocks=2, reorgs=0, crashes=0, takeovers=0, losses=0, waits=0)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(intents=2, blocks=4, reorgs=1, depth=1, crashes=0, takeovers=1, losses=0, waits=0),
        Scope(intents=1, blocks=2, reorgs=1, depth=1, crashes=1, takeovers=1, losses=1, waits=0),
        Scope(intents=1, blocks=2, reorgs=1, depth=2, crashes=0, takeovers=0, losses=0, waits=2),
        Scope(intents=3, blocks=6, reorgs=0, crashes=0, takeovers=0, losses=0, waits=0),
    ],
)
def test_c1_in_every_order_within_a_small_scope_each_trade_is_made_once(scope: Scope) -> None:
    found = Explorer(scope).search()
    assert found.violations == []
    assert found.complete
    assert found.merged
    assert found.ends


def test_the_world_without_faults_is_small_and_every_trade_is_made() -> None:
    explorer = Explorer(QUIET)
    found = explorer.search()
    assert found.states < 60
    assert found.transitions > found.states
    assert found.depth <= 6


def test_a_search_that_may_not_see_everything_says_so() -> None:
    bounded = Scope(intents=1, blocks=3, reorgs=1, most_states=20)
    assert not Explorer(bounded).search().complete


def test_a_broken_rule_is_found_with_the_shortest_way_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hasty(*args: object, **more: object) -> tx_steps.Step:
        facts = args[2]
        assert isinstance(facts, Facts)
        if facts.mined is not None:
            return tx_steps.Settle(facts.mined)
        return tx_steps.next_step(*args, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(execute, "next_step", hasty)
    (broken,) = Explorer(QUIET).search().violations
    assert "I2: done: filled, 1 deep" in broken
    assert broken.endswith("after turn, mine pool, turn")


def test_a_trade_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "next_step", lambda *_args, **_more: tx_steps.Wait())
    (broken,) = Explorer(QUIET).search().violations
    assert "I17" in broken
