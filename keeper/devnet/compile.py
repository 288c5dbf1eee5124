"""Compiles `contracts/` with the pinned npm solc: `python -m keeper.devnet.compile`.

The results are committed, so that nobody needs a compiler to use them, and a test compiles again
and compares. Only names, ABI, bytecode and settings are kept: nothing that differs by machine.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from keeper.devnet.artifacts import COMPILED
from keeper.devnet.tools import REMEDIES, node_modules
from keeper.model.errors import ConfigError

SOURCES: Final = Path(__file__).resolve().parents[2] / "contracts"

CONTRACTS: Final = {
    "HedgedVault": "HedgedVault.sol",
    "IntentGuard": "IntentGuard.sol",
    "SettableAggregator": "SettableFeed.sol",
    "SettableFeed": "SettableFeed.sol",
    "SettableRollupFees": "SettableRollupFees.sol",
    "StubVenue": "StubVenue.sol",
}
"""Contract -> the file that holds it."""

LENT: Final = {"Gather": "Gather.sol"}
"""The same for what is never deployed: a running keeper lends it to its node, so it is kept with
the adapter and not here."""

LENT_TO: Final = Path(__file__).resolve().parents[1] / "adapters" / "chain"

SETTINGS: Final = {
    "evmVersion": "cancun",
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {
        "*": {"*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]},
    },
}

_DRIVER: Final = (
    "const solc = require('solc');"
    "const input = require('fs').readFileSync(0, 'utf8');"
    "process.stdout.write(JSON.stringify({version: solc.version(), "
    "output: JSON.parse(solc.compile(input))}));"
)
_TIMEOUT_S: Final = 120


def compiled() -> dict[Path, bytes]:
    """Return artifact file -> its bytes, compiled now.

    Raises:
        ConfigError: Node.js or the compiler is missing, or the sources do not compile.

    """
    sources = sorted({*CONTRACTS.values(), *LENT.values()})
    request = {
        "language": "Solidity",
        "sources": {name: {"content": (SOURCES / name).read_text()} for name in sources},
        "settings": SETTINGS,
    }
    answer = _solc(msgspec.json.encode(request))
    errors = [e for e in answer["output"].get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise ConfigError("the contracts do not compile", first=errors[0]["formattedMessage"])
    return {
        COMPILED / f"{name}.json": _artifact(answer, name, source, "bytecode")
        for name, source in CONTRACTS.items()
    } | {
        LENT_TO / f"{name}.json": _artifact(answer, name, source, "deployedBytecode")
        for name, source in LENT.items()
    }


def _artifact(answer: dict[str, Any], name: str, source: str, kind: str) -> bytes:
    """Return an artifact with the bytecode of one *kind*, as the compiler names it."""
    contract = answer["output"]["contracts"][source][name]
    value = {
        "contractName": name,
        "sourceName": source,
        "compiler": answer["version"],
        "settings": {key: SETTINGS[key] for key in ("evmVersion", "optimizer", "metadata")},
        "abi": contract["abi"],
        kind: "0x" + contract["evm"][kind]["object"],
    }
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _solc(request: bytes) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise ConfigError("Node.js is not installed", remedy=REMEDIES)
    done = subprocess.run(
        [node, "-e", _DRIVER],
        input=request,
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
        cwd=node_modules().parent,
    )
    if done.returncode != 0:
        raise ConfigError("the compiler failed", said=done.stderr.decode()[-500:])
    answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    return answer


def main() -> int:
    """Compile everything into the package; 2 if that is impossible."""
    try:
        files = compiled()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    COMPILED.mkdir(exist_ok=True)
    for path, content in files.items():
        path.write_bytes(content)
        sys.stdout.write(f"{path.name}: {len(content)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
