"""The template is a configuration that works, and its comments say why."""

import stat
import tomllib
from pathlib import Path

import pytest
from msgspec import structs

from keeper.cli import starter
from keeper.cli.starter import Answers
from keeper.config import load
from keeper.core.limits import Limits
from keeper.devnet.world import World
from keeper.model.quantities import key_of

ANSWERS = Answers(
    chain_id=10,
    rpc_url="https://node.example/v2/KEY",
    ws_url="wss://node.example/v2/KEY",
    asset="0x" + "1" * 40,
    feed="0x" + "2" * 40,
    native_feed="0x" + "6" * 40,
    vault="0x" + "3" * 40,
    position_manager="0x" + "7" * 40,
    quote="0x" + "8" * 40,
    clearing_house="0x" + "4" * 40,
    base_token="0x" + "5" * 40,
    max_position=2.0,
)


def test_what_is_written_can_be_loaded(tmp_path: Path) -> None:
    starter.write(tmp_path, starter.files(ANSWERS))
    config = load(tmp_path / "keeper.toml", {})
    (book,) = config.books
    assert config.chain.rpc[0].reveal() == "https://node.example/v2/KEY"
    assert (book.limits.max_position_base, book.limits.max_order_base) == (2.0, 0.5)
    assert list(book.named_vaults) == ["vault", "ranges"]
    assert config.native_price.entries["feed"] == "0x" + "6" * 40


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    written = starter.write(tmp_path / "new", starter.files(ANSWERS))
    assert [path.name for path in written] == ["keeper.toml", ".env"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_an_open_file_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OLD=1")
    (tmp_path / ".env").chmod(0o644)
    starter.write(tmp_path, {".env": "NEW=1"})
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_secrets_stand_in_the_environment_file_alone() -> None:
    key = "0x" + "ab" * 32
    files = starter.files(structs.replace(ANSWERS, signer_key=key))
    assert key not in files["keeper.toml"]
    assert "node.example" not in files["keeper.toml"]
    assert f"KEEPER_KEY={key}\n" in files[".env"]


def test_a_keystore_leaves_only_its_password_to_fill_in(tmp_path: Path) -> None:
    files = starter.files(structs.replace(ANSWERS, keystore="/keys/keeper.json"))
    starter.write(tmp_path, files)
    config = load(tmp_path / "keeper.toml", {})
    assert config.signer.entries == {
        "type": "keystore",
        "path": "/keys/keeper.json",
        "password_variable": "KEEPER_PASSWORD",
    }
    assert "KEEPER_PASSWORD=\n" in files[".env"]
    assert "KEEPER_KEY" not in files[".env"]


def test_every_limit_is_there_and_explained() -> None:
    lines = starter.keeper_toml(ANSWERS).splitlines()
    explained = {
        line.removeprefix("# ").split(" = ")[0]
        for line in lines
        if " = " in line and "  # " in line
    }
    assert {key_of(name) for name in Limits.__struct_fields__} <= explained


def test_comments_stand_in_one_column() -> None:
    text = starter.keeper_toml(ANSWERS)
    commented = [line for line in text.splitlines() if "  # " in line]
    assert {line.index("  # ") for line in commented} == {31}


@pytest.mark.parametrize(
    "missing", [{"ws_url": ""}, {"position_manager": ""}, {"quote": ""}, {"native_feed": ""}]
)
def test_what_may_be_left_out_leaves_a_whole_file(missing: dict[str, str]) -> None:
    text = starter.keeper_toml(structs.replace(ANSWERS, **missing))
    assert '""' not in text
    tomllib.loads(text)


@pytest.mark.anvil
def test_a_local_world_fills_it_in(world: World, tmp_path: Path) -> None:
    starter.write(tmp_path, starter.files(starter.of_world(world)))
    config = load(tmp_path / "keeper.toml", {})
    assert config.books[0].asset == world.weth
    assert config.chain.rpc[0].reveal() == world.http_url
