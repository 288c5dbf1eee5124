import pytest
from eth_account import Account
from msgspec import structs

from keeper.devnet.accounts import published_accounts
from keeper.model.errors import ConfigError


def test_every_key_belongs_to_its_address() -> None:
    for account in structs.astuple(published_accounts(31337)):
        assert Account.from_key(account.test_key).address == account.address


@pytest.mark.parametrize("chain_id", [1, 10, 8453, 42161])
def test_published_keys_are_refused_on_a_real_chain(chain_id: int) -> None:
    with pytest.raises(ConfigError, match="refused"):
        published_accounts(chain_id)
