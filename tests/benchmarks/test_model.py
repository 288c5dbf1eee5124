import json

import pytest

from benchmarks import model
from keeper.sim.ordeal import Action, Ordeal


def test_a_short_run_says_everything_in_its_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert model.main(["--json", "--steps", "400"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["steps"] >= 400
    assert report["violations"] == 0
    assert sum(report["outcomes"].values()) == report["intents"] > 0
    assert report["turns"] > report["crashes"] > 0


def _unexcused_stranger(ordeal: Ordeal, _action: Action) -> None:
    """Use the key behind the auditor's back; a person vouches for it, who should not have."""
    ordeal.chain.stranger()
    ordeal._loop._adopt = True


def test_a_violation_names_its_seed_and_the_fewest_actions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ordeal, "_stranger", _unexcused_stranger)
    actions = (Action("turn"), Action("fee"), Action("stranger"), Action("wait"), Action("mine"))
    monkeypatch.setattr(model, "script", lambda *_: actions)
    assert model.main(["--steps", "1", "--journal", "memory"]) == 1
    printed = capsys.readouterr()
    assert "seed 0 (memory): I4" in printed.err
    assert [line for line in printed.err.splitlines() if "Action" in line] == [
        "    Action(name='stranger', a=0, b=0, c=0)"
    ]
    assert "violations: 1" in printed.out


@pytest.mark.anvil
def test_seeds_are_played_on_a_real_node_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert model.main(["--json", "--steps", "1", "--seed", "5", "--anvil", "1"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["anvil"]["ordeals"] == 1
    assert report["anvil"]["effects"] > 0
