"""When a private transaction is for everybody."""

from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.outlets import Outlets


def test_t12_the_same_bytes_go_to_everybody_after_the_delay() -> None:
    outlets = Outlets(30.0)
    assert not outlets.is_public(b"\x02", 100.0)
    assert not outlets.is_public(b"\x02", 129.9)
    assert outlets.is_public(b"\x02", 130.0)


def test_each_transaction_has_its_own_delay() -> None:
    outlets = Outlets(30.0)
    outlets.is_public(b"\x02", 100.0)
    assert not outlets.is_public(b"\x03", 130.0)


def test_p9_what_was_sent_long_ago_is_forgotten() -> None:
    outlets = Outlets(30.0)
    for number in range(65):
        outlets.is_public(bytes([number]), 100.0)
    assert outlets.is_public(bytes([1]), 200.0)
    assert not outlets.is_public(bytes([0]), 200.0), "it begins anew: private first"


@given(sent=st.lists(st.binary(max_size=2), max_size=300))
def test_no_first_send_is_public(sent: list[bytes]) -> None:
    outlets = Outlets(30.0)
    assert not any(outlets.is_public(raw, 100.0) for raw in sent)
