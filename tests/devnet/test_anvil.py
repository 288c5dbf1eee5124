import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keeper.devnet.anvil import Options, start_anvil
from keeper.devnet.chain import Chain
from keeper.devnet.rpc import Rpc
from keeper.model.errors import ConfigError, Transient

pytestmark = pytest.mark.anvil

ORPHAN = """
import time
from keeper.devnet.anvil import start_anvil
with start_anvil() as node:
    print(node.pid, flush=True)
    time.sleep(60)
"""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_it_answers_over_http_and_a_socket_file_and_is_gone_afterwards() -> None:
    with start_anvil(Options(started_at_s=1_700_000_000)) as node:
        assert Chain(node.http_url).block().timestamp_s == 1_700_000_000
        assert stat.S_ISSOCK(Path(node.ipc_path).stat().st_mode)
    assert not _alive(node.pid)
    with pytest.raises(Transient):
        Rpc(node.http_url).call("eth_chainId")


def test_two_run_side_by_side() -> None:
    with start_anvil() as one, start_anvil() as two:
        Chain(one.http_url).mine(3)
        assert Chain(two.http_url).block().number == 0


def test_a_chosen_port_that_is_taken_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="did not start"), start_anvil(Options(port=port)):
            pass


def test_a_port_lost_before_its_use_is_chosen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with start_anvil() as stranger, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        ports = iter([int(stranger.http_url.rsplit(":", 1)[1]), free])
        monkeypatch.setattr("keeper.devnet.anvil._free_port", lambda: next(ports))
        with start_anvil() as node:
            assert node.http_url.endswith(str(free))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_it_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert _alive(pid)
        run.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(pid)


def test_another_chain_id_can_be_chosen() -> None:
    with start_anvil(Options(chain_id=1337)) as node:
        assert node.chain_id == 1337
        with start_anvil(Options(fork_url=node.http_url)) as fork:
            assert fork.chain_id == 1337
