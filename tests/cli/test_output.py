"""Text for people or one JSON document for programs."""

import json
from typing import NoReturn

import pytest

from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.errors import BadData
from keeper.model.events import Decided


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    emit(Setting(), {"a": 1}, lambda: "words")
    assert capsys.readouterr().out == "words\n"


def test_programs_get_one_document_and_no_text_is_made(
    capsys: pytest.CaptureFixture[str], rebalance: Decided
) -> None:
    setting = Setting()
    setting.as_json = True

    def text() -> NoReturn:
        raise AssertionError

    emit(setting, {"decided": rebalance, "error": BadData("stale")}, text)
    document = json.loads(capsys.readouterr().out)
    assert document["decided"]["decision"]["units"] == -0.7
    assert document["error"].startswith("stale")


def test_what_has_no_json_form_is_a_mistake_of_the_programmer() -> None:
    setting = Setting()
    setting.as_json = True
    with pytest.raises(TypeError, match="object has no JSON form"):
        emit(setting, object(), lambda: "")
