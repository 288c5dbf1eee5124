"""What the doctor sees of a book."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import set_desk
from keeper.cli import doctor_book
from keeper.cli.desk import connected
from keeper.cli.doctor_view import Check
from keeper.config import load
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.engine.tick import Desk
from tests.cli.conftest import POOR_WEI

pytestmark = pytest.mark.anvil


@contextmanager
def desk_of(home: Path) -> Iterator[Desk]:
    config = load(home / "keeper.toml", {})
    with SqliteJournal.in_memory(config.chain_id) as journal, connected(config) as node:
        yield set_desk(config, node, journal)


@pytest.fixture
def desk(devnet_home: Path) -> Iterator[Desk]:
    with desk_of(devnet_home) as desk:
        yield desk


def checks(desk: Desk) -> dict[str, Check]:
    found = doctor_book.book(desk, desk.books[0], desk.chain.head())
    return {check.name: check for check in found}


def test_a_healthy_book_shows_what_it_holds(desk: Desk) -> None:
    found = checks(desk)
    assert {check.verdict for check in found.values()} == {"ok"}
    assert list(found) == ["eth price", "eth vault", "eth ranges", "eth venue", "eth venue margin"]
    assert "delta +50.0" in found["eth vault"].found
    assert found["eth venue"].found == "hedge +0, account 500,000.00 USD, no position"


def test_a_position_shows_its_margin(desk: Desk, world: World) -> None:
    actions.hedge(world, world.accounts.keeper, -10.0)
    assert "hedge -10, account " in checks(desk)["eth venue"].found
    assert ", margin 2" in checks(desk)["eth venue"].found


@pytest.mark.parametrize(("answer", "age_s"), [(0, 0), (2_000 * 10**8, 7_200)])
def test_a_bad_feed_fails_and_the_rest_is_still_checked(
    desk: Desk, world: World, answer: int, age_s: int
) -> None:
    actions.set_feed(world, answer, updated_at_s=world.chain.block().timestamp_s - age_s)
    found = checks(desk)
    assert found["eth price"].verdict == "fail"
    assert found["eth vault"].verdict == "ok"
    assert doctor_book.native_price(desk, desk.chain.head()).verdict == "fail"


def test_a_vault_that_is_none_fails(devnet_home: Path, world: World) -> None:
    path = devnet_home / "keeper.toml"
    path.write_text(
        path.read_text().replace(f'address = "{world.vault}"', f'address = "{world.feed}"')
    )
    with desk_of(devnet_home) as desk:
        assert checks(desk)["eth vault"].verdict == "fail"


def test_a_venue_that_is_none_fails(devnet_home: Path, world: World) -> None:
    path = devnet_home / "keeper.toml"
    path.write_text(path.read_text().replace(world.perp.clearing_house, world.feed))
    with desk_of(devnet_home) as desk:
        assert checks(desk)["eth venue"].verdict == "fail"


def test_an_order_that_the_collateral_cannot_carry_is_warned_about(devnet_home: Path) -> None:
    path = devnet_home / "keeper.toml"
    text = path.read_text().replace('"200 ETH"', '"90000 ETH"').replace('"50 ETH"', '"90000 ETH"')
    path.write_text(text)
    with desk_of(devnet_home) as desk:
        margin = checks(desk)["eth venue margin"]
    assert (margin.verdict, "deposit collateral" in margin.remedy) == ("warn", True)


def test_an_account_without_collateral_fails(devnet_home: Path, world: World) -> None:
    path = devnet_home / ".env"
    poor = world.accounts.strategist.test_key
    path.write_text(path.read_text().replace(world.accounts.keeper.test_key, poor))
    with desk_of(devnet_home) as desk:
        venue = checks(desk)["eth venue"]
    assert (venue.verdict, venue.remedy[:18]) == ("fail", "deposit collateral")


def test_a_trade_is_rehearsed(desk: Desk) -> None:
    (check,) = doctor_book.rehearsal(desk)
    assert (check.verdict, check.found[:31]) == ("ok", "a rebalance now would fill -50 ")


def test_a_rehearsal_that_is_refused_fails(desk: Desk, world: World) -> None:
    account = world.accounts.keeper.address
    world.chain.rpc.call("anvil_setBalance", account, hex(POOR_WEI))
    (check,) = doctor_book.rehearsal(desk)
    assert check.verdict == "fail"


def test_nothing_to_rehearse_is_fine(desk: Desk, world: World) -> None:
    world.chain.raise_base_fee(500)
    (check,) = doctor_book.rehearsal(desk)
    assert (check.verdict, check.found[:34]) == ("ok", "no trade now: refused: gas price, ")
