import pytest

from keeper.adapters.chain.anchor import Anchor, agreed, anchor_height, is_due
from keeper.model.errors import ConfigError


@pytest.mark.parametrize(("head", "height"), [(0, 0), (64, 0), (65, 1), (10_000, 9_936)])
def test_it_lies_two_epochs_below_the_head_or_at_the_beginning(head: int, height: int) -> None:
    assert anchor_height(head) == height


@pytest.mark.parametrize(("head", "due"), [(0, False), (64, False), (65, True)])
def test_the_first_one_is_due_once_there_is_a_block_so_deep(head: int, *, due: bool) -> None:
    assert is_due(None, head) is due


def test_a_new_one_is_due_long_before_a_node_may_have_dropped_the_old_one() -> None:
    anchor = Anchor(1_000, "0xa")
    due = next(head for head in range(1_000, 20_000) if is_due(anchor, head))
    assert 2_000 < due < 10_000
    assert is_due(anchor, 10**9)
    assert not is_due(Anchor(anchor_height(due), "0xb"), due)


def test_c10_the_majority_chooses_it_and_a_tie_is_told_with_every_vote() -> None:
    assert agreed(36, {"a": "0x1", "b": "0x2", "c": "0x1"}) == Anchor(36, "0x1")
    with pytest.raises(ConfigError, match="different histories") as caught:
        agreed(36, {"a": "0x1", "b": "0x2"})
    assert caught.value.facts == {"block": 36, "a": "0x1", "b": "0x2"}
