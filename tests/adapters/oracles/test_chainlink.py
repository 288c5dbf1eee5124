"""A price is refused for every reason a feed can give to doubt it, and never replaced."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from keeper.adapters.oracles.chainlink import (
    AGGREGATOR,
    ANSWER_UPDATED,
    DECIMALS,
    LATEST_ROUND_DATA,
    MAX_ANSWER,
    MIN_ANSWER,
    Chainlink,
)
from keeper.model.chain import Address, Answer, Call
from keeper.model.errors import BadData, CallReverted
from keeper.model.market import Quote
from keeper.testing.conformance.oracle import OracleConformance
from keeper.testing.conformance.reading import read
from keeper.testing.replay import Recording, Replay

FEED = Address("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419")
FIRST = Address("0x00000000000000000000000000000000000000f1")
SECOND = Address("0x00000000000000000000000000000000000000F2")
ROUND = (6 << 64) + 1234
UPDATED_AT = 1_704_999_000


def config(**changes: Any) -> Chainlink.Config:
    usual: dict[str, Any] = {"feed": FEED, "max_age_s": 3_900}
    return Chainlink.Config(**(usual | changes))


def market(**changes: Any) -> dict[Call, Answer | CallReverted]:
    """ETH at 2,345.678 USD in phase 6."""
    usual: dict[str, Any] = {
        "round_id": ROUND,
        "answer": 234_567_800_000,
        "updated_at": UPDATED_AT,
        "decimals": 8,
        "aggregator": FIRST,
        "low": 1,
        "high": 2**95,
    }
    now = usual | changes
    fields = (now["round_id"], now["answer"], UPDATED_AT - 30, now["updated_at"], now["round_id"])
    return {
        LATEST_ROUND_DATA(FEED): fields,
        DECIMALS(FEED): (now["decimals"],),
        AGGREGATOR(FEED): (now["aggregator"],),
        MIN_ANSWER(now["aggregator"]): (now["low"],),
        MAX_ANSWER(now["aggregator"]): (now["high"],),
    }


def refusal(recording: Recording, oracle: Chainlink | None = None) -> str:
    got = read(Replay(recording), oracle or Chainlink(config()))
    assert isinstance(got, BadData)
    return str(got)


def test_the_decimals_are_the_feeds_own() -> None:
    fine = market(answer=2_345_678 * 10**15, decimals=18)
    quote = read(Replay(fine), Chainlink(config()))
    assert isinstance(quote, Quote)
    assert quote.price == 2_345.678


class TestChainlink(OracleConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Chainlink]:
        return lambda: Chainlink(config())

    @pytest.fixture
    def recording(self) -> Recording:
        return market()

    @pytest.fixture
    def expected(self) -> Quote:
        return Quote(
            source=f"chainlink {FEED}",
            price=2_345.678,
            updated_at_s=UPDATED_AT,
            max_age_s=3_900,
            round_id=ROUND,
        )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"answer": 0}, "not positive"),
        ({"answer": -1}, "not positive"),
        ({"updated_at": 0}, "not complete"),
        ({"answer": 2**95}, "aggregator's bounds"),
        ({"answer": 2**95 + 1}, "aggregator's bounds"),
        ({"answer": 50, "low": 50}, "aggregator's bounds"),
        ({"low": 9, "high": 9}, "leave no price"),
        ({"decimals": 37}, "implausible decimals"),
    ],
)
def test_o2_o3_o7_what_no_market_says_is_bad_data(changes: dict[str, int], sentence: str) -> None:
    assert sentence in refusal(market(**changes))


@pytest.mark.parametrize("bounds", [{"min_price": 2_345.678}, {"max_price": 2_000.0}])
def test_o7_the_owners_bounds_are_narrower(bounds: dict[str, float]) -> None:
    assert "outside the owner's bounds" in refusal(market(), Chainlink(config(**bounds)))


def test_an_answer_from_the_future_is_left_to_whoever_knows_the_time() -> None:
    got = read(Replay(market(updated_at=2**40)), Chainlink(config()))
    assert isinstance(got, Quote)
    assert got.updated_at_s == 2**40


def test_decimals_are_held_to_the_configuration() -> None:
    oracle = Chainlink(config(decimals=18))
    assert "decimals changed" in refusal(market(), oracle)
    assert "A person must look" in refusal(market(), oracle)


def test_o4_decimals_that_change_with_the_phase_stop_the_feed() -> None:
    oracle = Chainlink(config())
    read(Replay(market()), oracle)
    later = market(round_id=(7 << 64) + 1, aggregator=SECOND, decimals=18)
    assert "decimals changed" in refusal(later, oracle)
    assert "decimals changed" in refusal(later, oracle)
    assert isinstance(read(Replay(market()), oracle), Quote)


def test_a_new_phase_is_learned_and_watched() -> None:
    oracle = Chainlink(config())
    read(Replay(market()), oracle)
    later = market(round_id=(7 << 64) + 1, aggregator=SECOND, answer=90, low=90)
    assert "aggregator's bounds" in refusal(later, oracle)
    good = market(round_id=(7 << 64) + 2, aggregator=SECOND, low=90)
    chain = Replay(good)
    assert isinstance(read(chain, oracle), Quote)
    assert [w.address for w in oracle.watch()] == [SECOND]
    assert len(chain.rounds) == 1


def test_a_round_in_the_same_phase_learns_nothing_new() -> None:
    oracle = Chainlink(config())
    read(Replay(market()), oracle)
    chain = Replay(market(round_id=ROUND + 1, answer=1))
    read(chain, oracle)
    assert [len(calls) for calls in chain.rounds] == [1]


def test_answers_of_the_aggregator_are_watched_once_it_is_known() -> None:
    oracle = Chainlink(config())
    assert oracle.watch() == ()
    read(Replay(market()), oracle)
    (watch,) = oracle.watch()
    assert (watch.address, watch.topic) == (FIRST, ANSWER_UPDATED.topic)


def bare(**changes: int) -> dict[Call, Answer | CallReverted]:
    """A feed that is no proxy and shows no bounds."""
    recording = market(aggregator=FEED, **changes)
    for call in (AGGREGATOR(FEED), MIN_ANSWER(FEED), MAX_ANSWER(FEED)):
        recording[call] = CallReverted("no such function")
    return recording


def test_a_feed_without_bounds_needs_the_owners() -> None:
    said = refusal(bare())
    assert "no minAnswer and maxAnswer" in said
    assert "Set min_price and max_price" in said
    assert "no minAnswer" in refusal(bare(), Chainlink(config(min_price=1.0)))


def test_a_feed_that_is_no_proxy_is_its_own_aggregator() -> None:
    oracle = Chainlink(config(min_price=100.0, max_price=10_000.0))
    got = read(Replay(bare()), oracle)
    assert isinstance(got, Quote)
    assert got.price == 2_345.678
    assert [w.address for w in oracle.watch()] == [FEED]
    assert "outside the owner's bounds" in refusal(bare(answer=10**13), oracle)


@pytest.mark.parametrize(
    "bad",
    [
        {"feed": FEED},
        {"feed": "0x1", "max_age_s": 1},
        {"feed": FEED, "max_age_s": 0},
        {"feed": FEED, "max_age_s": 1, "min_price": 5.0, "max_price": 4.0},
        {"feed": FEED, "max_age_s": 1, "min_price": -5.0},
    ],
)
def test_a_configuration_without_sense_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, Chainlink.Config)
