import msgspec
import pytest
from msgspec.structs import replace

from keeper.engine.tick import tick
from keeper.model.chain import Fees, Message, UnsignedTx
from keeper.model.errors import BadData, CallReverted, Refused, Transient, Uncertain
from keeper.model.units import GWEI
from keeper.sim.chain_model import ChainModel, Known, Weather, known_of
from keeper.sim.chain_wire import Delivery, ModelOracle, ModelVault, Weakness, Wire, model_desk
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import CHAIN, KEEPER, VENUE, Order

FEES = Fees(50 * GWEI, GWEI)
MESSAGE = Message(VENUE, msgspec.json.encode(Order(-3.0, 1_900.0, 1_700_000_600)), 0, 200_000)
RAW = msgspec.json.encode(UnsignedTx(CHAIN, 0, MESSAGE, FEES))


def test_a_desk_on_the_model_hedges_it() -> None:
    chain, journal = ChainModel(), MemoryJournal()
    desk = model_desk(chain, Wire(chain), journal)
    tick(desk)
    for _ in range(2):
        chain.mine()
    tick(desk)
    assert [outcome.status for outcome in journal.outcomes()] == ["done"]
    assert chain.head.position == pytest.approx(-10.0, abs=0.05)
    book = desk.books[0]
    assert (*book.venue.watch(), *ModelOracle().watch(), *ModelVault().watch()) == ()
    assert book.venue.fill(()) is None
    assert desk.hands.log.clock.monotonic_ms() == desk.hands.log.clock.now_ms() == chain.now_ms


def test_a_refusal_of_the_venue_is_explained() -> None:
    chain, journal = ChainModel(Weather(mood="refusing")), MemoryJournal()
    tick(model_desk(chain, Wire(chain), journal))
    assert "the venue is closed" in journal.outcomes()[0].reason


@pytest.mark.parametrize(
    ("delivery", "error", "pooled", "known"),
    [
        ("plain", None, True, True),
        ("unheard", Uncertain, True, True),
        ("lost", Uncertain, False, False),
        ("swallowed", None, False, True),
        ("refused", Refused, False, False),
        ("mistaken", Refused, False, True),
        ("elsewhere", Uncertain, False, True),
    ],
)
def test_bytes_meet_every_fate_that_a_line_has(
    delivery: Delivery, error: type[Exception] | None, *, pooled: bool, known: bool
) -> None:
    chain = ChainModel()
    points: list[str] = []
    wire = Wire(chain, points.append)
    tapped: list[Known] = []
    wire.heard = tapped.append
    wire.weakness = Weakness(delivery=delivery)
    if error is None:
        assert wire.send(RAW) == known_of(RAW).hash
    else:
        with pytest.raises(error):
            wire.send(RAW)
    assert (bool(chain.pool), bool(chain.known)) == (pooled, known)
    assert [one.raw for one in tapped] == [RAW]
    assert points == ["send", "sent"]


def test_a_head_may_lag_and_never_goes_backwards() -> None:
    chain = ChainModel()
    wire = Wire(chain)
    chain.mine()
    wire.weakness = Weakness(head_lag=1)
    assert wire.head().number == 100
    wire.weakness = Weakness()
    assert wire.head().number == 101
    wire.weakness = Weakness(head_lag=1)
    assert wire.head().number == 101
    chain.submit(RAW)
    chain.mine()
    assert wire.nonce(KEEPER) == 0, "a node that lags shows the nonce of its own block"
    wire.weakness = Weakness()
    assert (wire.nonce(KEEPER), wire.nonce(KEEPER, depth=1)) == (1, 0)


def test_receipts_lag_by_blocks_that_came_before_the_look_began() -> None:
    chain = ChainModel()
    wire = Wire(chain)
    chain.submit(RAW)
    chain.mine()
    wire.weakness = Weakness(receipt_lag=1)
    wanted = (known_of(RAW).hash,)
    assert wire.mined(wanted, wire.head()) is None
    chain.mine()
    early = wire.head()
    mined = wire.mined(wanted, early)
    assert mined is not None
    assert mined.depth == 2
    wire.weakness = Weakness(receipt_lag=2)
    head = wire.head()
    assert wire.mined(wanted, head) is None
    chain.mine()
    assert wire.mined(wanted, head) is not None
    assert wire.mined(wanted, replace(head, number=100)) is None, "above the head that is held"


def test_a_silent_node_answers_nothing_and_an_unknown_block_cannot_be_read() -> None:
    chain = ChainModel()
    wire = Wire(chain)
    head = wire.head()
    assert wire.simulate(KEEPER, MESSAGE, FEES, head) == MESSAGE.data
    assert wire.standing(KEEPER, KEEPER, head).code_hash is None
    with pytest.raises(BadData, match="not known"):
        wire.standing(KEEPER, VENUE, replace(head, hash="0x"))
    chain.weather = Weather(price=1_800.0)
    chain.mine()
    with pytest.raises(CallReverted):
        wire.simulate(KEEPER, MESSAGE, FEES, wire.head())
    wire.weakness = Weakness(silent=True)
    with pytest.raises(Transient):
        wire.head()
