"""Turns a JSON ABI into calls, messages and events. A name it lacks fails at import.

ASSET = function("erc4626", "asset")        # reads abis/erc4626.json
ASSET(vault)                                # a Call, for a read to yield
APPROVE.encode_call(spender, amount)        # the data of a transaction
DEPOSIT = event("erc4626", "Deposit")
DEPOSIT.topic; DEPOSIT.decode(log)          # what to watch; what it said
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from keeper.adapters.words import checksum_address, encoder
from keeper.model.chain import Address, Answer, Call, Log
from keeper.model.errors import BadData

__all__ = ["ABIS", "Event", "Function", "checksum_address", "error", "event", "function"]

_PACKAGED = Path(__file__).parents[1] / "abis"
ABIS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "abis"
"""In a wheel the ABIs travel inside the package; in a checkout they sit at the root."""


class Function:
    """One function (or custom error) of a contract; nothing is sent by using it."""

    __slots__ = ("_encode", "inputs", "name", "outputs", "selector", "signature")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.inputs = _types(entry["inputs"])
        self.outputs = _types(entry.get("outputs", []))
        self.signature = f"{self.name}({','.join(self.inputs)})"
        self.selector = keccak(self.signature.encode())[:4]
        self._encode = encoder(self.inputs)

    def __call__(self, to: Address, *args: object) -> Call:
        """Return the read-only call of this function on *to*.

        Raises:
            ValueError: An argument is not of its type.

        """
        return Call(to, self.selector + self._encode(args), self.outputs)

    def encode_call(self, *args: object) -> bytes:
        """Return the data of a transaction that calls this function; a tuple is one argument.

        Raises:
            ValueError: An argument is not of its type.

        """
        return self.selector + self._encode(args)

    def decode_result(self, data: bytes) -> Answer:
        """Return the values a call returned.

        Raises:
            BadData: They are not of the declared types.

        """
        return _decoder(self.outputs)(data)

    def __repr__(self) -> str:
        return f"<{self.signature}>"


class Event:
    """One event of a contract."""

    __slots__ = ("_data", "_indexed", "_names", "_topics", "name", "signature", "topic")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        types = _types(entry["inputs"])
        marked = [bool(i.get("indexed")) for i in entry["inputs"]]
        self._names = tuple(i["name"] for i in entry["inputs"])
        self._indexed = tuple(marked)
        # An indexed value that is not one word is in the topic as a hash only.
        self._topics = tuple(
            (t,) if _fits_a_word(t) else ("bytes32",)
            for t, indexed in zip(types, marked, strict=True)
            if indexed
        )
        self._data = tuple(t for t, indexed in zip(types, marked, strict=True) if not indexed)
        self.signature = f"{self.name}({','.join(types)})"
        self.topic = keccak(self.signature.encode())

    def decode(self, log: Log) -> dict[str, Any]:
        """Return the log's values by their names in the ABI.

        Raises:
            BadData: It is another event, or malformed.

        """
        if len(log.topics) != 1 + len(self._topics) or log.topics[0] != self.topic:
            raise BadData("this is not a log of it", event=self.signature, address=log.address)
        topics = iter(zip(self._topics, log.topics[1:], strict=True))
        data = iter(_decoder(self._data)(log.data))
        values: dict[str, Any] = {}
        for name, indexed in zip(self._names, self._indexed, strict=True):
            if indexed:
                topic_type, word = next(topics)
                (values[name],) = _decoder(topic_type)(word)
            else:
                values[name] = next(data)
        return values

    def __repr__(self) -> str:
        return f"<event {self.signature}>"


@cache
def function(abi: str, name: str) -> Function:
    """Return function *name* of `abis/<abi>.json`; an overloaded one by its full signature.

    Raises:
        LookupError: The ABI has no such function, or several.

    """
    return Function(_entry(abi, "function", name))


@cache
def error(abi: str, name: str) -> Function:
    """Return custom error *name* of `abis/<abi>.json`, for its `selector`.

    Raises:
        LookupError: The ABI has no such error, or several.

    """
    return Function(_entry(abi, "error", name))


@cache
def event(abi: str, name: str) -> Event:
    """Return event *name* of `abis/<abi>.json`.

    Raises:
        LookupError: The ABI has no such event, or several.

    """
    return Event(_entry(abi, "event", name))


@cache
def _decoder(types: tuple[str, ...]) -> Callable[[bytes], Answer]:
    from keeper.adapters.chain.codec import decoder  # noqa: PLC0415 - brings eth_abi, 0.25 s

    return decoder(types)


@cache
def _load(abi: str) -> list[dict[str, Any]]:
    path = ABIS / f"{abi}.json"
    if not path.is_file():
        raise LookupError(f"there is no abis/{abi}.json")
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def _entry(abi: str, kind: str, name: str) -> dict[str, Any]:
    found = [
        entry
        for entry in _load(abi)
        if entry["type"] == kind
        and name in (entry["name"], f"{entry['name']}({','.join(_types(entry['inputs']))})")
    ]
    if len(found) != 1:
        how_many = "not" if not found else f"{len(found)} times"
        raise LookupError(f"{kind} {name} is {how_many} in abis/{abi}.json")
    return found[0]


def _types(parameters: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return canonical types: a struct is written out as the tuple of its members."""
    return tuple(
        f"({','.join(_types(p['components']))}){p['type'].removeprefix('tuple')}"
        if p["type"].startswith("tuple")
        else p["type"]
        for p in parameters
    )


def _fits_a_word(abi_type: str) -> bool:
    return not (abi_type in ("bytes", "string") or abi_type[0] == "(" or abi_type[-1] == "]")
