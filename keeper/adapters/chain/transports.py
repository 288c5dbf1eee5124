"""From the address in the configuration to a transport."""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Raw

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.node_errors import Kind, RpcError
from keeper.adapters.chain.rpc import LARGEST_ANSWER_BYTES, Asked, NodeTransport, Transport
from keeper.adapters.chain.transport_http import HttpFraming
from keeper.adapters.chain.transport_ipc import IpcFraming
from keeper.model.errors import ConfigError, Transient
from keeper.ports.acting import Work, nothing

T = TypeVar("T")

_OF_THE_NODE: Final = frozenset({Kind.BUSY, Kind.GONE, Kind.UNSUPPORTED, Kind.UNKNOWN})
"""Errors that another node may not give to the same question: a spent quota above all."""


def open_transport(url: str, *, largest_answer_bytes: int = LARGEST_ANSWER_BYTES) -> NodeTransport:
    """Return a transport to `http(s)://…`, `ipc:///path` or a socket's path; it dials when used.

    Raises:
        ConfigError: The address cannot be understood, or is a WebSocket's.

    """
    endpoint = Endpoint(url)
    if endpoint.scheme == "ipc":
        return NodeTransport(IpcFraming(endpoint, largest_answer_bytes))
    if endpoint.scheme in {"ws", "wss"}:
        raise ConfigError(
            "a WebSocket cannot answer calls here",
            remedy="give the node's http(s) address or its socket; WebSocket is for the feed",
            node=endpoint,
        )
    return NodeTransport(HttpFraming(endpoint, largest_answer_bytes))


def open_any(urls: Iterable[str]) -> Transport:
    """Return a transport to the first of *urls* that answers; see `open_transport`."""
    nodes = [open_transport(url) for url in urls]
    return nodes[0] if len(nodes) == 1 else Rotating(nodes)


class Rotating:
    """Several nodes, one after another: after a silence or a refusal the next one is asked.

    For what carries no data that is acted on, such as news: blocks of two nodes are mixed.
    """

    def __init__(self, nodes: list[NodeTransport]) -> None:
        self._nodes = nodes
        self._at = 0

    @property
    def dials(self) -> int:
        """Connections made so far, to all of them."""
        return sum(node.dials for node in self._nodes)

    @property
    def waited_ns(self) -> int:
        """Time spent waiting for all of them."""
        return sum(node.waited_ns for node in self._nodes)

    def request(self, method: str, params: object, deadline_s: float) -> Raw:
        """See `Transport`."""
        return self._ask(lambda node: node.request(method, params, deadline_s))

    def stream(
        self, method: str, params: Iterable[object], deadline_s: float
    ) -> Generator[Raw, None, None]:
        """See `Transport`."""
        for one in params:
            yield self.request(method, one, deadline_s)

    def batch(
        self, questions: Sequence[Asked], deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        """See `Transport`."""
        answers = self._ask(lambda node: node.batch(questions, deadline_s, meanwhile))
        if any(isinstance(said, RpcError) and said.kind in _OF_THE_NODE for said in answers):
            self._turn()
        return answers

    def close(self) -> None:
        """See `Transport`."""
        for node in self._nodes:
            node.close()

    def _ask(self, question: Callable[[NodeTransport], T]) -> T:
        try:
            return question(self._nodes[self._at])
        except Transient:
            self._turn()
            raise
        except RpcError as error:
            if error.kind in _OF_THE_NODE:
                self._turn()
            raise

    def _turn(self) -> None:
        self._at = (self._at + 1) % len(self._nodes)
