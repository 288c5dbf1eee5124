"""Real contracts, read through the keeper's own chain adapter."""

from collections.abc import Callable, Iterator

import pytest

from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.transports import open_transport
from keeper.devnet.world import World
from keeper.model.chain import ChainId


@pytest.fixture
def evm_of() -> Iterator[Callable[[World], Evm]]:
    """Return a function from a local world to the adapter that reads it."""
    opened = []

    def connect(world: World) -> Evm:
        transport = open_transport(world.ipc_path)
        opened.append(transport)
        return Evm(transport, EvmConfig(chain_id=ChainId(world.chain_id)))

    yield connect
    for transport in opened:
        transport.close()
