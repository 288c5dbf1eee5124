"""`keeper backtest`: the keeper and its rivals on an invented or a recorded market."""

from pathlib import Path
from typing import Any

import click

from keeper.cli import backtest_view
from keeper.cli.command import Command
from keeper.cli.output import emit
from keeper.cli.policy_names import rivals_named
from keeper.cli.scene_options import chosen, scene_options
from keeper.cli.setting import Setting
from keeper.cli.staging import Staged, stage
from keeper.cli.working import Show, progress, workers
from keeper.model.errors import ConfigError
from keeper.sim.comparison import Comparison, Entry, entry, frontier, scenarios
from keeper.sim.edges import looks_along
from keeper.sim.pooled import Pooled, pool
from keeper.sim.report import page
from keeper.sim.rivals import FAMILIES, Rival
from keeper.sim.sweep import Executor, Task


@click.command(cls=Command)
@click.option(
    "--policy", "policies", multiple=True, metavar="NAME",
    help="optimal, whalley_wilmott, zakamouline, fixed_band:20[:zero], interval:8h, always or "
    "never; may be repeated.  [default: all]",
)  # fmt: skip
@scene_options
@click.option(
    "--report", type=click.Path(path_type=Path, dir_okay=False), default=Path("backtest.html"),
    show_default=True, help="Where the page goes.",
)  # fmt: skip
@click.option("--no-report", is_flag=True, help="Only print the table; quicker.")
@click.pass_context
def backtest(ctx: click.Context, /, policies: tuple[str, ...], **given: Any) -> None:
    """Compare policies on one market: what each costs, and what risk it leaves.

    The keeper's own decision runs along an invented or a recorded path with fees, impact, gas,
    funding and margin. Prints a table, and writes a page with charts that needs no network.
    """
    setting = ctx.ensure_object(Setting)
    report: Path = given.pop("report")
    wanted = not given.pop("no_report")
    if wanted:
        _check_folder(report)
    options = chosen(given)
    staged = stage(options, setting)
    rivals = rivals_named(policies, staged.terms, looks_along(staged.first, staged.terms))
    with progress(setting) as show, workers(options.workers) as executor:
        pooled = _pooled(staged, rivals, executor, show)
        found = _entries(staged, rivals, show)
        curves = _curves(staged, executor, show) if wanted else {}
    comparison = Comparison(staged.first, staged.terms, found, curves)
    facts = backtest_view.facts(options, staged)
    told = backtest_view.Told(comparison, pooled, facts, report if wanted else None)
    if wanted:
        _write(report, page(comparison, facts, backtest_view.means(told)))
    emit(setting, backtest_view.document(told), lambda: backtest_view.text(told))


def _entries(staged: Staged, rivals: tuple[Rival, ...], show: Show) -> tuple[Entry, ...]:
    found = (entry(staged.first, staged.terms, rival) for rival in rivals)
    return tuple(show(found, "policies", len(rivals)))


def _curves(staged: Staged, executor: Executor, show: Show) -> dict[str, Any]:
    curves = frontier(staged.first, staged.terms, staged.step_s, executor)
    return dict(show(curves, "frontier", len(FAMILIES)))


def _pooled(
    staged: Staged, rivals: tuple[Rival, ...], executor: Executor, show: Show
) -> tuple[Pooled, ...]:
    """Return each rival over all scenarios; nothing if there is only one."""
    if len(staged.places) == 1:
        return ()
    tasks = [Task(place, staged.terms, rivals) for place in staged.places]
    found = list(show(scenarios(tasks, executor), "scenarios", len(tasks)))
    aversion = staged.terms.policy.risk_aversion_per_usd
    return tuple(pool(each, risk_aversion_per_usd=aversion) for each in zip(*found, strict=True))


def _check_folder(path: Path) -> None:
    """Refuse before the work what would fail after it."""
    if not path.parent.is_dir():
        raise _unwritable(path, "there is no such folder")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error


def _unwritable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        "the page cannot be written",
        file=path,
        reason=reason,
        remedy="--report names another file, --no-report does without",
    )
