"""From `--config` to configuration and journal."""

from pathlib import Path

import pytest

from keeper.cli import opening
from keeper.cli.setting import Setting
from keeper.model.errors import ConfigError


@pytest.fixture
def setting(home: Path) -> Setting:
    setting = Setting()
    setting.config = home / "keeper.toml"
    return setting


def test_an_unknown_book_is_refused_with_the_known_ones(setting: Setting) -> None:
    with pytest.raises(ConfigError) as refusal:
        opening.configured(setting, "btc")
    assert refusal.value.facts == {"book": "btc", "known": "eth-lp"}


def test_amounts_are_written_in_the_books_symbol(setting: Setting) -> None:
    assert opening.symbols(opening.configured(setting)) == {"eth-lp": "ETH"}


def test_the_journal_lies_beside_the_configuration(setting: Setting, home: Path) -> None:
    assert opening.configured(setting).journal_file == home / "keeper.db"


def test_reading_does_not_make_a_journal(setting: Setting, home: Path) -> None:
    with pytest.raises(ConfigError, match="no journal yet"), opening.beside(setting):
        pass
    assert not (home / "keeper.db").exists()


def test_a_look_before_the_first_start_has_an_empty_journal(setting: Setting, home: Path) -> None:
    with opening.looking(opening.configured(setting)) as journal:
        assert journal.open() == ()
    assert not (home / "keeper.db").exists()


def test_acting_makes_the_journal_and_keeps_others_out(setting: Setting) -> None:
    config = opening.configured(setting)
    with opening.acting(config):
        with pytest.raises(ConfigError, match="another keeper"), opening.acting(config):
            pass
        with opening.beside(setting) as (_, journal):
            assert journal.halted() is None
        with opening.looking(config) as journal:
            assert journal.halted() is None
