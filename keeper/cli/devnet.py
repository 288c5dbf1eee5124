"""`keeper devnet`: a local chain with real protocols, and what can be made to happen on it."""

import signal
import threading
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path

import click

from keeper.cli import devnet_view, starter
from keeper.cli.command import Group
from keeper.cli.devnet_up import tend
from keeper.cli.numbers import plain, usd
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.devnet import actions
from keeper.devnet.accounts import Account
from keeper.devnet.chain import Block
from keeper.devnet.world import Plan, World, start_world

FOLDER = Path("keeper-devnet")


@click.group(cls=Group)
def devnet() -> None:
    """A local chain with real protocols to try it on."""


@devnet.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True,
    help="Folder for world.json, keeper.toml and .env.",
)  # fmt: skip
@click.option("--price", type=click.FloatRange(min=1), default=2_000.0, help="USD per ETH.")
@click.option(
    "--block-time", "block_s", type=click.FloatRange(min=0.05), default=2.0, show_default=True,
    help="Seconds between blocks.",
)  # fmt: skip
@click.pass_obj
def up(setting: Setting, *, port: int, out: Path, price: float, block_s: float) -> None:
    """Start the chain, say what is where, and keep it running until Ctrl-C.

    Deploys Multicall3, tokens, Uniswap v3, Perp v2, an ERC-4626 vault and a price feed, and writes
    a configuration that is ready to run.
    """
    with start_world(Plan(port=port, price=price)) as world:
        _hand_over(world, out)
        emit(setting, devnet_view.document(world, out), lambda: devnet_view.text(world, out))
        stop = threading.Event()
        # By name, because a shell starts background jobs with Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        # A shell starts background jobs with Ctrl-C ignored; whoever sends it later means it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tend(world, block_s=block_s, stop=stop)


def _hand_over(world: World, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    world.dump(out / "world.json")
    # An old journal would hold nonces that the new chain has never seen.
    for stale in out.glob("keeper.db*"):
        stale.unlink()
    starter.write(out, starter.files(starter.of_world(world)))


def _on_world(action: Callable[..., Block]) -> Callable[..., None]:
    """Return a command that loads the world, acts on it, and shows where it stands then."""

    @click.option(
        "--world", "file", type=click.Path(path_type=Path, dir_okay=False),
        default=FOLDER / "world.json", show_default=True, help="Written by `keeper devnet up`.",
    )  # fmt: skip
    @click.pass_obj
    def command(setting: Setting, /, *, file: Path, **arguments: object) -> None:
        world = World.load(file)
        _show(setting, world, action(world, **arguments))

    return update_wrapper(command, action)


def _show(setting: Setting, world: World, block: Block) -> None:
    now = actions.prices(world)
    gwei = plain(block.base_fee_wei / 10**9)
    emit(
        setting,
        {"block": block, "prices": now},
        lambda: (
            f"block {block.number:,}, base fee {gwei} gwei; "
            f"feed {usd(now.feed)}, pool {usd(now.pool)}, perp {usd(now.perp)}"
        ),
    )


def _user(world: World, name: str) -> Account:
    account: Account = getattr(world.accounts, name)
    return account


who = click.argument("user", type=click.Choice(["alice", "bob"]))


@devnet.command("move-price")
@click.argument("price", type=click.FloatRange(min=0, min_open=True))
@_on_world
def move_price(world: World, price: float) -> Block:
    """Bring feed, pool and perp market to PRICE, in USD per ETH."""
    return actions.move_price(world, price)


@devnet.command()
@who
@click.argument("weth", type=click.FloatRange(min=0, min_open=True))
@_on_world
def deposit(world: World, user: str, weth: float) -> Block:
    """Deposit WETH of USER (alice or bob) into the vault."""
    return actions.deposit(world, _user(world, user), weth)


@devnet.command()
@who
@click.argument("weth", type=click.FloatRange(min=0, min_open=True))
@_on_world
def withdraw(world: World, user: str, weth: float) -> Block:
    """Withdraw WETH of USER (alice or bob) from the vault."""
    return actions.withdraw(world, _user(world, user), weth)


@devnet.command()
@click.argument("gwei", type=click.FloatRange(min=0, min_open=True))
@_on_world
def gas(world: World, gwei: float) -> Block:
    """Set the base fee to GWEI; it stays so until it is set again."""
    return world.chain.raise_base_fee(gwei)


@devnet.command()
@click.argument("blocks", type=click.IntRange(1, 10_000), default=1)
@click.option("--seconds", type=click.IntRange(1), default=12, show_default=True,
              help="Between two blocks.")  # fmt: skip
@_on_world
def mine(world: World, blocks: int, seconds: int) -> Block:
    """Mine BLOCKS blocks."""
    return world.chain.mine(blocks, seconds)
