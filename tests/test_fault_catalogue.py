"""The catalogue of faults: every fault has a test that carries its id, or says why it has none.

`just faults` writes `docs/reliability/faults.md` anew.
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "docs/reliability/faults.toml"
PAGE = ROOT / "docs/reliability/faults.md"
PLACES = ("tests", "keeper/testing/conformance")
ID = re.compile(r"[a-hj-z]\d{1,2}")
"""`i10` is the id of an invariant, which no fault may break."""
WITHOUT_TEST = ("manual", "not_applicable")
LEAST_AUTOMATED = 110

HEAD = """\
# Faults

What can go wrong around a hedging keeper, what this one does about it, and the test that holds it
to that. Two things hold in every row and are not repeated: an intent has at most one effect, and
none is lost.

Made from [faults.toml](faults.toml) and the names of the tests by `just faults`; the suite fails
when this page is not what they say. {summary}

"""


@cache
def faults() -> dict[str, dict[str, str]]:
    with SOURCE.open("rb") as file:
        return tomllib.load(file)


@cache
def proofs() -> dict[str, tuple[str, ...]]:
    """Return, by fault, `path::test` of every test whose name begins with its id."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py")):
        for name in _tests(path):
            words = name.removeprefix("test_").split("_")
            for fault in takewhile(ID.fullmatch, words):
                found.setdefault(fault.upper(), []).append(f"{path.relative_to(ROOT)}::{name}")
    return {fault: tuple(tests) for fault, tests in found.items()}


def _tests(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_":
            yield node.name


def state(fault: str) -> str:
    if fault in proofs():
        return "automated"
    return next((each.replace("_", " ") for each in WITHOUT_TEST if each in faults()[fault]), "?")


def page() -> str:
    """Return the page, a table for each group."""
    states = Counter(state(fault) for fault in faults())
    summary = f"Of {len(faults())} faults {states['automated']} are automated, "
    summary += f"{states['manual']} manual, {states['not applicable']} not applicable."
    lines = [HEAD.format(summary=summary).rstrip()]
    for group in dict.fromkeys(row["group"] for row in faults().values()):
        lines += [
            "",
            f"## {group}",
            "",
            "| Id | Fault | Expected | State | By |",
            "|---|---|---|---|---|",
        ]
        lines += [_row(fault) for fault, row in faults().items() if row["group"] == group]
    return "\n".join(lines) + "\n"


def _row(fault: str) -> str:
    row = faults()[fault]
    tests = [
        f"[{name}](../../{path})"
        for path, name in (test.split("::") for test in proofs().get(fault, ()))
    ]
    by = "<br>".join(tests) or next((row[each] for each in WITHOUT_TEST if each in row), "")
    words = (text.replace("|", "\\|") for text in (row["fault"], row["expected"], state(fault), by))
    return f"| {fault} | " + " | ".join(words) + " |"


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `just faults`"


@pytest.mark.parametrize("fault", faults())
def test_a_fault_without_a_test_says_why(fault: str) -> None:
    why = [each for each in WITHOUT_TEST if each in faults()[fault]]
    assert len(why) == (fault not in proofs()), "a test with its id, or one reason for having none"


def test_no_test_carries_the_id_of_a_fault_that_is_not_in_the_catalogue() -> None:
    assert set(proofs()) <= set(faults())


def test_most_faults_are_automated() -> None:
    assert sum(state(fault) == "automated" for fault in faults()) >= LEAST_AUTOMATED


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
