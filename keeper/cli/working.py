"""Long simulated work: where it runs, and how far it is."""

import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol, TypeVar

from keeper.cli.setting import Setting
from keeper.sim.sweep import Executor, Here

Each = TypeVar("Each")


class Show(Protocol):
    """Says on the terminal how far a loop is."""

    def __call__(self, steps: Iterable[Each], words: str, total: int) -> Iterable[Each]:
        """Yield *steps* as they are."""
        ...


@contextmanager
def workers(count: int) -> Iterator[Executor]:
    """Yield what runs tasks: this process, or *count* others, which start as new ones do."""
    if count == 1:
        yield Here()
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield pool


@contextmanager
def progress(setting: Setting) -> Iterator[Show]:
    """Yield a progress bar on stderr; a silent one for JSON, and where nobody watches."""
    from rich.console import Console
    from rich.progress import Progress

    quiet = setting.as_json or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        yield lambda steps, words, total: bar.track(steps, total=total, description=words)
