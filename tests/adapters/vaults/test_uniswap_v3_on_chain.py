"""The legs against the real Uniswap v3 contracts, in both token orders."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest

from keeper.adapters.abi import Function, function
from keeper.adapters.chain.evm import Evm
from keeper.adapters.vaults.uniswap_v3 import UniswapV3
from keeper.devnet import actions
from keeper.devnet.calldata import decode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import uniswap_v3
from keeper.devnet.worlds.uniswap_v3 import Range
from keeper.engine.reader import read_all
from keeper.model.chain import Address, Log
from keeper.model.errors import BadData
from keeper.model.position import Concentrated, Linear, VaultState
from keeper.testing.replay import Recorder

pytestmark = pytest.mark.anvil

NPM = "uniswap_v3_position_manager"
POSITIONS = function(NPM, "positions")
COLLECT = function(NPM, "collect")
DECREASE = function(NPM, "decreaseLiquidity")
BURN = function(NPM, "burn")
U128 = 2**128 - 1
FOREVER = 2**63
P = 2000.0

Connect = Callable[[World], Evm]


def vault_of(world: World, *ids: int, **changes: Any) -> UniswapV3:
    usual: dict[str, Any] = {
        "position_manager": world.uniswap.position_manager,
        "base": world.weth,
        "quote": world.usdc,
        "positions": ids,
    }
    return UniswapV3(UniswapV3.Config(**(usual | changes)))


def look(evm: Evm, vault: UniswapV3) -> VaultState:
    state = read_all(evm, evm.head(), {"v": vault.read()})["v"]
    assert isinstance(state, VaultState), state
    return state


def ranges(state: VaultState) -> list[Concentrated]:
    return [leg for leg in state.legs if isinstance(leg, Concentrated)]


def fees(state: VaultState, token: Address) -> float:
    return sum(leg.units for leg in state.legs if isinstance(leg, Linear) and leg.asset == token)


def holding(leg: Concentrated, price: float) -> tuple[float, float]:
    at = sqrt(min(max(price, leg.price_lower), leg.price_upper))
    base = leg.liquidity * (1 / at - 1 / sqrt(leg.price_upper))
    return base, leg.liquidity * (at - sqrt(leg.price_lower))


def pretend(world: World, sender: Address, view: Function, *args: object) -> tuple[Any, ...]:
    """Return what a transaction to the position manager would return now."""
    data = "0x" + view.encode_call(*args).hex()
    call = {"from": sender, "to": world.uniswap.position_manager, "data": data}
    return view.decode_result(bytes.fromhex(world.chain.rpc.call("eth_call", call, "latest")[2:]))


def send(world: World, sender: Address, view: Function, *args: object) -> None:
    data = view.encode_call(*args)
    world.chain.execute(Tx(sender, world.uniswap.position_manager, data))


def human(world: World, amount0: int, amount1: int) -> tuple[float, float]:
    """Return (WETH, USDC) from the pool's (token0, token1)."""
    weth, usdc = (amount0, amount1) if world.uniswap.weth_is_token0 else (amount1, amount0)
    return weth / 10**18, usdc / 10**6


def uncollected(world: World, owner: Address, token_id: int) -> tuple[float, float]:
    """Return what `collect` would pay now, (WETH, USDC)."""
    return human(world, *pretend(world, owner, COLLECT, (token_id, owner, U128, U128)))


def liquidity(world: World, token_id: int) -> int:
    return int(pretend(world, world.accounts.bob.address, POSITIONS, token_id)[7])


def withdrawable(world: World, owner: Address, token_id: int) -> tuple[float, float]:
    """Return what taking all liquidity out would give now, (WETH, USDC)."""
    params = (token_id, liquidity(world, token_id), 0, 0, FOREVER)
    return human(world, *pretend(world, owner, DECREASE, params))


def pool_to(world: World, price: float) -> None:
    trader = world.accounts.arbitrageur.address
    world.chain.execute(*uniswap_v3.swap_to(world.chain, world.uniswap, trader, price))


def wide(lower: float = P / 1.3, upper: float = P * 1.1) -> Range:
    return Range(
        price_lower=lower, price_upper=upper, weth_wei=10 * 10**18, usdc_units=20_000 * 10**6
    )


@pytest.mark.parametrize("price", [1_400.0, 1_600.0, 2_000.0, 2_150.0, 2_400.0])
def test_the_legs_hold_what_a_withdrawal_would_pay(
    either_world: World, evm_of: Connect, price: float
) -> None:
    world, alice = either_world, either_world.accounts.alice
    token_id = actions.open_range(world, alice, wide())
    pool_to(world, price)
    state = look(evm_of(world), vault_of(world, token_id))
    (leg,) = ranges(state)
    (mark,) = state.marks.values()
    assert mark == pytest.approx(price, rel=1e-9)
    # The pool rounds in its own favour, by one base unit.
    assert holding(leg, mark) == pytest.approx(
        withdrawable(world, alice.address, token_id), rel=1e-9, abs=2e-6
    )


@pytest.mark.parametrize("price", [1_600.0, 2_000.0, 2_150.0])
def test_delta_is_the_slope_of_the_real_withdrawal_value(
    either_world: World, evm_of: Connect, price: float
) -> None:
    world, alice = either_world, either_world.accounts.alice
    token_id = actions.open_range(world, alice, wide())
    pool_to(world, price)
    (leg,) = ranges(look(evm_of(world), vault_of(world, token_id)))
    delta, _ = holding(leg, price)
    worth = {}
    for step in (0.9999, 1.0001):
        pool_to(world, price * step)
        weth, usdc = withdrawable(world, alice.address, token_id)
        worth[step] = weth * price * step + usdc
    slope = (worth[1.0001] - worth[0.9999]) / (price * 0.0002)
    assert delta == pytest.approx(slope, rel=1e-6, abs=1e-5)  # the pool rounds to 1e-6 USDC


@pytest.mark.parametrize(("price", "delta_is_zero"), [(1_400.0, False), (2_400.0, True)])
def test_outside_its_range_a_position_is_all_base_or_all_quote(
    either_world: World, evm_of: Connect, price: float, *, delta_is_zero: bool
) -> None:
    world, alice = either_world, either_world.accounts.alice
    token_id = actions.open_range(world, alice, wide())
    pool_to(world, price)
    (leg,) = ranges(look(evm_of(world), vault_of(world, token_id)))
    base, quote = holding(leg, price)
    assert (base == 0) == delta_is_zero
    assert (quote == 0) != delta_is_zero


class TestUncollectedFees:
    def check(self, world: World, evm: Evm, token_id: int) -> tuple[float, float]:
        state = look(evm, vault_of(world, token_id))
        got = fees(state, world.weth), fees(state, world.usdc)
        assert got == uncollected(world, world.accounts.alice.address, token_id)
        return got

    def test_inside_the_range_equal_what_collect_would_pay(
        self, either_world: World, evm_of: Connect
    ) -> None:
        token_id = actions.open_range(either_world, either_world.accounts.alice, wide())
        actions.earn_fees(either_world)
        weth, usdc = self.check(either_world, evm_of(either_world), token_id)
        assert weth > 0
        assert usdc > 0

    @pytest.mark.parametrize("price", [1_400.0, 2_400.0])
    def test_outside_the_range_equal_what_collect_would_pay(
        self, either_world: World, evm_of: Connect, price: float
    ) -> None:
        token_id = actions.open_range(either_world, either_world.accounts.alice, wide())
        actions.earn_fees(either_world)
        pool_to(either_world, price)
        actions.earn_fees(either_world)
        assert any(self.check(either_world, evm_of(either_world), token_id))

    def test_of_a_range_opened_beside_the_price_and_then_crossed(
        self, either_world: World, evm_of: Connect
    ) -> None:
        # Growth outside its ticks is stored from both sides: differences wrap below zero.
        alice, evm = either_world.accounts.alice, evm_of(either_world)
        for limits in ((1_700.0, 1_900.0), (2_100.0, 2_300.0)):
            actions.earn_fees(either_world)
            token_id = actions.open_range(either_world, alice, wide(*limits))
            assert self.check(either_world, evm, token_id) == (0, 0)
            for price in (1_800.0, 2_200.0, 2_400.0, 1_600.0, 2_000.0):
                pool_to(either_world, price)
                self.check(either_world, evm, token_id)

    def test_left_behind_by_a_withdrawal_are_still_counted(
        self, either_world: World, evm_of: Connect
    ) -> None:
        world, alice = either_world, either_world.accounts.alice.address
        token_id = actions.open_range(world, either_world.accounts.alice, wide())
        actions.earn_fees(world)
        units = liquidity(world, token_id)
        send(world, alice, DECREASE, (token_id, units // 2, 0, 0, FOREVER))
        half = self.check(world, evm_of(world), token_id)
        assert half[0] > 1  # the principal is owed too
        send(world, alice, DECREASE, (token_id, units - units // 2, 0, 0, FOREVER))
        assert self.check(world, evm_of(world), token_id) > half
        assert ranges(look(evm_of(world), vault_of(world, token_id))) == []

    def test_are_gone_once_collected(self, world: World, evm_of: Connect) -> None:
        alice = world.accounts.alice.address
        token_id = actions.open_range(world, world.accounts.alice, wide())
        actions.earn_fees(world)
        send(world, alice, COLLECT, (token_id, alice, U128, U128))
        assert self.check(world, evm_of(world), token_id) == (0, 0)


class TestTheVaultsOwnRange:
    def test_holds_what_the_vault_says(self, either_world: World, evm_of: Connect) -> None:
        world = either_world
        actions.earn_fees(world)
        state = look(evm_of(world), vault_of(world, owner=world.vault))
        (leg,) = ranges(state)
        (mark,) = state.marks.values()
        weth, usdc = holding(leg, mark)
        got = weth + fees(state, world.weth), usdc + fees(state, world.usdc)
        said = world.chain.read(
            world.vault, "rangeAmounts(uint256)", "uint256,uint256", world.range_ids[0]
        )
        assert got == pytest.approx((said[0] / 1e18, said[1] / 1e6), rel=1e-6)

    def test_is_found_by_its_owner_as_by_its_id(self, world: World, evm_of: Connect) -> None:
        evm = evm_of(world)
        by_id = look(evm, vault_of(world, *world.range_ids))
        assert look(evm, vault_of(world, owner=world.vault)) == by_id
        assert len(ranges(by_id)) == 1


class TestWhatHappensBetweenTwoReads:
    def steady(self, world: World, evm: Evm, vault: UniswapV3) -> VaultState:
        """Read; then check that a new adapter agrees, and that the next read takes one round."""
        state = look(evm, vault)
        owner = world.accounts.alice.address
        assert look(evm, vault_of(world, owner=owner)) == state
        chain = Recorder(evm)
        assert read_all(chain, evm.head(), {"v": vault.read()}) == {"v": state}
        assert len(chain.rounds) == 1
        return state

    def test_a_mint_a_burn_and_a_mint_are_seen(self, world: World, evm_of: Connect) -> None:
        alice, evm = world.accounts.alice, evm_of(world)
        vault = vault_of(world, owner=alice.address)
        assert self.steady(world, evm, vault).legs == ()
        first = actions.open_range(world, alice, wide())
        assert len(ranges(self.steady(world, evm, vault))) == 1
        actions.open_range(world, alice, wide(1_800.0, 2_200.0))
        assert len(ranges(self.steady(world, evm, vault))) == 2
        send(world, alice.address, DECREASE, (first, liquidity(world, first), 0, 0, FOREVER))
        assert len(ranges(self.steady(world, evm, vault))) == 1
        send(world, alice.address, COLLECT, (first, alice.address, U128, U128))
        send(world, alice.address, BURN, first)
        assert len(ranges(self.steady(world, evm, vault))) == 1
        actions.open_range(world, alice, wide(1_900.0, 2_100.0))
        assert len(ranges(self.steady(world, evm, vault))) == 2

    def test_more_liquidity_in_a_known_range_takes_one_round(
        self, world: World, evm_of: Connect
    ) -> None:
        alice, evm = world.accounts.alice, evm_of(world)
        token_id = actions.open_range(world, alice, wide())
        vault = vault_of(world, token_id)
        (before,) = ranges(look(evm, vault))
        increase = function(NPM, "increaseLiquidity")
        amounts = (10**18, 2_000 * 10**6)
        ordered = amounts if world.uniswap.weth_is_token0 else amounts[::-1]
        send(world, alice.address, increase, (token_id, *ordered, 0, 0, FOREVER))
        chain = Recorder(evm)
        after = read_all(chain, evm.head(), {"v": vault.read()})["v"]
        assert isinstance(after, VaultState)
        assert ranges(after)[0].liquidity > before.liquidity
        assert len(chain.rounds) == 1

    def test_a_burned_position_of_a_list_is_bad_data(self, world: World, evm_of: Connect) -> None:
        alice, evm = world.accounts.alice, evm_of(world)
        token_id = actions.open_range(world, alice, wide())
        vault = vault_of(world, token_id)
        look(evm, vault)
        send(world, alice.address, DECREASE, (token_id, liquidity(world, token_id), 0, 0, FOREVER))
        send(world, alice.address, COLLECT, (token_id, alice.address, U128, U128))
        assert look(evm, vault).legs == ()
        send(world, alice.address, BURN, token_id)
        bad = read_all(evm, evm.head(), {"v": vault.read()})["v"]
        assert isinstance(bad, BadData)
        assert "a position does not exist" in str(bad)

    def test_a_reorg_that_undoes_a_mint_is_seen(self, world: World, evm_of: Connect) -> None:
        alice, evm = world.accounts.alice, evm_of(world)
        vault = vault_of(world, owner=alice.address)
        actions.open_range(world, alice, wide())
        assert len(ranges(look(evm, vault))) == 1
        world.chain.reorg(1)
        assert self.steady(world, evm, vault).legs == ()

    def test_a_reorg_that_gives_the_id_to_another_range_is_seen(
        self, world: World, evm_of: Connect
    ) -> None:
        alice, evm = world.accounts.alice, evm_of(world)
        first = actions.open_range(world, alice, wide())
        vault = vault_of(world, first)
        before = look(evm, vault)
        world.chain.reorg(1)
        assert actions.open_range(world, alice, wide(1_800.0, 2_200.0)) == first
        after = look(evm, vault)
        assert ranges(after)[0].price_upper > ranges(before)[0].price_upper * 0.99
        assert after == look(evm, vault_of(world, first))
        assert after != before


def test_a6_two_hundred_positions_in_four_ranges(world: World, evm_of: Connect) -> None:
    alice, evm = world.accounts.alice, evm_of(world)
    small = [Range(P / (1.1 + n / 10), P * (1.1 + n / 10), 10**16, 20 * 10**6) for n in range(4)]
    mints = [uniswap_v3.mint(world.uniswap, alice.address, small[n % 4]) for n in range(200)]
    for start in range(0, 200, 50):
        world.chain.execute(*mints[start : start + 50])
    chain, vault = Recorder(evm), vault_of(world, owner=alice.address)
    state = read_all(chain, evm.head(), {"v": vault.read()})["v"]
    assert isinstance(state, VaultState)
    assert len(ranges(state)) == 4
    read_all(chain, evm.head(), {"v": vault.read()})
    # A count, an id and a position each, three of the pool, two ticks a range.
    assert len(chain.rounds[-1]) == 1 + 2 * 200 + 3 + 2 * 4
    whole = sum(holding(leg, P)[0] for leg in ranges(state))
    parts = sum(
        withdrawable(world, alice.address, token_id)[0]
        for token_id in range(world.range_ids[0] + 1, world.range_ids[0] + 201)
    )
    assert whole == pytest.approx(parts, rel=1e-6)


def test_positions_without_the_tokens_to_hedge_are_refused(world: World, evm_of: Connect) -> None:
    evm = evm_of(world)
    for changes in ({"base": world.feed, "quote": None}, {"quote": world.feed}):
        vault = vault_of(world, *world.range_ids, **changes)
        bad = read_all(evm, evm.head(), {"v": vault.read()})["v"]
        assert isinstance(bad, BadData)
        assert "does not have the tokens to hedge" in str(bad)


@pytest.mark.parametrize("address", ["feed", "vault", "usdc"])
def test_a_contract_that_is_no_position_manager_is_bad_data(
    world: World, evm_of: Connect, address: str
) -> None:
    vault = vault_of(world, owner=world.vault, position_manager=getattr(world, address))
    evm = evm_of(world)
    assert isinstance(read_all(evm, evm.head(), {"v": vault.read()})["v"], BadData)


def test_an_address_without_code_is_bad_data(world: World, evm_of: Connect) -> None:
    vault = vault_of(world, 1, position_manager=Address("0x" + "00" * 19 + "ff"))
    evm = evm_of(world)
    assert isinstance(read_all(evm, evm.head(), {"v": vault.read()})["v"], BadData)


class TestWakeUps:
    def logs(self, world: World, block: int) -> list[Log]:
        asked = {"fromBlock": hex(block + 1), "toBlock": "latest"}
        return [
            Log(
                address=Address(
                    decode("address", bytes(12) + bytes.fromhex(raw["address"][2:]))[0]
                ),
                topics=tuple(bytes.fromhex(t[2:]) for t in raw["topics"]),
                data=bytes.fromhex(raw["data"][2:]),
                index=int(raw["logIndex"], 16),
            )
            for raw in world.chain.rpc.call("eth_getLogs", asked)
        ]

    def rung(self, world: World, vault: UniswapV3, since: int) -> set[str]:
        return {
            watch.name
            for log in self.logs(world, since)
            for watch in vault.watch()
            if watch.address.lower() == log.address.lower()
            and watch.topic == log.topics[0]
            and watch.loud(log)
        }

    @pytest.mark.parametrize(("price", "names"), [(2_001.0, set[str]()), (2_030.0, {"Swap"})])
    def test_a_swap_wakes_if_it_moved_the_price_far(
        self, either_world: World, evm_of: Connect, price: float, names: set[str]
    ) -> None:
        vault = vault_of(either_world, *either_world.range_ids, swap_threshold_fraction=0.01)
        look(evm_of(either_world), vault)
        since = either_world.chain.block().number
        pool_to(either_world, price)
        assert self.rung(either_world, vault, since) == names

    def test_our_liquidity_wakes_and_a_strangers_does_not(
        self, world: World, evm_of: Connect
    ) -> None:
        alice = world.accounts.alice
        vault = vault_of(world, owner=alice.address)
        token_id = actions.open_range(world, alice, wide())
        look(evm_of(world), vault)
        since = world.chain.block().number
        actions.open_range(world, world.accounts.bob, wide())
        assert self.rung(world, vault, since) == set()
        send(world, alice.address, DECREASE, (token_id, 1_000, 0, 0, FOREVER))
        assert self.rung(world, vault, since) == {"DecreaseLiquidity"}
        actions.open_range(world, alice, wide())
        assert self.rung(world, vault, since) == {"DecreaseLiquidity", "Transfer"}
