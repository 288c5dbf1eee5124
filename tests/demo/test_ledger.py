import pytest

from keeper.demo.ledger import TYPICAL_GAS, Ledger, count_effects
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.engine.tick import tick
from keeper.model.events import Decided, Halted, Settled
from keeper.model.flow import Fill, Hold, Outcome
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import World as MemoryWorld
from keeper.sim.world import desk_of


def test_it_adds_up_what_was_spent() -> None:
    ledger = Ledger()
    assert ledger.gas_per_trade == TYPICAL_GAS
    fill = Fill(-1.0, 2_000.0, fee_usd=2.0, realized_pnl_usd=0.0)
    ledger.tell(Settled(Outcome("a", "done", "filled", fill, 800_000, gas_usd=30.0), 1))
    ledger.tell(Settled(Outcome("b", "failed", "reverted", None, 0, gas_usd=0.0), 2))
    ledger.tell(Halted("enough", 3))
    assert (ledger.cost_usd, ledger.done, ledger.gas_per_trade) == (32.0, 1, 800_000)
    assert ledger.transactions == 1, "a refused one was never sent"


def test_it_knows_what_was_decided_last() -> None:
    world = MemoryWorld()
    journal = MemoryJournal()
    ledger = Ledger()
    tick(desk_of(world, journal))
    for event in journal.events:
        ledger.tell(event)
    assert ledger.block == world.number
    assert ledger.said.startswith("trades -")
    assert ledger.band.outer > 0
    assert (len(ledger.intents), ledger.transactions) == (1, 0)


def test_a_trade_is_awaited_until_its_bytes_are_on_their_way() -> None:
    journal, ledger, seen = MemoryJournal(), Ledger(), []
    tick(desk_of(MemoryWorld(), journal))
    for event in journal.events:
        ledger.tell(event)
        seen.append((type(event).__name__, ledger.is_acting))
    assert seen == [
        ("CodeSeen", False),
        ("Decided", True),
        ("Intended", True),
        ("Signed", True),
        ("Sent", False),
    ]


def test_what_could_not_be_read_has_no_block() -> None:
    ledger = Ledger()
    ledger.tell(Decided("eth", Hold("the price is stale"), 1, ()))
    assert ledger.block is None
    assert ledger.said == "the price is stale"


@pytest.mark.anvil
def test_effects_are_counted_on_the_chain(world: World) -> None:
    account = world.accounts.keeper
    assert count_effects(world, account.address) == 0
    actions.hedge(world, account, -3.0)
    actions.hedge(world, account, 1.0)
    assert count_effects(world, account.address) == 2
