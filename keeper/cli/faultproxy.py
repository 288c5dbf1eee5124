"""`keeper faultproxy`: a node that misbehaves on request, for a rehearsal of any bot."""

import signal
import threading
from pathlib import Path
from typing import Any

import click

from keeper.cli.command import Command
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.errors import ConfigError
from keeper.testing.faultproxy import FaultProxy
from keeper.testing.faultproxy.rules import read


def _host_and_port(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004  # the last port
        raise click.BadParameter("write HOST:PORT, with port 0 for a free one")
    return host.strip("[]"), int(port)


@click.command(cls=Command)
@click.option("--upstream", required=True, help="The node's HTTP address.")
@click.option("--upstream-ws", help="Its WebSocket address, if that is at another place.")
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, callback=_host_and_port,
    help="HOST:PORT for bots; port 0 takes a free one.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="What chances are drawn from.")
@click.option(
    "--rules", type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with a JSON array of rules.",
)  # fmt: skip
@click.option(
    "--pool", type=click.Choice(["none", "geth"]), default="none", show_default=True,
    help="A transaction pool like geth's in front of the node.",
)  # fmt: skip
@click.pass_obj
def faultproxy(setting: Setting, /, *, rules: Path | None, **chosen: Any) -> None:
    """Stand in front of a node and misbehave on request, until Ctrl-C.

    HTTP and WebSocket are served on one port. Faults are set, and what was sent is read, on a
    second one, which is on the loopback interface alone and wants the token that is printed.
    """
    proxy = FaultProxy(
        chosen["upstream"],
        ws_upstream=chosen["upstream_ws"],
        listen=chosen["listen"],
        seed=chosen["seed"],
        rules=() if rules is None else _rules(rules),
        pool=chosen["pool"],
    )
    with proxy:
        where = {
            "url": proxy.url,
            "ws_url": proxy.ws_url,
            "control_url": proxy.control.url,
            "token": proxy.control.token,
        }
        emit(setting, where, lambda: "\n".join(f"{key:12} {where[key]}" for key in where))
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        # By name, because a shell starts background jobs with Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop.wait()


def _rules(file: Path) -> Any:
    try:
        return read(file.read_bytes())
    except ConfigError as error:
        error.facts = {"file": file, **error.facts}
        raise
