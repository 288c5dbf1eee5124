"""What a conformance suite asks of whoever subclasses it."""

from typing import NoReturn

import pytest


def to_be_provided(fixture: str) -> NoReturn:
    """Fail the test that needs *fixture*, and say what to do."""
    pytest.fail(
        f"this suite knows nothing of your adapter: define the fixture `{fixture}` in the class "
        "that inherits it; the suite's docstring of that name says what it returns",
        pytrace=False,
    )
