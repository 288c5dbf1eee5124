"""One chain through a node that says what it is told to; the real one is in test_evm_on_anvil."""

from typing import Any

import pytest
from eth_hash.auto import keccak
from msgspec import structs

from keeper.adapters.chain.anchor import Anchor
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.node_errors import Foreign, RpcError
from keeper.model.chain import Address, BlockRef, Call, ChainId, Fees, Message
from keeper.model.errors import (
    BadData,
    CallReverted,
    ConfigError,
    Refused,
    Rejected,
    Transient,
    Uncertain,
)
from keeper.ports.acting import Standing

ME = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
TARGET = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
SEND = "eth_sendRawTransaction"
CONFIG = EvmConfig(chain_id=ChainId(1), lower_heads=2)
FEES = Fees(max_fee_wei=30, tip_wei=2)
MESSAGE = Message(to=TARGET, data=b"\xab\xcd", value_wei=5, gas_limit=100_000)
TX = "0x" + "aa" * 32
OLD_TX = "0x" + "bb" * 32


def block_hash(number: int, branch: str = "a") -> str:
    return f"0x{branch}{number:063x}"


def head(number: int, branch: str = "a") -> dict[str, Any]:
    return {
        "number": hex(number),
        "hash": block_hash(number, branch),
        "parentHash": block_hash(number - 1, branch),
        "timestamp": hex(12 * number),
        "baseFeePerGas": "0x7",
    }


def at(number: int, branch: str = "a") -> BlockRef:
    return BlockRef(
        number=number,
        hash=block_hash(number, branch),
        parent_hash=block_hash(number - 1, branch),
        timestamp_s=12 * number,
        base_fee_wei=7,
    )


def receipt(number: int, branch: str = "a", tx: str = TX) -> dict[str, Any]:
    return {
        "transactionHash": tx,
        "blockNumber": hex(number),
        "blockHash": block_hash(number, branch),
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x9",
        "logs": [],
    }


@pytest.fixture
def evm(telephone: Any) -> Evm:
    made = Evm(telephone, CONFIG)
    made.connect()
    telephone.asked.clear()
    return made


class TestConnecting:
    def test_the_chain_id_is_checked(self, telephone: Any) -> None:
        telephone.answers["eth_chainId"] = "0x2a"
        with pytest.raises(ConfigError, match="another chain") as caught:
            Evm(telephone, CONFIG).connect()
        assert caught.value.facts == {"configured": 1, "found": 42}

    def test_a_node_that_refuses_is_transient(self, telephone: Any) -> None:
        telephone.answers["eth_chainId"] = RpcError(-32000, "starting up")
        with pytest.raises(Transient, match="starting up"):
            Evm(telephone, CONFIG).connect()

    def test_it_is_checked_once_per_connection(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getBlockByNumber"] = head(5)
        evm.head()
        assert telephone.methods == ["eth_getBlockByNumber"]
        telephone.close()
        evm.head()
        evm.head()
        assert telephone.methods.count("eth_chainId") == 1

    def test_an_answer_of_another_chain_is_never_used(self, evm: Evm, telephone: Any) -> None:
        telephone.answers |= {
            "eth_getTransactionCount": "0x5",
            "eth_call": "0x" + "00" * 32,
            "eth_chainId": "0x2",
        }
        telephone.close()  # the next connection leads elsewhere
        for _ in range(2):
            with pytest.raises(BadData, match="another chain"):
                evm.nonce(ME)
            with pytest.raises(BadData, match="another chain"):
                evm.answer((Call(TARGET, b"", ("uint256",)),), at(5))
        telephone.answers["eth_chainId"] = "0x1"
        assert evm.nonce(ME) == 5


class TestHistory:
    """The hash of an old block tells a chain from another one of the same id."""

    @pytest.fixture
    def chain(self, telephone: Any) -> Any:
        """A chain of 100 blocks, on the branch that is set."""
        telephone.branch = "a"

        def block(number: str, _full: object) -> Any:
            height = 100 if number == "latest" else int(number, 16)
            return head(height, telephone.branch)

        telephone.answers["eth_getBlockByNumber"] = block
        telephone.answers["eth_getTransactionCount"] = "0x5"
        return telephone

    def test_a_block_that_no_reorg_reaches_is_remembered_at_the_first_connection(
        self, chain: Any
    ) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        assert chain.asked[-1] == ("eth_getBlockByNumber", (hex(36), False))
        chain.asked.clear()
        evm.nonce(ME)
        evm.connect()
        assert chain.methods == ["eth_getTransactionCount", "eth_chainId", "eth_getBlockByNumber"]

    def test_c10_a_node_with_another_past_is_not_believed_after_a_reconnect(
        self, chain: Any
    ) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        chain.close()
        chain.branch = "b"
        for _ in range(2):
            with pytest.raises(Foreign, match="another history") as caught:
                evm.nonce(ME)
        assert caught.value.facts == {
            "block": 36,
            "expected": block_hash(36),
            "found": block_hash(36, "b"),
        }
        chain.branch = "a"
        assert evm.nonce(ME) == 5

    def test_c10_a_node_that_lost_its_blocks_is_not_believed(self, chain: Any) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        chain.close()
        chain.answers["eth_getBlockByNumber"] = None
        with pytest.raises(Foreign) as caught:
            evm.nonce(ME)
        assert caught.value.facts["found"] is None

    def test_an_anchor_that_cannot_be_checked_is_checked_again(self, chain: Any) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        chain.close()
        answer = chain.answers["eth_getBlockByNumber"]
        chain.answers["eth_getBlockByNumber"] = RpcError(-32000, "busy")
        with pytest.raises(Transient):
            evm.nonce(ME)
        chain.answers["eth_getBlockByNumber"] = answer
        chain.branch = "b"
        with pytest.raises(Foreign):
            evm.nonce(ME)

    def test_c10_without_a_first_connection_the_first_head_brings_the_past(
        self, chain: Any
    ) -> None:
        """A node that is down at the start is no reason to believe whoever comes later."""
        evm = Evm(chain, CONFIG)
        answer, chain.answers["eth_chainId"] = "0x1", Transient("silent")
        with pytest.raises(Transient):
            evm.connect()
        chain.answers["eth_chainId"] = answer
        evm.head()
        chain.close()
        chain.branch = "b"
        with pytest.raises(Foreign, match="another history"):
            evm.nonce(ME)

    def test_a_node_may_drop_the_bodies_of_old_blocks(self, chain: Any) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        answer = chain.answers["eth_getBlockByNumber"]

        def pruned(number: str, _full: object) -> Any:
            height = 9_000 if number == "latest" else int(number, 16)
            return head(height) if height > 4_000 else None

        chain.answers["eth_getBlockByNumber"] = pruned
        evm.head()
        chain.asked.clear()
        evm.head()
        assert chain.methods == ["eth_getBlockByNumber"], "it is renewed once, not at every head"
        chain.close()
        assert evm.nonce(ME) == 5
        chain.close()
        chain.branch = "b"
        chain.answers["eth_getBlockByNumber"] = answer
        with pytest.raises(Foreign, match="another history"):
            evm.nonce(ME)

    @pytest.mark.parametrize("said", [RpcError(-32000, "busy"), None])
    def test_a_newer_past_that_the_node_does_not_show_is_asked_for_again(
        self, chain: Any, said: Any
    ) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        shown: list[Any] = [said, head(8_936)]
        chain.answers["eth_getBlockByNumber"] = lambda number, _full: (
            head(9_000) if number == "latest" else shown.pop(0)
        )
        for _ in range(3):
            assert evm.head().number == 9_000
        assert shown == []

    def test_a_chain_without_blocks_has_no_past_yet(self, telephone: Any) -> None:
        evm = Evm(telephone, CONFIG)
        evm.connect()
        telephone.answers["eth_getBlockByNumber"] = head(3)
        assert evm.head().number == 3

    def test_the_same_anchor_again_costs_no_question(self, chain: Any) -> None:
        evm = Evm(chain, CONFIG)
        evm.connect()
        chain.asked.clear()
        evm.expect(Anchor(36, block_hash(36)))
        evm.nonce(ME)
        assert chain.methods == ["eth_getTransactionCount"]
        evm.expect(Anchor(30, block_hash(30, "b")))
        with pytest.raises(Foreign):
            evm.nonce(ME)


class TestHead:
    def test_the_newest_block_is_the_head(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getBlockByNumber"] = head(5)
        assert evm.head() == at(5)
        assert telephone.asked == [("eth_getBlockByNumber", ("latest", False))]

    def test_no_block_at_all_is_bad_data(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getBlockByNumber"] = None
        with pytest.raises(BadData):
            evm.head()

    def test_a_lagging_backend_is_transient(self, evm: Evm, telephone: Any) -> None:
        for number, fine in ((5, True), (4, False), (5, True), (3, False), (4, False), (6, True)):
            telephone.answers["eth_getBlockByNumber"] = head(number)
            if fine:
                assert evm.head().number == number
            else:
                with pytest.raises(Transient, match="went back"):
                    evm.head()

    def test_a_chain_that_stays_lower_is_believed_in_the_end(
        self, evm: Evm, telephone: Any
    ) -> None:
        telephone.answers["eth_getBlockByNumber"] = head(9)
        evm.head()
        telephone.answers["eth_getBlockByNumber"] = head(4)
        for _ in range(CONFIG.lower_heads):
            with pytest.raises(Transient):
                evm.head()
        assert evm.head().number == 4
        assert evm.head().number == 4

    def test_a_reorg_at_the_same_height_is_taken_at_once(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getBlockByNumber"] = head(5)
        evm.head()
        telephone.answers["eth_getBlockByNumber"] = head(5, "b")
        assert evm.head() == at(5, "b")

    def test_a_node_that_refuses_is_transient(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getBlockByNumber"] = RpcError(-32005, "limit exceeded")
        with pytest.raises(Transient, match="limit exceeded"):
            evm.head()


class TestAnswering:
    def test_o10_calls_are_pinned_to_the_hash_of_a_canonical_block(
        self, evm: Evm, telephone: Any
    ) -> None:
        telephone.answers["eth_call"] = "0x" + "00" * 31 + "05"
        assert evm.answer((Call(TARGET, b"\x01", ("uint256",)),), at(5)) == ((5,),)
        pin = {"blockHash": block_hash(5), "requireCanonical": True}
        assert telephone.asked == [("eth_call", ({"to": TARGET, "data": "0x01"}, pin))]

    def test_a_block_that_was_reorganised_away_is_bad_data(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_call"] = RpcError(-32001, "Resource not found")
        with pytest.raises(BadData, match="block is gone"):
            evm.answer((Call(TARGET, b"", ()), Call(TARGET, b"1", ())), at(5))

    def test_an_error_nobody_knows_is_transient(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_call"] = RpcError(-32000, "the flux capacitor is cold")
        with pytest.raises(Transient, match="flux"):
            evm.answer((Call(TARGET, b"", ()),), at(5))


class TestNonce:
    def test_it_is_that_of_the_newest_block_never_pending(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getTransactionCount"] = "0x7"
        assert evm.nonce(ME) == 7
        assert telephone.asked == [("eth_getTransactionCount", (ME, "latest"))]

    def test_r9_it_is_of_the_head_so_that_a_lagging_backend_cannot_answer(
        self, evm: Evm, telephone: Any
    ) -> None:
        telephone.answers |= {
            "eth_getBlockByNumber": head(5),
            "eth_getTransactionCount": lambda _, block: "0x6" if block == "latest" else "0x7",
        }
        evm.head()
        assert evm.nonce(ME) == 7
        pin = {"blockHash": block_hash(5), "requireCanonical": True}
        assert telephone.asked[-1] == ("eth_getTransactionCount", (ME, pin))

    @pytest.mark.parametrize("text", ["header not found", "missing trie node 1a2b", "what block?"])
    def test_r9_a_head_that_the_backend_has_not_or_has_pruned_is_transient(
        self, evm: Evm, telephone: Any, text: str
    ) -> None:
        telephone.answers |= {
            "eth_getBlockByNumber": head(5),
            "eth_getTransactionCount": RpcError(-32000, text),
        }
        evm.head()
        with pytest.raises(Transient, match=text):
            evm.nonce(ME)

    @pytest.mark.parametrize(("depth", "block"), [(3, "0x61"), (200, "0x0")])
    def test_a_depth_counts_from_the_head(
        self, evm: Evm, telephone: Any, depth: int, block: str
    ) -> None:
        telephone.answers |= {
            "eth_getTransactionCount": "0x7",
            "eth_getBlockByNumber": head(100),
        }
        assert evm.nonce(ME, depth=depth) == 7
        assert telephone.asked[-1] == ("eth_getTransactionCount", (ME, block))


class TestSimulating:
    def test_the_call_is_the_transaction_with_its_fees(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_call"] = "0x2a"
        assert evm.simulate(ME, MESSAGE, FEES, at(5)) == b"\x2a"
        call, pin = telephone.asked[0][1]
        assert call == {
            "from": ME, "to": TARGET, "data": "0xabcd", "value": "0x5", "gas": "0x186a0",
            "maxFeePerGas": "0x1e", "maxPriorityFeePerGas": "0x2",
        }  # fmt: skip
        assert pin["blockHash"] == block_hash(5)

    def test_a_revert_carries_its_reason(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_call"] = RpcError(-32015, "VM execution error.", "Reverted 0xbeef")
        with pytest.raises(CallReverted) as caught:
            evm.simulate(ME, MESSAGE, FEES, at(5))
        assert caught.value.data == b"\xbe\xef"

    def test_a_sender_who_cannot_pay_is_rejected(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_call"] = RpcError(-32000, "insufficient funds for gas * price")
        with pytest.raises(Rejected, match="cannot pay"):
            evm.simulate(ME, MESSAGE, FEES, at(5))


class TestStanding:
    def test_c9_nonce_and_code_are_of_the_pinned_block(self, evm: Evm, telephone: Any) -> None:
        telephone.answers |= {"eth_getTransactionCount": "0x7", "eth_getCode": "0x6001"}
        found = evm.standing(ME, TARGET, at(5))
        assert found.nonce == 7
        # keccak-256 of the two bytes
        assert found.code_hash == "0x" + keccak(b"\x60\x01").hex()
        pin = {"blockHash": block_hash(5), "requireCanonical": True}
        assert telephone.asked == [
            ("eth_getTransactionCount", (ME, pin)),
            ("eth_getCode", (TARGET, pin)),
        ]

    def test_c9_no_code_is_none(self, evm: Evm, telephone: Any) -> None:
        telephone.answers |= {"eth_getTransactionCount": "0x7", "eth_getCode": "0x"}
        assert evm.standing(ME, TARGET, at(5)) == Standing(7, None)

    def test_r9_a_node_that_does_not_know_the_block_is_transient(
        self, evm: Evm, telephone: Any
    ) -> None:
        telephone.answers |= {
            "eth_getTransactionCount": RpcError(-32000, "header not found"),
            "eth_getCode": "0x",
        }
        with pytest.raises(Transient):
            evm.standing(ME, TARGET, at(5))


class TestRehearsing:
    @pytest.fixture(autouse=True)
    def all_well(self, telephone: Any) -> None:
        telephone.answers |= {
            "eth_call": "0x2a", "eth_getTransactionCount": "0x7", "eth_getCode": "0x6001",
        }  # fmt: skip

    def test_it_is_simulation_and_standing_of_the_same_block(
        self, evm: Evm, telephone: Any
    ) -> None:
        found = evm.rehearse(ME, MESSAGE, FEES, at(5))
        together, telephone.asked = telephone.asked, []
        assert found.returned == evm.simulate(ME, MESSAGE, FEES, at(5))
        assert found.standing == evm.standing(ME, TARGET, at(5))
        assert together == telephone.asked

    def test_they_leave_in_one_request(self, http_node: Any) -> None:
        evm = Evm(http_node.transport(), EvmConfig(chain_id=ChainId(1)))
        http_node.default = lambda method, _: "0x1" if method != "eth_call" else "0x"
        evm.check_chain()
        with pytest.raises(BadData, match="whole bytes"):  # no node has code of half a byte
            evm.rehearse(ME, MESSAGE, FEES, at(5))
        assert http_node.methods[-1] == ["eth_call", "eth_getTransactionCount", "eth_getCode"]

    @pytest.mark.parametrize(
        ("error", "raised"),
        [
            (RpcError(3, "execution reverted", "0xbeef"), CallReverted),
            (RpcError(-32000, "insufficient funds for gas * price"), Rejected),
        ],
    )
    def test_a_refusal_comes_before_anything_of_nonce_or_code(
        self, evm: Evm, telephone: Any, error: RpcError, raised: type[Exception]
    ) -> None:
        telephone.answers |= {
            "eth_call": error,
            "eth_getTransactionCount": RpcError(-32000, "header not found"),
            "eth_getCode": "nonsense",
        }
        with pytest.raises(raised):
            evm.rehearse(ME, MESSAGE, FEES, at(5))

    @pytest.mark.parametrize("method", ["eth_getTransactionCount", "eth_getCode"])
    def test_r9_without_nonce_or_code_nothing_is_known(
        self, evm: Evm, telephone: Any, method: str
    ) -> None:
        telephone.answers[method] = RpcError(-32000, "header not found")
        with pytest.raises(Transient, match="refused to answer"):
            evm.rehearse(ME, MESSAGE, FEES, at(5))

    def test_answers_over_a_new_connection_count_once_the_chain_is_known(
        self, evm: Evm, telephone: Any
    ) -> None:
        evm.rehearse(ME, MESSAGE, FEES, at(5))
        telephone.dials += 1
        telephone.answers |= {"eth_chainId": "0x2", "eth_call": RpcError(3, "execution reverted")}
        with pytest.raises(Foreign):
            evm.rehearse(ME, MESSAGE, FEES, at(5))


class TestSending:
    def test_the_nodes_answer_is_returned(self, evm: Evm, telephone: Any) -> None:
        telephone.answers[SEND] = TX
        assert evm.send(b"\x02\xff") == TX
        assert telephone.asked == [(SEND, ("0x02ff",))]

    @pytest.mark.parametrize(
        "text",
        [
            "intrinsic gas too low: gas 20000, minimum needed 21000",
            "exceeds block gas limit",
            "transaction gas limit too high (cap: 16777216, tx: 20000000)",
            "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 2",
            "insufficient funds for gas * price + value",
            "transaction type not supported",
        ],
    )
    def test_a_definite_refusal_is_told_apart_from_silence(
        self, evm: Evm, telephone: Any, text: str
    ) -> None:
        telephone.answers[SEND] = RpcError(-32000, text)
        with pytest.raises(Refused) as caught:
            evm.send(b"")
        assert caught.value.message == f"-32000: {text}"
        assert isinstance(caught.value, Uncertain), "it decides nothing"

    @pytest.mark.parametrize("text", ["nonce too low", "already known", "underpriced", "?"])
    def test_an_error_text_is_an_answer_and_no_verdict(
        self, evm: Evm, telephone: Any, text: str
    ) -> None:
        telephone.answers[SEND] = RpcError(-32000, text)
        assert evm.send(b"") == f"-32000: {text}"

    def test_silence_is_uncertain(self, evm: Evm, telephone: Any) -> None:
        telephone.answers[SEND] = Transient("gone", request_left=True)
        with pytest.raises(Uncertain) as caught:
            evm.send(b"")
        assert caught.value.facts["request_left"] is True

    @pytest.mark.parametrize("trouble", ["closed", "wrong id", "gateway", "silence"])
    def test_r21_a_lost_answer_is_uncertain_and_the_bytes_left_once(
        self, http_node: Any, trouble: str
    ) -> None:
        evm = Evm(http_node.transport(), EvmConfig(chain_id=ChainId(1), deadline_s=0.3))
        http_node.says("0x1")
        http_node.says(None)  # no block yet
        evm.connect()
        match trouble:
            case "closed":
                http_node.hangs_up()
            case "wrong id":
                http_node.says(TX, id=99)
            case "gateway":
                http_node.sends(b"HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\nno")
            case _:
                http_node.falls_silent()
        with pytest.raises(Uncertain):
            evm.send(b"\x02")
        assert http_node.methods.count(SEND) == 1


class TestMined:
    @pytest.mark.parametrize(("number", "depth"), [(10, 1), (9, 2), (4, 7)])
    def test_depth_counts_the_head_as_one(
        self, evm: Evm, telephone: Any, number: int, depth: int
    ) -> None:
        telephone.answers |= {
            "eth_getTransactionReceipt": receipt(number),
            "eth_getBlockByNumber": head(number),
        }
        found = evm.mined((TX,), at(10))
        assert found is not None
        assert (found.depth, found.hash, found.block_number) == (depth, TX, number)
        assert (found.succeeded, found.gas_used, found.gas_price_wei) == (True, 21000, 9)

    def test_the_two_newest_blocks_need_no_second_question(self, evm: Evm, telephone: Any) -> None:
        for number in (10, 9):
            telephone.answers["eth_getTransactionReceipt"] = receipt(number)
            assert evm.mined((TX,), at(10)) is not None
        assert telephone.methods == ["eth_getTransactionReceipt"] * 2

    @pytest.mark.parametrize(("tagged", "final"), [(9, False), (10, True), (None, False)])
    @pytest.mark.parametrize("tag", ["safe", "finalized"])
    def test_c11_final_is_what_has_reached_the_configured_tag(
        self, telephone: Any, tag: Any, tagged: int | None, *, final: bool
    ) -> None:
        evm = Evm(telephone, structs.replace(CONFIG, finality=tag))
        evm.check_chain()
        telephone.answers |= {
            "eth_getTransactionReceipt": receipt(10),
            "eth_getBlockByNumber": None if tagged is None else head(tagged),
        }
        found = evm.mined((TX,), at(10))
        assert found is not None
        assert (found.final, found.depth) == (final, 1)
        assert telephone.asked[-1] == ("eth_getBlockByNumber", (tag, False))

    def test_no_receipt_is_not_mined(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getTransactionReceipt"] = None
        assert evm.mined((TX, OLD_TX), at(10)) is None
        assert evm.mined((), at(10)) is None

    @pytest.mark.parametrize("number", [10, 9, 4])
    def test_a_receipt_of_another_branch_is_not_mined(
        self, evm: Evm, telephone: Any, number: int
    ) -> None:
        telephone.answers |= {
            "eth_getTransactionReceipt": receipt(number, "b"),
            "eth_getBlockByNumber": head(number),
        }
        assert evm.mined((TX,), at(10)) is None

    def test_a_receipt_whose_block_is_gone_is_not_mined(self, evm: Evm, telephone: Any) -> None:
        telephone.answers |= {
            "eth_getTransactionReceipt": receipt(4),
            "eth_getBlockByNumber": None,
        }
        assert evm.mined((TX,), at(10)) is None

    def test_what_is_mined_above_the_head_is_not_mined_yet(self, evm: Evm, telephone: Any) -> None:
        """Positions read at the head do not show it: calling it done would hedge twice."""
        telephone.answers |= {
            "eth_getTransactionReceipt": receipt(11),
            "eth_getBlockByNumber": head(11),
        }
        assert evm.mined((TX,), at(10)) is None
        assert evm.mined((TX,), at(11)) is not None

    def test_an_older_attempt_may_be_the_one(self, evm: Evm, telephone: Any) -> None:
        telephone.answers["eth_getTransactionReceipt"] = lambda tx: (
            receipt(10, tx=OLD_TX) if tx == OLD_TX else None
        )
        found = evm.mined((OLD_TX, TX), at(10))
        assert found is not None
        assert found.hash == OLD_TX


class TestSmallReads:
    def test_what_the_doctor_asks(self, evm: Evm, telephone: Any) -> None:
        telephone.answers |= {
            "eth_getCode": "0x6001",
            "eth_getBalance": "0xde0b6b3a7640000",
            "web3_clientVersion": "anvil/v1.7.1",
            "eth_getBlockByNumber": head(3),
        }
        assert evm.code_at(TARGET) == b"\x60\x01"
        assert evm.balance_wei(ME) == 10**18
        assert evm.client_version() == "anvil/v1.7.1"
        assert evm.block(3) == at(3)
        assert evm.chain_id() == 1
