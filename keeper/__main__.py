"""`python -m keeper` and the `keeper` command."""


def main() -> None:
    """Run the command line."""
    from keeper.cli.crash import keep_secrets  # noqa: PLC0415  # the command line imports lazily
    from keeper.cli.main import cli  # noqa: PLC0415  # ditto

    keep_secrets()
    cli()


if __name__ == "__main__":
    main()
