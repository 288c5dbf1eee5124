"""Values that every test of the command line talks about, and homes for a keeper."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli import starter
from keeper.cli.main import cli
from keeper.cli.starter import Answers
from keeper.devnet.world import World
from keeper.model.chain import BlockRef, ChainId
from keeper.model.events import Decided
from keeper.model.flow import Band, Costs, Exposure, Gate, Reasoning, Rebalance
from tests.canary import NODE_TOKEN

BLOCK = BlockRef(
    number=18_000_123,
    hash="0x" + "ab" * 32,
    parent_hash="0x" + "cd" * 32,
    timestamp_s=1_790_000_000,
    base_fee_wei=1_000_000_000,
)

POOR_WEI = 5_600_000 * 10**9
"""Pays for three hedges as they are expected, and not for one at its highest fee and gas."""


@pytest.fixture
def why() -> Reasoning:
    return Reasoning(
        book="eth-lp",
        block=BLOCK,
        exposure=Exposure(
            delta=10.5, gamma=-0.0021, vega=0.0, theta=0.0, value_usd=21_000.0, price=2_000.0
        ),
        hedge=-9.5,
        hedge_ratio=1.0,
        net=1.0,
        band=Band(outer=0.8, inner=0.3),
        costs=Costs(
            gas_units=350_000,
            gas_price_wei=1_200_000_000,
            fixed_usd=0.84,
            proportional_rate=0.001,
            impact_per_base=0.00002,
        ),
        risk_aversion=1e-5,
        sigma=0.6,
        volatility=None,
        risk_now_usd_per_year=7.2,
        trade_cost_usd=2.254,
        trade_benefit_usd=4.5,
        gates=(
            Gate("band", True, 1.0, 0.8, "base", "at least"),  # noqa: FBT003  # a row of a table
            Gate("price age", True, 12.0, 3_600.0, "s"),  # noqa: FBT003  # ditto
            Gate("deviation", True, 0.0012, 0.02, "fraction", "venue mark"),  # noqa: FBT003  # ditto
            Gate("gas price", False, 80.0, 50.0, "gwei"),  # noqa: FBT003  # ditto
            Gate("gas budget", True, 1.84, 20.0, "USD", "last 24 h plus this transaction"),  # noqa: FBT003  # ditto
        ),
        would_trade_if="it is outside the band: only a gate can hold it back",
    )


@pytest.fixture
def rebalance(why: Reasoning) -> Decided:
    return Decided(
        book="eth-lp",
        decision=Rebalance(units=-0.7, reduce_only=False, worst_price=1_990.0, why=why),
        at_ms=1_790_000_003_000,
        triggers=("AnswerUpdated", "timer"),
    )


Keeper = Callable[..., Result]
"""Runs `keeper` with the home's configuration."""


def at_home(home: Path) -> Keeper:
    def keeper(*line: str) -> Result:
        done = CliRunner().invoke(cli, ["--config", str(home / "keeper.toml"), *line])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return keeper


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a configuration for a chain that is not there."""
    answers = Answers(
        chain_id=31337,
        rpc_url=f"http://127.0.0.1:1/v2/{NODE_TOKEN}",
        book="eth-lp",
        max_position=10.0,
        asset="0x" + "1" * 40,
        feed="0x" + "2" * 40,
        vault="0x" + "3" * 40,
        clearing_house="0x" + "4" * 40,
        base_token="0x" + "5" * 40,
    )
    starter.write(tmp_path, starter.files(answers))
    return tmp_path


@pytest.fixture
def keeper(home: Path) -> Keeper:
    return at_home(home)


@pytest.fixture
def journal(home: Path) -> Iterator[SqliteJournal]:
    """The home's journal, as the keeper that acts on it holds it."""
    with SqliteJournal.acting(home / "keeper.db", ChainId(31337)) as journal:
        yield journal


@pytest.fixture
def devnet_home(world: World, tmp_path: Path) -> Path:
    """A folder with a configuration for a real local chain that mines by itself."""
    world.chain.automine(on=True)
    files = starter.files(starter.of_world(world))
    files["keeper.toml"] = files["keeper.toml"].replace("127.0.0.1:9464", "127.0.0.1:0")
    starter.write(tmp_path, files)
    world.dump(tmp_path / "world.json")
    return tmp_path


@pytest.fixture
def devnet_keeper(devnet_home: Path, world: World) -> Keeper:
    """Run commands; what they have sent is in a block before the next one begins."""
    run = at_home(devnet_home)

    def keeper(*line: str) -> Result:
        done = run(*line)
        world.chain.finish_mining()
        return done

    return keeper


def hedge(world: World) -> float:
    """Return what the keeper holds at the perp venue."""
    held = world.chain.read(
        world.perp.account_balance,
        "getTotalPositionSize(address,address)",
        "int256",
        world.accounts.keeper.address,
        world.perp.base_token,
    )
    return float(held) / 10**18
