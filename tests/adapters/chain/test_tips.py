from keeper.adapters.chain.tips import HeardTips
from keeper.model.errors import Transient


class Node:
    """Says the next of its answers, or nothing when there is none."""

    def __init__(self, *answers_wei: int) -> None:
        self.answers_wei = list(answers_wei)
        self.asked = 0

    def recent_tip_wei(self) -> int:
        self.asked += 1
        if not self.answers_wei:
            raise Transient("silence")
        return self.answers_wei.pop(0)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_nothing_was_heard_before_anybody_asked() -> None:
    node = Node(5)
    assert HeardTips(node, 60.0, Clock()).recent_wei() == 0
    assert node.asked == 0


def test_it_asks_once_in_a_while_and_remembers_the_answer() -> None:
    node, clock = Node(5, 7), Clock()
    tips = HeardTips(node, 60.0, clock)
    tips.listen()
    clock.now_s += 59.0
    tips.listen()
    assert (tips.recent_wei(), node.asked) == (5, 1)
    clock.now_s += 1.0
    tips.listen()
    assert (tips.recent_wei(), node.asked) == (7, 2)


def test_silence_leaves_what_was_heard_and_is_not_asked_in_a_hot_loop() -> None:
    node, clock = Node(5), Clock()
    tips = HeardTips(node, 60.0, clock)
    tips.listen()
    clock.now_s += 60.0
    tips.listen()
    tips.listen()
    assert (tips.recent_wei(), node.asked) == (5, 2)
