"""Uniswap v3 positions, held as NFTs of the NonfungiblePositionManager (NPM).

Ranges are `Concentrated` legs, uncollected fees `Linear` legs of both tokens; the mathematics is
in `adapters/uniswap_v3_plan`. A read asks for everything it knows in one round, and looks afresh
(six rounds at most) only if an answer shows something new: a mint, a burn, a transfer, a reorg.
"""

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from keeper.adapters.abi import checksum_address, event, function
from keeper.adapters.uniswap_v3_plan import (
    BALANCE_OF,
    POSITIONS,
    SHAPE,
    TOKEN_OF_OWNER_BY_INDEX,
    Plan,
    Pool,
    Shape,
    draw,
    interpret,
    is_open,
    sqrt_prices_x96,
)
from keeper.model.chain import Address, Answer, Log, Watch
from keeper.model.errors import BadData, CallReverted
from keeper.model.position import VaultState
from keeper.ports.reading import Read

FACTORY = function("uniswap_v3_position_manager", "factory")
GET_POOL = function("uniswap_v3_factory", "getPool")
DECIMALS = function("erc20", "decimals")
SWAP = event("uniswap_v3_pool", "Swap")
TRANSFER = event("uniswap_v3_position_manager", "Transfer")
LIQUIDITY_MOVES = tuple(
    event("uniswap_v3_position_manager", name)
    for name in ("IncreaseLiquidity", "DecreaseLiquidity")
)

MAX_DECIMALS: Final = 36
MAX_POSITIONS: Final = 100_000
MOVE_TOPICS: Final = 2
TRANSFER_TOPICS: Final = 4
NOWHERE: Final = "0x" + "0" * 40


class UniswapV3:
    """Positions given by id, or all positions of one owner."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """`type = "uniswap_v3"` of a vault in keeper.toml."""

        position_manager: Address
        base: Address
        """The risk asset's token; every pool must have it."""
        positions: tuple[int, ...] = ()
        """NFT ids; give these or `owner`."""
        owner: Address | None = None
        """Whose NFTs, all of them; if they are staked, the contract that holds them."""
        quote: Address | None = None
        """The other token every pool must have; left out, any."""
        other_pools: Literal["refuse", "ignore"] = "refuse"
        """What an open position of another pair means. Anybody can send one to `owner`."""
        swap_threshold_fraction: float = 0.005
        """A swap wakes the keeper once the price has moved this far since the last read."""

        def __post_init__(self) -> None:
            """Refuse what names no positions, or one of them twice."""
            for address in (self.position_manager, self.base, self.owner, self.quote):
                if address is not None:
                    checksum_address(address)
            if bool(self.positions) == (self.owner is not None):
                raise ValueError("give either positions (ids) or an owner")
            if len(set(self.positions)) != len(self.positions):
                raise ValueError("a position is listed twice")
            if not 0 < self.swap_threshold_fraction < 1:
                raise ValueError("swap_threshold must be between 0 and 100 %")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._npm = checksum_address(config.position_manager)
        self._owner = None if config.owner is None else checksum_address(config.owner)
        self._wanted = {checksum_address(a) for a in (config.base, config.quote) if a is not None}
        self._factory: Address | None = None
        self._pools: dict[Shape, Pool | None] = {}
        self._plan: Plan | None = None
        self._ids: frozenset[int] = frozenset(config.positions)
        self._sqrt_price_x96: dict[Address, int] = {}

    def read(self) -> Read[VaultState]:
        """Read ranges and uncollected fees; positions of one range are added up.

        Raises:
            BadData: A position does not exist, is of another pair, or its numbers cannot be.
            CallReverted: A contract does not answer as Uniswap's do.

        """
        state = None if self._plan is None else (yield from self._follow(self._plan))
        if state is None:
            plan = yield from self._look_afresh()
            answers = yield plan.calls
            state = interpret(plan, answers)
            if state is None:
                raise BadData("two answers about one block differ", position_manager=self._npm)
            self._plan, self._ids = plan, frozenset(plan.ids)
            self._sqrt_price_x96 = sqrt_prices_x96(plan, answers)
        return state

    def watch(self) -> tuple[Watch, ...]:
        npm = self._npm
        return (
            *(Watch(npm, e.topic, e.name, self._is_ours) for e in LIQUIDITY_MOVES),
            Watch(npm, TRANSFER.topic, TRANSFER.name, self._changes_hands),
            *(Watch(p, SWAP.topic, SWAP.name, self._moved_far) for p in self._sqrt_price_x96),
        )

    def _follow(self, plan: Plan) -> Read[VaultState | None]:
        try:
            answers = yield plan.calls
        except CallReverted:
            return None  # perhaps a position that is gone; looking afresh will tell
        state = interpret(plan, answers)
        if state is not None:
            self._sqrt_price_x96 = sqrt_prices_x96(plan, answers)
        return state

    def _look_afresh(self) -> Read[Plan]:
        if self._factory is None:
            # Also when there is no position: a token has a balanceOf too, and would say 0.
            ((factory,),) = yield (FACTORY(self._npm),)
            self._factory = checksum_address(factory)
        ids = self._config.positions
        if self._owner is not None:
            ids = yield from self._enumerate(self._owner)
        positions = yield from self._read_positions(ids)
        open_keys = {p[SHAPE][:3]: i for i, p in positions.items() if is_open(p)}
        yield from self._learn_pools(self._factory, open_keys)
        return draw(self._npm, self._owner, positions, self._pools)

    def _enumerate(self, owner: Address) -> Read[tuple[int, ...]]:
        ((count,),) = yield (BALANCE_OF(self._npm, owner),)
        if count > MAX_POSITIONS:
            raise BadData("too many positions", owner=owner, count=count, limit=MAX_POSITIONS)
        answers = yield tuple(TOKEN_OF_OWNER_BY_INDEX(self._npm, owner, i) for i in range(count))
        ids = tuple(i for (i,) in answers)
        if len(set(ids)) != count:
            raise BadData("an owner's positions repeat", owner=owner, count=count)
        return ids

    def _read_positions(self, ids: tuple[int, ...]) -> Read[dict[int, Answer]]:
        try:
            answers = yield tuple(POSITIONS(self._npm, i) for i in ids)
        except CallReverted as reverted:
            raise BadData(
                "a position does not exist",
                remedy="It may have been burned: check the ids in keeper.toml, or give an owner.",
                position_manager=self._npm,
                positions=ids,
                reason=reverted.message,
            ) from reverted
        return dict(zip(ids, answers, strict=True))

    def _learn_pools(self, factory: Address, keys: dict[Shape, int]) -> Read[None]:
        """Learn the pool of each key (token0, token1, fee); its id is for the message."""
        new: list[Shape] = []
        for key, position in keys.items():
            if self._wanted <= {checksum_address(token) for token in key[:2]}:
                if key not in self._pools:
                    new.append(key)
            elif self._config.other_pools == "ignore":
                self._pools[key] = None
            else:
                raise BadData(
                    "a position's pool does not have the tokens to hedge",
                    remedy="Take it off the list, or set other_pools = 'ignore'.",
                    position=position,
                    token0=key[0],
                    token1=key[1],
                    wanted=sorted(self._wanted),
                )
        if new:
            yield from self._read_pools(factory, new)

    def _read_pools(self, factory: Address, keys: list[Shape]) -> Read[None]:
        tokens = list(dict.fromkeys(token for key in keys for token in key[:2]))
        answers = yield (
            *(GET_POOL(factory, *key) for key in keys),
            *(DECIMALS(token) for token in tokens),
        )
        decimals = dict(zip(tokens, (d for (d,) in answers[len(keys) :]), strict=True))
        self._check_decimals(decimals.items())
        for key, (address,) in zip(keys, answers, strict=False):
            if address == NOWHERE:
                raise BadData("the factory has no such pool", factory=factory, key=key)
            self._pools[key] = Pool(
                address=checksum_address(address),
                token0=checksum_address(key[0]),
                token1=checksum_address(key[1]),
                decimals0=decimals[key[0]],
                decimals1=decimals[key[1]],
                base_first=checksum_address(key[0]) == checksum_address(self._config.base),
            )

    def _check_decimals(self, decimals: Iterable[tuple[Address, int]]) -> None:
        for token, count in decimals:
            if count > MAX_DECIMALS:
                raise BadData("implausible decimals", asset=token, decimals=count)

    # What is malformed rings the bell too: the read will judge.

    def _is_ours(self, log: Log) -> bool:
        return len(log.topics) != MOVE_TOPICS or _number(log, 1) in self._ids

    def _changes_hands(self, log: Log) -> bool:
        if len(log.topics) != TRANSFER_TOPICS:
            return True
        if self._owner is None:
            return _number(log, 3) in self._ids
        return int(self._owner, 16) in (_number(log, 1), _number(log, 2))

    def _moved_far(self, log: Log) -> bool:
        seen = self._sqrt_price_x96.get(checksum_address(log.address))
        if seen is None:
            return True
        try:
            now = SWAP.decode(log)["sqrtPriceX96"]
        except BadData:
            return True
        return abs(float(now / seen) ** 2 - 1) >= self._config.swap_threshold_fraction


def _number(log: Log, topic: int) -> int:
    return int.from_bytes(log.topics[topic], "big")
