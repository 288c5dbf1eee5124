import pytest

from keeper.adapters.chain.transports import open_transport
from keeper.model.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:8545", "http://localhost:8545"),
        ("https://node.example/v3/0123456789abcdef", "https://node.example:443/…"),
        ("ipc:///run/geth.ipc", "ipc:///run/geth.ipc"),
        ("/run/geth.ipc", "ipc:///run/geth.ipc"),
    ],
)
def test_the_address_chooses_the_transport_and_nothing_is_dialled(url: str, shown: str) -> None:
    transport = open_transport(url)
    assert repr(transport) == f"NodeTransport({shown})"
    assert transport.dials == 0


def test_a_websocket_is_for_the_feed() -> None:
    with pytest.raises(ConfigError, match="WebSocket is for the feed"):
        open_transport("ws://localhost:8546")
