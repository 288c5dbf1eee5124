"""Several books on one key, WETH on the other side of the pool, and looks that change nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from tests.anvil.conftest import Office, Running, open_office

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]


@pytest.fixture
def flipped(tmp_path: Path, flipped_world: World) -> Iterator[Office]:
    with open_office(tmp_path, flipped_world) as opened:
        yield opened


def second_book(text: str, world: World) -> str:
    """Return a book for alice's shares, hedged by an account that trusts the keeper's key."""
    book = text[text.index("[[books]]") :]
    first, second = book.index("[[books.vaults]]"), book.index("[books.venue]")
    shares = f"""[[books.vaults]]
name = "shares"
type = "erc4626"
address = "{world.vault}"
holder = "{world.accounts.alice.address}"

"""
    trader = f'\ntrader = "{world.accounts.liquidator.address}"'
    base = f'base_token = "{world.perp.base_token}"'
    return (
        (book[:first] + shares + book[second:])
        .replace('"eth"', '"alice"')
        .replace(base, base + trader)
    )


def trust(world: World) -> Tx:
    """Return the transaction by which the liquidator lets the keeper open positions for it."""
    call = encode("approve(address,uint8)", world.accounts.keeper.address, 1)
    return Tx(world.accounts.liquidator.address, world.perp.delegate_approval, call)


def test_two_books_of_one_key_are_hedged_one_after_the_other(office: Office, run: Run) -> None:
    world = office.world
    world.chain.execute(trust(world))
    office.text += "\n" + second_book(office.text, world)
    office.change()
    running = run(office)
    other = world.accounts.liquidator.address

    def both() -> bool:
        if running.journal.open():
            world.chain.mine()
        return bool(office.effects() and office.effects(other)) and not running.journal.open()

    running.until(both)
    running.until_quiet()
    assert office.hedge() == pytest.approx(-office.delta(), abs=3)
    assert office.hedge(other) == pytest.approx(-60.0, abs=3)
    records = running.beside.intents()
    assert {record.intent.book for record in records} == {"eth", "alice"}
    nonces = [record.attempts[0].nonce for record in records]
    assert nonces == list(range(nonces[0], nonces[0] + len(nonces)))
    assert len(records) == len(office.effects()) + len(office.effects(other))


def test_a_range_is_hedged_when_ether_is_the_second_token_of_its_pool(
    flipped: Office, run: Run
) -> None:
    assert not flipped.world.uniswap.weth_is_token0
    running = run(flipped)
    running.until_quiet()
    # One block a move: between two, a hedge may tell Perp v2's feed the price before the move does.
    for price in (1_900.0, 2_000.0, 2_100.0):
        running.rest()
        actions.move_price(flipped.world, price)
        running.until_quiet()
        # Fees are counted by the keeper and by the vault's contract alike.
        assert running.why().exposure.delta == pytest.approx(flipped.delta(), rel=1e-9)
        assert abs(flipped.delta() + flipped.hedge()) < running.why().band.outer
    assert running.beside.intents()[-1].outcome is not None


@pytest.mark.parametrize("words", [("tick",), ("rebalance",), ("flatten",)])
def test_a_dry_run_changes_nothing(office: Office, words: tuple[str, ...]) -> None:
    files = sorted(path.name for path in office.folder.iterdir())
    block = office.world.chain.block()
    done = office.command(*words, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "nothing was signed, sent or written" in done.out
    office.assert_nothing_was_sent()
    assert sorted(path.name for path in office.folder.iterdir()) == files
    assert office.world.chain.block() == block
    assert office.effects() == []
