"""Common options anywhere on the line, lazy loading, and errors as exit codes."""

import json

import click
import pytest
from click.testing import CliRunner

from keeper.cli.command import Command, LazyGroup, Root
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.errors import ConfigError, Rejected

ERRORS: dict[str, BaseException] = {
    "config": ConfigError("unknown key", key="max_gas", remedy="rename it"),
    "rejected": Rejected("no margin"),
    "ctrl-c": KeyboardInterrupt(),
    "abort": click.Abort(),
}


@pytest.fixture
def root() -> Root:
    @click.group(cls=Root, lazy={})
    def group() -> None:
        pass

    @group.command()
    @click.argument("kind")
    def fail(kind: str) -> None:
        raise ERRORS[kind]

    @group.command()
    @click.pass_obj
    def show(setting: Setting) -> None:
        document = {"config": str(setting.config)}
        emit(setting, document, lambda: f"config is {setting.config}")

    assert isinstance(fail, Command)
    return group


@pytest.mark.parametrize(
    ("kind", "code"), [("config", 2), ("rejected", 4), ("ctrl-c", 130), ("abort", 130)]
)
def test_an_error_ends_with_its_exit_code_and_no_traceback(
    root: Root, kind: str, code: int
) -> None:
    done = CliRunner().invoke(root, ["fail", kind])
    assert done.exit_code == code
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_an_error_is_a_block_on_stderr(root: Root) -> None:
    done = CliRunner().invoke(root, ["fail", "config"])
    assert done.stderr.splitlines() == [
        "ConfigError: unknown key",
        "  key  max_gas",
        "  → rename it",
        "  docs/runbook.md#config",
    ]


def test_an_error_is_one_json_document_on_stdout(root: Root) -> None:
    done = CliRunner().invoke(root, ["fail", "config", "--json"])
    assert json.loads(done.stdout) == {
        "error": {
            "kind": "ConfigError",
            "message": "unknown key",
            "facts": {"key": "max_gas"},
            "remedy": "rename it",
            "runbook": "docs/runbook.md#config",
        },
        "exit_code": 2,
    }
    assert done.stderr == ""


@pytest.mark.parametrize(
    "line",
    [
        ["--json", "--config", "a.toml", "show"],
        ["show", "--json", "--config", "a.toml"],
        ["--config", "a.toml", "show", "--json"],
    ],
)
def test_the_common_options_may_stand_anywhere(root: Root, line: list[str]) -> None:
    done = CliRunner().invoke(root, line)
    assert json.loads(done.stdout) == {"config": "a.toml"}


def test_the_configuration_may_be_named_by_the_environment(root: Root) -> None:
    done = CliRunner().invoke(root, ["show"], env={"KEEPER_CONFIG": "b.toml"})
    assert done.stdout == "config is b.toml\n"


def test_a_table_that_names_something_else_is_a_mistake_of_the_programmer() -> None:
    group = LazyGroup("group", lazy={"emit": ("output", "Not a command.")})
    with pytest.raises(TypeError, match="is not a command"):
        group.get_command(click.Context(group), "emit")
