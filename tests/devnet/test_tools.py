import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.devnet import tools
from keeper.model.errors import ConfigError


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without npm, Node.js or Anvil."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("ANVIL", raising=False)
    return tmp_path


def test_the_tools_folder_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_TOOLS", str(tmp_path))
    assert tools.tools_dir() == tmp_path.resolve()


def test_the_tools_folder_of_a_checkout_is_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPER_TOOLS", raising=False)
    assert tools.tools_dir() == Path(tools.__file__).resolve().parents[2] / ".tools"


def test_an_installed_package_uses_the_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEEPER_TOOLS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tools, "__file__", str(tmp_path / "site" / "keeper" / "devnet" / "t.py"))
    assert tools.tools_dir() == tmp_path / "hedge-keeper"


def test_a_missing_npm_is_one_sentence_with_the_remedies(
    no_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_TOOLS", str(no_programs))
    with pytest.raises(ConfigError) as refusal:
        tools.node_modules()
    said = str(refusal.value)
    assert "\n" not in said
    assert "npm" in said
    assert "KEEPER_TOOLS" in said


def test_without_npm_and_anvil_all_three_remedies_are_named(
    no_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_TOOLS", str(no_programs))
    with pytest.raises(ConfigError) as refusal:
        tools.anvil_path()
    said = str(refusal.value)
    assert all(word in said for word in ("ANVIL", "PATH", "npm"))


def test_a_second_set_up_needs_no_npm(tmp_path: Path) -> None:
    folder = tools.tools_dir()
    assert tools.node_modules() == folder / "node_modules"  # installed by now
    anvil = str(tools.anvil_path())
    found = subprocess.run(
        [sys.executable, "-m", "keeper.devnet.tools"],
        env={"PATH": str(tmp_path), "KEEPER_TOOLS": str(folder), "ANVIL": anvil},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "found in" in found.stdout


def test_an_impossible_set_up_is_one_line_and_exit_code_2(no_programs: Path) -> None:
    failed = subprocess.run(
        [sys.executable, "-m", "keeper.devnet.tools"],
        env={"PATH": str(no_programs), "KEEPER_TOOLS": str(no_programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1


def test_a_deleted_package_folder_is_not_taken_for_installed(tmp_path: Path) -> None:
    (tmp_path / "installed.sha256").write_text(tools._lock_hash())
    assert not tools._is_installed(tmp_path)


def test_the_anvil_in_use_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tools.anvil_path()
    monkeypatch.setenv("ANVIL", str(found))
    assert tools.anvil_path() == found


def test_a_named_anvil_that_is_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "anvil"
    old.write_text("#!/bin/sh\necho 'anvil Version: 1.5.1-stable'\n")
    old.chmod(0o755)
    monkeypatch.setenv("ANVIL", str(old))
    with pytest.raises(ConfigError, match="too old") as refusal:
        tools.anvil_path()
    assert refusal.value.facts["version"] == "1.5.1"


def test_an_anvil_on_the_path_is_used_only_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANVIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    binary = tmp_path / "anvil"
    for version, used in (("1.7.0", True), ("1.6.9", False)):
        binary.write_text(f"#!/bin/sh\necho 'anvil Version: {version}-stable'\n")
        binary.chmod(0o755)
        assert (tools.anvil_path() == binary) is used


def test_a_file_that_is_not_an_anvil_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANVIL", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="too old or is not one"):
        tools.anvil_path()


def test_u5_an_archive_with_another_hash_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "anvil.tgz"
    archive.write_bytes(b"not what was pinned")
    with pytest.raises(ConfigError, match="not the pinned one"):
        tools._verify(archive, next(iter(tools.ANVIL_SHA512.values()))[1])
    right = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    tools._verify(archive, right)


def test_an_unknown_platform_is_told_how_to_bring_its_own_anvil(
    no_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_TOOLS", str(no_programs))
    monkeypatch.setattr("platform.system", lambda: "Plan9")
    with pytest.raises(ConfigError, match="no pinned Anvil") as refusal:
        tools.anvil_path()
    assert "ANVIL" in refusal.value.remedy


def test_u5_the_lock_names_no_host_and_pins_every_package() -> None:
    lock = (Path(tools.__file__).with_name("npm") / "package-lock.json").read_text()
    assert "http" not in lock
    assert lock.count('"integrity": "sha512-') == lock.count('"node_modules/')


def test_what_npm_says_when_it_fails_is_passed_on(
    no_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = no_programs / "bin"
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text("#!/bin/sh\necho 'no network today' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("KEEPER_TOOLS", str(no_programs / "tools"))
    with pytest.raises(ConfigError, match="no network today"):
        tools.node_modules()
    assert not (no_programs / "tools" / "installed.sha256").exists()
