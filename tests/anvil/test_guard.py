"""Two keepers with one key and a journal each, on the real contracts: with and without a guard."""

from collections.abc import Callable, Iterator

import pytest

from keeper.bootstrap import open_node, set_desk
from keeper.cli.doctor_node import guard as guard_check
from keeper.devnet.worlds import perp_v2
from keeper.engine.execute import settle, start
from keeper.engine.tick import Desk, look, plan, recall, think
from keeper.model.chain import Address, Fees, UnsignedTx
from keeper.model.events import Settled
from keeper.model.flow import Intent, Rebalance, Snapshot
from keeper.model.units import GWEI
from keeper.sim.memory_journal import MemoryJournal
from tests.anvil.conftest import Office, Running

pytestmark = pytest.mark.anvil
Open = Callable[[], Desk]


def put_a_guard(office: Office) -> Address:
    """Let the keeper trade for an account that approved its guard; return that account."""
    world = office.world
    trader = world.accounts.liquidator.address
    world.chain.execute(perp_v2.approve_delegate(world.perp, trader, world.guard))
    office.text += f'\n[guard]\naddress = "{world.guard}"\n'
    base = f'base_token = "{world.perp.base_token}"'
    office.change((base, f'{base}\ntrader = "{trader}"'))
    return trader


@pytest.fixture
def open_desk(office: Office) -> Iterator[Open]:
    """Open a desk with a connection and a journal of its own."""
    nodes = []

    def opened() -> Desk:
        config = office.config()
        node = open_node(config)
        nodes.append(node)
        return set_desk(config, node, MemoryJournal())

    yield opened
    for node in nodes:
        node.transport.close()


def decide(desk: Desk) -> Intent:
    """Look and think, as a tick does, and stop before acting."""
    (book,) = desk.books
    view = look(desk, desk.chain.head())[book.terms.book]
    assert isinstance(view, Snapshot)
    past = recall(desk, book)
    decision = think(desk, book, view, past, None)
    assert isinstance(decision, Rebalance)
    return plan(desk, book, decision, view, past)


def carry_out(office: Office, desk: Desk, intent: Intent) -> Settled | None:
    """Act on what was decided, mine it, and settle."""
    (book,) = desk.books
    start(desk.hands, book.venue, intent, intent.block)
    office.world.chain.mine()
    settle(desk.hands, {book.terms.book: book.venue}, desk.chain.head())
    found = [e for e in desk.hands.log.journal.events if isinstance(e, Settled)]  # type: ignore[attr-defined]  # a memory journal
    return found[-1] if found else None


def test_t20_p5_of_two_keepers_that_decided_at_one_block_only_the_first_has_an_effect(
    office: Office, open_desk: Open
) -> None:
    first, second = open_desk(), open_desk()
    one, other = decide(first), decide(second)
    settled = carry_out(office, first, one)
    assert settled is not None
    assert settled.outcome.status == "done"
    # The nonce is that of the block of the decision: the second has signed the very same bytes.
    settled = carry_out(office, second, other)
    assert settled is not None
    assert settled.outcome.status == "done"
    assert len(office.effects()) == 1


@pytest.mark.parametrize(("guarded", "effects"), [(True, 1), (False, 2)])
def test_t20_a_hedge_decided_on_an_old_view_is_stopped_by_the_guard_whatever_its_nonce(
    office: Office, open_desk: Open, *, guarded: bool, effects: int
) -> None:
    trader = put_a_guard(office) if guarded else None
    first, careless = open_desk(), open_desk()
    one, other = decide(first), decide(careless)
    settled = carry_out(office, first, one)
    assert settled is not None
    assert settled.outcome.status == "done"
    (book,) = careless.books
    hands = careless.hands
    tx = UnsignedTx(
        hands.chain_id, office.nonce(), book.venue.prepare(other), Fees(50 * GWEI, GWEI)
    )
    hands.network.send(hands.signer.sign(tx).raw)
    office.world.chain.mine()
    assert len(office.effects(trader)) == effects


def test_a_keeper_hedges_through_its_guard_again_and_again(
    office: Office, run: Callable[[Office], Running]
) -> None:
    trader = put_a_guard(office)
    running = run(office)
    running.until_quiet()
    count = len(office.effects(trader))
    assert count >= 1
    assert abs(office.delta() + office.hedge(trader)) < 1.01 * running.why().band.outer
    assert office.world.chain.read(office.world.guard, "sequence()", "uint256") == count
    assert [record.intent.sequence for record in running.beside.intents()] == list(range(count))


def test_the_doctor_knows_whose_guard_it_is(office: Office, open_desk: Open) -> None:
    put_a_guard(office)
    config, desk = office.config(), open_desk()
    node = open_node(config)
    (check,) = guard_check(node, desk, desk.chain.head(), config)
    assert (check.verdict, check.found) == ("ok", "0 hedges so far")
    office.set_key(office.world.accounts.alice.test_key)
    (check,) = guard_check(node, open_desk(), desk.chain.head(), config)
    assert check.verdict == "fail"
    assert office.account in check.found
    node.transport.close()
