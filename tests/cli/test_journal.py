"""What was tried, from the journal."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.model.chain import Address, Fees
from keeper.model.events import Adopted, Decided, Intended, Settled, Signed
from keeper.model.flow import Attempt, Fill, Intent, Outcome

Keeper = Callable[..., Result]
ACCOUNT = Address("0x00000000000000000000000000000000000000A1")


@pytest.fixture
def traded(journal: SqliteJournal, rebalance: Decided) -> SqliteJournal:
    assert rebalance.decision.why is not None
    intent = Intent(
        id="0123456789abcdef0123456789abcdef",
        book="eth-lp",
        account=ACCOUNT,
        units=-0.7,
        reduce_only=False,
        worst_price=1_990.0,
        deadline_s=1_790_000_600,
        native_price=2_000.0,
        block=rebalance.decision.why.block,
    )
    attempt = Attempt(intent.id, "0x11", b"\x02\xff", 5, Fees(3 * 10**9, 10**9), 1_790_000_000_000)
    fill = Fill(units=-0.7, price=1_999.5, fee_usd=1.4, realized_pnl_usd=0.0)
    outcome = Outcome(intent.id, "done", "filled", fill, 350_000, 0.84)
    at_ms = 1_790_000_000_000
    journal.append(Adopted(ACCOUNT, 5, at_ms))
    journal.append(rebalance, Intended(intent, at_ms))
    journal.append(Signed(attempt))
    journal.append(Settled(outcome, at_ms))
    return journal


def test_intents_are_listed(keeper: Keeper, traded: SqliteJournal) -> None:
    assert traded.open() == ()
    assert keeper("journal", "list").stdout == (
        "2026-09-21 14:13:20 UTC  0123456789ab  done       sell 0.7 of eth-lp; "
        "filled -0.7 at 1,999.50 USD, fee 1.40 USD, gas 0.84 USD\n"
    )


def test_programs_get_sums_too(keeper: Keeper, traded: SqliteJournal) -> None:
    assert traded.open() == ()
    document = json.loads(keeper("journal", "list", "--json").stdout)
    assert document["totals"]["by_status"] == {"done": 1}
    assert document["intents"][0]["outcome"]["status"] == "done"


def test_an_intent_is_found_by_the_beginning_of_its_id(
    keeper: Keeper, traded: SqliteJournal
) -> None:
    assert traded.open() == ()
    done = keeper("journal", "show", "0123")
    assert "intent      0123456789abcdef0123456789abcdef" in done.stdout
    assert "signed    0x11, nonce 5" in done.stdout
    story = json.loads(keeper("journal", "show", "0123", "--json").stdout)
    assert [entry["event"] for entry in story["events"]] == ["Intended", "Signed", "Settled"]
    assert story["attempts"][0]["raw"] == "0x02ff"


def test_an_unknown_intent_is_refused(keeper: Keeper, traded: SqliteJournal) -> None:
    assert traded.open() == ()
    done = keeper("journal", "show", "ffff")
    assert done.exit_code == 2
    assert "`keeper journal list` shows the ids" in done.stderr


def test_a_whole_journal_says_so(keeper: Keeper, traded: SqliteJournal) -> None:
    assert traded.open() == ()
    done = keeper("journal", "verify")
    assert (done.exit_code, done.stdout[:11]) == (0, "✓ 5 events,")


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_journal_that_was_tampered_with_is_a_no(
    keeper: Keeper, traded: SqliteJournal, home: Path, flags: tuple[str, ...]
) -> None:
    assert traded.open() == ()
    with sqlite3.connect(home / "keeper.db") as database:
        database.execute("DROP TRIGGER event_is_final")
        database.execute("UPDATE event SET data = replace(data, '-0.7', '-0.6') WHERE seq = 3")
    database.close()
    done = keeper("journal", "verify", *flags)
    assert done.exit_code == 1
    if flags:
        assert json.loads(done.stdout)["whole"] is False
    else:
        assert "changed" in done.stdout
