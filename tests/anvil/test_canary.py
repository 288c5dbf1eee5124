"""Key, passwords and token of a keeper in every trouble there is: not one of them is written down.

The keeper is a real process behind a node that misbehaves, and that says the secrets back to it.
Everything below the keeper's folder is searched: what the process said, the journal and its
write-ahead log, the pages it served. Only `.env` may hold a secret.
"""

import itertools
import json
import signal
import time
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from eth_keyfile.keyfile import create_keyfile_json

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli.main import COMMANDS, cli
from keeper.devnet import actions
from keeper.testing.faultproxy import (
    Drop,
    Fault,
    FaultProxy,
    HttpStatus,
    LoseResponse,
    Malformed,
    Mutate,
    NullResult,
    RpcError,
    WrongId,
)
from tests.anvil.conftest import GLANCE_S, PATIENCE_S, TOKEN_VARIABLE, Office, Process
from tests.canary import NODE_TOKEN, PASSWORD, WORD, finds, needles

pytestmark = pytest.mark.anvil

PASSWORD_VARIABLE = "KEEPER_PASSWORD"  # noqa: S105  # a name
SECRETS = f"{WORD}:{PASSWORD}@node.example/v2/{NODE_TOKEN}?key={NODE_TOKEN}"
ECHO = f"no access for {NODE_TOKEN} at https://{SECRETS}"
READ = "eth_call"
DEPOSIT_EVERY = 20
"""Blocks."""
TROUBLE: dict[str, Fault] = {
    "401": HttpStatus(method=READ, code=401, body=ECHO, times=2),
    "429": HttpStatus(method=READ, code=429, retry_after="0", body=ECHO, times=2),
    "502": HttpStatus(method=READ, code=502, body=f"<html>{ECHO}</html>", times=2),
    "html": Malformed(method=READ, how="html", times=2),
    "truncated": Malformed(method=READ, how="truncated", times=2),
    "array": Malformed(method=READ, how="array", times=2),
    "reset": Drop(method=READ, times=2),
    "wrong id": WrongId(method=READ, times=2),
    "null": NullResult(method="eth_getBlockByNumber", times=2),
    "error": RpcError(method=READ, message=ECHO, times=2),
    "refusal": RpcError(method="eth_sendRawTransaction", message=ECHO, times=1),
    "lost": LoseResponse(method="eth_sendRawTransaction", times=1),
    "odd": Mutate(method="eth_getBlockByNumber", path="hash", value=ECHO, times=2),
}
OF_A_KEEPER = (
    ("doctor",),
    ("tick", "--dry-run"),
    ("tick",),
    ("status",),
    ("why",),
    ("journal", "list"),
    ("journal", "verify"),
    ("journal", "show", "0"),
    ("rebalance", "--dry-run"),
    ("flatten", "--dry-run"),
    ("rebalance", "--no-wait"),
    ("halt", "--reason", "looked at"),
    ("resume",),
    ("init",),
)
EXPLODE = """\
import keeper.{module} as module
def explode(*_words, **_more):
    raise RuntimeError("no route to https://{secrets}")
module.{name} = explode
from keeper.__main__ import main
main()
"""


class Stage:
    """A keeper's folder whose node asks for credentials in every place where a URL has one."""

    def __init__(self, office: Office, proxy: FaultProxy) -> None:
        self.office, self.proxy, self.world = office, proxy, office.world
        self.key = str(office.world.accounts.keeper.test_key).removeprefix("0x")
        self._said = 0
        keyfile = create_keyfile_json(
            bytes.fromhex(self.key), PASSWORD.encode(), kdf="pbkdf2", iterations=2
        )
        (office.folder / "key.json").write_text(json.dumps(keyfile))
        self._urls = [
            url.replace("://", f"://{WORD}:{PASSWORD}@") + f"/v2/{NODE_TOKEN}?key={NODE_TOKEN}"
            for url in (proxy.url, proxy.ws_url)
        ]
        office.change(
            (f'"{office.door.url}/v2/${{{TOKEN_VARIABLE}}}"', '"${CANARY_RPC}"'),
            (f'"{self.world.ws_url}"', '"${CANARY_WS}"'),
            ('call_timeout = "2 s"', 'call_timeout = "500 ms"'),
            ('type = "private_key"', f'type = "keystore"\npath = "{office.folder}/key.json"'),
            ('\nvariable = "KEEPER_PRIVATE_KEY"', f'\npassword_variable = "{PASSWORD_VARIABLE}"'),
        )
        self.write_secrets(PASSWORD)

    def write_secrets(self, password: str) -> None:
        http, ws = self._urls
        lines = (f"CANARY_RPC={http}", f"CANARY_WS={ws}", f"{PASSWORD_VARIABLE}={password}")
        (self.office.folder / ".env").write_text("\n".join(lines))

    def keep(self, text: str) -> None:
        """Put what somebody could read where it will be searched."""
        self._said += 1
        (self.office.folder / f"said-{self._said}.txt").write_text(text)

    def command(self, *words: str) -> None:
        for form in ((), ("--json",)):
            done = self.office.command(*words, *form)
            assert done.out or done.err or done.code == 0
            self.keep(done.out + done.err)

    def keep_pages(self, process: Process) -> None:
        where = json.loads(process.await_line('"started"'))["metrics"].removesuffix("/metrics")
        for page in ("metrics", "healthz"):
            url = f"http://{where}/{page}"
            try:
                with urlopen(url, timeout=5) as answer:
                    self.keep(answer.read().decode())
            except HTTPError as refusal:
                with refusal:
                    self.keep(refusal.read().decode())

    def meet(self, fault: Fault, process: Process) -> None:
        """Have *fault* strike while the keeper is at work."""
        self.proxy.replace(fault)
        deadline = time.monotonic() + PATIENCE_S
        for number in itertools.count():
            if self.proxy.tallies()[0].struck:
                return
            if time.monotonic() > deadline:
                pytest.fail(f"it never struck: {fault}; {process.lines[-3:]}")
            if number % DEPOSIT_EVERY == 0:  # something to trade, for the faults of a send
                actions.deposit(self.world, self.world.accounts.alice, 1.0)
            self.world.chain.mine(seconds=1)
            time.sleep(GLANCE_S)

    def assert_nothing_is_written(self) -> None:
        assert list(finds(self.office.folder, needles(self.key))) == []


@pytest.fixture
def stage(office: Office) -> Iterator[Stage]:
    with FaultProxy(office.world.http_url, ws_upstream=office.world.ws_url) as proxy:
        yield Stage(office, proxy)


def test_x6_a_keeper_in_every_trouble_writes_no_secret(stage: Stage) -> None:
    stage.office.change(
        ('cooldown = "1 h"', 'cooldown = "1 s"'),
        ('resend_after = "10 min"', 'resend_after = "1 s"'),
        ('bump_after = "20 min"', 'bump_after = "2 s"'),
    )
    with stage.office.process("run") as process:
        process.await_line('"signed"')
        for fault in TROUBLE.values():
            stage.meet(fault, process)
        stage.proxy.replace()
        stage.keep_pages(process)
        assert process.stop(signal.SIGTERM)[0] == 0
    stage.keep("".join(process.lines))
    assert "***" in "".join(process.lines), "the node did say a secret, and it was cut out"
    with stage.office.process("run") as killed:
        killed.await_line('"decided"')
        assert killed.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    stage.keep("".join(killed.lines))
    assert (stage.office.folder / "keeper.db-wal").stat().st_size
    stage.assert_nothing_is_written()


def exploding(stage: Stage, module: str, name: str, *words: str) -> str:
    code = EXPLODE.format(module=module, name=name, secrets=SECRETS)
    config = ("--config", str(stage.office.config_file))
    with Process("-c", code, *words, *config, launcher=()) as process:
        if words[0] == "run":
            process.await_line('"halted"')
            process.stop()
        else:
            process.wait()
    said = "".join(process.lines)
    stage.keep(said)
    return said


def test_x6_an_error_that_nobody_foresaw_shows_no_secret(stage: Stage) -> None:
    halted = exploding(stage, "engine.loop", "tick", "run")
    assert "no route to https://node.example" in halted
    traceback = exploding(stage, "config", "convert", "status")
    assert "Traceback" in traceback
    assert "no route to https://node.example" in traceback
    stage.write_secrets(f"{WORD}-wrong")
    stage.command("tick")
    stage.assert_nothing_is_written()


def test_x6_no_command_shows_a_secret_whatever_the_node_does(stage: Stage) -> None:
    config = stage.office.config()
    SqliteJournal.acting(config.journal_file, config.chain_id).close()
    for fault in (None, HttpStatus(code=401, body=ECHO), RpcError(message=ECHO)):
        stage.proxy.replace(*([] if fault is None else [fault]))
        for words in OF_A_KEEPER:
            stage.command(*words)
    for name in COMMANDS:
        for line in ([name, "--no-such-option"], [name, "--no-such-option", "--json"]):
            stage.keep(CliRunner().invoke(cli, line).output)
    stage.assert_nothing_is_written()


def test_x6_a_fork_that_cannot_be_made_shows_no_secret(stage: Stage) -> None:
    stage.proxy.add(HttpStatus(code=401, body=ECHO))
    stage.command("fork", "--ticks", "1")
    stage.assert_nothing_is_written()
