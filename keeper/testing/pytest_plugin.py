"""Fixtures for testing a bot, of any make, against a local chain that misbehaves on request.

Pytest loads this in every environment that has keeper installed, so it imports nothing before a
test asks for a fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeper.devnet.anvil import Node
    from keeper.testing.faultproxy import FaultProxy


@pytest.fixture
def anvil_node() -> Iterator[Node]:
    """An Anvil of the test's own on a free port, which mines when it is told to."""
    from keeper.devnet.anvil import start_anvil  # noqa: PLC0415  # see above

    with start_anvil() as node:
        yield node


@pytest.fixture
def fault_proxy_seed() -> int:
    """What the faults' chances are drawn from; override it for another series."""
    return 0


@pytest.fixture
def fault_proxy(anvil_node: Node, fault_proxy_seed: int) -> Iterator[FaultProxy]:
    """A proxy in front of `anvil_node`, as faithful as a wire until a rule is added."""
    from keeper.testing.faultproxy import FaultProxy  # noqa: PLC0415  # see above

    with FaultProxy(
        anvil_node.http_url, ws_upstream=anvil_node.ws_url, seed=fault_proxy_seed
    ) as proxy:
        yield proxy
