"""The last decisions, from the journal."""

import json
from collections.abc import Callable

from click.testing import Result
from msgspec import structs

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.model.events import Decided
from keeper.model.flow import Hold, Premises, Rebalance
from keeper.model.strategies import FixedBand

Keeper = Callable[..., Result]


def test_the_last_decision_is_explained(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided
) -> None:
    journal.append(rebalance)
    done = keeper("why")
    assert done.exit_code == 0
    assert "✓ band        1 ETH ≥ 0.8 ETH" in done.stdout
    assert "✗ gas price   80 gwei ≤ 50 gwei" in done.stdout
    assert done.stdout.endswith("decision     SELL 0.7, price no lower than 1,990.00 USD\n")


def test_several_decisions_come_oldest_first(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided
) -> None:
    for number in range(4):
        journal.append(structs.replace(rebalance, decision=Hold(f"reason {number}")))
    done = keeper("why", "--last", "2", "--book", "eth-lp")
    assert [line for line in done.stdout.splitlines() if "HOLD" in line] == [
        "  decision     HOLD: reason 2",
        "  decision     HOLD: reason 3",
    ]


def test_it_is_told_what_the_band_would_be_were_a_number_wrong(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided
) -> None:
    decision = rebalance.decision
    assert isinstance(decision, Rebalance)
    premises = Premises(
        strategy=FixedBand(width_base=0.8),
        sigma_x=0.1,
        remaining_years=0.1,
        check_years=0.0,
        max_net=0.7,
    )
    decision = structs.replace(decision, why=structs.replace(decision.why, premises=premises))
    journal.append(structs.replace(rebalance, decision=decision))
    assert "    gas            ×0.5: ±0.7 outer, ±0.3 inner, ×2: ±0.7" in keeper("why").stdout
    (found,) = json.loads(keeper("why", "--json").stdout)["if_wrong"]
    assert found[0] == ["sigma", 0.5, 0.7, 0.3]
    assert len(found) == 8


def test_programs_get_every_input(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided
) -> None:
    journal.append(rebalance)
    said = json.loads(keeper("why", "--json").stdout)
    (decided,) = said["decisions"]
    assert said["if_wrong"] == [[]], "its premises are not known"
    assert decided["decision"]["why"]["band"]["outer"] == 0.8
    assert len(decided["decision"]["why"]["gates"]) == 5


def test_no_decision_yet_is_said_in_words(keeper: Keeper, journal: SqliteJournal) -> None:
    assert journal.decisions() == ()
    assert keeper("why").stdout.startswith("no decisions yet")


def test_an_unknown_book_is_refused(keeper: Keeper) -> None:
    assert keeper("why", "--book", "btc").exit_code == 2
