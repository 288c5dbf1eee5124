"""Starts one Anvil process, waits until it answers, and ends exactly that process."""

import atexit
import ctypes
import functools
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from keeper.adapters.chain.endpoint import Endpoint
from keeper.devnet.rpc import Rpc, forget
from keeper.devnet.tools import anvil_path
from keeper.model.errors import ConfigError, Transient

CHAIN_ID: Final = 31337
"""Anvil's own."""

_START_S: Final = 20.0
_PROBE_S: Final = 0.005
_PROBE_TIMEOUT_S: Final = 1.0
_PORT_TRIES: Final = 5
_STOP_S: Final = 5.0
_LINUX_PR_SET_PDEATHSIG: Final = 1

_FLAGS: Final = (
    "--quiet",
    # States stay in memory and never on disk. 1,024 of them cover every reorg, fork and read at
    # an old block of a demo or a test.
    "--prune-history=1024",
    # First in, first out: the order of a block is the order in which it was written.
    "--order=fifo",
    "--no-request-size-limit",
)


class Options(Struct, frozen=True, kw_only=True):
    """How to start Anvil."""

    port: int = 0
    """0 picks a free one."""
    chain_id: int | None = None
    """None is the local chain's own, or that of the forked chain."""
    started_at_s: int | None = None
    """Timestamp of the genesis block; None is now. Not used by a fork."""
    block_gas_limit: int = 60_000_000
    base_fee_wei: int = 10**9
    fork_url: str | None = None
    fork_block: int | None = None
    automine: bool = False


class Node(Struct, frozen=True, kw_only=True):
    """Where a running Anvil listens."""

    chain_id: int
    http_url: str
    ws_url: str
    ipc_path: str
    pid: int


@contextmanager
def start_anvil(options: Options | None = None) -> Iterator[Node]:
    """Run Anvil while the block lasts.

    On Linux it also ends when the thread that started it is killed, or ends without leaving the
    block.

    Raises:
        ConfigError: There is no usable Anvil, or it does not start.

    """
    chosen = options or Options()
    with tempfile.TemporaryDirectory(prefix="keeper-devnet-") as folder:
        process, node = _start(chosen, Path(folder))
        end = functools.partial(_end, process)
        atexit.register(end)
        try:
            yield node
        finally:
            atexit.unregister(end)
            end()
            forget(node.http_url)


def _start(options: Options, folder: Path) -> tuple[subprocess.Popen[bytes], Node]:
    """Start and await; a port lost to another process between choice and use is chosen again."""
    tries = 1 if options.port else _PORT_TRIES
    for _ in range(tries):
        port = options.port or _free_port()
        ipc = folder / "anvil.ipc"
        with (folder / "anvil.log").open("wb") as log:
            process = subprocess.Popen(  # the context manager above ends it
                _command(options, port, ipc),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we then end it in our own time
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # only calls prctl, takes no lock
            )
        chain_id = _await(process, port, ipc)
        if chain_id is not None:
            return process, Node(
                chain_id=chain_id,
                http_url=f"http://127.0.0.1:{port}",
                ws_url=f"ws://127.0.0.1:{port}",
                ipc_path=str(ipc),
                pid=process.pid,
            )
    said = (folder / "anvil.log").read_text(errors="replace").strip()
    if options.fork_url is not None:  # the node that was copied from may have said its key back
        said = Endpoint(options.fork_url).scrub(said)
    raise ConfigError("Anvil did not start", said=said[-500:], tries=tries)


def _command(options: Options, port: int, ipc: Path) -> list[str]:
    command = [str(anvil_path()), *_FLAGS, f"--port={port}", f"--ipc={ipc}"]
    if not options.automine:
        command.append("--no-mining")
    if options.chain_id is not None:
        command.append(f"--chain-id={options.chain_id}")
    return command + (_genesis_flags(options) if options.fork_url is None else _fork_flags(options))


def _genesis_flags(options: Options) -> list[str]:
    return [
        # From Prague on every block writes its parent's hash into a contract, and in this Anvil
        # that makes mining slower with height; nothing here needs what came after Cancun.
        "--hardfork=cancun",
        f"--gas-limit={options.block_gas_limit}",
        f"--block-base-fee-per-gas={options.base_fee_wei}",
        f"--timestamp={options.started_at_s or int(time.time())}",
    ]


def _fork_flags(options: Options) -> list[str]:
    # No caching: the cache is shared by chain id, and every local chain has the same one.
    flags = [f"--fork-url={options.fork_url}", "--no-storage-caching", "--no-rate-limit"]
    if options.fork_block is not None:
        flags.append(f"--fork-block-number={options.fork_block}")
    return flags


def _await(process: subprocess.Popen[bytes], port: int, ipc: Path) -> int | None:
    """Return the chain id that the process started here answers at *port*; None if it died."""
    client = Rpc(f"http://127.0.0.1:{port}", timeout_s=_PROBE_TIMEOUT_S)
    deadline = time.monotonic() + _START_S
    try:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                chain_id = int(client.call("eth_chainId"), 16)
            except Transient:
                time.sleep(_PROBE_S)
            else:
                # A stranger on the same port answers too, but it has not made this file.
                if ipc.is_socket():
                    return chain_id
                time.sleep(_PROBE_S)
    finally:
        client.close()
    _end(process)
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Ask Linux to end Anvil when the thread that started it ends without a chance to."""
    if _libc is not None:
        _libc.prctl(_LINUX_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
