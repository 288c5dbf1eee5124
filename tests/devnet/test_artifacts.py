import pytest

from keeper.devnet.artifacts import PACKAGED, abi, creation_code, multicall3_creation_code
from keeper.model.errors import ConfigError

EIP_170_BYTES = 24_576


@pytest.mark.parametrize("name", [*PACKAGED, "HedgedVault", "SettableFeed", "StubVenue"])
def test_every_contract_has_code_and_an_abi(name: str) -> None:
    assert len(creation_code(name)) > 100
    assert any(entry["type"] == "function" for entry in abi(name))


def test_no_contract_needs_a_larger_code_limit() -> None:
    assert all(len(creation_code(name)) < 2 * EIP_170_BYTES for name in PACKAGED)


def test_multicall3_is_found_in_its_package() -> None:
    assert len(multicall3_creation_code()) == 5593


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no artifact"):
        creation_code("Nonesuch")
