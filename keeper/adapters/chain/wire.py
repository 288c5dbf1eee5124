"""A byte stream on which every wait ends at a deadline.

The socket never blocks: one `poll` waits for it, so a silent peer, a slow drip and a full buffer
all meet the same deadline, and a call costs three system calls.
"""

import socket
import ssl
from select import POLLIN, POLLOUT, poll
from threading import Thread
from time import monotonic, perf_counter_ns
from typing import Final

from keeper.adapters.chain.endpoint import Endpoint

_SMALL: Final = 1 << 16
_LARGE: Final = 1 << 20


class Wire:
    """One connection, plain or encrypted. Deadlines are `time.monotonic` seconds.

    Every method raises `OSError` (`TimeoutError` among them) when the stream is of no more use.
    """

    __slots__ = ("_encrypted", "_poll", "_size", "_sock", "accepted", "waited_ns")

    def __init__(self, sock: socket.socket, *, encrypted: bool = False) -> None:
        sock.settimeout(0.0)
        self._sock = sock
        self._encrypted = encrypted
        self._poll = poll()
        self._poll.register(sock, POLLIN)
        self._size = _SMALL
        self.accepted = 0
        """Bytes of the last message that left this process; 0 means nobody can have read it."""
        self.waited_ns = 0
        """Time spent waiting for the peer. Writing counts: a node on this machine may be woken on
        our own core, and then answers before the system call returns."""

    def send(self, message: bytes, deadline: float) -> None:
        """Write all of *message*; `accepted` tells how much went out if it fails."""
        self.accepted = 0
        self._size = _SMALL
        view = memoryview(message)
        while self.accepted < len(message):
            try:
                self.accepted += self._write(view[self.accepted :])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self.wait(POLLOUT, deadline)
            except ssl.SSLWantReadError:
                self.wait(POLLIN, deadline)

    def _write(self, part: memoryview) -> int:
        started = perf_counter_ns()
        try:
            return self._sock.send(part)
        finally:
            self.waited_ns += perf_counter_ns() - started

    def receive(self, deadline: float) -> bytes:
        """Return whatever comes next; empty when the peer has closed."""
        while True:
            if not self._encrypted:  # an answer is never there yet: wait first, then read once
                self.wait(POLLIN, deadline)
            try:
                chunk = self._sock.recv(self._size)
            except BlockingIOError:  # woken for nothing
                continue
            except ssl.SSLWantReadError:
                self.wait(POLLIN, deadline)
                continue
            except ssl.SSLWantWriteError:
                self.wait(POLLOUT, deadline)
                continue
            self._size = _LARGE if len(chunk) == self._size else self._size
            return chunk

    def idle(self) -> bool:
        """Return whether nothing has come unasked: no close, no bytes of an older answer."""
        if not self._poll.poll(0):
            return True
        if not self._encrypted:
            return False
        try:  # TLS 1.3 sends session tickets of its own accord; reading consumes them
            self._sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Forget the connection without a farewell, which could block."""
        self._sock.close()

    def wait(self, event: int, deadline: float) -> None:
        """Wait until the socket is ready for reading or writing."""
        poller = self._poll
        if event != POLLIN:
            poller = poll()
            poller.register(self._sock, event)
        left_s = deadline - monotonic()
        if left_s > 0.0:
            started = perf_counter_ns()
            ready = poller.poll(left_s * 1000)
            self.waited_ns += perf_counter_ns() - started
            if ready:
                return
        raise TimeoutError("the deadline has passed")


def dial_unix(path: str, deadline: float) -> Wire:
    """Connect to a Unix socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    return _connect(sock, path, deadline)


def dial_tcp(endpoint: Endpoint, tls: ssl.SSLContext | None, deadline: float) -> Wire:
    """Connect to *endpoint*, trying each of its addresses in turn; encrypted if *tls* is given.

    One that is silent takes no more than its share of the time, so that all are tried.
    """
    failure: OSError = OSError("the host has no address")
    addresses = _resolve(endpoint.host, endpoint.port, deadline)
    for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share_s = (deadline - monotonic()) / left
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = _connect(sock, address, monotonic() + share_s)
        except OSError as error:
            failure = error
            continue
        return _encrypt(sock, endpoint, tls, deadline) if tls else wire
    raise failure


def _connect(sock: socket.socket, address: object, deadline: float) -> Wire:
    try:
        sock.settimeout(max(0.001, deadline - monotonic()))
        sock.connect(address)  # type: ignore[arg-type]  # what getaddrinfo gave
        return Wire(sock)
    except OSError:
        sock.close()
        raise


def _encrypt(sock: socket.socket, endpoint: Endpoint, tls: ssl.SSLContext, deadline: float) -> Wire:
    secure = tls.wrap_socket(
        sock,
        server_hostname=endpoint.host,
        do_handshake_on_connect=False,
        suppress_ragged_eofs=False,
    )
    wire = Wire(secure, encrypted=True)
    try:
        _shake_hands(secure, wire, deadline)
    except OSError:
        wire.close()
        raise
    return wire


def _shake_hands(secure: ssl.SSLSocket, wire: Wire, deadline: float) -> None:
    while True:
        try:
            secure.do_handshake()
        except ssl.SSLWantReadError:
            wire.wait(POLLIN, deadline)
        except ssl.SSLWantWriteError:
            wire.wait(POLLOUT, deadline)
        else:
            return


def _resolve(host: str, port: int, deadline: float) -> list[tuple[int, object]]:
    """Return (family, address) pairs. The resolver knows no deadline, so a thread asks it."""
    answer: list[tuple[int, object]] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.extend((family, address) for family, _, _, _, address in found)
        except OSError as error:
            failure.append(error)
        except UnicodeError:  # a label longer than 63 characters
            failure.append(OSError("not a host name"))

    asking = Thread(target=ask, name="keeper-resolve", daemon=True)
    asking.start()
    asking.join(max(0.0, deadline - monotonic()))
    if failure:
        raise failure[0]
    if not answer:
        raise TimeoutError("the host name was not resolved in time")
    return answer
