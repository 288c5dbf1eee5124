"""What the chain's own logs say that an account did, and whether a journal tells the same."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from keeper.adapters.abi import Event
from keeper.devnet.rpc import Rpc
from keeper.model.chain import Address
from keeper.model.records import Record


def logs_of(
    rpc: Rpc, contract: Address, event: Event, account: Address, *, since: int = 0
) -> list[dict[str, Any]]:
    """Return every log of *event* from block *since* on whose first indexed value is *account*."""
    subject = "0x" + account[2:].lower().rjust(64, "0")
    wanted = {
        "address": contract,
        "fromBlock": hex(since),
        "toBlock": "latest",
        "topics": [f"0x{event.topic.hex()}", subject],
    }
    found: list[dict[str, Any]] = rpc.call("eth_getLogs", wanted)
    return found


def effects_of(
    rpc: Rpc, contract: Address, event: Event, account: Address, *, since: int = 0
) -> Counter[str]:
    """Return how often each transaction had the effect that *event* tells of."""
    logs = logs_of(rpc, contract, event, account, since=since)
    return Counter(log["transactionHash"] for log in logs)


def doubled_and_lost(effects: Counter[str], records: Iterable[Record]) -> tuple[int, int]:
    """Return effects beyond one per intent, and intents whose outcome the chain does not show."""
    doubles, lost = effects.total(), 0
    for record in records:
        seen = sum(effects[attempt.hash] for attempt in record.attempts)
        doubles -= min(seen, 1)
        done = record.outcome is not None and record.outcome.status == "done"
        lost += record.outcome is None or done != (seen > 0)
    return doubles, lost
