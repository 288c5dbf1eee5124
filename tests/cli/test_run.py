"""The keeper as a process: it hedges, tells how it is, and ends when asked."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from click.testing import Result

from keeper.devnet import actions
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil
Keeper = Callable[..., Result]

CALL_TIMEOUT_S = 5
"""Of a question to the node; a keeper that waits for it to pass is not one that ends at once."""


class Running:
    """`keeper run` in a process of its own, and the lines it has logged."""

    def __init__(self, home: Path, name: str = "run") -> None:
        self.log = home / f"{name}.log"
        command = [sys.executable, "-m", "keeper", "run", "--config", str(home / "keeper.toml")]
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(command, stderr=stderr)
        self.url = f"http://{self.await_line('started')['metrics'].removesuffix('/metrics')}"

    def lines(self) -> list[dict[str, str]]:
        whole = [
            line for line in self.log.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]
        return [json.loads(line) for line in whole]

    def await_line(self, event: str, **fields: str) -> dict[str, str]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in self.lines():
                if line["event"] == event and fields.items() <= line.items():
                    return line
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def get(self, page: str) -> tuple[int, str]:
        try:
            with urlopen(self.url + page, timeout=5) as answer:  # noqa: S310  # http, by construction
                return answer.status, answer.read().decode()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def end(self, number: signal.Signals) -> tuple[int, float]:
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(10), time.monotonic() - began


@pytest.fixture
def running(devnet_home: Path) -> Iterator[Running]:
    running = Running(devnet_home)
    yield running
    if running.process.poll() is None:
        running.process.kill()
        running.process.wait()


def test_it_hedges_and_tells_how_it_is(
    running: Running, devnet_keeper: Keeper, world: World
) -> None:
    running.await_line("settled", status="done")
    status, body = running.get("/healthz")
    assert (status, json.loads(body)["healthy"]) == (200, True)
    metrics = running.get("/metrics")[1]
    assert 'keeper_intents_total{status="done"} 1.0' in metrics
    assert 'keeper_rpc_calls_total{method="eth_sendRawTransaction"} 1.0' in metrics
    assert f"process {running.process.pid}" in devnet_keeper("status").stdout
    assert "SELL 50" in devnet_keeper("why", "--last", "9").stdout
    assert devnet_keeper("journal", "verify").exit_code == 0
    assert world.accounts.keeper.test_key[2:] not in running.log.read_text()


def test_an_event_of_the_chain_wakes_it(running: Running, world: World) -> None:
    running.await_line("settled", status="done")
    time.sleep(0.5)  # until the feed has subscribed to what the first tick learned
    actions.move_price(world, 1_950.0)
    deadline = time.monotonic() + 10
    while not any("AnswerUpdated" in line.get("triggers", "") for line in running.lines()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_p2_it_ends_cleanly_when_it_is_asked_to(
    running: Running, number: signal.Signals, code: int
) -> None:
    running.await_line("settled", status="done")
    ended, seconds = running.end(number)
    assert ended == code
    assert seconds < CALL_TIMEOUT_S
    assert running.lines()[-1]["by"] == number.name


def test_a_person_halts_and_flattens_it_from_another_process(
    running: Running, devnet_keeper: Keeper
) -> None:
    running.await_line("settled", status="done")
    done = devnet_keeper("flatten")
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("flatten: done; trading is halted until `keeper resume`\n")
    devnet_keeper("resume")
    devnet_keeper("halt", "lunch")
    assert devnet_keeper("rebalance").exit_code == 6


def test_p4_a_second_keeper_on_the_same_journal_stands_by_and_follows_the_first(
    running: Running, devnet_home: Path, devnet_keeper: Keeper, world: World
) -> None:
    running.await_line("settled", status="done")
    second = Running(devnet_home, "second")
    try:
        said = second.await_line("standing by")["reason"]
        assert f":{running.process.pid}:" in said
        status, body = second.get("/healthz")
        assert (status, json.loads(body)["reason"]) == (200, f"stands by: {said}")
        assert "another keeper acts" in devnet_keeper("tick").stderr
        assert not any(line["event"] == "decided" for line in second.lines())
        running.process.kill()
        running.process.wait()
        second.await_line("leading")
        second.await_line("decided")
        actions.move_price(world, 1_900.0)
        second.await_line("settled", status="done")
        assert second.end(signal.SIGTERM)[0] == 0
    finally:
        second.process.kill()
        second.process.wait()


def test_s4_an_account_with_an_unknown_past_is_refused_until_a_person_vouches_for_it(
    devnet_keeper: Keeper, world: World
) -> None:
    world.chain.rpc.call("anvil_setNonce", world.accounts.keeper.address, "0x7")
    done = devnet_keeper("run")
    assert done.exit_code == 2
    assert "does not know of" in done.stderr
    assert "add --adopt" in done.stderr
    assert devnet_keeper("tick").exit_code == 2
    assert devnet_keeper("tick", "--adopt").exit_code == 0
    assert devnet_keeper("tick").exit_code == 0


def test_a_port_that_is_taken_is_a_configuration_error(
    devnet_keeper: Keeper, devnet_home: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = devnet_home / "keeper.toml"
        text = path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}")
        path.write_text(text)
        done = devnet_keeper("run")
    assert done.exit_code == 2
    assert "choose another port in [service] listen" in done.stderr


def test_e5_a_node_of_another_chain_ends_it_at_once(
    devnet_keeper: Keeper, devnet_home: Path
) -> None:
    path = devnet_home / "keeper.toml"
    path.write_text(path.read_text().replace("chain_id = 31337", "chain_id = 1337"))
    done = devnet_keeper("run")
    assert done.exit_code == 2
    assert "the node serves another chain" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_node_that_never_answers_does_not_hold_it_up(
    devnet_home: Path, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        env = devnet_home / ".env"
        lines = env.read_text().splitlines()
        lines = [line for line in lines if not line.startswith("KEEPER_RPC")]
        env.write_text("\n".join([*lines, f"KEEPER_RPC=http://127.0.0.1:{deaf.getsockname()[1]}"]))
        running = Running(devnet_home)
        assert running.get("/healthz")[0] == 503
        ended, seconds = running.end(number)
    assert ended == (130 if number == signal.SIGINT else 0)
    assert seconds < CALL_TIMEOUT_S, "it did not sit the call out"


def test_it_says_that_it_is_still_halted(devnet_keeper: Keeper, devnet_home: Path) -> None:
    devnet_keeper("tick")
    devnet_keeper("halt", "lunch")
    running = Running(devnet_home)
    assert running.await_line("still halted")["reason"] == "lunch"
    assert "keeper_halted 1.0" in running.get("/metrics")[1]
    assert running.end(signal.SIGTERM)[0] == 0
