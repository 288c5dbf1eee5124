import click
from click.testing import CliRunner

from keeper.cli.adopting import adopting


@click.command()
@adopting
def ask(*, adopt: bool) -> None:
    click.echo(adopt)


def test_nobody_vouches_by_accident() -> None:
    assert CliRunner().invoke(ask).output == "False\n"
    assert CliRunner().invoke(ask, "--adopt").output == "True\n"
    assert "another version or configuration" in CliRunner().invoke(ask, "--help").output
