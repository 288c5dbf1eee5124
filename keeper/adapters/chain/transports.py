"""From the address in the configuration to a transport."""

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import LARGEST_ANSWER_BYTES, NodeTransport
from keeper.adapters.chain.transport_http import HttpFraming
from keeper.adapters.chain.transport_ipc import IpcFraming
from keeper.model.errors import ConfigError


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
