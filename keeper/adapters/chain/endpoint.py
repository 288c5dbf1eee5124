"""Where a node listens, and how to name it without giving its credentials away."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from keeper.model.errors import ConfigError

_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SHORTEST_KEY: Final = 8
"""A path segment of this length may be an API key; `v3` and `rpc` are not."""


class Endpoint:
    """One node's address: `http(s)://`, `ws(s)://`, `ipc:///path` or a bare socket path.

    `str` and `repr` show scheme, host and port only: providers put keys into the user part, the
    path and the query. `target` and `authorization` do carry them and go on the wire alone.
    """

    __slots__ = ("_secrets", "authorization", "host", "path", "port", "scheme", "target", "url")

    def __init__(self, url: str) -> None:
        parts = _split(url)
        self.scheme: Final = parts.scheme
        self.host: Final = parts.hostname or ""
        self.port: Final = parts.port or _PORTS.get(parts.scheme, 0)
        self.path: Final = parts.path
        self.target: Final = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.authorization: Final = _basic(parts)
        self.url: Final = url
        self._secrets: Final = _secrets(parts)

    @property
    def encrypted(self) -> bool:
        """Whether the bytes travel under TLS."""
        return self.scheme in {"https", "wss"}

    def scrub(self, text: str) -> str:
        """Return *text*, perhaps a node's, without anything secret in this endpoint."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def __repr__(self) -> str:
        if self.scheme == "ipc":
            return f"ipc://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        hidden = "/…" if self.target != "/" else ""
        return f"{self.scheme}://{host}:{self.port}{hidden}"


def names(urls: Sequence[str]) -> list[str]:
    """Return how to call each endpoint, without its credentials; those that look alike by number.

    Two keys at one provider are two endpoints of one name.
    """
    shown = [str(Endpoint(url)) for url in urls]
    return [
        name if shown.count(name) == 1 else f"{name}#{shown[: place + 1].count(name)}"
        for place, name in enumerate(shown)
    ]


def _split(url: str) -> SplitResult:
    if url.startswith(("ipc://", "/")) or url.endswith(".ipc"):
        return SplitResult("ipc", "", url.removeprefix("ipc://"), "", "")
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname)
        _ = parts.port  # a property that raises
    except ValueError:
        known = False
    if not known:
        # The text is not shown, and neither is urllib's complaint: either may hold a key.
        raise ConfigError(
            "the node's address cannot be understood",
            remedy="write http://, https://, ws://, wss:// with a host, or the path of a socket",
        ) from None
    return parts


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode('ascii')}"


def _secrets(parts: SplitResult) -> tuple[str, ...]:
    """Return what must not be shown, longest first, as written and as decoded."""
    if parts.scheme == "ipc":
        return ()
    found = {parts.username or "", parts.password or "", _basic(parts) or ""}
    found |= {piece for piece in parts.path.split("/") if len(piece) >= _SHORTEST_KEY}
    found |= {value for _, value in parse_qsl(parts.query)}
    found |= {unquote(secret) for secret in found}
    return tuple(sorted(found - {""}, key=len, reverse=True))
