import re
import tomllib
from pathlib import Path

from click.testing import CliRunner, Result
from msgspec import json

from keeper.cli.main import cli


def tune(*line: str) -> Result:
    return CliRunner().invoke(cli, ["tune", "--days", "5", "--scenarios", "2", *line])


def test_it_prints_what_can_be_pasted_into_the_configuration() -> None:
    done = tune("--risk", "40000 USD")
    assert done.exit_code == 0, done.output
    _, _, pasted = done.output.partition("\n\n")
    found = tomllib.loads(pasted)["books"]
    assert found["policy"]["risk_aversion"].endswith(" /USD")
    assert found["limits"]["max_order"].endswith(" ETH")
    assert found["limits"]["max_gas_price"] == "20 gwei"


def test_a_books_amounts_are_in_its_symbol(home: Path) -> None:
    toml = home / "keeper.toml"
    toml.write_text(toml.read_text().replace('ETH"', 'WETH"'))
    done = tune("--risk", "40000 USD", "--book", "eth-lp", "--config", str(toml))
    assert done.exit_code == 0, done.output
    assert re.search(r'max_order = ".* WETH"', done.output)


def test_the_document_has_every_trial() -> None:
    found = json.decode(tune("--cost", "30000 USD", "--json").output)
    assert found["proposal"]["chosen"]["pooled"]["scenarios"] == 2
    assert len(found["proposal"]["tried"]) > 10


def test_a_wish_is_needed() -> None:
    assert tune().exit_code == 2
    assert tune("--risk", "1 USD", "--cost", "1 USD").exit_code == 2
