"""The house rules that no linter knows. An exemption names its reason, so it shows in review."""

import ast
import functools
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40

NO_TWIN: dict[str, str] = {
    "keeper/__main__.py": "four lines; every test of the command line goes through it",
    "keeper/demo/__main__.py": "hands over to keeper/demo/command.py",
    "keeper/testing/conformance/": "a suite: every adapter's test runs it",
}
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}
NOT_AN_ADAPTER: dict[str, str] = {}
BROAD_EXCEPT = {
    "keeper/testing/conformance/store.py": "a thread's failure must reach the test",
    "keeper/engine/loop.py": "the last resort: it halts and tells a person",
}
CLOCKS = {
    "keeper/adapters/clock.py": "the clock adapter",
    "keeper/devnet/": "a local chain starts at the present time of this machine",
    "keeper/cli/devnet_up.py": "and is kept level with it",
}
TEST_KEYS = ("keeper/devnet/", "tests/")
"""Where well-known keys of local chains may stand."""

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
PLUGS = ("vaults", "oracles", "venues", "signers")
CHAIN = {"web3", "eth_abi", "eth_account", "eth_utils", "coincurve"}
OUTSIDE = {"requests", "aiohttp", "websockets", "sqlite3", "socket", "subprocess", "pathlib"}
LOUD = {"logging", "structlog", "prometheus_client", "click", "rich", "apscheduler", "dotenv"}
CHANCE = {"random", "secrets", "asyncio", "threading"}
NEEDS_SCIPY = {"keeper.core.greeks": "special functions of the Black-Scholes family"}


@functools.cache
def tracked() -> tuple[str, ...]:
    """Return every file that is or would be committed."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False)
    if listed.returncode:  # an unpacked archive
        hidden = (".venv/", ".tools/", ".git/")
        names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*"))
        return tuple(name for name in names if not name.startswith(hidden) and is_file(name))
    return tuple(sorted(name for name in listed.stdout.split("\0") if name and is_file(name)))


def is_file(name: str) -> bool:
    return (ROOT / name).is_file() and "__pycache__" not in name


def python(*tops: str) -> list[str]:
    return [name for name in tracked() if name.endswith(".py") and name.startswith(tops)]


@functools.cache
def text(name: str) -> str:
    return (ROOT / name).read_bytes().decode(errors="replace")


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(text(name), name)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(name: str) -> Iterator[Function]:
    return (node for node in ast.walk(tree(name)) if isinstance(node, Function))


def body(function: Function) -> list[ast.stmt]:
    """Return the statements, without the docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def length(function: Function) -> int:
    """Return the lines from `def` to the end, without decorators and docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    doc = function.body[0]
    return lines - ((doc.end_lineno or 0) - doc.lineno + 1)


def behaves(name: str) -> bool:
    """Tell whether a file does anything: declarations are checked by mypy alone."""

    def is_stub(function: Function) -> bool:
        return all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
                   for s in body(function))  # fmt: skip

    return any(not is_stub(function) for function in functions(name))


def refuse(offenders: Iterable[str], rule: str) -> None:
    found = sorted(offenders)
    assert not found, "\n  ".join([f"{rule}:", *found])


def test_files_are_short() -> None:
    refuse(
        (
            f"{name} {lines}"
            for name in python("keeper/", "benchmarks/")
            if (lines := text(name).count("\n")) > MAX_FILE_LINES and name not in LONG_FILES
        ),
        f"longer than {MAX_FILE_LINES} lines",
    )


def test_functions_are_short() -> None:
    refuse(
        (
            f"{name}:{function.name} {length(function)}"
            for name in python("keeper/", "benchmarks/", "tests/")
            for function in functions(name)
            if length(function) > MAX_FUNCTION_LINES
            and f"{name}:{function.name}" not in LONG_FUNCTIONS
        ),
        f"longer than {MAX_FUNCTION_LINES} lines",
    )


def twin(name: str) -> Path:
    path = Path(name)
    return Path("tests", *path.parts[1:-1], f"test_{path.name}")


def test_every_file_with_behaviour_has_a_test_file() -> None:
    refuse(
        (
            f"{name} needs {twin(name)}"
            for name in python("keeper/")
            if not name.endswith("__init__.py") and not name.startswith(tuple(NO_TWIN))
            if behaves(name) and not (ROOT / twin(name)).is_file()
        ),
        "no test file",
    )


def test_no_module_is_named_after_nothing() -> None:
    refuse(
        (n for n in python("keeper/") if set(Path(n).with_suffix("").parts) & EMPTY_NAMES),
        "a module is a noun of the domain or a verb of the pipeline",
    )


def entry_points() -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = PYPROJECT["project"]["entry-points"]
    return groups


@pytest.mark.parametrize("kind", PLUGS)
def test_every_adapter_is_registered(kind: str) -> None:
    registered = {value.split(":")[0] for value in entry_points()[f"keeper.{kind}"].values()}
    refuse(
        (
            name
            for name in python(f"keeper/adapters/{kind}/")
            if not name.endswith("__init__.py") and name not in NOT_AN_ADAPTER
            if module(name) not in registered
        ),
        f'no line under [project.entry-points."keeper.{kind}"] in pyproject.toml',
    )


def module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@pytest.mark.parametrize("kind", PLUGS)
def test_every_registered_adapter_loads(kind: str) -> None:
    installed = {e.name: e for e in importlib.metadata.entry_points(group=f"keeper.{kind}")}
    refuse(set(entry_points()[f"keeper.{kind}"]) - set(installed), "run `just sync`")
    for entry in installed.values():
        assert entry.load().Config


def test_the_core_imports_nothing_impure() -> None:
    modules = [module(name) for name in python("keeper/core/", "keeper/model/")]
    modules.sort(key=lambda name: name in NEEDS_SCIPY)  # scipy drags much in, so it comes last
    script = (
        "import importlib, json, sys, numpy, msgspec; seen = set(sys.modules); found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "    found[name] = sorted({m.split('.')[0] for m in set(sys.modules) - seen})\n"
        "    seen = set(sys.modules)\n"
        "print(json.dumps(found))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, *modules], capture_output=True, text=True, check=True
    )
    impure = CHAIN | OUTSIDE | LOUD | CHANCE | {"scipy"}
    refuse(
        (
            f"{name} brings in {bad}"
            for name, loaded in json.loads(run.stdout).items()
            if name not in NEEDS_SCIPY and (bad := impure & set(loaded))
        ),
        "core and model are pure, also in what they import at run time",
    )


def test_imports_go_one_way(tmp_path: Path) -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [lint, "--cache-dir", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout.rpartition("┘")[2] + run.stderr


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes any error and does not hand it on."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def test_only_the_loop_catches_everything() -> None:
    refuse(
        (
            f"{name}:{node.lineno}"
            for name in python("keeper/")
            for node in ast.walk(tree(name))
            if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
            if name not in BROAD_EXCEPT
        ),
        "catches every error; name the class that can be handled here",
    )


def test_only_the_clock_reads_the_clock() -> None:
    wall = r"\btime\.time(?:_ns)?\(|\bdatetime\.(?:now|utcnow|today)\(|\bdate\.today\("
    named = r"^\s*from time import .*\btime"
    refuse(
        grep(python("keeper/"), f"{wall}|{named}", allowed=tuple(CLOCKS)),
        "reads the wall clock; take the time as an argument or a Clock",
    )


def grep(names: Iterable[str], pattern: str, allowed: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield `file:line` of each match."""
    seek = re.compile(pattern)
    for name in names:
        for number, line in enumerate(text(name).splitlines(), 1):
            if seek.search(line) and not name.startswith(allowed):
                yield f"{name}:{number}"


def test_every_noqa_has_its_reason() -> None:
    refuse(
        grep(
            python("keeper/", "tests/", "benchmarks/"),
            r"#\s*(?:ruff:\s*)?no" + r"qa(?!: [A-Z]+\d+(?:, ?[A-Z]+\d+)*(?:  # | - )\w)",
        ),
        "write the rule and, behind it, why",
    )


def test_every_rule_ignored_everywhere_has_its_reason() -> None:
    _, _, rules = text("pyproject.toml").partition("[tool.ruff.lint]")
    rules, _, _ = rules.partition("[tool.mypy]")
    bare = [line for line in rules.splitlines() if re.match(r'\s+"[A-Z]+\d*",(?!\s+# \w)', line)]
    refuse(bare, "say why the rule does not apply")


def test_no_secret_is_committed() -> None:
    pem = "-----BEGIN [A-Z ]*PRIVATE KEY"
    said = r"(?i:private|secret|mnemonic|_key|\bkey\b)"
    refuse(
        grep(
            (name for name in tracked() if not name.startswith("requirements/")),
            pem + "|" + said + r"[^\n]{0,60}?[\"'= ](?:0x)?[0-9a-fA-F]{64}\b",
            allowed=TEST_KEYS,
        ),
        "looks like a key",
    )


def requirements() -> list[str]:
    return [name for name in tracked() if name.startswith("requirements/")]


def test_locks_name_no_host() -> None:
    npm = [name for name in tracked() if name.endswith("package-lock.json")]
    assert requirements()
    assert npm
    refuse(grep([*requirements(), *npm], "https?:|://"), "a lock must fit any index")


def test_u1_locks_pin_every_package_by_hash() -> None:
    for name in requirements():
        pins = re.findall(r"^[a-z0-9].*(?:\n +.*)*", text(name), re.MULTILINE)
        assert pins
        refuse((pin for pin in pins if "--hash=sha256:" not in pin), f"no hash in {name}")


def test_u1_every_dependency_is_locked() -> None:
    project = PYPROJECT["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    runtime = project["dependencies"]
    demo = [*runtime, *extras["demo"]]
    locks = {"runtime": runtime, "demo": demo, "dev": [*demo, *extras["dev"]]}
    for lock, needed in locks.items():
        pins = re.findall(
            r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==", text(f"requirements/{lock}.txt"), re.MULTILINE
        )
        names = {re.split(r"[<>=\[ ]", line)[0] for line in needed} - {"hedge-keeper"}
        refuse(names - set(pins), f"not in requirements/{lock}.txt; run `just lock`")


def test_no_lock_of_another_kind_is_committed() -> None:
    others = {"uv.lock", "pylock.toml", "poetry.lock"}
    refuse((n for n in tracked() if Path(n).name in others), "holds download addresses")


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    homes = r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|home/[a-z]\w*|Users/[A-Za-z]\w*)/"
    refuse(grep(tracked(), homes), "names a folder of one machine")


def test_the_example_environment_holds_only_empty_secrets_that_are_used() -> None:
    lines = [line for line in text(".env.example").splitlines() if line and line[0] != "#"]
    used = "\n".join(text(n) for n in tracked() if n.startswith(("keeper/", "docs/")))
    assert lines
    refuse((line for line in lines if not line.endswith("=")), "a value belongs into .env")
    refuse((line for line in lines if line.rstrip("=") not in used), "nothing uses it")
