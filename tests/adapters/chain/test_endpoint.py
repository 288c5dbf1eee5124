import pytest

from keeper.adapters.chain.endpoint import Endpoint, names
from keeper.model.errors import ConfigError

HIDDEN = "0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://user:{HIDDEN}@node.example/rpc", "https://node.example:443/…"),
        (f"https://node.example/v3/{HIDDEN}", "https://node.example:443/…"),
        (f"wss://node.example:8546/?apikey={HIDDEN}", "wss://node.example:8546/…"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/", "http://[::1]:8545"),
        ("ipc:///run/geth.ipc", "ipc:///run/geth.ipc"),
        ("geth.ipc", "ipc://geth.ipc"),
    ],
)
def test_only_scheme_host_and_port_are_shown(url: str, shown: str) -> None:
    endpoint = Endpoint(url)
    assert repr(endpoint) == str(endpoint) == shown


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{HIDDEN}@node.example",
        f"https://{HIDDEN}@node.example",
        f"https://node.example/v3/{HIDDEN}",
        f"https://node.example/?key={HIDDEN}",
        "https://node.example/?key=01234567%38%39abcdef",
    ],
)
def test_what_a_node_says_back_is_scrubbed(url: str) -> None:
    assert Endpoint(url).scrub(f"no such project: {HIDDEN}!") == "no such project: ***!"


def test_short_path_segments_are_not_secrets() -> None:
    assert Endpoint("http://node.example/v3/rpc").scrub("v3 rpc") == "v3 rpc"


@pytest.mark.parametrize(
    "url",
    [f"htp://{HIDDEN}", f"http://host:{HIDDEN}", f"http://[{HIDDEN}", HIDDEN, "", "http://"],
)
def test_an_address_that_cannot_be_understood_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot be understood") as caught:
        Endpoint(url)
    assert HIDDEN not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_tls_is_for_https_and_wss() -> None:
    assert Endpoint("https://a").encrypted
    assert Endpoint("wss://a").encrypted
    assert not Endpoint("http://a").encrypted


def test_two_keys_at_one_provider_are_two_names_without_a_key() -> None:
    urls = [f"https://node.example/v3/{HIDDEN}", "http://127.0.0.1:1", "https://node.example/v3/b"]
    assert names(urls) == [
        "https://node.example:443/…#1",
        "http://127.0.0.1:1",
        "https://node.example:443/…#2",
    ]
