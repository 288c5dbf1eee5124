"""The published test accounts that every local chain funds, by the part they play here.

Their keys are known to everybody (the mnemonic of Hardhat and Anvil). They are refused on any
chain that is not a local one: money sent to them elsewhere is gone.
"""

from typing import Final

from msgspec import Struct

from keeper.adapters.local_key import TEST_CHAIN_IDS
from keeper.model.chain import Address
from keeper.model.errors import ConfigError


class Account(Struct, frozen=True):
    """A funded account of the local chain and its published key."""

    address: Address
    test_key: str


class Accounts(Struct, frozen=True):
    """Who is who on the local chain."""

    deployer: Account
    keeper: Account
    maker: Account
    """Provides the liquidity of both pools."""
    arbitrageur: Account
    """Trades both pools to the price that the scenario sets."""
    alice: Account
    bob: Account
    strategist: Account
    """Manages the vault's ranges."""
    liquidator: Account


_PUBLISHED: Final = (
    (
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    ),
    (
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    ),
    (
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    ),
    (
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    ),
    (
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    ),
    (
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    ),
    (
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    ),
    (
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    ),
)


def published_accounts(chain_id: int) -> Accounts:
    """Return the test accounts.

    Raises:
        ConfigError: The chain is not a local one.

    """
    if chain_id not in TEST_CHAIN_IDS:
        raise ConfigError(
            "test keys are refused on this chain",
            remedy="use keys of your own; these are published",
            chain_id=chain_id,
        )
    return Accounts(*(Account(Address(address), key) for address, key in _PUBLISHED))
