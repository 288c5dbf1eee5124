"""A desk for one command."""

from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli.desk import connected, only, open_desk
from keeper.config import load
from keeper.devnet.world import World
from keeper.model.errors import ConfigError, Rejected, Transient
from keeper.model.events import Adopted, Decided, Intended
from keeper.model.flow import Intent


def test_a_node_that_is_down_is_transient(home: Path) -> None:
    with pytest.raises(Transient), connected(load(home / "keeper.toml", {})):
        pass


@pytest.mark.anvil
def test_a_node_of_another_chain_is_refused(devnet_home: Path) -> None:
    path = devnet_home / "keeper.toml"
    path.write_text(path.read_text().replace("chain_id = 31337", "chain_id = 1337"))
    with pytest.raises(ConfigError, match="another chain"), connected(load(path, {})):
        pass


@pytest.mark.anvil
def test_one_book_may_be_looked_at_alone(devnet_home: Path) -> None:
    config = load(devnet_home / "keeper.toml", {})
    with SqliteJournal.in_memory(config.chain_id) as journal:
        with open_desk(config, journal, book="eth") as desk:
            assert [book.terms.book for book in desk.books] == ["eth"]
        with open_desk(config, journal) as desk:
            assert only(desk, "btc").books == ()


@pytest.mark.anvil
def test_another_books_open_intent_is_not_overlooked(
    devnet_home: Path, world: World, rebalance: Decided
) -> None:
    assert rebalance.decision.why is not None
    config = load(devnet_home / "keeper.toml", {})
    account = world.accounts.keeper.address
    intent = Intent(
        id="i1",
        book="btc",
        account=account,
        units=1.0,
        reduce_only=False,
        worst_price=1.0,
        deadline_s=1,
        native_price=1.0,
        block=rebalance.decision.why.block,
    )
    with SqliteJournal.in_memory(config.chain_id) as journal:
        journal.append(Adopted(account, 0, 1), Intended(intent, 1))
        with open_desk(config, journal) as desk, pytest.raises(Rejected, match="another book"):
            only(desk, "eth")
