"""`keeper init`: a commented keeper.toml and .env, from flags, a few answers, or a devnet."""

import sys
from pathlib import Path
from typing import Any, Final

import click
from msgspec import convert

from keeper.cli import starter
from keeper.cli.command import Command
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.cli.starter import Answers
from keeper.devnet.world import World
from keeper.model.errors import ConfigError

QUESTIONS: Final = {
    "chain_id": "Chain id",
    "rpc_url": "Node, http(s) URL or path of an IPC socket",
    "symbol": "Symbol of the asset to hedge, such as ETH",
    "asset": "Address of the asset's token",
    "feed": "Address of its Chainlink price feed",
    "vault": "Address of the ERC-4626 vault",
    "clearing_house": "Address of Perp v2's ClearingHouse",
    "base_token": "Address of Perp v2's base token for this market",
    "max_position": "Largest hedge you accept, in units of the asset",
}
"""What has no default; asked on a terminal, demanded elsewhere."""


@click.command(cls=Command)
@click.option("--devnet", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Fill everything in from the world.json of `keeper devnet up`.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="Folder to write to.  [default: here]")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--chain-id", type=int, help="What the node must say it is.")
@click.option("--rpc-url", help="The node; it is written into .env.")
@click.option("--ws-url", default="", help="WebSocket of the node, for quick reactions.")
@click.option("--keystore", type=click.Path(exists=True, dir_okay=False, resolve_path=True),
              help="Encrypted key file; otherwise the key goes into .env.")  # fmt: skip
@click.option("--symbol", help="Of the asset to hedge.")
@click.option("--asset", help="Address of its token.")
@click.option("--feed", help="Address of its Chainlink feed.")
@click.option("--native-feed", default="", help="Feed of the gas coin, if that is another.")
@click.option("--vault", help="Address of the ERC-4626 vault.")
@click.option("--position-manager", default="", help="If the vault holds Uniswap v3 positions.")
@click.option("--quote", default="", help="The other token of those positions.")
@click.option("--clearing-house", help="Of Perp v2.")
@click.option("--base-token", help="Of Perp v2, for this market.")
@click.option("--max-position", type=float, help="Largest hedge, in units of the asset.")
@click.pass_obj
def init(setting: Setting, /, *, devnet: Path | None, out: Path, force: bool, **flags: Any) -> None:
    """Write a commented keeper.toml and .env.

    Asks for what the flags leave open. The key never goes on the command line: put it into .env.
    """
    _refuse_to_overwrite(out, force=force)
    answers = starter.of_world(World.load(devnet)) if devnet else _answers(flags)
    written = starter.write(out, starter.files(answers))
    what = "password" if answers.keystore else "key"
    secret = "" if answers.signer_key else f"put the {what} into {out / '.env'}, then "
    emit(
        setting,
        {"written": [str(path) for path in written]},
        lambda: "\n".join([*(f"wrote {path}" for path in written),
                           f"next: {secret}`keeper doctor`"]),
    )  # fmt: skip


def somebody_is_there() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty()


def _refuse_to_overwrite(out: Path, *, force: bool) -> None:
    there = [str(out / name) for name in ("keeper.toml", ".env") if (out / name).exists()]
    if there and not force:
        raise ConfigError(
            "there is a configuration already",
            files=", ".join(there),
            remedy="--force overwrites it; .env may hold the only copy of a key",
        )


def _answers(flags: dict[str, Any]) -> Answers:
    missing = [name for name in QUESTIONS if flags[name] is None]
    if missing and not somebody_is_there():
        raise ConfigError(
            "there is nobody to ask",
            missing=", ".join(f"--{name.replace('_', '-')}" for name in missing),
            remedy="give these flags, or --devnet",
        )
    kinds: dict[str, Any] = {"chain_id": int, "max_position": float}
    asked = {
        name: click.prompt(QUESTIONS[name], type=kinds.get(name, str), err=True) for name in missing
    }
    given = {name: value for name, value in flags.items() if value is not None} | asked
    return convert(given | {"book": given["symbol"].lower()}, Answers)
