"""`keeper fork`: the configured keeper on a private copy of its chain."""

import time

import click

from keeper.adapters.clock import NS_PER_MS
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import open_node, set_desk
from keeper.cli import tick_view
from keeper.cli.command import Command
from keeper.cli.exit_codes import Exit
from keeper.cli.journal_view import event_document
from keeper.cli.opening import configured, symbols
from keeper.cli.output import emit
from keeper.cli.recorder import Recorder
from keeper.cli.setting import Setting
from keeper.config import Config
from keeper.devnet.anvil import Node, Options, start_anvil
from keeper.devnet.chain import Chain
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.model.units import MS_PER_S


class ForkClock:
    """Wall time is the fork's: its blocks may be years old, and must not look stalled."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def now_ms(self) -> int:
        return self._chain.block().timestamp_s * MS_PER_S

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // NS_PER_MS


@click.command(cls=Command)
@click.option("--rpc-url", help="Node to copy from.  [default: the configured one]")
@click.option("--block", type=click.IntRange(min=1), help="Copy this block.  [default: newest]")
@click.option(
    "--ticks", type=click.IntRange(1, 10_000), default=3, show_default=True, help="How many."
)
@click.pass_context
def fork(ctx: click.Context, *, rpc_url: str | None, block: int | None, ticks: int) -> None:
    """Rehearse on a fork of the configured chain.

    Starts Anvil on a copy and runs the configured keeper against it for some ticks, a block after
    each: signed, sent and settled there. Nothing reaches the real chain, and the keeper's journal
    is not touched. Needs the configured key.
    """
    setting = ctx.ensure_object(Setting)
    config = configured(setting)
    source = rpc_url or config.chain.rpc[0].reveal()
    options = Options(chain_id=config.chain_id, fork_url=source, fork_block=block)
    with start_anvil(options) as anvil:
        recorder, halted = _rehearse(config, anvil, ticks)
    now_ms = recorder.decided[-1].at_ms if recorder.decided else 0
    document = {
        "block": block,
        "ticks": ticks,
        "decisions": recorder.decided,
        "events": [event_document(event) for event in recorder.others],
        "halted": halted,
    }
    text = tick_view.done(recorder.decided, recorder.others, now_ms, symbols(config))
    emit(setting, document, lambda: f"{text}\n\na rehearsal: nothing was sent to the real chain")
    ctx.exit(Exit.HALTED if halted else recorder.exit)


def _rehearse(config: Config, anvil: Node, ticks: int) -> tuple[Recorder, str | None]:
    chain, recorder = Chain(anvil.http_url), Recorder()
    node = open_node(config, anvil.http_url)
    with SqliteJournal.in_memory(config.chain_id) as journal:
        desk = set_desk(config, node, journal, clock=ForkClock(chain), sinks=(recorder,))
        loop = Loop(desk, Mailbox(), adopt=True)  # the copy's past is the real account's
        try:
            for _ in range(ticks):
                loop.turn(frozenset({"fork"}))
                chain.mine(seconds=max(1, round(config.chain.block_time_s)))
        finally:
            node.transport.close()
        return recorder, journal.halted()
