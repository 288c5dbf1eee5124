"""What we have seen of the chain: laws over chains that grow, lag and fork."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.chain_view import ChainView, advanced, judge
from keeper.model.chain import BlockRef


def block(number: int, branch: str = "a", parent: str | None = None) -> BlockRef:
    return BlockRef(
        number=number,
        hash=f"0x{branch}{number}",
        parent_hash=f"0x{parent or branch}{number - 1}",
        timestamp_s=12 * number,
        base_fee_wei=7,
    )


def seen(*blocks: BlockRef) -> ChainView:
    view = ChainView()
    for one in blocks:
        view = advanced(view, one, judge(view, one))
    return view


def test_the_first_block_is_new() -> None:
    assert judge(ChainView(), block(5)) == "new"
    assert ChainView().head is None


LINKED = (block(7), block(8), block(9), block(10))


@pytest.mark.parametrize(
    ("shown", "verdict"),
    [
        (block(10), "same"),
        (block(11), "new"),
        (block(11, "b", parent="a"), "new"),
        (block(11, "b"), "reorg"),  # its parent is not our head
        (block(15, "b"), "new"),  # nothing links it to us; nothing contradicts us
        (block(10, "b"), "reorg"),
        (block(9), "lags"),
        (block(9, "b"), "reorg"),
        (block(7), "lags"),
        (block(7, "b"), "reorg"),
        (block(6, "b"), "reorg"),  # known as the parent of 7
        (block(5), "lags"),
        (block(5, "b"), "lags"),  # of a height we know nothing about: no proof
    ],
)
def test_what_is_shown_is_judged_by_hashes(shown: BlockRef, verdict: str) -> None:
    assert judge(seen(*LINKED), shown) == verdict


@pytest.mark.parametrize("newest", [block(10, "b"), block(11, "b"), block(12), block(9, "b")])
def test_what_does_not_lead_to_the_head_is_forgotten(newest: BlockRef) -> None:
    assert seen(*LINKED, newest).heads == (newest,)


def test_r9_an_orphan_behind_a_gap_proves_nothing() -> None:
    """10 was reorganised away unseen; a node that lags shows the canonical 10 afterwards."""
    view = seen(block(10), block(15, "b"))
    assert judge(view, block(10, "b")) == "lags"


@given(shown=st.lists(st.integers(min_value=1, max_value=200), min_size=1, max_size=60))
def test_r9_on_one_branch_the_view_never_goes_down_whoever_lags(shown: list[int]) -> None:
    view, highest = ChainView(), 0
    for number in shown:
        verdict = judge(view, block(number))
        assert verdict != "reorg"
        if verdict in {"new", "same"}:
            view = advanced(view, block(number), verdict)
            assert number >= highest
            highest = number
        else:
            assert number < highest
    assert view.head == block(max(shown))


@given(
    first=st.lists(st.integers(min_value=1, max_value=300), min_size=1, max_size=300),
    fork=st.integers(min_value=1, max_value=300),
)
def test_p9_the_memory_is_a_bounded_chain_of_parents(first: list[int], fork: int) -> None:
    view = seen(*map(block, sorted(first)), block(fork, "b"))
    assert len(view.heads) <= 64
    assert all(
        child.parent_hash == parent.hash
        for parent, child in zip(view.heads, view.heads[1:], strict=False)
    )
