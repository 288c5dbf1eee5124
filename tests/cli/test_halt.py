"""A person's word, from any process."""

import json
from collections.abc import Callable

from click.testing import Result

from keeper.adapters.stores.sqlite import SqliteJournal

Keeper = Callable[..., Result]


def test_a_halt_is_in_the_journal_that_another_process_acts_on(
    keeper: Keeper, journal: SqliteJournal
) -> None:
    done = keeper("halt", "lunch")
    assert (done.exit_code, done.stdout) == (0, "halted: lunch\n")
    assert journal.halted() == "lunch"


def test_a_second_halt_keeps_the_first_reason(keeper: Keeper, journal: SqliteJournal) -> None:
    keeper("halt", "margin")
    done = keeper("halt", "--json")
    assert json.loads(done.stdout) == {
        "dry_run": False,
        "halted": "margin",
        "was_halted": "margin",
        "open": 0,
    }
    assert len(journal.entries()) == 1


def test_resume_allows_trading_again(keeper: Keeper, journal: SqliteJournal) -> None:
    keeper("halt", "lunch")
    done = keeper("resume", "back from lunch")
    assert done.stdout == "resumed; it was halted: lunch\n"
    assert journal.halted() is None


def test_resuming_what_is_not_halted_changes_nothing(
    keeper: Keeper, journal: SqliteJournal
) -> None:
    done = keeper("resume", "--json")
    assert json.loads(done.stdout) == {"dry_run": False, "halted": None, "was_halted": None}
    assert journal.entries() == ()


def test_a_dry_run_changes_nothing(keeper: Keeper, journal: SqliteJournal) -> None:
    assert keeper("halt", "--dry-run", "lunch").stdout == "would be halted: lunch\n"
    assert journal.halted() is None
    keeper("halt", "lunch")
    assert keeper("resume", "--dry-run").stdout == "would be resumed; it was halted: lunch\n"
    assert journal.halted() == "lunch"


def test_there_is_nothing_to_halt_before_the_first_start(keeper: Keeper) -> None:
    done = keeper("halt")
    assert done.exit_code == 2
    assert "there is no journal yet" in done.stderr
