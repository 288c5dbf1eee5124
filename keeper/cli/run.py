"""`keeper run`: hedge until stopped."""

import contextlib
import gc
import signal
import sys

import click

from keeper.adapters.clock import SystemClock
from keeper.adapters.health import Server
from keeper.adapters.sinks.log import Log
from keeper.adapters.sinks.progress import Progress
from keeper.adapters.sinks.prometheus import Prometheus
from keeper.bootstrap import Keeper
from keeper.cli.adopting import adopting
from keeper.cli.command import Command
from keeper.cli.exit_codes import Exit
from keeper.cli.opening import configured, contending
from keeper.cli.readings import longest_silence_s, pages, read
from keeper.cli.setting import Setting
from keeper.cli.stopping import Stopping
from keeper.config import Config
from keeper.ports.acting import ActingJournal


@click.command(cls=Command)
@adopting
@click.pass_context
def run(ctx: click.Context, *, adopt: bool) -> None:
    """Keep the books hedged until Ctrl-C or SIGTERM.

    Of several keepers on one journal one leads and the others stand by: they neither decide nor
    sign, and one of them takes over when the leader's lease is over.

    Logs to stderr, as text on a terminal and as JSON otherwise. Serves /metrics and /healthz at
    [service] listen. Ends within a second, with 0 after SIGTERM and 130 after Ctrl-C.
    """
    setting = ctx.ensure_object(Setting)
    config = configured(setting)
    log = Log(sys.stderr, as_json=setting.as_json or not sys.stderr.isatty())
    with contending(config, adopt=adopt) as journal:
        ended_by = _run(config, journal, log, adopt=adopt)
    log.note("info", "stopped", by=ended_by.name if ended_by else "itself")
    ctx.exit(Exit.INTERRUPTED if ended_by == signal.SIGINT else Exit.OK)


def _run(config: Config, journal: ActingJournal, log: Log, *, adopt: bool) -> signal.Signals | None:
    clock, halted = SystemClock(), journal.halted()
    metrics = Prometheus()
    metrics.starts_halted(halted=halted is not None)
    names = tuple(book.name for book in config.books)
    progress = Progress(clock, names, limit_s=longest_silence_s(config), halted=halted)

    def say(obstacle: str | None) -> None:
        progress.stand(obstacle)
        if obstacle is None:
            log.note("info", "leading")
        else:
            log.note("warning", "standing by", reason=obstacle)

    sinks = (log, metrics, progress)
    # What a tick leaves in circles, such as an error and its frames, goes when nobody waits.
    keeper = Keeper(
        config, journal, clock=clock, sinks=sinks, adopt=adopt, say=say, tidy=gc.collect
    )
    metrics.pull(lambda: read(keeper))
    stopping = Stopping(keeper.stop)
    server = Server(config.service.listen, pages(metrics, progress))
    stopping.listen()
    _introduce(log, keeper, server, halted)
    _leave_out_of_collections()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            keeper.run()
    finally:
        stopping.done()
        server.close()
        keeper.node.transport.close()
    return stopping.by


def _leave_out_of_collections() -> None:
    """Spare the garbage collector what start-up made: it stays until the end.

    So a full collection takes some fifty microseconds, where it took tens of milliseconds.
    """
    gc.collect()
    gc.freeze()


def _introduce(log: Log, keeper: Keeper, server: Server, halted: str | None) -> None:
    log.note(
        "info",
        "started",
        account=keeper.desk.hands.signer.address,
        chain=keeper.desk.hands.chain_id,
        books=",".join(book.terms.book for book in keeper.desk.books),
        metrics=f"{server.url}/metrics".removeprefix("http://"),
    )
    if halted is not None:
        log.note("warning", "still halted", reason=halted, remedy="keeper resume")
