"""Whatever does not fit is refused, with the place, the value and what to write instead."""

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from keeper.adapters.tables import Source, Table, convert, nearest
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret

ADDRESS = "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045"


class Slow(Struct, frozen=True, forbid_unknown_fields=True, tag="slow"):
    half_life_s: int


class Fast(Struct, frozen=True, forbid_unknown_fields=True, tag="fast"):
    sigma_fraction: Annotated[float, Meta(le=10)]


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    size_base: float = 1.0


class Thing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pause_s: int = 1
    timeout_s: float = 1.0
    cap_wei: int | None = None
    share_fraction: float = 0.1
    tip_wei: Annotated[int, Meta(ge=0)] = 0
    ratio: float = 1.0
    count: Annotated[int, Meta(gt=0)] = 1
    on: bool = True
    mode: Literal["idle", "busy"] = "idle"
    token: Address | None = None
    url: Secret | None = None
    speed: Slow | Fast | None = None
    inner: Inner | None = None
    others: tuple[Inner, ...] = ()
    ids: tuple[int, ...] = ()
    adapter: Table | None = None
    symbol: str | None = None


class Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pause_s: int
    size_base: float
    name: str


class Fussy(Struct, frozen=True):
    name: str

    def __post_init__(self) -> None:
        if self.name == "value":
            raise ValueError("a value error")
        raise ConfigError("a config error", remedy="do better", name=self.name)


def read(**table: Any) -> Thing:
    return convert(table, Thing, Source("keeper.toml", "thing", environ={"TOKEN": "hidden"}))


def refuse(words: str, **table: Any) -> str:
    with pytest.raises(ConfigError, match=words) as caught:
        read(**table)
    message = str(caught.value)
    assert "file=keeper.toml" in message
    assert "key=thing" in message
    return message


def test_a_unit_moves_from_the_name_into_the_value() -> None:
    thing = read(pause="5 min", timeout="250 ms", cap="25 gwei", share="50 bps")
    assert (thing.pause_s, thing.timeout_s) == (300, 0.25)
    assert (thing.cap_wei, thing.share_fraction) == (25 * 10**9, 0.005)
    assert isinstance(thing.cap_wei, int)


def test_f2_a_value_without_unit_is_refused_with_the_units() -> None:
    for raw in (30, 30.5, "30"):
        message = refuse("value without unit", pause=raw)
        assert "thing.pause" in message
        assert "ms, s, min, h, d" in message


def test_a_part_of_a_unit_is_refused_where_only_whole_ones_count() -> None:
    assert "500 ms" in refuse("whole number of s", pause="500 ms")
    refuse("whole number of wei", cap="0.5 wei")


@pytest.mark.parametrize("raw", ["0 s", "-1 s", "-0 s"])
def test_f3_zero_and_less_are_refused(raw: str) -> None:
    refuse("above zero", pause=raw)


def test_zero_is_taken_where_the_field_says_so() -> None:
    assert read(tip="0 gwei").tip_wei == 0
    refuse("above zero", tip="-1 gwei")


@pytest.mark.parametrize(
    ("key", "raw"),
    [("pause", "11_000 d"), ("cap", "1000001 gwei"), ("share", "101 %"), ("timeout", "1e300 s")],
)
def test_f2_an_implausible_value_is_refused(key: str, raw: str) -> None:
    assert "the most that is believed" in refuse("implausibly large", **{key: raw})


def test_a_field_may_say_its_own_most() -> None:
    table = {"type": "fast", "sigma": "150 %"}
    assert read(speed=table).speed == Fast(sigma_fraction=1.5)
    refuse("implausibly large", speed={"type": "fast", "sigma": "1001 %"})


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), "1", True])
def test_a_plain_number_is_a_finite_number(raw: object) -> None:
    refuse("thing.ratio", ratio=raw)


def test_a_count_is_a_whole_number_above_zero() -> None:
    assert read(count=3).count == 3
    for raw in (0, -1, 1.5, "1", True):
        refuse("thing.count", count=raw)


def test_a_wrong_word_is_refused_with_the_right_ones() -> None:
    message = refuse("thing.mode", mode="idel")
    assert "idle, busy" in message
    assert "did you mean idle?" in message


def test_f1_an_unknown_key_is_refused_with_the_nearest() -> None:
    assert "did you mean pause?" in refuse("unknown key", puase="1 s")
    assert "known here" in refuse("unknown key", zebra=1)


def test_a_key_with_its_unit_is_refused_with_the_right_one() -> None:
    assert 'write pause = "…"' in refuse("unknown key", pause_s=30)


@pytest.mark.parametrize("key", ["private_key", "key", "mnemonic", "password", "api_token"])
def test_a_secrets_name_is_refused_without_its_value(key: str) -> None:
    message = refuse("does not belong into this file", **{key: "correct horse battery"})
    assert "horse" not in message
    assert ".env" in message


def test_missing_keys_are_named_together_with_examples() -> None:
    with pytest.raises(ConfigError, match="missing keys: pause, size, name") as caught:
        convert({}, Strict, Source("f", "books[0].limits").of("BTC"))
    message = str(caught.value)
    assert "no default on purpose" in message
    assert 'pause = "30 s"; size = "12.5 BTC"; name = …' in message
    with pytest.raises(ConfigError, match="missing key: name"):
        convert({"pause": "1 s", "size": "1 BTC"}, Strict, Source("f").of("BTC"))


def test_amounts_are_in_the_symbol_of_the_table_around_them() -> None:
    thing = read(symbol="ETH", inner={"size": "2.5 ETH"}, others=[{"size": "1 ETH"}])
    assert thing.inner == Inner(2.5)
    assert thing.others == (Inner(1.0),)
    assert "ETH" in refuse("unit 'BTC'", symbol="ETH", inner={"size": "2.5 BTC"})
    assert "thing.others[1].size" in refuse(
        "unit 'BTC'", symbol="ETH", others=[{}, {"size": "1 BTC"}]
    )
    refuse("belongs into", inner={"size": "2.5 ETH"})


def test_addresses_are_checked_and_spelled_one_way() -> None:
    assert read(token=ADDRESS.lower()).token == ADDRESS
    assert read(token="0x" + ADDRESS[2:].upper()).token == ADDRESS


@pytest.mark.parametrize(
    "raw", [ADDRESS.replace("d8dA", "d8Da"), ADDRESS[:-1], ADDRESS + "0", "vitalik.eth", 7]
)
def test_what_is_no_address_is_refused(raw: object) -> None:
    assert "checksum" in refuse("not an address", token=raw)


def test_the_environment_fills_secrets_and_nothing_shows_them() -> None:
    thing = read(url="https://node.example/v2/${TOKEN}")
    assert thing.url is not None
    assert thing.url.reveal() == "https://node.example/v2/hidden"
    assert "hidden" not in repr(thing)
    assert "hidden" not in repr(Source("f", environ={"TOKEN": "hidden"}))


def test_a_variable_that_is_not_set_is_named() -> None:
    assert "variable=OTHER" in refuse("not set", url="https://node.example/${OTHER}")


@pytest.mark.parametrize(
    "raw",
    [
        "https://user:hunter2@node.example",
        "https://node.example/v2/aB3dE5gH7jK9mN1pQ3sT5vW7",
        "https://node.example/?key=0123456789abcdef0123456789abcdef",
        "wss://node.example/ws/v3/0123456789abcdef0123456789abcdef",
    ],
)
def test_f7_a_secret_inside_the_file_is_refused_and_not_repeated(raw: str) -> None:
    message = refuse("secret in this file", url=raw)
    assert not any(part in message for part in ("hunter2", "aB3dE5", "0123456789abcdef"))


@pytest.mark.parametrize(
    "raw",
    [
        "http://127.0.0.1:8545",
        "https://eth-mainnet1.a-public-provider.example.org",
        "/var/lib/geth-mainnet/geth-instance-number-1.ipc",
        "https://rpc.example/eth/v1",
    ],
)
def test_an_address_without_a_secret_is_taken(raw: str) -> None:
    url = read(url=raw).url
    assert url is not None
    assert url.reveal() == raw


def test_errors_show_no_keys_and_no_tokens() -> None:
    assert "ab" * 32 not in refuse("not an address", token="0x" + "ab" * 32)
    assert "geheim" not in refuse("not an address", token="https://n.example/geheim")  # noqa: S106  # a key's name


def test_a_tag_chooses_among_structs() -> None:
    assert read(speed={"type": "slow", "half_life": "1 d"}).speed == Slow(86_400)
    message = refuse("unknown type", speed={"type": "fats"})
    assert "choose one of slow, fast. did you mean fast?" in message
    assert "thing.speed.type" in message
    refuse("missing key", speed={})
    assert "thing.speed.sigma" in refuse("unknown key", speed={"type": "slow", "sigma": "1 %"})


@pytest.mark.parametrize("key", ["inner", "adapter", "speed"])
def test_a_table_must_be_a_table(key: str) -> None:
    refuse("must be a table", **{key: 3})


@pytest.mark.parametrize("key", ["others", "ids"])
def test_an_array_must_be_an_array(key: str) -> None:
    refuse("must be an array", **{key: {"size": "1 ETH"}})


def test_items_are_checked_one_by_one() -> None:
    assert read(ids=[1, 2]).ids == (1, 2)
    assert "thing.ids[1]" in refuse("Expected", ids=[1, "2"])


def test_an_adapters_table_is_kept_for_the_adapter() -> None:
    table = read(adapter={"type": "perp", "size": "?"}).adapter
    assert table is not None
    assert table.without("type").entries == {"size": "?"}
    assert table.source.path == "thing.adapter"


def test_what_a_struct_refuses_itself_gets_its_place() -> None:
    with pytest.raises(ConfigError, match="a config error") as caught:
        convert({"name": "x"}, Fussy, Source("f", "books[0].limits"))
    assert "file=f key=books[0].limits name=x" in str(caught.value)
    assert "do better" in str(caught.value)
    with pytest.raises(ConfigError, match="a value error") as caught:
        convert({"name": "value"}, Fussy, Source("f", "a"))
    assert "key=a" in str(caught.value)


def test_nothing_like_it_is_no_question() -> None:
    assert nearest("zebra", ["pause"]) == ""
