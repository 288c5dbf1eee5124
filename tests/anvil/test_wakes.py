"""What wakes the keeper on the real chain, and that each wake-up leads to the right hedge."""

from collections.abc import Callable

import pytest

from keeper.core.decide import DUST_BASE
from keeper.devnet import actions
from keeper.devnet.worlds import tokens
from keeper.model.events import Halted, Resumed
from keeper.model.units import ETHER
from tests.anvil.conftest import Office, Running

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]

ONLY_EVENTS = ("every_blocks = 1\n", "")
ONLY_BLOCKS = ("events = true", "events = false")


@pytest.fixture
def listening(office: Office, run: Run) -> Running:
    """A keeper that is hedged and wakes up for logs alone."""
    office.change(ONLY_EVENTS)
    running = run(office)
    running.until_quiet()
    running.until(lambda: running.keeper.news.connected)
    running.rest()
    return running


def assert_deaf_to_logs(running: Running) -> None:
    heard = {trigger for note in running.decided() for trigger in note.triggers}
    assert heard <= {"start", "block", "schedule", "retry", "missed", "test"}


def assert_one_hedge_more(running: Running, before: list[float]) -> None:
    running.until_hedged(effects=len(before) + 1)
    running.assert_hedged()


def test_at_its_start_it_looks_and_hedges_what_it_finds(office: Office, run: Run) -> None:
    running = run(office)
    running.until_quiet()
    assert running.decided("start")
    assert sum(office.effects()) == pytest.approx(-office.delta(), abs=running.why().band.outer)
    running.assert_hedged()


def test_an_answer_of_the_oracle_wakes_it(listening: Running) -> None:
    office, before = listening.office, listening.office.effects()
    # The feed alone, so that nothing else can have rung; the pool follows a little later.
    actions.report_price(office.world, 1_945.0)
    listening.until_hedged(effects=len(before) + 1)
    assert listening.decided("AnswerUpdated")
    assert office.effects()[-1] < 0  # the range holds more ether at a lower price: sell
    office.world.chain.execute(*actions.price_move(office.world, 1_945.0), seconds=15)
    listening.until_quiet()
    listening.assert_hedged()


def test_a_large_swap_wakes_it_to_whatever_has_changed(listening: Running) -> None:
    world, before = listening.office.world, listening.office.effects()
    # A gift to the vault rings no bell: no contract of ours announces it.
    gift = tokens.transfer(world.weth, world.accounts.alice.address, world.vault, 20 * ETHER)
    world.chain.execute(gift)
    assert listening.office.effects() == before
    actions.sell(world, world.accounts.arbitrageur, 60.0)
    listening.until_hedged(effects=len(before) + 1)
    assert listening.decided("Swap")
    world.chain.execute(*actions.price_move(world, 2_000.0), seconds=15)
    listening.until_quiet()
    listening.assert_hedged()


def test_a_small_swap_does_not_wake_it(listening: Running) -> None:
    office = listening.office
    actions.sell(office.world, office.world.accounts.arbitrageur, 0.5)
    heard = listening.keeper.news.counters
    head = office.world.chain.block().number
    listening.until(lambda: heard.last_block == head)
    assert heard.logs > 0  # it was heard, and found to be nothing
    assert not listening.decided("Swap")


def test_a_deposit_wakes_it_and_more_is_sold(listening: Running) -> None:
    office, before = listening.office, listening.office.effects()
    actions.deposit(office.world, office.world.accounts.alice, 25.0)
    assert_one_hedge_more(listening, before)
    assert "Deposit" in listening.decided("Deposit")[0].triggers
    assert office.effects()[-1] == pytest.approx(-25.0, abs=listening.why().band.outer * 2)


def test_a_withdrawal_wakes_it_and_some_is_bought_back(listening: Running) -> None:
    office, before = listening.office, listening.office.effects()
    actions.withdraw(office.world, office.world.accounts.bob, 15.0)
    assert_one_hedge_more(listening, before)
    assert listening.decided("Withdraw")
    assert office.effects()[-1] == pytest.approx(15.0, abs=listening.why().band.outer * 2)


def test_every_block_wakes_it_when_logs_do_not(office: Office, run: Run) -> None:
    office.change(ONLY_BLOCKS)
    running = run(office)
    running.until_quiet()
    before = office.effects()
    running.rest()
    actions.move_price(office.world, 1_900.0)
    assert_one_hedge_more(running, before)
    assert running.decided("block")
    assert_deaf_to_logs(running)


def test_a_timer_wakes_it_when_nothing_else_may(office: Office, run: Run) -> None:
    office.change(ONLY_BLOCKS, ("every_blocks = 1", 'every = "1 s"'))
    running = run(office)
    running.until_quiet()
    before = office.effects()
    running.rest()
    actions.move_price(office.world, 1_900.0)
    assert_one_hedge_more(running, before)
    assert running.decided("schedule")
    assert_deaf_to_logs(running)


def test_without_a_websocket_it_asks_for_the_logs_itself(office: Office, run: Run) -> None:
    office.change(ONLY_EVENTS, (f'ws = "{office.world.ws_url}"\n', ""))
    running = run(office)
    running.until_quiet()
    running.until(lambda: running.keeper.news.connected)
    before = office.effects()
    running.rest()
    actions.deposit(office.world, office.world.accounts.alice, 25.0)
    assert_one_hedge_more(running, before)
    assert running.decided("Deposit")


def test_a_person_rebalances_to_the_exact_target(listening: Running) -> None:
    office = listening.office
    assert abs(office.delta() + office.hedge()) > 0.05
    before = office.effects()
    request = listening.beside.request("rebalance")
    listening.until_hedged(effects=len(before) + 1)
    assert listening.beside.is_served(request)
    # What the fees and the float of the read leave: far less than the smallest trade.
    assert office.hedge() == pytest.approx(-office.delta(), abs=1e-4)


def test_a_person_flattens_and_nothing_is_hedged_again_before_a_resume(listening: Running) -> None:
    office = listening.office
    before = office.effects()
    request = listening.beside.request("flatten")
    listening.until_hedged(effects=len(before) + 1)
    assert abs(office.hedge()) <= DUST_BASE
    listening.until(lambda: listening.beside.is_served(request))
    assert listening.beside.halted() == "flattened by hand"
    listening.rest()
    actions.move_price(office.world, 1_900.0)
    listening.until(lambda: listening.decided("AnswerUpdated"))
    assert abs(office.hedge()) <= DUST_BASE
    listening.beside.append(Resumed("by hand", listening.clock.now_ms()))
    listening.until_quiet()
    listening.assert_hedged()


def test_e1_a_halt_from_another_process_stops_it_and_a_resume_lets_it_go_on(
    listening: Running,
) -> None:
    office, before = listening.office, listening.office.effects()
    nonce = office.nonce()
    listening.beside.append(Halted("by hand", listening.clock.now_ms()))
    actions.move_price(office.world, 1_850.0)
    listening.until(lambda: listening.decided("AnswerUpdated"))
    reasons = {getattr(note.decision, "reason", "") for note in listening.decided("AnswerUpdated")}
    assert reasons == {"halted: by hand"}
    assert (office.effects(), office.nonce("pending")) == (before, nonce)
    listening.beside.append(Resumed("by hand", listening.clock.now_ms()))
    listening.until_quiet()
    assert len(office.effects()) > len(before)
    listening.assert_hedged()


def test_f6_a_file_that_is_edited_under_a_running_keeper_changes_nothing(
    listening: Running,
) -> None:
    """It is read at the start alone: what is in flight keeps the limits it was decided under."""
    office, before = listening.office, listening.office.effects()
    office.config_file.write_text("[limits]\nmax_order = nonsense")
    actions.deposit(office.world, office.world.accounts.alice, 25.0)
    assert_one_hedge_more(listening, before)
    assert listening.journal.halted() is None
