"""What every `Signer` must do, wherever its key lives."""

import pickle
import traceback

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_hash.auto import keccak
from hexbytes import HexBytes
from msgspec.structs import replace

from keeper.model.chain import Address, ChainId, Fees, Message, UnsignedTx
from keeper.model.errors import Rejected
from keeper.ports.acting import Signer
from keeper.testing.conformance.fixtures import to_be_provided

TO = Address("0x00000000000000000000000000000000DeaDBeef")


class SignerConformance:
    """Subclass and provide the three fixtures; every test below then runs."""

    @pytest.fixture
    def signer(self) -> Signer:
        """Return the adapter under test."""
        to_be_provided("signer")

    @pytest.fixture
    def chain_id(self) -> ChainId:
        """Return the one chain it signs for."""
        to_be_provided("chain_id")

    @pytest.fixture
    def canary(self) -> str:
        """Return the secret it was given, as text: nothing it shows may contain it."""
        to_be_provided("canary")

    @pytest.fixture
    def tx(self, chain_id: ChainId) -> UnsignedTx:
        """Return a transaction whose every field differs from its neighbours."""
        return UnsignedTx(
            chain_id=chain_id,
            nonce=7,
            message=Message(to=TO, data=b"\x01\x02" * 100, value_wei=3, gas_limit=2_000_000),
            fees=Fees(max_fee_wei=25_000_000_000, tip_wei=1_000_000_000),
        )

    def test_x3_the_signature_recovers_to_its_address(self, signer: Signer, tx: UnsignedTx) -> None:
        assert Account.recover_transaction(signer.sign(tx).raw) == signer.address

    def test_x3_what_is_signed_is_what_was_asked(self, signer: Signer, tx: UnsignedTx) -> None:
        fields = TypedTransaction.from_bytes(HexBytes(signer.sign(tx).raw)).as_dict()
        assert fields["chainId"] == tx.chain_id
        assert fields["nonce"] == tx.nonce
        assert bytes(fields["to"]) == bytes.fromhex(tx.message.to[2:])
        assert bytes(fields["data"]) == tx.message.data
        assert fields["value"] == tx.message.value_wei
        assert fields["gas"] == tx.message.gas_limit
        assert fields["maxFeePerGas"] == tx.fees.max_fee_wei
        assert fields["maxPriorityFeePerGas"] == tx.fees.tip_wei

    def test_zeros_and_no_calldata_are_signed_too(self, signer: Signer, chain_id: ChainId) -> None:
        empty = UnsignedTx(
            chain_id=chain_id,
            nonce=0,
            message=Message(to=TO, data=b"", value_wei=0, gas_limit=21_000),
            fees=Fees(max_fee_wei=0, tip_wei=0),
        )
        assert Account.recover_transaction(signer.sign(empty).raw) == signer.address

    def test_the_hash_is_the_one_the_chain_will_use(self, signer: Signer, tx: UnsignedTx) -> None:
        signed = signer.sign(tx)
        assert signed.hash == "0x" + keccak(signed.raw).hex()

    def test_a_bump_keeps_the_nonce_and_changes_the_hash(
        self, signer: Signer, tx: UnsignedTx
    ) -> None:
        dearer = replace(tx, fees=Fees(max_fee_wei=30_000_000_000, tip_wei=2_000_000_000))
        assert signer.sign(dearer).hash != signer.sign(tx).hash

    def test_x9_another_chain_is_refused(self, signer: Signer, tx: UnsignedTx) -> None:
        with pytest.raises(Rejected, match="another chain"):
            signer.sign(replace(tx, chain_id=ChainId(tx.chain_id + 1)))

    def test_x6_the_secret_is_in_nothing_it_shows(
        self, signer: Signer, tx: UnsignedTx, canary: str
    ) -> None:
        shown = [repr(signer), str(signer), f"{signer}", repr(signer.sign(tx))]
        shown += [repr(getattr(signer, name, "")) for name in dir(signer)]
        assert_hidden(canary, "\n".join(shown))

    def test_x6_the_secret_is_in_no_traceback_even_with_locals(
        self, signer: Signer, tx: UnsignedTx, canary: str
    ) -> None:
        with pytest.raises(Rejected) as caught:
            signer.sign(replace(tx, chain_id=ChainId(tx.chain_id + 1)))
        assert_hidden(canary, signer_frames(caught.value))

    def test_it_is_not_pickled(self, signer: Signer) -> None:
        with pytest.raises(TypeError):
            pickle.dumps(signer)


def assert_hidden(canary: str, shown: str) -> None:
    """Fail if *shown* holds the secret in any spelling a careless line could give it."""
    digits = canary.removeprefix("0x").lower()
    # A needle of half its length also finds a secret that was cut short in the middle of a repr.
    assert digits[: max(8, len(digits) // 2)] not in shown.lower()
    if len(digits) == 64:
        assert str(int(digits, 16)) not in shown
        assert repr(bytes.fromhex(digits))[2:-1] not in shown


def signer_frames(error: BaseException) -> str:
    """Return the traceback of *error* with the locals of every frame inside `keeper.adapters`."""
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in captured.stack if "/keeper/adapters/" in frame.filename]
    return str(captured) + "\n" + "\n".join(f"{frame.name} {frame.locals}" for frame in ours)
