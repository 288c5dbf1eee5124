"""Shares of the real vault contract, through deposits, withdrawals and a falling price."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Raw

from keeper.adapters.chain import shapes
from keeper.adapters.chain.evm import Evm
from keeper.adapters.vaults.erc4626 import Erc4626
from keeper.adapters.vaults.uniswap_v3 import UniswapV3
from keeper.devnet import actions
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.engine.reader import read_all
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.position import Concentrated, Linear, VaultState
from keeper.testing.replay import Recorder

pytestmark = pytest.mark.anvil

Connect = Callable[[World], Evm]


def vault_of(world: World, **changes: Any) -> Erc4626:
    return Erc4626(Erc4626.Config(address=world.vault, **changes))


def weth(evm: Evm, world: World, vault: Erc4626) -> float:
    state = read_all(evm, evm.head(), {"v": vault.read()})["v"]
    assert isinstance(state, VaultState), state
    assert all(isinstance(leg, Linear) and leg.asset == world.weth for leg in state.legs)
    return sum(leg.units for leg in state.legs if isinstance(leg, Linear))


def test_the_whole_vault_is_worth_its_total_assets(either_world: World, evm_of: Connect) -> None:
    total = either_world.chain.read(either_world.vault, "totalAssets()", "uint256")
    got = weth(evm_of(either_world), either_world, vault_of(either_world))
    assert got == pytest.approx(total / 10**18, rel=1e-12)


def test_holders_shares_add_up_to_the_whole(world: World, evm_of: Connect) -> None:
    evm, people = evm_of(world), (world.accounts.alice, world.accounts.bob)
    parts = [weth(evm, world, vault_of(world, holder=who.address)) for who in people]
    assert sum(parts) == pytest.approx(weth(evm, world, vault_of(world)), rel=1e-12)
    assert parts[0] == pytest.approx(1.5 * parts[1], rel=1e-6)


def test_deposits_and_withdrawals_are_seen_at_once(world: World, evm_of: Connect) -> None:
    evm, alice = evm_of(world), world.accounts.alice
    vault, whole = vault_of(world, holder=alice.address), vault_of(world)
    before, all_before = weth(evm, world, vault), weth(evm, world, whole)
    actions.deposit(world, alice, 7.0)
    assert weth(evm, world, vault) == pytest.approx(before + 7.0, rel=1e-9)
    actions.deposit(world, world.accounts.bob, 5.0)
    assert weth(evm, world, vault) == pytest.approx(before + 7.0, rel=1e-9)
    actions.withdraw(world, alice, 20.0)
    assert weth(evm, world, vault) == pytest.approx(before - 13.0, rel=1e-9)
    assert weth(evm, world, whole) == pytest.approx(all_before - 8.0, rel=1e-9)


def test_a_deposit_costs_one_more_round_once(world: World, evm_of: Connect) -> None:
    evm, vault = evm_of(world), vault_of(world)
    weth(evm, world, vault)
    rounds = []
    for _ in range(2):
        chain = Recorder(evm)
        read_all(chain, evm.head(), {"v": vault.read()})
        rounds.append(len(chain.rounds))
    actions.deposit(world, world.accounts.alice, 1.0)
    for _ in range(2):
        chain = Recorder(evm)
        read_all(chain, evm.head(), {"v": vault.read()})
        rounds.append(len(chain.rounds))
    assert rounds == [1, 1, 2, 1]


def test_a_gain_without_new_shares_is_seen(world: World, evm_of: Connect) -> None:
    evm, vault = evm_of(world), vault_of(world)
    before = weth(evm, world, vault)
    give = bytes.fromhex("a9059cbb") + bytes(12) + bytes.fromhex(world.vault[2:])
    amount = (3 * 10**18).to_bytes(32, "big")
    world.chain.execute(Tx(world.accounts.bob.address, world.weth, give + amount))
    assert weth(evm, world, vault) == pytest.approx(before + 3.0, rel=1e-9)


def test_somebody_without_shares_holds_nothing(world: World, evm_of: Connect) -> None:
    stranger = vault_of(world, holder=world.accounts.keeper.address)
    assert weth(evm_of(world), world, stranger) == 0


class TestIdle:
    def test_is_what_lies_in_the_vault(self, either_world: World, evm_of: Connect) -> None:
        idle = either_world.chain.read(either_world.vault, "idleAssets()", "uint256")
        got = weth(evm_of(either_world), either_world, vault_of(either_world, counts="idle"))
        assert got == idle / 10**18
        assert got > 0

    def test_of_a_holder_is_the_holders_part(self, world: World, evm_of: Connect) -> None:
        evm = evm_of(world)
        alice = vault_of(world, counts="idle", holder=world.accounts.alice.address)
        whole = weth(evm, world, vault_of(world, counts="idle"))
        assert weth(evm, world, alice) == pytest.approx(0.6 * whole, rel=1e-6)

    def test_and_the_ranges_are_the_whole_vault(self, either_world: World, evm_of: Connect) -> None:
        world, evm = either_world, evm_of(either_world)
        actions.earn_fees(world)
        config = UniswapV3.Config(
            position_manager=world.uniswap.position_manager, base=world.weth, owner=world.vault
        )
        reads = {
            "idle": vault_of(world, counts="idle").read(),
            "ranges": UniswapV3(config).read(),
            "whole": vault_of(world).read(),
        }
        states = read_all(evm, evm.head(), reads)
        price = actions.prices(world).pool
        assert worth(states["idle"], world, price) + worth(
            states["ranges"], world, price
        ) == pytest.approx(worth(states["whole"], world, price), rel=1e-7)


def worth(state: VaultState | BadData, world: World, price: float) -> float:
    """Return the value in WETH."""
    assert isinstance(state, VaultState)
    total = 0.0
    for leg in state.legs:
        if isinstance(leg, Linear):
            total += leg.units if leg.asset == world.weth else leg.units / price
        else:
            assert isinstance(leg, Concentrated)
            at, low, high = (p**0.5 for p in (price, leg.price_lower, leg.price_upper))
            total += leg.liquidity * ((1 / at - 1 / high) + (at - low) / price)
    return total


@pytest.mark.parametrize("address", ["feed", "usdc", "multicall3"])
def test_a_contract_that_is_no_vault_is_bad_data(
    world: World, evm_of: Connect, address: str
) -> None:
    evm = evm_of(world)
    vault = Erc4626(Erc4626.Config(address=getattr(world, address)))
    assert isinstance(read_all(evm, evm.head(), {"v": vault.read()})["v"], BadData)


def test_an_address_without_code_is_bad_data(world: World, evm_of: Connect) -> None:
    evm = evm_of(world)
    vault = Erc4626(Erc4626.Config(address=Address("0x" + "00" * 19 + "ff")))
    assert isinstance(read_all(evm, evm.head(), {"v": vault.read()})["v"], BadData)


def test_a1_a_vault_whose_code_disappears_is_bad_data_not_zero(
    world: World, evm_of: Connect
) -> None:
    evm, vault = evm_of(world), vault_of(world)
    weth(evm, world, vault)
    world.chain.rpc.call("anvil_setCode", world.vault, "0x")
    world.chain.mine()
    assert isinstance(read_all(evm, evm.head(), {"v": vault.read()})["v"], BadData)


def test_the_watched_events_are_those_the_vault_emits(world: World, evm_of: Connect) -> None:
    del evm_of
    watched = {w.topic: w.name for w in vault_of(world).watch()}
    since = world.chain.block().number
    actions.deposit(world, world.accounts.alice, 1.0)
    actions.withdraw(world, world.accounts.alice, 1.0)
    asked = {"fromBlock": hex(since + 1), "toBlock": "latest", "address": world.vault}
    logs = world.chain.rpc.call("eth_getLogs", asked)
    topics = [bytes.fromhex(log["topics"][0][2:]) for log in logs]
    assert [watched[t] for t in topics if t in watched] == ["Deposit", "Withdraw"]


def test_shares_that_are_given_away_are_heard_by_whoever_holds_them(
    world: World, evm_of: Connect
) -> None:
    evm, alice, bob = evm_of(world), world.accounts.alice.address, world.accounts.bob.address
    vault, giver = vault_of(world, holder=bob), vault_of(world, holder=alice)
    stranger = vault_of(world, holder=world.accounts.keeper.address)
    before, since = weth(evm, world, vault), world.chain.block().number
    give = bytes.fromhex("a9059cbb") + bytes(12) + bytes.fromhex(bob[2:])
    shares = world.chain.read(world.vault, "balanceOf(address)", "uint256", alice) // 2
    world.chain.execute(Tx(alice, world.vault, give + shares.to_bytes(32, "big")))
    assert weth(evm, world, vault) > before
    asked = {"fromBlock": hex(since + 1), "toBlock": "latest", "address": world.vault}
    raw = json.dumps(world.chain.rpc.call("eth_getLogs", asked)).encode()
    (log,) = [sent.log() for sent in shapes.logs(Raw(raw))]
    heard = {
        who: [w.name for w in adapter.watch() if w.topic == log.topics[0] and w.loud(log)]
        for who, adapter in (("bob", vault), ("alice", giver), ("nobody", stranger))
    }
    assert heard == {"bob": ["Transfer"], "alice": ["Transfer"], "nobody": []}
