"""The command as a process: what it prints, what it serves, and how it ends."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from keeper.cli.main import cli

NOBODY = "http://127.0.0.1:9"
Start = Callable[..., tuple[subprocess.Popen[str], Any]]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def run(*line: str) -> tuple[subprocess.Popen[str], Any]:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "keeper", "faultproxy", "--json", *line],
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, json.loads(process.stdout.readline())

        yield run


def post(url: str, path: str = "/", verb: str = "POST", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    body = json.dumps(call) if verb == "POST" else None
    connection.request(verb, path, body, {"Connection": "close", **headers})
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_with_its_rules_until_it_is_told_to_end(
    start: Start, tmp_path: Path, by: signal.Signals
) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('[{"fault": "http_status", "code": 429}]')
    process, where = start("--upstream", NOBODY, "--rules", str(rules), "--pool", "geth")
    assert post(where["url"])[0] == 429
    bearer = {"Authorization": f"Bearer {where['token']}"}
    status, log = post(where["control_url"], "/log", "GET", **bearer)
    assert (status, json.loads(log)[0]["told"]) == (200, "status 429")
    assert post(where["control_url"], "/log", "GET")[0] == 401
    process.send_signal(by)
    assert process.wait(20) == (130 if by is signal.SIGINT else 0)


def faultproxy(*line: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["faultproxy", *line])
    return done.exit_code, done.output


@pytest.mark.parametrize("listen", ["8545", "localhost:", "localhost:x", "127.0.0.1:70000"])
def test_an_address_without_a_port_is_refused(listen: str) -> None:
    code, said = faultproxy("--upstream", NOBODY, "--listen", listen)
    assert code == 2
    assert "HOST:PORT" in said


def test_a_wrong_rule_is_said_with_its_file(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text('[{"fault": "earthquake"}]')
    code, said = faultproxy("--upstream", NOBODY, "--rules", str(rules))
    assert code == 2
    assert "rules.json" in said
    assert "lose_response" in said


def test_without_a_node_there_is_nothing_to_stand_in_front_of() -> None:
    code, said = faultproxy()
    assert code == 2
    assert "--upstream" in said
