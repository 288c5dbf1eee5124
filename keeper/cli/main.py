"""`keeper`: the table of commands. It imports none of them before one is asked for."""

import click

from keeper.cli.command import Root

COMMANDS = {
    "init": ("init", "Write a commented keeper.toml and .env."),
    "doctor": ("doctor", "Check everything the keeper depends on."),
    "run": ("run", "Keep the books hedged until stopped."),
    "tick": ("tick", "Look, think and act once."),
    "status": ("status", "Show each book: price, delta, hedge, band, gas."),
    "why": ("why", "Explain the last decisions."),
    "journal": ("journal", "Read and check what was tried."),
    "fleet": ("fleet", "Show who leads, of all keepers that share a database."),
    "rebalance": ("by_hand", "Trade to the exact target now."),
    "flatten": ("by_hand", "Close the hedge and halt."),
    "halt": ("halt", "Stop trading at once."),
    "resume": ("halt", "Allow trading again."),
    "backtest": ("backtest", "Compare policies on an invented or recorded market."),
    "tune": ("tune", "Propose a risk aversion and limits for a risk or a cost."),
    "demo": ("demo", "Play a compressed day on a local chain, and compare."),
    "devnet": ("devnet", "A local chain with real protocols to try it on."),
    "faultproxy": ("faultproxy", "A node that misbehaves on request, for any bot."),
    "fork": ("fork", "Rehearse on a fork of the configured chain."),
}


@click.group(
    cls=Root,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 the command's own no, 2 configuration, 3 world not readable, "
    "4 rejected, 5 outcome open, 6 halted, 130 Ctrl-C. Details: docs/reference/cli.md",
)
@click.version_option(package_name="hedge-keeper", prog_name="keeper")
def cli() -> None:
    """Stand beside a DeFi vault and keep its risk hedged inside the cost-optimal band."""
