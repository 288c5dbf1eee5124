"""`python -m keeper` and the `keeper` command."""


def main() -> None:
    """Run the command line."""
    from keeper.cli.main import cli  # noqa: PLC0415  # the command line imports lazily

    cli()


if __name__ == "__main__":
    main()
