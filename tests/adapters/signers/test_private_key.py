"""The key comes from the environment and goes nowhere else."""

import msgspec
import pytest

from keeper.adapters.signers.private_key import PrivateKey
from keeper.devnet.anvil import Options, start_anvil
from keeper.devnet.chain import Chain
from keeper.model.chain import ChainId, Fees, Message, UnsignedTx
from keeper.model.errors import ConfigError, Rejected
from keeper.testing.conformance.signer import SignerConformance, assert_hidden, signer_frames

CANARY = "0x" + "c0ffee5ecade" + "0123456789abcdef" * 3 + "beef"
CHAIN = ChainId(10)


def build(text: str | None, chain_id: ChainId = CHAIN) -> PrivateKey:
    environ = {} if text is None else {"KEEPER_KEY": text}
    return PrivateKey(PrivateKey.Config(variable="KEEPER_KEY"), chain_id, environ)


class TestPrivateKey(SignerConformance):
    @pytest.fixture
    def signer(self) -> PrivateKey:
        return build(CANARY)

    @pytest.fixture
    def chain_id(self) -> ChainId:
        return CHAIN

    @pytest.fixture
    def canary(self) -> str:
        return CANARY


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_a_missing_key_names_the_variable_and_the_remedy(text: str | None) -> None:
    with pytest.raises(ConfigError, match="missing") as caught:
        build(text)
    assert "KEEPER_KEY" in str(caught.value)
    assert ".env" in str(caught.value)


def test_a_malformed_key_is_not_repeated_by_the_error_or_its_frames() -> None:
    with pytest.raises(ConfigError, match="malformed") as caught:
        build(CANARY + "99")
    assert_hidden(CANARY, str(caught.value))
    assert_hidden(CANARY, signer_frames(caught.value))


def test_a_public_test_key_is_refused_on_a_real_chain() -> None:
    public = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert build(public, ChainId(31337)).address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    with pytest.raises(ConfigError, match="public test key"):
        build(public)


def test_f7_the_configuration_takes_a_name_and_refuses_the_key_itself() -> None:
    decoded = msgspec.convert({"variable": "KEEPER_KEY"}, PrivateKey.Config)
    assert decoded.variable == "KEEPER_KEY"
    with pytest.raises(ConfigError) as caught:
        msgspec.convert({"variable": CANARY}, PrivateKey.Config)
    assert_hidden(CANARY, str(caught.value))


@pytest.mark.anvil
def test_x9_a_signed_transaction_is_accepted_by_its_chain_and_by_no_other() -> None:
    with start_anvil() as home, start_anvil(Options(chain_id=1337)) as elsewhere:
        chain, other = Chain(home.http_url), Chain(elsewhere.http_url)
        signer = build(CANARY, ChainId(home.chain_id))
        for each in (chain, other):
            each.fund(signer.address, 1)
        signed = signer.sign(
            UnsignedTx(
                chain_id=ChainId(home.chain_id),
                nonce=0,
                message=Message(to=signer.address, data=b"", value_wei=5, gas_limit=21_000),
                fees=Fees(max_fee_wei=10**10, tip_wei=1),
            )
        )
        with pytest.raises(Rejected) as refused:
            other.rpc.call("eth_sendRawTransaction", "0x" + signed.raw.hex())
        assert "chain" in str(refused.value.facts["said"]).lower()
        assert chain.rpc.call("eth_sendRawTransaction", "0x" + signed.raw.hex()) == signed.hash
        chain.mine()
        assert chain.rpc.call("eth_getTransactionReceipt", signed.hash)["status"] == "0x1"
