"""Positions on a recorded pool, their numbers worked out by hand in comments."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from keeper.adapters.uniswap_v3_plan import (
    BALANCE_OF,
    POOL_STATE,
    POSITIONS,
    TICKS,
    TOKEN_OF_OWNER_BY_INDEX,
)
from keeper.adapters.vaults.uniswap_v3 import DECIMALS, FACTORY, GET_POOL, UniswapV3
from keeper.model.chain import Address, Answer, Call, Log
from keeper.model.errors import BadData, CallReverted
from keeper.model.position import Concentrated, Linear, VaultState
from keeper.testing.conformance.reading import read
from keeper.testing.conformance.vault import VaultConformance
from keeper.testing.replay import Recording, Replay, load

RECORDINGS = Path(__file__).parents[2] / "recordings" / "uniswap_v3"

NPM = Address("0xC36442b4a4522E871399CD717aBDD847Ab11FE88")
FACTORY_ADDRESS = Address("0x1F98431c8aD98523631AE4a59f267346ea31F984")
POOL = Address("0x8ad599c3A0ff1De082011EFDDc58f1908eb6e6D8")
OTHER_POOL = Address("0xCBCdF9626bC03E24f779434178A73a0B4bad62eD")
USDC = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
WETH = Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
WBTC = Address("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599")
OWNER = Address("0x00000000000000000000000000000000000000b2")
NOBODY = Address("0x" + "0" * 40)

Q128 = 2**128
TICK = 200_000
LOWER, UPPER = 199_980, 200_040
SQRT_PRICE_X96 = int((Decimal("1.0001") ** TICK).sqrt() * 2**96)


def usdc_per_weth(tick: int) -> float:
    """Decimal works to 28 digits: this is the true power, rounded once."""
    return float(Decimal(10**12) / Decimal("1.0001") ** tick)


class Nft(Struct, frozen=True):
    """What the position manager says of one position."""

    lower: int = LOWER
    upper: int = UPPER
    liquidity: int = 3 * 10**15
    last: tuple[int, int] = (0, 0)
    owed: tuple[int, int] = (0, 0)
    tokens: tuple[Address, Address] = (USDC, WETH)
    fee: int = 3_000

    def answer(self) -> Answer:
        shape = (*self.tokens, self.fee, self.lower, self.upper)
        return (0, NOBODY, *shape, self.liquidity, *self.last, *self.owed)


def world(nfts: dict[int, Nft], **changes: Any) -> dict[Call, Answer | CallReverted]:
    """USDC (6) is token0 and WETH (18) token1, as on mainnet."""
    usual = {"tick": TICK, "sqrt": SQRT_PRICE_X96, "pool": POOL, "decimals": (6, 18)}
    now: dict[str, Any] = usual | changes
    recording: dict[Call, Answer | CallReverted] = {
        FACTORY(NPM): (FACTORY_ADDRESS,),
        GET_POOL(FACTORY_ADDRESS, USDC, WETH, 3_000): (now["pool"],),
        GET_POOL(FACTORY_ADDRESS, WBTC, WETH, 3_000): (OTHER_POOL,),
        GET_POOL(FACTORY_ADDRESS, WBTC, USDC, 3_000): (OTHER_POOL,),
        DECIMALS(USDC): (now["decimals"][0],),
        DECIMALS(WETH): (now["decimals"][1],),
        DECIMALS(WBTC): (8,),
        BALANCE_OF(NPM, OWNER): (len(nfts),),
    }
    for pool in (POOL, OTHER_POOL):
        slot0, growth0, growth1 = (ask(pool) for ask in POOL_STATE)
        recording[slot0] = (now["sqrt"], now["tick"], 0, 1, 1, 0, True)
        recording[growth0] = (now.get("growth0", 0),)
        recording[growth1] = (now.get("growth1", 0),)
        for nft in nfts.values():
            for tick in (nft.lower, nft.upper):
                outside = now.get(f"outside_{tick}", (0, 0))
                recording[TICKS(pool, tick)] = (1, 1, *outside, 0, 0, 0, True)
    for index, (token_id, nft) in enumerate(nfts.items()):
        recording[TOKEN_OF_OWNER_BY_INDEX(NPM, OWNER, index)] = (token_id,)
        recording[POSITIONS(NPM, token_id)] = nft.answer()
    return recording


def config(**changes: Any) -> UniswapV3.Config:
    usual = {"position_manager": NPM, "base": WETH, "owner": OWNER}
    return UniswapV3.Config(**(usual | changes))


def state(recording: Recording, vault: UniswapV3) -> VaultState:
    got = read(Replay(recording), vault)
    assert isinstance(got, VaultState), got
    return got


def refusal(recording: Recording, **changes: Any) -> str:
    got = read(Replay(recording), UniswapV3(config(**changes)))
    assert isinstance(got, BadData)
    return str(got)


def fees(recording: Recording, **changes: Any) -> dict[Address, float]:
    vault = UniswapV3(config(**changes))
    legs = state(recording, vault).legs
    return {leg.asset: leg.units for leg in legs if isinstance(leg, Linear)}


THREE = {
    # Growth inside of USDC: 8 - 3 - 1 = 4 units of 2^128 per liquidity, 1 of them taken before.
    11: Nft(last=(1 * Q128, 2**256 - Q128), owed=(10**6, 0), liquidity=10**9),
    12: Nft(last=(3 * Q128, 0), liquidity=2 * 10**9),
    13: Nft(liquidity=0),
}
GROWTH = {
    "growth0": 8 * Q128,
    "growth1": 2**256 - 2 * Q128,
    f"outside_{LOWER}": (3 * Q128, 2**256 - 4 * Q128),
    f"outside_{UPPER}": (1 * Q128, 0),
}


class TestPositionsOfAnOwner(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], UniswapV3]:
        return lambda: UniswapV3(config())

    @pytest.fixture
    def recording(self) -> Recording:
        return world(THREE, **GROWTH)

    @pytest.fixture
    def expected(self) -> VaultState:
        # 1e9 and 2e9 in one range add up: 3e9 / 10^((6+18)/2). WETH is token1: prices invert.
        return VaultState(
            legs=(
                Concentrated(
                    base=WETH,
                    quote=USDC,
                    liquidity=0.003,
                    price_lower=usdc_per_weth(UPPER),
                    price_upper=usdc_per_weth(LOWER),
                ),
                # 1e9·(4-1) + 1e6 owed + 2e9·(4-3), six decimals
                Linear(asset=USDC, units=5_001.0),
                # Growth inside wraps: -2 - (-4) - 0 = 2; 1e9·(2-(-1)) + 2e9·2, eighteen decimals
                Linear(asset=WETH, units=7e-9),
            ),
            marks={f"pool {POOL}": usdc_per_weth(TICK)},
        )


class TestPositionsById(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], UniswapV3]:
        return lambda: UniswapV3(config(owner=None, positions=(11,), base=USDC, quote=WETH))

    @pytest.fixture
    def recording(self) -> Recording:
        return world({11: Nft(liquidity=5 * 10**12)})

    @pytest.fixture
    def expected(self) -> VaultState:
        # USDC is token0: its price in WETH is the pool's own.
        return VaultState(
            legs=(
                Concentrated(
                    base=USDC,
                    quote=WETH,
                    liquidity=5.0,
                    price_lower=1 / usdc_per_weth(LOWER),
                    price_upper=1 / usdc_per_weth(UPPER),
                ),
            ),
            marks={f"pool {POOL}": 1 / usdc_per_weth(TICK)},
        )


class TestRecordedPositions(VaultConformance):
    """Three positions on the real contracts, USDC as token0, after swaps through their ranges."""

    BASE = Address("0x6B276D4a428473A1f028a3f5C1745767707Bc151")
    QUOTE = Address("0x2c9aE5435765DC3F019bb7b51FD2f0128D26d536")

    @pytest.fixture
    def make(self) -> Callable[[], UniswapV3]:
        return lambda: UniswapV3(
            UniswapV3.Config(
                position_manager=Address("0xfb607dFf09A61836018C564B666d1a40d7763A49"),
                base=self.BASE,
                quote=self.QUOTE,
                owner=Address("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
            )
        )

    @pytest.fixture
    def recording(self) -> Recording:
        return load(RECORDINGS / "local_usdc_weth.json")

    @pytest.fixture
    def expected(self) -> VaultState:
        # What `positions` and `collect` said when asked directly; two positions share a range.
        return VaultState(
            legs=(
                Concentrated(
                    base=self.BASE,
                    quote=self.QUOTE,
                    liquidity=(5718246943588216 + 2859123471794108) / 10**12,
                    price_lower=usdc_per_weth(201940),
                    price_upper=usdc_per_weth(198910),
                ),
                Concentrated(
                    base=self.BASE,
                    quote=self.QUOTE,
                    liquidity=3057023357492216 / 10**12,
                    price_lower=usdc_per_weth(199830),
                    price_upper=usdc_per_weth(198910),
                ),
                Linear(asset=self.QUOTE, units=(10724025 + 2455537 + 5362012) / 10**6),
                Linear(
                    asset=self.BASE,
                    units=(6022970799334404 + 1155556848674588 + 3011485399667202) / 10**18,
                ),
            ),
            marks={"pool 0x45634B2352eE70e893569b2771d0e50e100cA8Fb": 1950.0},
        )


class TestNoPositions(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], UniswapV3]:
        return lambda: UniswapV3(config())

    @pytest.fixture
    def recording(self) -> Recording:
        return world({})

    @pytest.fixture
    def expected(self) -> VaultState:
        return VaultState(legs=())


@pytest.mark.parametrize(
    ("tick", "inside"),
    [
        (LOWER - 1, 3 - 1),  # below the range: its growth is what the ticks differ by
        (LOWER, 8 - 3 - 1),
        (UPPER - 1, 8 - 3 - 1),
        (UPPER, 1 - 3),  # above it
    ],
)
def test_growth_inside_depends_on_where_the_price_is(tick: int, inside: int) -> None:
    last = (inside - 5) * Q128 % 2**256
    usdc = {name: (value[0], 0) for name, value in GROWTH.items() if isinstance(value, tuple)}
    nft = Nft(liquidity=10**6, last=(last, 0))
    assert fees(world({1: nft}, growth0=8 * Q128, tick=tick, **usdc)) == {USDC: 5.0}


def test_a_closed_position_counts_for_what_it_is_owed() -> None:
    assert fees(world({1: Nft(liquidity=0, owed=(7_000_000, 10**18))})) == {USDC: 7.0, WETH: 1.0}


def test_more_fees_than_a_pool_can_owe_are_bad_data() -> None:
    assert "more fees" in refusal(world({1: Nft(liquidity=2**100)}, growth0=2**200))


def test_positions_of_one_range_share_its_calls_and_its_leg() -> None:
    one, many = (Replay(world({i: Nft() for i in range(n)})) for n in (1, 50))
    for chain in (one, many):
        vault = UniswapV3(config())
        read(chain, vault)
        read(chain, vault)
    assert len(many.rounds[-1]) - len(one.rounds[-1]) == 49 * 2  # its id and its position
    assert len(state(world({i: Nft() for i in range(50)}), UniswapV3(config())).legs) == 1


def test_pools_are_kept_apart_and_their_fees_added_up() -> None:
    btc = Nft(tokens=(WBTC, WETH), owed=(0, 2 * 10**18))
    got = state(world({1: Nft(owed=(0, 10**18)), 2: btc}), UniswapV3(config()))
    assert [leg.quote for leg in got.legs if isinstance(leg, Concentrated)] == [USDC, WBTC]
    assert [leg.units for leg in got.legs if isinstance(leg, Linear)] == [3.0]
    assert set(got.marks) == {f"pool {POOL}", f"pool {OTHER_POOL}"}


BEFORE = {11: Nft(), 12: Nft(), 13: Nft(liquidity=0)}


class TestWhatChangesBetweenTwoReads:
    @pytest.mark.parametrize(
        "after",
        [
            {**BEFORE, 14: Nft(lower=199_920)},  # minted
            {11: BEFORE[11], 13: BEFORE[13]},  # burned
            {11: BEFORE[11], 12: BEFORE[12], 99: Nft()},  # one burned and one minted
            {12: BEFORE[12], 11: BEFORE[11], 13: BEFORE[13]},  # the same, in another order
            {**BEFORE, 12: Nft(lower=199_920)},  # a reorg gave the id to another position
            {**BEFORE, 13: Nft()},  # a closed one opened again
            {**BEFORE, 13: Nft(liquidity=0, owed=(0, 1))},
            {**BEFORE, 12: Nft(liquidity=0)},
            {},
        ],
    )
    def test_is_seen(self, after: dict[int, Nft]) -> None:
        vault = UniswapV3(config())
        read(Replay(world(BEFORE)), vault)
        # What is not there any more reverts.
        gone = {call: CallReverted("no such id") for call in world(BEFORE)}
        now = {**gone, **world(after)}
        fresh = state(now, UniswapV3(config()))
        assert state(now, vault) == fresh
        chain = Replay(now)
        assert read(chain, vault) == fresh
        assert len(chain.rounds) == 1


def test_two_answers_about_one_block_that_differ_are_bad_data() -> None:
    class Fickle(Replay):
        """Says something else about the position each time."""

        def answer(self, calls: tuple[Call, ...], at: Any) -> Any:
            answers = super().answer(calls, at)
            shift = 60 * (len(self.rounds) > 4)
            return tuple(
                self.shifted(a, shift) if isinstance(a, tuple) and len(a) == 12 else a
                for a in answers
            )

        @staticmethod
        def shifted(position: Answer, shift: int) -> Answer:
            lower = LOWER - shift if position[5] == LOWER else position[5]
            return (*position[:5], lower, *position[6:])

    got = read(Fickle(world({1: Nft(), 2: Nft(lower=199_920)})), UniswapV3(config()))
    assert isinstance(got, BadData)
    assert "two answers about one block differ" in str(got)


class TestPositionsThatAreRefused:
    def test_a_pool_without_the_base(self) -> None:
        said = refusal(world({1: Nft(), 2: Nft(tokens=(WBTC, USDC))}))
        assert "does not have the tokens to hedge" in said
        assert "position=2" in said

    def test_a_pool_without_the_quote(self) -> None:
        assert "position=2" in refusal(world({1: Nft(), 2: Nft(tokens=(WBTC, WETH))}), quote=USDC)

    def test_unless_they_are_to_be_ignored(self) -> None:
        both = world({1: Nft(), 2: Nft(tokens=(WBTC, USDC), owed=(1, 1))})
        vault = UniswapV3(config(other_pools="ignore"))
        assert state(both, vault) == state(world({1: Nft()}), UniswapV3(config()))
        chain = Replay(both)
        read(chain, vault)
        assert len(chain.rounds) == 1

    def test_unless_they_are_closed(self) -> None:
        closed = Nft(tokens=(WBTC, USDC), liquidity=0)
        assert state(world({2: closed}), UniswapV3(config())).legs == ()

    def test_an_id_nobody_minted(self) -> None:
        recording = world({1: Nft()})
        recording[POSITIONS(NPM, 2)] = CallReverted("Invalid token ID")
        said = refusal(recording, owner=None, positions=(1, 2))
        assert "a position does not exist" in said
        assert "Invalid token ID" in said

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"pool": NOBODY}, "no such pool"),
            ({"decimals": (6, 37)}, "implausible decimals"),
            ({"sqrt": 0}, "no price"),
        ],
    )
    def test_a_pool_that_cannot_be(self, changes: dict[str, Any], sentence: str) -> None:
        assert sentence in refusal(world({1: Nft()}, **changes))

    @pytest.mark.parametrize("ticks", [(0, 0), (60, 0), (-887_273, 0), (0, 887_273)])
    def test_a_range_that_cannot_be(self, ticks: tuple[int, int]) -> None:
        said = refusal(world({1: Nft(lower=ticks[0], upper=ticks[1])}))
        assert "a range no pool can have" in said

    def test_a6_an_owner_of_more_than_can_be_read(self) -> None:
        recording = world({})
        recording[BALANCE_OF(NPM, OWNER)] = (100_001,)
        assert "too many positions" in refusal(recording)

    def test_a6_an_enumeration_that_repeats(self) -> None:
        recording = world({1: Nft(), 2: Nft()})
        recording[TOKEN_OF_OWNER_BY_INDEX(NPM, OWNER, 1)] = (1,)
        assert "repeat" in refusal(recording)


def topic(value: int | Address) -> bytes:
    number = value if isinstance(value, int) else int(value, 16)
    return number.to_bytes(32, "big")


class TestWhatIsWatched:
    def rings(self, vault: UniswapV3, name: str, *topics: bytes, data: bytes = b"") -> bool:
        (watch,) = (w for w in vault.watch() if w.name == name)
        log = Log(address=watch.address, topics=(watch.topic, *topics), data=data, index=0)
        return watch.loud(log)

    @pytest.fixture
    def vault(self) -> UniswapV3:
        vault = UniswapV3(config(swap_threshold_fraction=0.01))
        read(Replay(world({11: Nft()})), vault)
        return vault

    @pytest.mark.parametrize("name", ["IncreaseLiquidity", "DecreaseLiquidity"])
    def test_liquidity_of_our_positions_only(self, vault: UniswapV3, name: str) -> None:
        assert self.rings(vault, name, topic(11))
        assert not self.rings(vault, name, topic(12))

    def test_transfers_to_and_from_the_owner_only(self, vault: UniswapV3) -> None:
        assert self.rings(vault, "Transfer", topic(NOBODY), topic(OWNER), topic(5))
        assert self.rings(vault, "Transfer", topic(OWNER), topic(NOBODY), topic(5))
        assert not self.rings(vault, "Transfer", topic(WETH), topic(USDC), topic(11))

    def test_transfers_of_listed_positions_only(self) -> None:
        vault = UniswapV3(config(owner=None, positions=(11,)))
        assert self.rings(vault, "Transfer", topic(WETH), topic(USDC), topic(11))
        assert not self.rings(vault, "Transfer", topic(WETH), topic(USDC), topic(12))

    @pytest.mark.parametrize(
        ("move", "loud"),
        [(0.0, False), (0.0099, False), (-0.0099, False), (0.0101, True), (-0.011, True)],
    )
    def test_swaps_that_moved_the_price_far(
        self, vault: UniswapV3, move: float, *, loud: bool
    ) -> None:
        now = int(SQRT_PRICE_X96 * (1 + move) ** 0.5)
        data = b"".join(n.to_bytes(32, "big") for n in (1, 1, now, 10**18, TICK))
        sides = (topic(WETH), topic(USDC))
        assert self.rings(vault, "Swap", *sides, data=data) == loud

    def test_a_swap_in_a_pool_nobody_read_yet_is_worth_a_look(self, vault: UniswapV3) -> None:
        (watch,) = (w for w in vault.watch() if w.name == "Swap")
        assert watch.loud(Log(address=OTHER_POOL, topics=(watch.topic,), data=b"", index=0))

    def test_the_same_things_are_watched_after_each_read(self, vault: UniswapV3) -> None:
        before = vault.watch()
        read(Replay(world({11: Nft()})), vault)
        assert vault.watch() == before
        assert {w.address for w in before} == {NPM, POOL}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"owner": OWNER, "positions": [1]},
        {"positions": [1, 1]},
        {"positions": [1], "base": "WETH"},
        {"positions": [1], "swap_threshold_fraction": 0.0},
        {"positions": [1], "other_pools": "hope"},
    ],
)
def test_a_configuration_without_sense_is_refused(bad: dict[str, Any]) -> None:
    usual = {"position_manager": NPM, "base": WETH}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(usual | bad, UniswapV3.Config)
