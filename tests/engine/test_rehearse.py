import pytest
from msgspec.structs import replace

from keeper.engine.rehearse import bind, is_within, order
from keeper.engine.tick import Desk, tick
from keeper.model.errors import Fatal, Rejected
from keeper.model.events import CodeSeen, Halted, Resumed
from keeper.model.flow import Fill
from keeper.ports.acting import Standing
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, VENUE, World, desk_of
from keeper.testing.conformance.journal_events import an_intent

INTENT = an_intent(account=KEEPER)


def tried(world: World, journal: MemoryJournal) -> str:
    """Tick once; return why the intent was closed."""
    tick(desk_of(world, journal))
    assert world.raws == []
    return journal.outcomes()[-1].reason


def gas_limit(desk: Desk, *, ample_gas: bool = False, block_gas: int | None = 36_000_000) -> int:
    head = replace(desk.chain.head(), gas_limit=block_gas)
    return order(desk.books[0].venue, replace(INTENT, ample_gas=ample_gas), head).gas_limit


@pytest.mark.parametrize("block_gas", [399_999, 150_000])
def test_c8_more_gas_than_half_a_block_is_refused_before_anything_is_signed(block_gas: int) -> None:
    world = World()
    world.block_gas = block_gas
    reason = tried(world, MemoryJournal())
    assert "gas limit is above half of a block's" in reason
    assert f"most={block_gas // 2}" in reason


def test_c8_the_most_is_what_nodes_take_whatever_a_block_holds() -> None:
    desk = desk_of(World(), MemoryJournal())
    assert gas_limit(desk) == 200_000
    desk.books[0].venue.prepare = lambda intent: replace(  # type: ignore[method-assign]  # a hungry venue
        type(desk.books[0].venue).prepare(desk.books[0].venue, intent), gas_limit=2**24 + 1
    )
    for block_gas in (None, 10**9):
        with pytest.raises(Rejected, match="what nodes take"):
            gas_limit(desk, block_gas=block_gas)


def test_t10_ample_gas_is_half_as_much_again_and_bounded() -> None:
    desk = desk_of(World(), MemoryJournal())
    assert gas_limit(desk, ample_gas=True) == 300_000
    assert gas_limit(desk, ample_gas=True, block_gas=None) == 300_000
    assert gas_limit(desk, ample_gas=True, block_gas=500_000) == 250_000


def test_c9_a_target_without_code_is_never_called() -> None:
    world = World()
    world.code_hash = None
    assert "no code at the venue's address" in tried(world, MemoryJournal())


def test_v10_the_first_code_is_written_down_once_and_a_change_is_fatal() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    for _ in range(4):
        tick(desk)
        world.mine()
    assert [e for e in journal.events if isinstance(e, CodeSeen)] == [
        CodeSeen(VENUE, "0xc0de", journal.events[0].at_ms)  # type: ignore[union-attr]  # it has one
    ]
    world.code_hash, world.delta = "0xbad", 20.0
    with pytest.raises(Fatal, match="code of the venue's contract has changed"):
        tick(desk)
    assert (journal.outcomes()[-1].status, len(world.raws)) == ("abandoned", 1)
    seen, halted, *_intent = journal.events[-5:]
    assert isinstance(seen, CodeSeen)
    assert isinstance(halted, Halted)
    # A person who resumes accepts it.
    journal.append(Resumed("an upgrade that was announced", world.now_ms))
    world.mine()
    tick(desk)
    assert len(world.raws) == 2


@pytest.mark.parametrize(
    ("units", "within"), [(-1.5, True), (-1.0, True), (-1.6, False), (1.0, False), (0.0, False)]
)
def test_a_fill_is_within_what_was_meant_by_sign_and_size(units: float, *, within: bool) -> None:
    assert INTENT.units == -1.5
    assert is_within(Fill(units, 2_000.0, 0.0, 0.0), INTENT) == within


def test_a_new_nonce_is_the_journals_and_the_chains() -> None:
    assert bind(INTENT, None, Standing(41, None)) == 41
    assert bind(INTENT, 42, Standing(42, None)) == 42
    with pytest.raises(Fatal, match="took back"):
        bind(INTENT, 42, Standing(41, None))
    with pytest.raises(Fatal, match="used elsewhere"):
        bind(INTENT, 42, Standing(43, None))
