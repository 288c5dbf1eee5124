"""One line for each thing looked at."""

from keeper.cli import doctor_view
from keeper.cli.doctor_view import Check

FINE = Check("rpc", "ok", "answers in 1.2 ms")
WARNED = Check("gas", "warn", "enough for 12 hedges", "send coins to 0xA1")
FAILED = Check("chain id", "fail", "the node says 1, keeper.toml 10", "check rpc_url")


def test_each_check_is_one_line_with_its_remedy() -> None:
    assert doctor_view.text([FINE, WARNED, FAILED]) == (
        "✓ rpc       answers in 1.2 ms\n"
        "! gas       enough for 12 hedges → send coins to 0xA1\n"
        "✗ chain id  the node says 1, keeper.toml 10 → check rpc_url\n"
        "\n"
        "1 failed: the keeper cannot work like this"
    )


def test_warnings_do_not_stop_anybody() -> None:
    assert doctor_view.text([FINE, WARNED]).endswith("\n\nready, with 1 warning")
    assert doctor_view.text([WARNED, WARNED]).endswith("\n\nready, with 2 warnings")


def test_all_is_well_in_one_word() -> None:
    assert doctor_view.text([FINE]).endswith("\n\nready")
