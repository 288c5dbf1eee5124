"""What is checked about each endpoint, when there are several."""

from collections.abc import Iterator
from time import perf_counter

from msgspec import Struct

from keeper.adapters.chain.endpoint import names
from keeper.bootstrap import open_line
from keeper.cli.doctor_view import Check
from keeper.config import Config
from keeper.model.errors import KeeperError
from keeper.model.units import MS_PER_S


class Seen(Struct, frozen=True):
    """What one endpoint said."""

    name: str
    chain_id: int | None = None
    head: int | None = None
    latency_ms: float = 0.0
    version: str = ""
    trouble: str = ""


def endpoints(config: Config) -> Iterator[Check]:
    """Return a line for each endpoint; nothing if there is only one, which has its own lines."""
    chain = config.chain
    urls = [url.reveal() for url in (*chain.rpc, *chain.private)]
    if len(urls) == 1:
        return
    seen = [_look(config, name, url) for name, url in zip(names(urls), urls, strict=True)]
    count = len(chain.rpc)
    highest = max((one.head for one in seen[:count] if one.head is not None), default=0)
    for place, one in enumerate(seen, 1):
        title = f"rpc {place}" if place <= count else f"private {place - count}"
        yield judge(title, one, highest, config)


def judge(title: str, seen: Seen, highest: int, config: Config) -> Check:
    """Return the line of one endpoint; *highest* is the highest head of those that are read."""
    if seen.chain_id is None:
        remedy = "check its address, its credentials and the network; the others go on without it"
        return Check(title, "fail", f"{seen.name} does not answer: {seen.trouble}", remedy)
    if seen.chain_id != config.chain_id:
        found = f"{seen.name} serves {seen.chain_id}, keeper.toml says {config.chain_id}"
        return Check(title, "fail", found, "correct it, or take it out: it is not used")
    told = f"{seen.name} answers in {seen.latency_ms:.1f} ms: chain {seen.chain_id}"
    if seen.head is None:
        told = f"{told}, no head: {seen.trouble}"
        if title.startswith("private"):  # it need not serve reads
            return Check(title, "ok", told)
        return Check(title, "fail", told, "it cannot be read; the others go on without it")
    lag = max(0, highest - seen.head)
    told = f"{told}, block {seen.head:,}, {lag} behind, {seen.version}"
    if lag > config.chain.max_lag_blocks:
        return Check(title, "warn", told, "it is not read until it has caught up")
    return Check(title, "ok", told)


def _look(config: Config, name: str, url: str) -> Seen:
    line = open_line(config, url)
    seen = Seen(name)
    try:
        line.evm.chain_id()  # connects
        began = perf_counter()
        seen = Seen(name, line.evm.chain_id(), None, (perf_counter() - began) * MS_PER_S)
        if seen.chain_id != config.chain_id:
            return seen
        head = line.evm.newest().number
        version = line.evm.client_version()
        return Seen(name, seen.chain_id, head, seen.latency_ms, version)
    except KeeperError as trouble:
        told = str(trouble.facts.get("reason", trouble.message))
        return Seen(name, seen.chain_id, seen.head, seen.latency_ms, trouble=told)
    finally:
        line.transport.close()
