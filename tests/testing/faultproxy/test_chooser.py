import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.accounts import published_accounts
from keeper.model.errors import ConfigError
from keeper.testing.faultproxy.chooser import Chooser, at
from keeper.testing.faultproxy.rules import BatchShuffle, Drop, Fault, Removed, Stale


def hits(chooser: Chooser, calls: int, method: str = "eth_call") -> list[bool]:
    return [bool(chooser.strike(method, [])) for _ in range(calls)]


def test_a_rule_strikes_the_methods_of_its_glob() -> None:
    chooser = Chooser(0, (Drop(method="eth_get*"),))
    assert chooser.strike("eth_getLogs", [])
    assert not chooser.strike("eth_call", [])


def test_a_rule_for_all_calls_leaves_notifications_alone() -> None:
    chooser = Chooser(0, (Drop(), Drop(method="@*", how="hang")))
    assert [s.fault for s in chooser.strike("@newHeads", [])] == [Drop(method="@*", how="hang")]
    assert [s.fault for s in chooser.strike("eth_call", [])] == [Drop()]


def test_it_passes_some_and_then_strikes_some() -> None:
    assert hits(Chooser(0, (Drop(after=1, times=2),)), 5) == [False, True, True, False, False]


def test_params_choose_whatever_their_case() -> None:
    chooser = Chooser(0, (Drop(params={"0.to": "0xAb", "1": "latest"}),))
    assert chooser.strike("eth_call", [{"to": "0xaB"}, "latest"])
    assert not chooser.strike("eth_call", [{"to": "0xab"}, "0x1"])
    assert not chooser.strike("eth_call", [])


def test_the_transaction_that_a_send_carries_chooses_too() -> None:
    key = published_accounts(31_337).deployer.test_key
    fields = {
        "nonce": 3,
        "gasPrice": 7,
        "gas": 21_000,
        "to": "0x000000000000000000000000000000000000dEaD",
        "value": 0,
    }
    raw = "0x" + Account.sign_transaction({**fields, "data": b""}, key).raw_transaction.hex()
    rule = Drop(params={"tx.nonce": 3, "tx.to": "0x000000000000000000000000000000000000dead"})
    chooser = Chooser(0, (rule,))
    assert chooser.strike("eth_sendRawTransaction", [raw])
    assert not chooser.strike("eth_sendRawTransaction", ["0x"])
    assert not chooser.strike("eth_sendRawTransaction", [])
    assert not Chooser(0, (Drop(params={"tx.nonce": 4}),)).strike("x", [raw])


def test_all_rules_that_match_strike_in_their_order() -> None:
    faults: tuple[Fault, ...] = (Stale(lag=1), Drop(), Stale(lag=2))
    assert tuple(s.fault for s in Chooser(0, faults).strike("x", [])) == faults


def test_rules_of_batches_see_batches_alone() -> None:
    chooser = Chooser(0, (BatchShuffle(),))
    assert not chooser.strike("x", [])
    assert chooser.strike("x", [], in_batch=True)
    assert chooser.tallies()[0].seen == 1


seeds = st.integers(0, 10**6)


@given(seeds, st.floats(0.1, 0.9))
def test_the_same_seed_and_order_give_the_same_faults(seed: int, probability: float) -> None:
    first, second = (Chooser(seed, (Drop(probability=probability),)) for _ in range(2))
    assert hits(first, 50) == hits(second, 50)


@given(seeds, st.lists(st.booleans(), max_size=50))
def test_calls_that_a_rule_does_not_concern_move_none_of_its_chances(
    seed: int, between: list[bool]
) -> None:
    rules = (Drop(method="eth_call", probability=0.5), Drop(method="other", probability=0.5))
    alone, among = Chooser(seed, rules), Chooser(seed, rules)
    seen = []
    for foreign in between:
        if foreign:
            among.strike("other", [])
        seen.append(bool(among.strike("eth_call", [])))
    assert seen == hits(alone, len(between))


@given(seeds)
def test_a_probability_is_kept_roughly_and_its_ends_exactly(seed: int) -> None:
    assert 300 < sum(hits(Chooser(seed, (Drop(probability=0.5),)), 1_000)) < 700
    assert not any(hits(Chooser(seed, (Drop(probability=0.0),)), 100))
    assert all(hits(Chooser(seed, (Drop(probability=1.0),)), 100))


def test_another_seed_gives_other_faults() -> None:
    rule = Drop(probability=0.5)
    assert len({tuple(hits(Chooser(seed, (rule,)), 40)) for seed in range(5)}) == 5


def test_replacing_begins_anew_and_adding_does_not() -> None:
    chooser = Chooser(7, (Drop(probability=0.5),))
    first = hits(chooser, 20)
    chooser.add((Drop(method="other"),))
    assert [t.seen for t in chooser.tallies()] == [20, 0]
    chooser.replace((Drop(probability=0.5),))
    assert hits(chooser, 20) == first


def test_it_counts_what_it_saw_and_struck() -> None:
    chooser = Chooser(0, (Drop(times=1),))
    hits(chooser, 3)
    (tally,) = chooser.tallies()
    assert (tally.seen, tally.struck) == (3, 1)


def test_a_rule_that_cannot_strike_changes_nothing() -> None:
    chooser = Chooser(0, (Drop(),))
    with pytest.raises(ConfigError):
        chooser.replace((Removed(method="eth_getLogs"),))
    assert len(chooser.tallies()) == 1


def test_a_path_leads_into_objects_and_lists_or_nowhere() -> None:
    value = {"a": [{"b": 1}]}
    assert at(value, "") == value
    assert at(value, "a.0.b") == 1
    assert [at(value, path) for path in ("a.1", "a.x", "b", "a.0.b.c")] == [None] * 4
