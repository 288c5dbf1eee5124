"""What the doctor sees of node, chain and gas."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from keeper.adapters.clock import SystemClock
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import Node, open_node, set_desk
from keeper.cli import doctor_node
from keeper.config import Config, load
from keeper.devnet.world import World
from keeper.engine.tick import Desk
from keeper.model.chain import Address, BlockRef, ChainId
from keeper.model.events import Adopted


def block(age_s: float) -> BlockRef:
    now_s = SystemClock().now_ms() / 1_000
    return BlockRef(7, "0xb1", "0xb0", int(now_s - age_s), 10**9)


@pytest.mark.parametrize(
    ("age_s", "verdict"), [(1, "ok"), (-2, "ok"), (-60, "warn"), (119, "ok"), (200, "fail")]
)
def test_an_old_block_and_a_wrong_clock_are_told_apart(
    home: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, verdict: str
) -> None:
    now_ms = SystemClock().now_ms()  # stands still, so that 119 s do not become 120
    monkeypatch.setattr(SystemClock, "now_ms", lambda _clock: now_ms)
    assert doctor_node.clock(block(age_s), load(home / "keeper.toml", {})).verdict == verdict


def test_every_contract_in_the_file_is_known_by_where_it_stands(home: Path) -> None:
    found = doctor_node.addresses(load(home / "keeper.toml", {}))
    assert list(found) == [
        "chain.multicall",
        "native_price.feed",
        "eth-lp.asset",
        "eth-lp.oracle.feed",
        "eth-lp.venue.clearing_house",
        "eth-lp.venue.base_token",
        "eth-lp.vault.address",
    ]


def test_a_node_that_is_down_is_one_line(home: Path) -> None:
    config = load(home / "keeper.toml", {})
    (check,), reachable = doctor_node.node(open_node(config), config)
    assert not reachable
    assert check.verdict == "fail"
    assert "http://127.0.0.1:1/… does not answer" in check.found


@pytest.fixture
def config(devnet_home: Path) -> Config:
    return load(devnet_home / "keeper.toml", {})


@pytest.fixture
def node(config: Config) -> Iterator[Node]:
    node = open_node(config)
    yield node
    node.transport.close()


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    with SqliteJournal.in_memory(ChainId(31337)) as journal:
        yield journal


@pytest.fixture
def desk(config: Config, node: Node, journal: SqliteJournal) -> Desk:
    return set_desk(config, node, journal)


@pytest.mark.anvil
def test_another_chain_is_told_by_both_ids(config: Config) -> None:
    other = structs.replace(config, chain=structs.replace(config.chain, chain_id=1))
    node = open_node(other)
    (check,), reachable = doctor_node.node(node, other)
    node.transport.close()
    assert not reachable
    assert check.found == "the node serves 31337, keeper.toml says 1"


@pytest.mark.anvil
def test_f4_an_address_without_code_is_named(node: Node, config: Config) -> None:
    assert {check.verdict for check in doctor_node.code(node, config)} == {"ok"}
    nowhere = Address("0x" + "9" * 40)
    book = structs.replace(config.books[0], asset=nowhere)
    checks = list(doctor_node.code(node, structs.replace(config, books=(book,))))
    (failed,) = [check for check in checks if check.verdict == "fail"]
    assert (failed.name, failed.found) == ("eth.asset", f"no code at {nowhere}")


@pytest.mark.anvil
def test_an_asset_must_be_a_token(node: Node, config: Config, world: World) -> None:
    (check,) = doctor_node.decimals(node, config, node.evm.head())
    assert (check.verdict, check.found) == ("ok", "ETH has 18")
    book = structs.replace(config.books[0], asset=world.perp.clearing_house)
    other = structs.replace(config, books=(book,))
    (check,) = doctor_node.decimals(node, other, node.evm.head())
    assert check.verdict == "fail"


@pytest.mark.anvil
@pytest.mark.parametrize(("milliether", "verdict"), [(1, "fail"), (20, "warn"), (10_000, "ok")])
def test_the_gas_runway_counts_hedges(
    node: Node, desk: Desk, config: Config, world: World, milliether: int, verdict: str
) -> None:
    account = world.accounts.keeper.address
    world.chain.rpc.call("anvil_setBalance", account, hex(milliether * 10**15))
    runway, price = doctor_node.gas(node, desk, node.evm.head(), config)
    assert (runway.verdict, price.verdict) == (verdict, "ok")


@pytest.mark.anvil
def test_gas_above_the_limit_is_warned_about(
    node: Node, desk: Desk, config: Config, world: World
) -> None:
    world.chain.raise_base_fee(500)
    _, price = doctor_node.gas(node, desk, node.evm.head(), config)
    assert (price.verdict, price.found) == ("warn", "501 gwei, the limit is 100 gwei")


@pytest.mark.anvil
@pytest.mark.parametrize(("ahead", "verdict"), [(-1, "warn"), (0, "ok"), (1, "fail")])
def test_chain_and_journal_must_agree_on_the_nonce(
    node: Node, desk: Desk, journal: SqliteJournal, world: World, ahead: int, verdict: str
) -> None:
    assert doctor_node.nonce(node, desk).verdict == "ok"
    account = desk.hands.signer.address
    world.chain.rpc.call("anvil_setNonce", account, "0x3")
    first = doctor_node.nonce(node, desk)
    assert (first.verdict, first.found) == ("warn", "3 on the chain, none in the journal yet")
    assert "--adopt" in first.remedy
    journal.append(Adopted(account, node.evm.nonce(account) + ahead, 1))
    assert doctor_node.nonce(node, desk).verdict == verdict
