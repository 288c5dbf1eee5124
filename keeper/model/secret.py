"""A value that cannot be printed by accident."""

from typing import Final, NoReturn


class Secret:
    """Holds a secret; `repr`, `str`, formatting, pickling and JSON never show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value: Final = value

    def reveal(self) -> str:
        """Return the secret. Call it at the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")
