"""What the doctor found: one line each, with the remedy. Pure."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


class Check(Struct, frozen=True):
    """One thing looked at. Nothing secret is ever put into it."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def text(checks: Sequence[Check]) -> str:
    """Return one line for each check, then the sum."""
    width = max((len(check.name) for check in checks), default=0)
    lines = [_line(check, width) for check in checks]
    failed = sum(check.verdict == "fail" for check in checks)
    warned = sum(check.verdict == "warn" for check in checks)
    return "\n".join([*lines, "", _sum(failed, warned)])


def _line(check: Check, width: int) -> str:
    line = f"{MARKS[check.verdict]} {check.name:<{width}}  {check.found}"
    return f"{line} → {check.remedy}" if check.remedy else line


def _sum(failed: int, warned: int) -> str:
    if failed:
        return f"{failed} failed: the keeper cannot work like this"
    if warned:
        return f"ready, with {warned} warning" + ("s" if warned > 1 else "")
    return "ready"
