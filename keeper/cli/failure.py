"""How an error is shown: one readable block for people, one document for programs."""

from textwrap import fill
from typing import Any

from keeper.cli.exit_codes import Exit, exit_code
from keeper.core.redact import redact
from keeper.model.errors import KeeperError

WIDTH = 96


def block(error: KeeperError) -> str:
    """Return *error* for people: what happened, with which values, and what to do."""
    lines = [fill(f"{type(error).__name__}: {redact(error.message)}", WIDTH)]
    width = max((len(name) for name in error.facts), default=0)
    lines += [f"  {name:<{width}}  {redact(str(value))}" for name, value in error.facts.items()]
    if error.remedy:
        lines.append(fill(error.remedy, WIDTH, initial_indent="  → ", subsequent_indent="    "))
    lines.append(f"  docs/runbook.md#{error.runbook}")
    return "\n".join(lines)


def document(error: KeeperError) -> dict[str, Any]:
    """Return *error* for programs."""
    return {
        "error": {
            "kind": type(error).__name__,
            "message": redact(error.message),
            "facts": {name: redact(str(value)) for name, value in error.facts.items()},
            "remedy": error.remedy,
            "runbook": f"docs/runbook.md#{error.runbook}",
        },
        "exit_code": int(exit_code(error)),
    }


def plain(kind: str, message: str, code: Exit) -> dict[str, Any]:
    """Return an error that is not the keeper's own, such as a mistyped option."""
    return {"error": {"kind": kind, "message": message}, "exit_code": int(code)}
