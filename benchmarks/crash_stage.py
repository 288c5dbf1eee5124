"""The world of one worker: a local chain, the fault proxy before it, and the driver's hands.

The driver moves the chain through the proxy's own methods, which no rule strikes, and looks at the
chain past the proxy: what it sees is the truth.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

import msgspec
from eth_account import Account as Signer

from benchmarks.crash_child import BLOCK_S, Life
from benchmarks.crash_points import PROVOKED, SCENARIOS, Cell, Provocation, Weather
from benchmarks.effects import logs_of
from benchmarks.stub_venue import ORDERED
from keeper.adapters.signers.private_key import PrivateKey
from keeper.devnet.rpc import Rpc
from keeper.devnet.world import World, start_world
from keeper.devnet.worlds import erc4626
from keeper.model.chain import Address, ChainId
from keeper.model.units import ETHER, GWEI, MS_PER_S
from keeper.testing.faultproxy import Fault, FaultProxy, HttpStatus, PoolSettings, RpcError

CALM_WEI: Final = GWEI
SPIKE_GWEI: Final = (20, 90)
SPIKE_BLOCKS: Final = 4
BURIED: Final = 3
"""Blocks on top of the driver's own transactions before a reorg may come: no reorg reaches them."""
DEEPEST_REORG: Final = 2
FIRST_NONCE: Final = 7
"""The account of a cell has been used before, so that its nonces are adopted."""
GAS_ETHER: Final = 1_000
REVERTED: Final = "execution reverted"
VAULT_BASE: Final = (25.0, 75.0)
CHANGE_BASE: Final = (2, 6)


class Stage:
    """One chain, one proxy, one cell at a time."""

    def __init__(self, world: World, proxy: FaultProxy) -> None:
        self.world = world
        self.proxy = proxy
        self.truth = Rpc(world.http_url)
        self._knobs = Rpc(proxy.url)
        self._spike_left = 0
        self._spike_wei = CALM_WEI
        self._since_change = 0
        self._at_s = world.chain.block().timestamp_s
        """The newest block's; a reorg leaves it."""
        self.account = Address("")
        self.key = ""
        self.first_block = 0

    def close(self) -> None:
        self.truth.close()
        self._knobs.close()

    # ---- one cell

    def begin(self, cell: Cell) -> None:
        """Bring on an account that nobody has used in this journal, and calm weather."""
        self.key = f"0x{Random(cell.seed).getrandbits(252) | 1:064x}"  # noqa: S311  # a test key
        named = PrivateKey(
            PrivateKey.Config(variable="KEY"), ChainId(self.world.chain_id), {"KEY": self.key}
        )
        self.account = named.address
        self.calm()
        self.proxy.forget()
        self._knobs.call("anvil_dropAllTransactions")
        self.truth.call("anvil_setBalance", self.account, hex(GAS_ETHER * ETHER))
        self.truth.call("anvil_setNonce", self.account, hex(FIRST_NONCE))
        self.mine()
        self.first_block = self.height()

    def disturb(self, cell: Cell, *, provoked: bool) -> None:
        """Put the scenario's faults in force, and those of the cell's provocation before them."""
        faults = (PROVOKED | self._of_rehearsals).get(cell.provocation, ()) if provoked else ()
        self.proxy.replace(*faults, *SCENARIOS[cell.scenario])

    @property
    def _of_rehearsals(self) -> dict[Provocation, tuple[Fault, ...]]:
        sender = {"0.from": self.account}  # of all calls only the rehearsal has one
        return {
            "refusing": (
                RpcError(method="eth_call", code=3, message=REVERTED, params=sender, times=1),
            ),
            "mute": (HttpStatus(method="eth_call", code=503, params=sender, times=2),),
        }

    def calm(self) -> None:
        """End every fault."""
        self.proxy.replace()
        self._spike_left = 0

    def life(self, cell: Cell, folder: str, socket: str) -> Life:
        """Return what a process of this cell is told."""
        nulls = cell.scenario in {"nulls", "mixed"} or cell.provocation == "withheld"
        return Life(
            folder=folder,
            socket=socket,
            node=self.proxy.url,
            key=self.key,
            multicall=self.world.multicall3,
            feed=self.world.feed,
            vault=self.world.vault,
            weth=self.world.weth,
            stub=self.world.stub_venue,
            late=cell.provocation == "order",
            looks=40 if nulls else 3,
        )

    # ---- what is wanted, what is so

    def change_vault(self, chance: Random) -> None:
        """Move the vault's idle WETH by a few, and bury that."""
        held = -self.target()
        amount = chance.randint(*CHANGE_BASE)
        inward = held < VAULT_BASE[0] or (held < VAULT_BASE[1] and chance.random() < 0.5)  # noqa: PLR2004  # even odds
        move = erc4626.deposit if inward else erc4626.withdraw
        alice = self.world.accounts.alice.address
        self.world.chain.submit(move(self.world.vault, alice, amount * ETHER))
        self._since_change = 0
        self.mine()
        self.truth.call("anvil_mine", hex(BURIED), hex(BLOCK_S))
        self._at_s += BURIED * BLOCK_S
        self._since_change += BURIED

    def target(self) -> float:
        """Return the position that hedges the vault."""
        world = self.world
        held = world.chain.read(world.weth, "balanceOf(address)", "uint256", world.vault)
        return float(-held / ETHER)

    def effects(self) -> list[tuple[str, float]]:
        """Return every order of the cell's account on the chain: its transaction, its size."""
        venue = self.world.stub_venue
        logs = logs_of(self.truth, venue, ORDERED, self.account, since=self.first_block)
        return [(log["transactionHash"], _signed(log["data"][2:66]) / ETHER) for log in logs]

    def is_hedged(self, band: float) -> bool:
        """Return whether vault and venue agree."""
        return abs(sum(size for _, size in self.effects()) - self.target()) < band

    def nonce(self) -> int:
        """Return the account's next nonce."""
        return int(self.truth.call("eth_getTransactionCount", self.account, "latest"), 16)

    # ---- blocks

    def height(self) -> int:
        return int(self.truth.call("eth_blockNumber"), 16)

    def now_ms(self) -> int:
        """Return the newest block's time, which is everybody's."""
        return self._at_s * MS_PER_S

    def mine(self, *, seconds: int = BLOCK_S) -> None:
        """Make a block."""
        fee = self._spike_wei if self._spike_left > 0 else CALM_WEI
        self._spike_left -= 1
        self._at_s += seconds
        self.truth.call("anvil_setNextBlockBaseFeePerGas", hex(fee))
        self._knobs.call("evm_mine", hex(self._at_s))
        self._since_change += 1

    def spike(self, gwei: int, blocks: int) -> None:
        """Make gas dear for some blocks."""
        self._spike_wei, self._spike_left = gwei * GWEI, blocks

    def weather(self, weather: Weather, chance: Random) -> None:
        """Do to the chain what this kind of weather does to it between two blocks."""
        if chance.random() < weather.spike and self._spike_left <= 0:
            self.spike(chance.randint(*SPIKE_GWEI), chance.randint(1, SPIKE_BLOCKS))
        if chance.random() < weather.evict:
            self._knobs.call("anvil_dropAllTransactions")
        if chance.random() < weather.reorg and self._since_change > BURIED:
            self.truth.call("anvil_reorg", chance.randint(1, DEEPEST_REORG), [])
            self._knobs.call("anvil_setNextBlockBaseFeePerGas", hex(CALM_WEI))  # the pool looks

    # ---- provocations that are the driver's

    def use_key_elsewhere(self) -> None:
        """Use up the account's next nonce by a transaction that is nobody's hedge."""
        nonce = self.nonce()
        signed = Signer.sign_transaction(
            {
                "chainId": self.world.chain_id,
                "nonce": nonce,
                "to": self.account,
                "value": 0,
                "gas": 21_000,
                "maxFeePerGas": 200 * GWEI,
                "maxPriorityFeePerGas": 2 * GWEI,
            },
            self.key,
        )
        self.truth.call("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())

    def change_code(self) -> None:
        """Put a byte behind the venue's code that is never run."""
        stub = self.world.stub_venue
        code = self.truth.call("eth_getCode", stub, "latest")
        self.truth.call("anvil_setCode", stub, code + "00")

    def sends(self) -> Counter[str]:
        """Return how often each transaction of the cell's account was handed to the proxy."""
        return Counter(
            send.transaction.hash
            for send in self.proxy.sends()
            if send.transaction is not None and send.transaction.sender == self.account
        )


@contextmanager
def open_stage(seed: int) -> Iterator[Stage]:
    """Start a world with a proxy before it, whose pool is like geth's."""
    with (
        start_world() as world,
        FaultProxy(world.http_url, seed=seed, pool=PoolSettings(mode="geth")) as proxy,
    ):
        world.chain.mine(20)
        stage = Stage(world, proxy)
        try:
            yield stage
        finally:
            stage.close()


def _signed(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "big", signed=True)


def described(cell: Cell) -> str:
    """Return a cell as one line."""
    return msgspec.json.encode(cell).decode()
