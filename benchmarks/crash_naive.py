"""The bot that most people write first, in the place of the keeper: it shows what the matrix finds.

It reads what is to be done, takes its nonce from `pending`, sends again after an error, waits for a
receipt for a few blocks, and keeps all of that in memory alone.
"""

from typing import Any, Final

import msgspec
from eth_account import Account

from benchmarks.crash_child import BAND_BASE, Life, Reaper, Report, dial
from benchmarks.stub_venue import ORDER, POSITION
from keeper.adapters.chain.rpc import Transport
from keeper.adapters.chain.transports import open_transport
from keeper.model.chain import ChainId
from keeper.model.units import ETHER, GWEI

TRIES: Final = 3
PATIENCE_TURNS: Final = 5
DEADLINE_S: Final = 10.0
FAR_S: Final = 10**11


class Naive:
    """One process of it."""

    def __init__(self, life: Life, chain_id: ChainId, reaper: Reaper) -> None:
        self._node: Transport = open_transport(life.node)
        self._account = Account.from_key(life.key)
        self._life = life
        self._chain_id = chain_id
        self._reaper = reaper
        self._pending: str | None = None
        self._waited = 0

    def close(self) -> None:
        """Hang up."""
        self._node.close()

    def turn(self) -> bool:
        """Look and trade; return whether it waits for something."""
        try:
            if self._pending is not None and not self._is_over():
                return True
            units = -self._base(self._vault()) - self._base(self._position())
            if abs(units) > BAND_BASE:
                self._trade(units)
        except Exception:  # noqa: BLE001  # as it does: try again at the next block
            return self._pending is not None
        return self._pending is not None

    def _is_over(self) -> bool:
        self._waited += 1
        if self._ask("eth_getTransactionReceipt", self._pending) is not None:
            self._pending = None
        elif self._waited >= PATIENCE_TURNS:
            self._pending = None  # timed out, so it failed
        return self._pending is None

    def _trade(self, units: float) -> None:
        for attempt in range(TRIES):
            nonce = int(self._ask("eth_getTransactionCount", self._account.address, "pending"), 16)
            fee = int(self._ask("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)  # noqa: FBT003  # no bodies
            signed = self._account.sign_transaction(
                {
                    "chainId": self._chain_id,
                    "nonce": nonce,
                    "to": self._life.stub,
                    "value": 0,
                    "gas": 100_000,
                    "maxFeePerGas": 2 * fee + GWEI,
                    "maxPriorityFeePerGas": GWEI,
                    "data": ORDER.encode_call(round(units * ETHER), 2_000 * ETHER, FAR_S),
                }
            )
            raw = signed.raw_transaction.to_0x_hex()
            self._reaper.reach("send-hedge:before")
            self._reaper.on_the_wire("send-hedge")
            try:
                self._pending = self._ask("eth_sendRawTransaction", raw)
            except Exception:
                if attempt == TRIES - 1:
                    raise
                continue
            self._waited = 0
            self._reaper.reach("send-hedge:after")
            return

    def _vault(self) -> str:
        held = "0x70a08231" + self._life.vault[2:].lower().rjust(64, "0")
        return str(self._ask("eth_call", {"to": self._life.weth, "data": held}, "latest"))

    def _position(self) -> str:
        call = POSITION(self._life.stub, self._account.address)
        asked = {"to": self._life.stub, "data": f"0x{call.data.hex()}"}
        return str(self._ask("eth_call", asked, "latest"))

    def _base(self, word: str) -> float:
        number = int.from_bytes(bytes.fromhex(word[2:]), "big", signed=True)
        return number / ETHER

    def _ask(self, method: str, *params: object) -> Any:
        return msgspec.json.decode(self._node.request(method, params, DEADLINE_S))


def live_naively(life: Life, chain_id: ChainId) -> None:
    """Turn whenever the driver says so, as `crash_child.live` does."""
    line = dial(life)
    naive = Naive(life, chain_id, Reaper(line, life.point, life.nth))
    while line.hear():
        line.say(Report(int(naive.turn()), None))
