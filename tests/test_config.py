"""A file that cannot be run safely is refused with one clear sentence, before anything else."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.tables import TAG, Table
from keeper.config import MULTICALL3, Config, load
from keeper.core.decide import EwmaVolatility
from keeper.model.errors import ConfigError
from keeper.model.quantities import key_of
from keeper.registry import build

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.partition("```toml\n")[2].partition("```")[0]
ENVIRON = {"NODE_TOKEN": "canary-4711"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper.toml"


def read(path: Path, text: str = EXAMPLE) -> Config:
    path.write_text(text, encoding="utf-8")
    return load(path, ENVIRON)


def refuse(path: Path, old: str, new: str, words: str) -> str:
    assert EXAMPLE.count(old) >= 1, old
    with pytest.raises(ConfigError, match=words) as caught:
        read(path, EXAMPLE.replace(old, new, 1))
    message = str(caught.value)
    assert "file=keeper.toml" in message
    assert "canary" not in message
    return message


def test_the_documented_file_loads(path: Path) -> None:
    config = read(path)
    assert config.chain_id == 10
    assert config.chain.rpc[0].reveal() == "https://node.example/v2/canary-4711"
    assert config.chain.multicall == MULTICALL3
    assert config.chain.block_time_s == 2.0
    assert config.transactions.tip_wei == 10**7
    assert config.triggers.every_s == 60
    (book,) = config.books
    assert list(book.named_vaults) == ["treasury"]
    assert "name" not in book.named_vaults["treasury"].entries
    assert book.limits.max_order_base == 25.0
    assert book.limits.max_gas_price_wei == 5 * 10**9
    assert book.limits.max_slippage_fraction == 0.005
    assert book.policy.volatility == EwmaVolatility(half_life_s=86_400, floor_fraction=0.3)
    assert book.policy.risk_aversion_per_usd == 1e-5


def test_nothing_of_a_configuration_shows_a_secret(path: Path) -> None:
    assert "canary" not in repr(read(path))


# The file


def test_a_missing_file_names_the_command_that_writes_one(path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load(path)
    assert "keeper init" in str(caught.value)


@pytest.mark.parametrize("text", ["cooldown = 5 min", "[chain", "a = 1\na = 2", "\x00"])
def test_malformed_toml_says_where(path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="not TOML") as caught:
        read(path, text)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        load(path)


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_an_empty_file_says_what_is_missing(path: Path) -> None:
    with pytest.raises(ConfigError, match="missing keys: chain, signer, native_price"):
        read(path, "")


# Several nodes

ONE = 'rpc = "https://node.example/v2/${NODE_TOKEN}"'


def several(*urls: str, more: str = "") -> str:
    listed = ", ".join(f'"{url}"' for url in urls)
    return EXAMPLE.replace(ONE, f"rpc = [{listed}]\n{more}", 1)


def test_several_nodes_are_a_list_and_their_secrets_stay_secret(path: Path) -> None:
    more = 'quorum = 2\nprivate = ["https://relay.example/${NODE_TOKEN}"]\npublic_after = "10 s"'
    config = read(path, several("https://a.example/${NODE_TOKEN}", "/run/geth.ipc", more=more))
    assert [url.reveal() for url in config.chain.rpc] == [
        "https://a.example/canary-4711",
        "/run/geth.ipc",
    ]
    assert config.chain.quorum == 2
    assert config.chain.private[0].reveal().endswith("canary-4711")
    assert config.chain.public_after_s == 10
    assert "canary" not in repr(config)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("rpc = []", "names no node"),
        ('rpc = ["http://a.example", "http://a.example"]', "stands there twice"),
        ('rpc = ["http://a.example"]\nprivate = ["http://a.example"]', "stands there twice"),
        ('rpc = ["http://a.example", "ws://b.example"]', "another kind"),
        ('rpc = "http://a.example"\nprivate = ["ws://b.example"]', "another kind"),
        ('rpc = ["http://a.example", "http://b.example"]\nquorum = 3', "more endpoints must agree"),
        ('rpc = "http://a.example"\nquorum = 0', ">= 1"),
        (
            'rpc = "http://a.example"\nprivate = ["http://b.example"]\npublic_after = "45 s"',
            "below transactions.bump_after",
        ),
    ],
)
def test_endpoints_that_could_not_work_are_refused(path: Path, new: str, words: str) -> None:
    refuse(path, ONE, new, words)


def test_a_variable_that_is_missing_in_a_list_is_named_with_its_place(path: Path) -> None:
    with pytest.raises(ConfigError, match="not set") as caught:
        read(path, several("http://a.example", "http://b.example/${OTHER_TOKEN}"))
    assert "key=chain.rpc[1]" in str(caught.value)


# The environment


def test_dotenv_beside_the_file_is_read(path: Path) -> None:
    path.with_name(".env").write_text("NODE_TOKEN='from $file'\nOTHER\n")
    path.write_text(EXAMPLE)
    assert load(path, {}).chain.rpc[0].reveal().endswith("/from $file")


def test_the_environment_wins_over_dotenv(path: Path) -> None:
    path.with_name(".env").write_text("NODE_TOKEN=from-file\n")
    assert read(path).chain.rpc[0].reveal().endswith("/canary-4711")


def test_this_processs_environment_is_the_default(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_TOKEN", "from-process")
    path.write_text(EXAMPLE)
    config = load(path)
    assert config.chain.rpc[0].reveal().endswith("/from-process")
    assert config.signer.source.environ == os.environ


def test_a_missing_variable_is_named(path: Path) -> None:
    path.write_text(EXAMPLE)
    with pytest.raises(ConfigError, match="not set") as caught:
        load(path, {})
    assert "variable=NODE_TOKEN" in str(caught.value)
    assert "key=chain.rpc" in str(caught.value)


def test_a_dotenv_that_cannot_be_read_is_refused(path: Path) -> None:
    path.with_name(".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        read(path)


def test_the_example_of_dotenv_holds_names_and_no_values() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"#.*|[A-Z_]+=|", line) for line in lines)
    assert "KEEPER_KEY=" in lines


def test_the_journal_lies_beside_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(path).journal_file == (path.with_name("keeper.db"))
    monkeypatch.chdir(path.parent)
    assert load("keeper.toml", ENVIRON).journal_file == (path.with_name("keeper.db"))
    moved = '[journal]\npath = "/var/lib/keeper/a.db"\n' + EXAMPLE
    assert read(path, moved).journal_file == Path("/var/lib/keeper/a.db")


# Units, limits, names


@pytest.mark.parametrize("key", ["max_order", "cooldown", "daily_gas_budget", "max_leverage"])
def test_a_missing_limit_is_named_and_has_no_default(path: Path, key: str) -> None:
    line = next(line for line in EXAMPLE.splitlines() if line.startswith(f"{key} ="))
    message = refuse(path, line + "\n", "", f"missing key: {key}")
    assert "no default on purpose" in message
    assert "books[0].limits" in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"25 ETH"', "25", "without unit"),
        ('"25 ETH"', '"25"', "without unit"),
        ('"25 ETH"', '"25 BTC"', "unit 'BTC'"),
        ('"25 ETH"', '"0 ETH"', "above zero"),
        ('"25 ETH"', '"-1 ETH"', "above zero"),
        ('"25 ETH"', "nan", "not a number"),
        ('"25 ETH"', '"inf ETH"', "not a number"),
        ('"5 gwei"', '"5_000_000_000 gwei"', "implausibly large"),
        ('"50 bps"', '"200 %"', "implausibly large"),
        ('max_slippage = "50', 'max_slipage = "50', "unknown key .*did you mean max_slippage"),
        ('max_slippage = "50', 'max_slippage_fraction = "50', "unknown key .*write max_slippage"),
        ("[triggers]", "[trigers]", "unknown key .*did you mean triggers"),
        ('min_trade = "0.01', 'min_trade = "26', "no trade would ever be allowed"),
        ("[transactions]", "[transactions]\nconfirmations = 0", "above zero"),
        ("[transactions]", '[transactions]\nconfirmations = "2"', "Expected `int`"),
    ],
)
def test_a_slip_is_refused(path: Path, old: str, new: str, words: str) -> None:
    refuse(path, old, new, words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("chain_id = 10", "chain_id = 0", "chain.chain_id"),
        ("chain_id = 10", 'chain_id = "10"', "chain.chain_id"),
        ('rpc = "https://', 'rpc = "wss://', "address of another kind"),
        ('ws = "wss://', 'ws = "https://', "address of another kind"),
        ('rpc = "https://', 'rpc = "htp://', "cannot be understood"),
        ("v2/${NODE_TOKEN}", "v2/0123456789abcdef0123456789abcdef", "secret in this file"),
        ("0x4200000000000000000000000000000000000006", "0x42", "not an address"),
        ("0x4200000000000000000000000000000000000006", "0xDEADBEEf" + "00" * 16, "not an address"),
        ('every = "1 min"', "events = false", "nothing would ever wake"),
        ('every = "1 min"', 'cron = "* * * *"', "five fields"),
        ('every = "1 min"', 'cron = "0 8 * * 1-5"', "name its weekdays"),
        ('every = "1 min"', "every_blocks = 0", "triggers.every_blocks"),
        ("[triggers]", '[service]\nlisten = "0.0.0.0:80"\n[triggers]', "loopback"),
        ('name = "eth"', 'name = "my book"', "a book's name"),
        ('symbol = "ETH"', 'symbol = "BTC"', "unit 'ETH'"),
        ('name = "treasury"', 'name = "the treasury"', "a vault's name"),
        ('name = "treasury"', "name = 3", "a vault's name"),
        ('type = "ewma"', 'type = "emwa"', "did you mean ewma"),
        ("[books.policy]", "[books.policy]\nhedge_ratio = 1.6", "hedge_ratio"),
        ("[books.policy]", "[books.policy]\nhedge_ratio = nan", "not a number"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(path: Path, old: str, new: str, words: str) -> None:
    refuse(path, old, new, words)


@pytest.mark.parametrize("symbol", ["", "Ξ", "W-ETH", "ETH2ETH2ETH2ETH2E"])
def test_a_symbol_is_a_short_word(path: Path, symbol: str) -> None:
    with pytest.raises(ConfigError, match="this is no symbol"):
        read(path, EXAMPLE.replace("ETH", symbol))


def test_weekdays_have_names(path: Path) -> None:
    text = EXAMPLE.replace('every = "1 min"', 'cron = "*/5 8 1-7 * mon-fri"')
    assert read(path, text).triggers.cron == "*/5 8 1-7 * mon-fri"


def test_a_feed_is_not_needed(path: Path) -> None:
    line = next(line for line in EXAMPLE.splitlines() if line.startswith("ws ="))
    assert read(path, EXAMPLE.replace(line, "")).chain.ws is None


def test_a_book_without_vaults_hedges_nothing(path: Path) -> None:
    block = EXAMPLE.partition("[[books.vaults]]")[2].partition("[books.venue]")[0]
    refuse(path, "[[books.vaults]]" + block, "", "missing key: vaults")
    refuse(path, "[[books.vaults]]" + block, "", "vaults")
    text = EXAMPLE.replace("[[books.vaults]]" + block, "")
    with pytest.raises(ConfigError, match="needs a vault"):
        read(path, text.replace('name = "eth"', 'name = "eth"\nvaults = []'))


def test_no_books_are_nothing_to_hedge(path: Path) -> None:
    text = "books = []\n" + EXAMPLE.partition("[[books]]")[0]
    with pytest.raises(ConfigError, match="nothing to hedge"):
        read(path, text)


def two_books(second: str) -> str:
    return (
        EXAMPLE
        + "[[books]]"
        + EXAMPLE.partition("[[books]]")[2].replace('name = "eth"', f'name = "{second}"', 1)
    )


def test_two_books_need_two_names(path: Path) -> None:
    with pytest.raises(ConfigError, match="two books have one name"):
        read(path, two_books("eth"))


def test_two_books_never_share_a_hedge_account(path: Path) -> None:
    text = two_books("other")
    with pytest.raises(ConfigError, match="one hedge account") as caught:
        read(path, text)
    assert "eth, other" in str(caught.value)
    head, _, tail = text.rpartition("0x8C835DFaA34e2AE61775e80EE29E2c724c6AE2BB")
    apart = read(path, head + "0x86f1e0420c26a858fc203A3645dD1A36868F18e5" + tail)
    assert [book.name for book in apart.books] == ["eth", "other"]


def test_vaults_without_a_name_are_called_by_type_and_place(path: Path) -> None:
    unnamed = '[[books.vaults]]\ntype = "uniswap_v3"\n[books.venue]'
    book = read(path, EXAMPLE.replace("[books.venue]", unnamed)).books[0]
    assert list(book.named_vaults) == ["treasury", "uniswap_v3-2"]
    twin = '[[books.vaults]]\nname = "treasury"\n[books.venue]'
    refuse(path, "[books.venue]", twin, "unique in its book")


def test_everything_that_has_a_default_may_be_left_out(path: Path) -> None:
    config = read(path, EXAMPLE.replace('[triggers]\nevery = "1 min"\n', ""))
    assert config.triggers.events
    assert config.service.listen == "127.0.0.1:9464"
    assert config.journal.keep_holds_s == 7 * 24 * 3600


# The page


def structs(struct: type[Struct]) -> Iterator[type[Struct]]:
    yield struct
    for field in msgspec.structs.fields(struct):
        for inner in (field.type, *get_args(field.type)):
            if isinstance(inner, type) and issubclass(inner, Struct) and inner is not Table:
                yield from structs(inner)


KEYS = {
    key_of(field.name)
    for struct in structs(Config)
    if struct is not Config
    for field in msgspec.structs.fields(struct)
}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_is_documented(key: str) -> None:
    assert {"sigma", "half_life", "max_order", "keep_holds"} <= KEYS
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("field", msgspec.structs.fields(Config), ids=lambda field: field.name)
def test_every_table_is_documented(field: msgspec.structs.FieldInfo) -> None:
    assert re.search(rf"^## `\[\[?{field.name}\]\]?`$", PAGE, re.MULTILINE)


def test_no_key_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)) <= KEYS | {TAG}


def documented_defaults() -> dict[str, Any]:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \|", PAGE, re.MULTILINE)
    return {key: tomllib.loads(f"x = {text}")["x"] for key, text in rows}


def test_documented_defaults_are_the_defaults(path: Path) -> None:
    # Written out in full, the file means the same as with everything left out.
    config = read(path)
    tables = {
        "chain": ("call_timeout",),
        "transactions": ("resend_after", "bump_after", "intent_life"),
        "journal": ("type", "path", "lease", "keep_holds"),
        "service": ("listen",),
    }
    said = documented_defaults()
    text = EXAMPLE
    for table, keys in tables.items():
        lines = "".join(f'{key} = "{said[key]}"\n' for key in keys)
        header = f"[{table}]\n"
        text = text.replace(header, header + lines) if header in text else header + lines + text
    explicit = read(path, text)
    for name in tables:
        # Secrets and places compare by identity, so whole tables do not.
        for field in getattr(config, name).__struct_fields__:
            if field not in ("rpc", "ws"):
                assert getattr(getattr(explicit, name), field) == getattr(
                    getattr(config, name), field
                )
    assert SqliteJournal.Config().path == said["path"]


def test_everything_the_documented_file_names_can_be_built(path: Path) -> None:
    path.with_name(".env").write_text("KEEPER_KEY=" + "11" * 32 + "\n")
    config = read(path)
    signer = build("signers", config.signer, chain_id=config.chain_id)
    (book,) = config.books
    assert build("oracles", config.native_price)
    assert build("oracles", book.oracle)
    assert build("venues", book.venue, account=signer.address).account == signer.address
    assert [build("vaults", table) for table in book.named_vaults.values()]


SHARED = """[journal]
type = "postgres"
url = "${KEEPER_DATABASE_URL}"
account = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
lease = "3 s"
"""


def test_a_journal_may_lie_in_a_database(path: Path) -> None:
    url = "postgresql://keeper:hunter2@db/keeper"
    path.write_text(SHARED + EXAMPLE)
    config = load(path, {**ENVIRON, "KEEPER_DATABASE_URL": url})
    assert isinstance(config.journal, PostgresConfig)
    assert (config.journal.url.reveal(), config.journal.lease_s) == (url, 3.0)
    assert "hunter2" not in repr(config)
    with pytest.raises(ConfigError, match="needs a journal in a file"):
        _ = config.journal_file


def test_an_unknown_kind_of_journal_is_refused(path: Path) -> None:
    for table in ('journal = "keeper.db"\n', '[journal]\ntype = "paper"\n'):
        with pytest.raises(ConfigError) as refused:
            read(path, table + EXAMPLE)
        assert str(refused.value.facts["key"]).startswith("journal")


def test_a_password_in_the_file_is_refused(path: Path) -> None:
    open_url = SHARED.replace("${KEEPER_DATABASE_URL}", "postgresql://keeper:hunter2@db/x")
    with pytest.raises(ConfigError, match="secret in this file"):
        read(path, open_url + EXAMPLE)


def test_hosts_that_keep_the_same_books_have_one_fingerprint(path: Path) -> None:
    here = read(path)
    elsewhere = EXAMPLE.replace("https://node.example", "https://other.example")
    there = read(path, '[journal]\npath = "b.db"\n[service]\nlisten = "127.0.0.1:1"\n' + elsewhere)
    assert there.fingerprint == here.fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('max_order = "25 ETH"', 'max_order = "26 ETH"'),
        ('risk_aversion = "1e-5 /USD"', 'risk_aversion = "2e-5 /USD"'),
        ('tip = "0.01 gwei"', 'tip = "0.02 gwei"'),
        ('every = "1 min"', 'every = "2 min"'),
        ("chain_id = 10", "chain_id = 11"),
        ('base_token = "0x8C', 'base_token = "0x8c'),
    ],
)
def test_whatever_decides_a_trade_is_in_the_fingerprint(path: Path, old: str, new: str) -> None:
    before = read(path).fingerprint
    assert old in EXAMPLE
    assert read(path, EXAMPLE.replace(old, new)).fingerprint != before
