"""The command line as a whole: quick help, the options everywhere, errors as exit codes."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from keeper.cli.command import LazyGroup
from keeper.cli.main import COMMANDS, cli

HEAVY = ("web3", "scipy", "numpy", "rich", "structlog", "prometheus_client", "apscheduler")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from keeper.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr.strip() == "[]"


def test_help_lists_every_command() -> None:
    text = CliRunner().invoke(cli, ["--help"]).stdout
    assert [name for name in COMMANDS if f"  {name} " not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_says_what_the_list_says(name: str) -> None:
    group = cli
    assert isinstance(group, LazyGroup)
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.help is not None
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert "--config FILE" in done.stdout or name == "demo"  # it makes its own configuration
    assert "--json" in done.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    done = CliRunner().invoke(cli, ["hedge"])
    assert done.exit_code == 2
    assert "No such command 'hedge'" in done.stderr


def test_a_usage_error_is_json_if_json_was_asked_for() -> None:
    done = CliRunner().invoke(cli, ["--json", "hedge"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["kind"] == "UsageError"


def test_the_version_is_the_packages() -> None:
    done = CliRunner().invoke(cli, ["--version"])
    assert done.exit_code == 0
    assert done.stdout.startswith("keeper, version ")
