"""API keys stay out of what people read."""

import pytest

from keeper.core.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://eth.example/v2/KEY", "https://eth.example"),
        ("wss://user:KEY@node.example:8546/ws?token=KEY failed", "wss://node.example:8546 failed"),
        ("(http://127.0.0.1:8545)", "(http://127.0.0.1:8545)"),
        ("url='https://a.example/KEY' port=1", "url='https://a.example' port=1"),
        ("no url here", "no url here"),
    ],
)
def test_a_url_is_cut_to_its_host(text: str, shown: str) -> None:
    assert redact(text) == shown
