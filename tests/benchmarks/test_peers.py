import sys
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peers import KITS, PeerGoneError, interpreter, serving

ECHO = """
import json, sys
print(json.dumps({"echo": sys.argv[1]}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked == {}:
        break
    print(json.dumps(asked), flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return path


def test_a_peer_says_its_versions_and_answers_each_question(script: Path) -> None:
    with serving(Path(sys.executable), script, "1.0") as peer:
        assert peer.versions == {"echo": "1.0"}
        assert peer.ask({"n": 1}) == {"n": 1}
        assert peer.ask({"n": 2}) == {"n": 2}


def test_an_error_of_the_peer_is_an_error_here(script: Path) -> None:
    with serving(Path(sys.executable), script, "1.0") as peer:
        with pytest.raises(PeerGoneError, match="no such library"):
            peer.ask({"error": "no such library"})
        assert peer.ask({"n": 3}) == {"n": 3}


def test_a_peer_that_ends_is_gone(script: Path) -> None:
    with (
        serving(Path(sys.executable), script, "1.0") as peer,
        pytest.raises(PeerGoneError, match="ended"),
    ):
        peer.ask({})


def test_a_peer_that_does_not_start_is_gone(script: Path) -> None:
    with (
        pytest.raises(PeerGoneError, match="ended"),
        serving(Path(sys.executable), script.with_name("none.py")),
    ):
        pass


def test_nothing_is_installed_unless_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    assert interpreter("vectorbt", install=False) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_installed_is_taken_only_with_the_versions_that_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    (tmp_path / "vectorbt").mkdir()
    ready = tmp_path / "vectorbt" / ".ready"
    ready.write_text("\n".join(KITS["vectorbt"]))
    assert interpreter("vectorbt", install=False) == tmp_path / "vectorbt" / "bin" / "python"
    ready.write_text("vectorbt==0")
    assert interpreter("vectorbt", install=False) is None


def test_a_kit_names_exact_versions() -> None:
    assert all("==" in wanted for kit in KITS.values() for wanted in kit)
