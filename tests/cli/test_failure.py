"""An error is one block that can be acted on."""

from keeper.cli import failure
from keeper.cli.exit_codes import Exit
from keeper.model.errors import ConfigError, Transient


def test_an_error_shows_its_facts_and_its_remedy() -> None:
    error = ConfigError(
        "unknown key", key="max_gas", nearest="max_gas_price", remedy="rename it in keeper.toml"
    )
    assert failure.block(error) == (
        "ConfigError: unknown key\n"
        "  key      max_gas\n"
        "  nearest  max_gas_price\n"
        "  → rename it in keeper.toml\n"
        "  docs/runbook.md#config"
    )


def test_an_error_for_programs_has_the_same_content() -> None:
    error = Transient("no answer", url="https://rpc.example/v1/SECRET", tries=3)
    assert failure.document(error) == {
        "error": {
            "kind": "Transient",
            "message": "no answer",
            "facts": {"url": "https://rpc.example", "tries": "3"},
            "remedy": "",
            "runbook": "docs/runbook.md#transient",
        },
        "exit_code": 3,
    }


def test_an_api_key_in_a_message_is_cut_off() -> None:
    text = failure.block(Transient("POST https://u:p@rpc.example/v1/SECRET?key=SECRET failed"))
    assert "SECRET" not in text
    assert "https://rpc.example" in text


def test_a_mistyped_option_is_an_error_too() -> None:
    assert failure.plain("UsageError", "No such option", Exit.CONFIG) == {
        "error": {"kind": "UsageError", "message": "No such option"},
        "exit_code": 2,
    }
