"""An AggregatorV3 feed (ETH/USD, 8 decimals) whose rounds are written by hand."""

from typing import Final

from msgspec import Struct

from keeper.devnet.calldata import encode
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import Deployment, plan
from keeper.model.chain import Address

DECIMALS: Final = 8
DESCRIPTION: Final = "ETH / USD"
MIN_ANSWER: Final = 1
MAX_ANSWER: Final = 10**15
"""Ten million USD."""


class Feed(Struct, frozen=True):
    """A feed: the address users read, and its aggregator, which emits the events."""

    proxy: Address
    aggregator: Address


def deploy(chain: Chain, deployer: Address) -> Feed:
    """Deploy a feed without any round."""
    aggregator = plan_aggregator(deployer)
    proxy = plan(deployer, "SettableFeed", "address", aggregator.address)
    chain.execute(aggregator.tx, proxy.tx)
    return Feed(proxy.address, aggregator.address)


def plan_aggregator(deployer: Address, salt: int = 0, *, decimals: int = DECIMALS) -> Deployment:
    """Return how to deploy an aggregator; another *salt* gives another one, for a new phase."""
    return plan(
        deployer,
        "SettableAggregator",
        "uint8,string,int192,int192",
        decimals,
        DESCRIPTION,
        MIN_ANSWER,
        MAX_ANSWER,
        salt=salt,
    )


def answer_of(price: float) -> int:
    """Return a price in USD as the feed's integer."""
    return round(price * 10**DECIMALS)


def push(feed: Feed, sender: Address, price: float) -> Tx:
    """Return the transaction that starts and finishes a round in its own block."""
    data = encode("push(int256)", answer_of(price))
    return Tx(sender, feed.aggregator, data, label="push round")


def push_round(
    feed: Feed, sender: Address, answer: int, *, started_at_s: int, updated_at_s: int
) -> Tx:
    """Return the transaction that writes a round with any answer and any times."""
    data = encode("pushRound(int256,uint256,uint256)", answer, started_at_s, updated_at_s)
    return Tx(sender, feed.aggregator, data, label="push round by hand")


def set_aggregator(feed: Feed, sender: Address, aggregator: Address) -> Tx:
    """Return the transaction that begins a new phase."""
    return Tx(sender, feed.proxy, encode("setAggregator(address)", aggregator), label="new phase")
