import subprocess
import sys
from pathlib import Path

import pytest

from keeper.devnet.anvil import Node
from keeper.devnet.rpc import Rpc
from keeper.testing.faultproxy import Drop, FaultProxy

HEAVY = ("aiohttp", "eth_account", "web3", "numpy", "msgspec", "hypothesis.strategies")


def test_loading_it_loads_nothing_but_pytest() -> None:
    code = (
        "import sys, pytest\n"
        "import keeper.testing.pytest_plugin\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_project_that_has_keeper_installed_has_its_fixtures(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    for name in ("anvil_node", "fault_proxy", "fault_proxy_seed"):
        assert f"\n{name} -- " in run.stdout, "run scripts/setup: the entry point is not installed"


@pytest.mark.anvil
def test_the_proxy_stands_in_front_of_the_node(anvil_node: Node, fault_proxy: FaultProxy) -> None:
    bot = Rpc(fault_proxy.url)
    assert int(bot.call("eth_chainId"), 16) == anvil_node.chain_id
    assert [entry.method for entry in fault_proxy.log()] == ["eth_chainId"]
    bot.close()


class TestAnotherSeed:
    @pytest.fixture
    def fault_proxy_seed(self) -> int:
        return 5

    @pytest.mark.anvil
    def test_the_seed_can_be_another(self, fault_proxy: FaultProxy) -> None:
        fault_proxy.add(Drop(method="none", probability=0.5))
        assert fault_proxy._plan.seed == 5
