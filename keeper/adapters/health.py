"""`/metrics` and `/healthz` over HTTP, for this machine only."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, ip_address
from threading import Thread

from keeper.model.errors import ConfigError

MAX_PORT = 65_535

STRANGE = (
    HTTPStatus.MISDIRECTED_REQUEST,
    "text/plain; charset=utf-8",
    b"ask for it by 127.0.0.1 or localhost\n",
)
"""What a page gets that found its way here under another name (DNS rebinding)."""

Page = Callable[[], tuple[HTTPStatus, str, bytes]]
"""Status, content type and body, made anew for each request."""


class Server:
    """Answers GET requests for a fixed set of pages from its own thread until it is closed."""

    def __init__(self, listen: str, pages: dict[str, Page]) -> None:
        """Bind to *listen*, as in `127.0.0.1:9464`; port 0 takes any free one.

        Raises:
            ConfigError: It is not a loopback address, or the port is taken.

        """
        host, port = loopback(listen)
        try:
            self._server = _Listener((host, port), _handler(pages))
        except OSError as refusal:
            raise ConfigError(
                f"cannot listen on {listen}: {refusal.strerror}",
                remedy="choose another port in [service] listen",
            ) from refusal
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.1,), name="health", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Return where it answers, with the port it really has."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop answering; returns within a fifth of a second."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def loopback(listen: str) -> tuple[str, int]:
    """Return host and port of *listen*.

    Raises:
        ConfigError: Not `host:port`, or other machines could reach it.

    """
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        local = ip_address(host).is_loopback and isinstance(ip_address(host), IPv4Address)
    except ValueError:
        local = False
    if not local or not port.isdecimal() or int(port) > MAX_PORT:
        raise ConfigError(
            "[service] listen must be a loopback address and a port",
            value=listen,
            remedy='as in "127.0.0.1:9464"; put a proxy with a password before it to go further',
        )
    return host, int(port)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(pages: dict[str, Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            page = pages.get(self.path.split("?")[0])
            if not _names_this_machine(self.headers.get("Host", "")):
                status, kind, body = STRANGE
            else:
                status, kind, body = page() if page else _missing(pages)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the standard library's name
            """Say nothing: a scrape every few seconds is not news."""

    return Handler


def _names_this_machine(host: str) -> bool:
    """Return whether a browser meant this machine: any name can be made to resolve to it."""
    try:
        loopback(host if ":" in host else f"{host}:80")
    except ConfigError:
        return False
    return True


def _missing(pages: dict[str, Page]) -> tuple[HTTPStatus, str, bytes]:
    known = "\n".join(sorted(pages)) + "\n"
    return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known.encode()
