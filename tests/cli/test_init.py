"""The first configuration, from flags, answers or a devnet."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keeper.cli import init
from keeper.cli.main import cli
from keeper.config import load
from keeper.devnet.world import World

FLAGS = {
    "--chain-id": "10",
    "--rpc-url": "https://node.example/v2/KEY",
    "--symbol": "ETH",
    "--asset": "0x" + "1" * 40,
    "--feed": "0x" + "2" * 40,
    "--vault": "0x" + "3" * 40,
    "--clearing-house": "0x" + "4" * 40,
    "--base-token": "0x" + "5" * 40,
    "--max-position": "2.5",
}


def run(out: Path, *line: str, **flags: str) -> Result:
    given = [word for pair in flags.items() for word in pair]
    return CliRunner().invoke(cli, ["init", "--out", str(out), *given, *line])


def test_flags_fill_in_the_template(tmp_path: Path) -> None:
    done = run(tmp_path, **FLAGS)
    assert done.exit_code == 0
    assert f"next: put the key into {tmp_path}/.env, then `keeper doctor`" in done.stdout
    config = load(tmp_path / "keeper.toml", {})
    assert (config.chain_id, config.books[0].limits.max_position_base) == (10, 2.5)


def test_nothing_is_overwritten_unless_forced(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEEPER_KEY=the only copy\n")
    refused = run(tmp_path, **FLAGS)
    assert refused.exit_code == 2
    assert "--force overwrites it" in refused.stderr
    assert (tmp_path / ".env").read_text() == "KEEPER_KEY=the only copy\n"
    assert run(tmp_path, "--force", **FLAGS).exit_code == 0


def test_what_is_missing_is_named_when_there_is_nobody_to_ask(tmp_path: Path) -> None:
    flags = {name: value for name, value in FLAGS.items() if name not in ("--feed", "--vault")}
    done = run(tmp_path, "--json", **flags)
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["facts"]["missing"] == "--feed, --vault"
    assert not (tmp_path / "keeper.toml").exists()


def test_a_person_is_asked_for_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init, "somebody_is_there", lambda: True)
    flags = {name: value for name, value in FLAGS.items() if name != "--symbol"}
    line = [word for pair in flags.items() for word in pair]
    done = CliRunner().invoke(cli, ["init", "--out", str(tmp_path), *line], input="WBTC\n")
    assert done.exit_code == 0
    assert "Symbol of the asset to hedge" in done.stderr
    assert load(tmp_path / "keeper.toml", {}).books[0].name == "wbtc"


def test_a_keystore_may_sign_instead_of_a_key(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    done = run(tmp_path / "new", "--keystore", str(tmp_path / "key.json"), **FLAGS)
    assert f"put the password into {tmp_path}/new/.env" in done.stdout
    config = load(tmp_path / "new" / "keeper.toml", {})
    assert config.signer.entries["path"] == str(tmp_path / "key.json")


@pytest.mark.anvil
def test_a_devnet_answers_every_question(world: World, tmp_path: Path) -> None:
    world.dump(tmp_path / "world.json")
    done = run(tmp_path, "--devnet", str(tmp_path / "world.json"), "--json")
    assert json.loads(done.stdout)["written"] == [
        str(tmp_path / "keeper.toml"),
        str(tmp_path / ".env"),
    ]
    assert load(tmp_path / "keeper.toml", {}).chain_id == 31337
