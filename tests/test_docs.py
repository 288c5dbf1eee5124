"""What a user can type, set or meet is documented, and what the documents point at exists."""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import msgspec
import pytest

import keeper
from keeper.model.errors import KeeperError
from keeper.model.quantities import key_of

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PLUGS = ("vaults", "oracles", "venues", "signers")
PIPELINE = {
    "trigger", "tick", "pin", "read", "snapshot", "leg", "quote", "exposure", "delta", "gamma",
    "hedge", "net", "band", "gate", "limit", "decision", "hold", "rebalance", "intent", "attempt",
    "facts", "outcome", "settle", "journal", "book", "vault", "oracle", "venue", "signer", "sink",
    "adapter", "bump", "halt", "resume", "flatten",
}  # fmt: skip
MAX_ADR_LINES = 60


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "changelog.d").glob("*.md")])


def everything() -> str:
    return "\n".join(page.read_text() for page in pages() if page.name != "CHANGELOG.md")


def refuse(offenders: Iterable[str], rule: str) -> None:
    found = sorted(set(offenders))
    assert not found, "\n  ".join([f"{rule}:", *found])


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def commands() -> Iterator[tuple[str, click.Command]]:
    main = pytest.importorskip("keeper.cli.main")
    stack: list[tuple[str, click.Command]] = [("keeper", main.cli)]
    while stack:
        path, command = stack.pop()
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None, f"{path} {name}"
                stack.append((f"{path} {name}", found))


def modules() -> Iterator[str]:
    """Import the whole package; yield the name of each module."""
    yield "keeper"
    for info in pkgutil.walk_packages(keeper.__path__, "keeper."):
        if info.name != "keeper.__main__" and not info.name.endswith(".__main__"):
            yield info.name


def configured() -> set[type[msgspec.Struct]]:
    """Return every struct that is read from keeper.toml: those that refuse unknown keys."""
    for name in modules():
        importlib.import_module(name)
    found: set[type[msgspec.Struct]] = set()
    stack = [msgspec.Struct]
    while stack:
        for kind in stack.pop().__subclasses__():
            stack.append(kind)
            name = kind.__module__
            # The fault proxy's rules are JSON of their own; tests/testing/faultproxy sees to them.
            if name.startswith("keeper.") and not name.startswith("keeper.testing.faultproxy."):
                found |= {kind} if kind.__struct_config__.forbid_unknown_fields else set()
    return found


def errors() -> Iterator[type[KeeperError]]:
    stack: list[type[KeeperError]] = [KeeperError]
    while stack:
        kind = stack.pop()
        if kind.__module__.startswith("keeper."):
            yield kind
        stack.extend(kind.__subclasses__())


def names_given_to(calls: set[str], folder: str) -> Iterator[str]:
    """Yield the first argument of each call of one of *calls*, where it is written out."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called, first = ast.unparse(node.func).split(".")[-1], node.args[0]
            if called in calls and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def test_every_command_is_documented_and_helps() -> None:
    text = everything()
    found = dict(commands())
    refuse((path for path, command in found.items() if not command.help), "no help")
    refuse((path for path in found if path not in text), "in no document")


def test_every_option_has_its_help() -> None:
    refuse(
        (
            f"{path} {option.opts[0]}"
            for path, command in commands()
            for option in command.params
            if isinstance(option, click.Option) and not option.help
        ),
        "an option without help",
    )


def test_every_configuration_key_is_documented() -> None:
    text = everything()
    keys = {
        f"{kind.__module__}.{kind.__qualname__}: {key_of(field)}": key_of(field)
        for kind in configured()
        for field in kind.__struct_encode_fields__
    }
    assert keys
    refuse(
        (where for where, key in keys.items() if not re.search(rf"(?<!\w){key}(?!\w)", text)),
        "in no document",
    )


def test_every_environment_variable_is_documented() -> None:
    read = r"""(?:environ(?:\.get\(|\[)|getenv\(|envvar=)\s*["']([A-Z_]+)["']"""
    sources = "\n".join(path.read_text() for path in (ROOT / "keeper").rglob("*.py"))
    text = everything()
    standard = {"HOME", "PATH", "XDG_CACHE_HOME", "NO_COLOR", "COLUMNS"}
    refuse(
        (name for name in re.findall(read, sources) if name not in standard and name not in text),
        "in no document",
    )


def test_every_limit_has_its_words_in_the_runbook() -> None:
    limits = importlib.import_module("keeper.core.limits").Limits
    text = (DOCS / "runbook.md").read_text()
    keys = (key_of(field) for field in limits.__struct_fields__)
    refuse((key for key in keys if f"`{key}`" not in text), "not in docs/runbook.md")


def test_every_gate_has_its_section_in_the_runbook() -> None:
    gates = set(names_given_to({"Gate", "_at_most"}, "keeper/core"))
    assert gates
    sections = anchors(DOCS / "runbook.md")
    refuse(gates - {g for g in gates if slug(f"Gate: {g}") in sections}, "no section `Gate: ...`")


def test_every_error_has_its_section_in_the_runbook() -> None:
    for name in modules():
        importlib.import_module(name)
    sections = anchors(DOCS / "runbook.md")
    refuse(
        (
            f"{kind.__qualname__}: #{kind.runbook}"
            for kind in errors()
            if kind.runbook not in sections
        ),
        "no section in docs/runbook.md",
    )


def test_every_metric_is_documented() -> None:
    sinks = (path.read_text() for path in (ROOT / "keeper" / "adapters" / "sinks").rglob("*.py"))
    names = set(re.findall(r'"(keeper_[a-z_]+)"', "".join(sinks)))
    assert names
    text = (DOCS / "reference" / "metrics.md").read_text()
    refuse(
        (name for name in names if not re.search(rf"`{name}(_total)?`", text)),
        "not in docs/reference/metrics.md",
    )


def test_every_event_is_documented() -> None:
    events = importlib.import_module("keeper.model.events").Event.__args__
    text = (DOCS / "reference" / "events.md").read_text()
    refuse((e.__name__ for e in events if f"`{e.__name__}`" not in text), "not in events.md")


@pytest.mark.parametrize("kind", PLUGS)
def test_every_adapter_has_a_page_with_all_its_keys(kind: str) -> None:
    for entry in entry_points(group=f"keeper.{kind}"):
        page = DOCS / "adapters" / f"{entry.name}.md"
        assert page.is_file(), page
        keys = (key_of(field) for field in entry.load().Config.__struct_encode_fields__)
        text = page.read_text()
        refuse(
            (key for key in keys if not re.search(rf"(?<!\w){key}(?!\w)", text)), f"not in {page}"
        )


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_anchors_named_in_the_code_exist() -> None:
    broken = []
    for source in (ROOT / "keeper").rglob("*.py"):
        for path, anchor in re.findall(
            r"(docs/[\w/-]+\.md)(?:#([a-z][a-z-]*))?", source.read_text()
        ):
            page = ROOT / path
            if not page.is_file() or (anchor and anchor not in anchors(page)):
                broken.append(f"{source.relative_to(ROOT)}: {path}#{anchor}")
    refuse(broken, "leads nowhere")


def test_a_decision_record_fits_on_a_page() -> None:
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(records) + 1))
    index = (DOCS / "adr" / "README.md").read_text()
    for record in records:
        text = record.read_text()
        assert text.count("\n") <= MAX_ADR_LINES, record.name
        assert {"context", "decision", "consequences"} <= anchors(record), record.name
        assert record.name in index, record.name


def test_the_glossary_has_each_word_once() -> None:
    words = re.findall(r"^- \*\*([^*]+)\*\*: ", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert sorted(words) == sorted(set(words))
    refuse(PIPELINE - set(words), "not in docs/glossary.md")


def test_every_recipe_that_a_document_names_exists() -> None:
    justfile = (ROOT / "justfile").read_text()
    recipes = set(re.findall(r"^([a-z]+)[^:=\n]*:(?!=)", justfile, re.MULTILINE))
    named = set(re.findall(r"`(?:\.venv/bin/)?just ([a-z]+)", everything()))
    refuse(named - recipes, "no such recipe")


def test_every_script_that_a_document_names_exists() -> None:
    named = set(re.findall(r"\./scripts/([a-z_]+)", everything()))
    refuse((name for name in named if not (ROOT / "scripts" / name).is_file()), "no such script")


def test_every_changelog_fragment_has_a_known_type() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in tool.get("type", ())} or {
        "feature", "bugfix", "doc", "removal", "misc"
    }  # fmt: skip
    fragments = (path.name for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md")
    refuse((name for name in fragments if name.split(".")[1] not in kinds), "unknown type")
