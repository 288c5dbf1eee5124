"""Exit codes follow what has to be done next."""

import pytest

from keeper.cli.exit_codes import Exit, exit_code
from keeper.model import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.Transient("x"), 3),
        (errors.BadData("x"), 3),
        (errors.CallReverted("x"), 3),
        (errors.Rejected("x"), 4),
        (errors.Uncertain("x"), 5),
        (errors.Fatal("x"), 6),
        (errors.Warned("x"), 0),
        (errors.KeeperError("x"), 3),
    ],
)
def test_each_class_of_error_has_its_code(error: errors.KeeperError, code: int) -> None:
    assert exit_code(error) == code


def test_ctrl_c_is_what_shells_expect() -> None:
    assert int(Exit.INTERRUPTED) == 130
