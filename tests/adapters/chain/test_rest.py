from keeper.adapters.chain.rest import Rest


def turns_until_tried(rest: Rest) -> int:
    turns = 0
    while rest.spares():
        turns += 1
    return turns


def test_what_never_failed_is_not_spared() -> None:
    assert turns_until_tried(Rest(100)) == 0


def test_each_failure_in_a_row_doubles_the_rest_up_to_the_longest() -> None:
    rest, turns = Rest(20), []
    for _ in range(6):
        rest.failed()
        turns.append(turns_until_tried(rest))
    assert turns == [2, 4, 8, 16, 20, 20]


def test_after_it_worked_the_next_failure_is_the_first_one() -> None:
    rest = Rest(100)
    for _ in range(5):
        rest.failed()
    rest.worked()
    assert turns_until_tried(rest) == 0
    rest.failed()
    assert turns_until_tried(rest) == 2
