"""Signals end the keeper: first politely, then at once."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from keeper.cli import stopping
from keeper.cli.stopping import Stopping


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def listener(asked: list[str]) -> Iterator[Stopping]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listener = Stopping(lambda: asked.append("stop"))
    listener.listen()
    yield listener
    listener.done()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_once_and_is_remembered(
    listener: Stopping, asked: list[str], number: signal.Signals
) -> None:
    os.kill(os.getpid(), number)
    assert asked == ["stop"]
    assert listener.by == number


def test_a_second_signal_ends_at_once(listener: Stopping, asked: list[str]) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    assert asked == ["stop"]
    assert listener.by == signal.SIGINT


def test_a_tick_that_does_not_end_is_cut_short(
    listener: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.05)
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        time.sleep(5)
    assert time.monotonic() - began < 8
    assert listener.by == signal.SIGTERM


def test_afterwards_nothing_is_cut_short(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "PATIENCE_S", 0.05)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listener = Stopping(lambda: asked.append("stop"))
    listener.listen()
    os.kill(os.getpid(), signal.SIGINT)
    listener.done()
    time.sleep(0.15)
    assert asked == ["stop"]
    for number, handler in before.items():
        signal.signal(number, handler)
