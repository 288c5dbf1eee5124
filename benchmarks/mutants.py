"""Every small change of a file that a mistaken hand could make: its mutants, as new texts.

A mutant differs from its file in one place: a comparison turned or moved by one, a condition
negated, a sign changed, a number off by one, a flag flipped, a call or a raise left out, a result
forgotten. In SQL a constraint, a trigger, an index or a condition is left out. Docstrings,
annotations, messages of errors and `__repr__` are not touched: they are words.
"""

import ast
import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Div: "*", ast.Mod: "*",
}  # fmt: skip
WORDS: Final = frozenset({"__repr__", "__str__"})


class Mutant(Struct, frozen=True):
    """One changed text, and where and how it differs."""

    line: int
    what: str
    text: str


def of_python(text: str) -> tuple[Mutant, ...]:
    """Return the mutants of a Python file, in the order of its lines."""
    return tuple(sorted(_Visitor(text).found(), key=lambda mutant: mutant.line))


class _Visitor(ast.NodeVisitor):
    """Collects replacements of the source's own characters."""

    def __init__(self, text: str) -> None:
        self._text = text
        # The parser counts columns in bytes.
        self._raw = text.encode()
        starts = [0]
        starts.extend(match.end() for match in re.finditer(b"\n", self._raw))
        self._starts = starts
        self._mutants: list[Mutant] = []

    def found(self) -> list[Mutant]:
        self.visit(ast.parse(self._text))
        return self._mutants

    # What is not code

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name not in WORDS:
            for part in (*node.args.defaults, *node.args.kw_defaults, *node.body):
                if part is not None:
                    self.visit(part)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace(node, "pass", "a raise is left out")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave text alone."""

    # What is

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = (node.left, *node.comparators)
        for left, op, right in zip(operands, node.ops, operands[1:], strict=False):
            if type(op) in COMPARISONS:
                self._between(left, right, COMPARISONS[type(op)], "a comparison is turned")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = "or" if isinstance(node.op, ast.And) else "and"
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, other, f"it becomes {other}")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in ARITHMETIC and not self._is_text(node):
            other = ARITHMETIC[type(node.op)]
            self._between(node.left, node.right, other, f"it becomes {other}")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._replace(node, self._source(node.operand), "a negation is left out")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(node, str(not node.value), "a flag is flipped")
        elif isinstance(node.value, int):
            self._replace(node, str(node.value + 1), "a number is one more")

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and self._source(node.value) != "None":
            self._replace(node, "return None", "a result is forgotten")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._replace(node, "pass", "a call is left out")
            self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        self._replace(test, f"(not ({self._source(test)}))", "a condition is negated")

    # Texts

    def _is_text(self, node: ast.BinOp) -> bool:
        sides = (node.left, node.right)
        return any(isinstance(side, ast.JoinedStr) or
                   (isinstance(side, ast.Constant) and isinstance(side.value, str))
                   for side in sides)  # fmt: skip

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[end_line - 1] + end_column,
        )

    def _source(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._raw[start:end].decode()

    def _replace(self, node: ast.expr | ast.stmt, new: str, what: str) -> None:
        self._put(*self._span(node), new, node.lineno, what)

    def _between(self, left: ast.expr, right: ast.expr, new: str, what: str) -> None:
        """Replace the operator that stands between two operands, whatever brackets do too."""
        start, end = self._span(left)[1], self._span(right)[0]
        words = self._raw[start:end].decode()
        operator = re.search(r"not\s+in|is\s+not|[a-z]+|[^\s()]+", words)
        if operator is not None:
            changed = words[: operator.start()] + new + words[operator.end() :]
            self._put(start, end, changed, left.end_lineno or left.lineno, what)

    def _put(self, start: int, end: int, new: str, line: int, what: str) -> None:
        text = (self._raw[:start] + new.encode() + self._raw[end:]).decode()
        if _compiles(text):
            self._mutants.append(Mutant(line, what, text))


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


TRIGGER: Final = re.compile(r"^CREATE TRIGGER \w+.*?^BEGIN .*?END;$", re.MULTILINE | re.DOTALL)
UNIQUE: Final = re.compile(r"\bUNIQUE\b")
CHECK: Final = re.compile(r"\s*CHECK \((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
CONDITION: Final = re.compile(r"^WHEN (.*?)$(?=\nBEGIN)", re.MULTILINE | re.DOTALL)


def of_sql(text: str) -> tuple[Mutant, ...]:
    """Return the mutants of a schema: each trigger, check and uniqueness left out in turn."""
    rules: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str], str], ...] = (
        (TRIGGER, lambda _match: "", "a trigger is left out"),
        (UNIQUE, lambda _match: "", "a uniqueness is left out"),
        (CHECK, lambda _match: "", "a check is left out"),
        (CONDITION, lambda match: f"WHEN NOT ({match[1]})", "a condition is negated"),
    )
    found = [mutant for rule in rules for mutant in _left_out(text, *rule)]
    return tuple(sorted(found, key=lambda mutant: mutant.line))


def _left_out(
    text: str, pattern: re.Pattern[str], new: Callable[[re.Match[str]], str], what: str
) -> Iterator[Mutant]:
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        changed = text[: match.start()] + new(match) + text[match.end() :]
        # A CHECK of a table's own stands between commas, one of a column does not.
        yield Mutant(line, what, re.sub(r",(\s*,|\s*\) STRICT)", r"\1", changed))
