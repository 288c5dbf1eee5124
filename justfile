# Every recipe uses the tools of .venv, so that versions come from the lock.
export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

# List the recipes.
default:
    @just --list --unsorted

# Make .venv, Anvil and the protocol artifacts ready.
sync:
    scripts/setup devnet

# Everything CI runs.
check: lint types imports test

# Format, and fix what can be fixed by rule.
fmt:
    ruff check --fix --quiet
    ruff format

# Format and rules, without changing a file.
lint:
    ruff check
    ruff format --check

# Types, strictly.
types:
    mypy

# Which way imports go.
imports:
    lint-imports

# The tests; arguments go to pytest.
test *args:
    scripts/test {{ args }}

# The model of the engine for as long as a night allows: 200,000 steps, hypothesis choosing.
nightly:
    KEEPER_PROFILE=nightly pytest -q -n0 -s tests/engine/test_model.py

# One benchmark, e.g. `just bench reaction --json`.
bench *args:
    scripts/bench {{ args }}

# The demonstration.
demo *args:
    scripts/demo {{ args }}

# Renew the locks: names, versions and hashes, no host.
lock *args:
    #!/usr/bin/env bash
    set -euo pipefail
    compile() {
      uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links "$@"
    }
    compile pyproject.toml --extra dev {{ args }} -o requirements/dev.txt
    compile pyproject.toml --extra demo -c requirements/dev.txt -o requirements/demo.txt
    compile pyproject.toml -c requirements/dev.txt -o requirements/runtime.txt
    echo uv | compile - -c requirements/dev.txt -o requirements/setup.txt

# Write docs/reliability/faults.md anew, from its source and the names of the tests.
faults:
    python tests/test_fault_catalogue.py

# Show the next release's changelog from changelog.d.
changelog:
    towncrier build --draft --version next
