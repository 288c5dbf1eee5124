"""What the doctor sees without a node."""

import sqlite3
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli import doctor_local
from keeper.config import Config, load
from keeper.model.chain import Address, ChainId
from keeper.model.errors import ConfigError
from keeper.model.events import Decided, Halted, Intended
from keeper.model.flow import Intent

KEY = "0x" + "11" * 32


@pytest.fixture
def config(home: Path) -> Config:
    return load(home / "keeper.toml", {"KEEPER_KEY": KEY})


def test_signatures_come_from_libsecp256k1() -> None:
    check = doctor_local.signing()
    assert (check.verdict, check.found[:9]) == ("ok", "coincurve")


def test_a_missing_library_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ConfigError("coincurve is not installed", remedy="install it")

    monkeypatch.setattr(doctor_local, "curve", missing)
    check = doctor_local.signing()
    assert (check.verdict, check.found, check.remedy) == (
        "fail", "coincurve is not installed", "install it",
    )  # fmt: skip


def test_a_key_is_named_by_its_account_and_never_shown(config: Config) -> None:
    check, account = doctor_local.key(config)
    assert check.verdict == "ok"
    assert account == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    assert KEY[2:] not in str(check)


def test_a_missing_key_comes_with_its_remedy(home: Path) -> None:
    check, account = doctor_local.key(load(home / "keeper.toml", {}))
    assert (check.verdict, account) == ("fail", None)
    assert "KEEPER_KEY" in check.remedy


def test_secrets_that_others_can_read_are_warned_about(home: Path) -> None:
    (check,) = doctor_local.secrets_file(home / "keeper.toml")
    assert check.verdict == "ok"
    (home / ".env").chmod(0o640)
    (check,) = doctor_local.secrets_file(home / "keeper.toml")
    assert (check.verdict, check.remedy) == ("warn", f"chmod 600 {home / '.env'}")


def test_no_secrets_file_is_no_finding(home: Path) -> None:
    (home / ".env").unlink()
    assert list(doctor_local.secrets_file(home / "keeper.toml")) == []


def test_no_journal_yet_is_fine(config: Config) -> None:
    (check,) = doctor_local.journal(config)
    assert (check.verdict, check.found[:8]) == ("ok", "none yet")


def test_a_journal_says_who_acts_on_it_and_whether_it_is_halted(config: Config) -> None:
    with SqliteJournal.acting(config.journal_file, ChainId(31337)) as journal:
        journal.append(Halted("margin", 1))
        whole, trading = doctor_local.journal(config)
    assert whole.found.startswith("1 events, hashes agree; process ")
    assert (trading.verdict, trading.found) == ("warn", "halted: margin")


def test_an_open_intent_is_warned_about(config: Config, rebalance: Decided) -> None:
    assert rebalance.decision.why is not None
    account = Address("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A")
    intent = Intent(
        id="i1",
        book="eth-lp",
        account=account,
        units=1.0,
        reduce_only=False,
        worst_price=1.0,
        deadline_s=1,
        native_price=1.0,
        block=rebalance.decision.why.block,
    )
    with SqliteJournal.acting(config.journal_file, ChainId(31337)) as journal:
        journal.append(Intended(intent, 1))
        _, pending = doctor_local.journal(config)
    assert (pending.verdict, pending.found) == ("warn", "1 intent not settled yet")


def test_a_journal_of_a_newer_keeper_is_refused(config: Config) -> None:
    SqliteJournal.acting(config.journal_file, ChainId(31337)).close()
    with sqlite3.connect(config.journal_file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    (check,) = doctor_local.journal(config)
    assert (check.verdict, check.found) == ("fail", "the journal was written by a newer keeper")
