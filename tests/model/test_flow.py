import msgspec
import pytest

from keeper.model.chain import Address, BlockRef, Fees, Log
from keeper.model.errors import BadData
from keeper.model.events import Decided, Event, Intended, Settled, Signed
from keeper.model.flow import Attempt, Exposure, Fill, Hold, Intent, Outcome

BLOCK = BlockRef(1, "0xaa", "0xbb", 1_700_000_000, 10**9)
INTENT = Intent("i", "eth", Address("0xee"), -1.5, False, 1_980.0, 1_700_000_600, 2_000.0, BLOCK)  # noqa: FBT003  # a row


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a5_what_is_not_finite_never_becomes_an_exposure(bad: float) -> None:
    with pytest.raises(BadData, match="not finite"):
        Exposure(bad, 0.0, 0.0, 0.0, 0.0, 1.0)
    with pytest.raises(BadData, match="not finite"):
        Exposure(0.0, 0.0, 0.0, 0.0, 0.0, bad)


@pytest.mark.parametrize(
    "event",
    [
        Decided("eth", Hold("inside the band"), 5, ("block",)),
        Intended(INTENT, 5),
        Signed(Attempt("i", "0xcc", b"\x02\xff", 7, Fees(2**70, 1), 5)),
        Settled(Outcome("i", "done", "filled", Fill(-1.5, 1_990.0, 3.0, 0.0), 21_000, 0.4), 5),
    ],
)
def test_an_event_survives_the_journal(event: Event) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_a_value_once_made_never_changes() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        INTENT.units = 2.0  # type: ignore[misc]  # that is the point


def test_a_log_is_a_value() -> None:
    assert Log(Address("0xa"), (b"t",), b"d", 0) == Log(Address("0xa"), (b"t",), b"d", 0)
