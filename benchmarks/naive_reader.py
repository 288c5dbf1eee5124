"""The same positions read with web3.py: a thousand in a Multicall3, or one call after another."""

import json
from math import isclose
from typing import Any, Final

from web3 import HTTPProvider, Web3

from keeper.adapters.abi import ABIS
from keeper.devnet.world import World
from keeper.model.errors import Fatal
from keeper.model.position import Concentrated, VaultState

CHUNK: Final = 1_000
LIQUIDITY: Final = 7
HUMAN_LIQUIDITY: Final = 10.0**12
"""√(10^(18 + 6)): what the pool's liquidity of WETH and USDC is divided by."""
TOLERANCE: Final = 1e-9


Positions = list[tuple[Any, ...]]
"""What `positions(id)` answers, in the order of the ids."""


def compare(theirs: Positions, ours: VaultState) -> None:
    """Compare the sum of all liquidity with the legs of our own reading.

    Raises:
        Fatal: They differ.

    """
    expected = sum(position[LIQUIDITY] for position in theirs) / HUMAN_LIQUIDITY
    found = sum(leg.liquidity for leg in ours.legs if isinstance(leg, Concentrated))
    if not isclose(expected, found, rel_tol=TOLERANCE):
        raise Fatal("web3.py reads another liquidity", ours=found, theirs=expected)


class NaiveReader:
    """Reads `positions(id)` of Uniswap's manager."""

    def __init__(self, world: World) -> None:
        self._w3 = Web3(HTTPProvider(world.http_url))
        self._manager = self._contract(
            world.uniswap.position_manager, "uniswap_v3_position_manager"
        )
        self._multicall = self._contract(world.multicall3, "multicall3")
        entry = self._manager.get_function_by_name("positions").abi
        self._types = [output["type"] for output in entry["outputs"]]

    def together(self, ids: tuple[int, ...]) -> Positions:
        """Return all positions, through Multicall3, all at one block."""
        block = self._w3.eth.get_block("latest")
        found: Positions = []
        for start in range(0, len(ids), CHUNK):
            calls = [
                (self._manager.address, True, self._manager.encode_abi("positions", [each]))
                for each in ids[start : start + CHUNK]
            ]
            answers = self._multicall.functions.aggregate3(calls).call(
                block_identifier=block["hash"]
            )
            found += [self._w3.codec.decode(self._types, data) for _, data in answers]
        return found

    def one_by_one(self, ids: tuple[int, ...]) -> Positions:
        """Return all positions, each by a call of its own."""
        block = self._w3.eth.get_block("latest")
        return [
            self._manager.functions.positions(each).call(block_identifier=block["hash"])
            for each in ids
        ]

    def _contract(self, address: str, name: str) -> Any:
        entries = json.loads((ABIS / f"{name}.json").read_text(encoding="utf-8"))
        return self._w3.eth.contract(Web3.to_checksum_address(address), abi=entries)
