"""The options that every command has."""

from pathlib import Path

from keeper.cli.setting import Setting, common_options


def test_the_configuration_lies_here_unless_told_otherwise() -> None:
    assert Setting().config == Path("keeper.toml")


def test_people_are_talked_to_unless_told_otherwise() -> None:
    assert Setting().as_json is False


def test_each_command_has_its_own_copy_of_the_options() -> None:
    first, second = common_options(), common_options()
    assert [option.name for option in first] == ["config", "as_json"]
    assert not {id(option) for option in first} & {id(option) for option in second}
