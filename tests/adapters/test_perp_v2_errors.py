"""Every code the contracts can say is understood, and what nobody knows is shown as it came."""

import re
from typing import get_args

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.perp_v2_errors import REMEDIES, Kind, classify, explain

ORDERS = {
    "CH_TE": "deadline",
    "CH_TLRS": "slippage",
    "CH_TMRS": "slippage",
    "CH_TLRL": "slippage",
    "CH_TMRL": "slippage",
    "CH_NEFCI": "margin",
    "CH_NEFCM": "margin",
    "CH_MNO": "market",
    "CH_EAV": "margin",
    "CH_SHNAOPT": "permission",
    "CH_F0S": "liquidity",
    "CH_OMPS": "price_band",
    "EX_OPB": "price_band",
    "EX_OPLAS": "price_band",
    "EX_MIP": "paused",
    "EX_BTNE": "setup",
    "UB_UOA": "liquidity",
    "MR_PNE": "setup",
    "AB_MNE": "amount",
    "V_NEFC": "margin",
    "V_GTSTBC": "collateral",
    "OLD": "oracle",
    "CPF_NU": "oracle",
    "SPL": "slippage",
    "Pausable: paused": "paused",
    "ReentrancyGuard: reentrant call": "setup",
    "SafeMath: subtraction overflow": "arithmetic",
    "SO_CNO": "permission",
    "SO_CNC": "permission",
}

_REST = """
AB_CHCNC AB_OBNC AB_OV AB_VNC AI AS BPF_ANC BPF_IP BPF_NU BPF_TBZ BPF_TQZ BT_IPFD BT_NC BT_NO BT_NP
BT_WPNE CHC_IMPMTI CHC_IMPPI CHC_IPCR CHC_RO CHD_OCH CH_ABNC CH_CCNC CH_CLWTISO CH_DANC CH_DUTB
CH_ENC CH_IFANC CH_IIC CH_MNC CH_MP CH_NEXO CH_NOB CH_OBNC CH_OE CH_ONBM CH_OVOT CH_PSCF CH_PSZ
CH_QANC CH_QDN18 CH_TF CH_UANC CH_VANC CH_WLD CM_CHCNC CM_CIS CM_CTE CM_CTNC CM_ICMR CM_IR CM_PFNC
CM_TINAC CM_VNC CM_ZDT CPF_ANC CPF_GPNO CPF_IP CPF_NEH CPF_RINC CPF_SD CPF_SUFNC CT_IPWCT CT_IPWU
CT_IT DA_IA EX_BNC EX_MTCLOOR EX_TKMM E_AB0 E_CHNC E_OBNC F0 F1 I IF_DTEZ IF_RWNN IF_SNC IF_SNS
IF_TNC IF_TNM IF_VNC IIA L LA LO LOK LS M0 M1 MR_BDN18 MR_CHBNE MR_CHNQWL MR_CNBWL MR_EP MR_IB
MR_NEP MR_OFM MR_PNBWL MR_PNI MR_PNQWL MR_QTNC MR_QTSNE MR_RO MR_UFNC NP OB_OEX OB_ONE PFD_CNC
PFD_UCAU PFU_PFANC R SO_C0 SO_NW0 SO_SAC SO_SAO STE T TF TLM TLU TUM UCB_FCV UPF_PANC VT_BNZ VT_NW
V_ABNC V_CHCNC V_CHNC V_CMNC V_CSI V_CTNE V_DFZA V_ENC V_GTDC V_IBA V_ISTD V_MCAE V_MSAE V_NL
V_OSCT V_SNW V_TFNC V_TINAC V_WINAC V_WNC V_ZA
"""
ALL_OTHERS = re.findall(r"\S+", _REST)
"""The rest of the codes in the bytecode of Curie 2.6.0, its price feeds and the Uniswap v3 pool."""


def error(text: str) -> bytes:
    return bytes.fromhex("08c379a0") + encode(["string"], [text])


@pytest.mark.parametrize(("code", "kind"), ORDERS.items())
def test_a_code_has_its_kind_and_keeps_its_name(code: str, kind: Kind) -> None:
    refusal = classify(error(code))
    assert (refusal.kind, refusal.code) == (kind, code)


@pytest.mark.parametrize("code", ALL_OTHERS)
def test_no_code_of_the_contracts_is_unknown(code: str) -> None:
    assert classify(error(code)).kind != "unknown"


def test_every_kind_says_what_to_do() -> None:
    assert set(REMEDIES) == set(get_args(Kind))


def test_an_explanation_has_the_meaning_the_code_and_the_remedy() -> None:
    words = explain(error("CH_TLRS"))
    assert words.startswith("the short would have received less quote than its bound (CH_TLRS): ")
    assert words.endswith(REMEDIES["slippage"])


@pytest.mark.parametrize(
    ("number", "meaning"),
    [(0x11, "an overflow"), (0x12, "a division by zero"), (0x99, "an unlisted panic")],
)
def test_a_panic_is_arithmetic(number: int, meaning: str) -> None:
    refusal = classify(bytes.fromhex("4e487b71") + number.to_bytes(32, "big"))
    assert (refusal.kind, refusal.meaning) == ("arithmetic", meaning)


def test_an_empty_revert_says_what_it_may_be() -> None:
    assert classify(b"").kind == "unknown"
    assert "out of gas" in explain(b"")


def test_an_unlisted_reason_and_a_custom_error_are_shown_as_they_came() -> None:
    assert classify(error("CH_NEW")).code == "CH_NEW"
    assert classify(error("CH_NEW")).kind == "unknown"
    assert classify(error("")).code == '""'
    assert classify(bytes.fromhex("deadbeef")).code == "0xdeadbeef"


def test_x10_a_hostile_text_cannot_steer_a_terminal_or_fill_a_log() -> None:
    words = explain(error("\x1b[2J\r\n" + "A" * 100_000))
    assert words.isprintable()
    assert len(words) < 500


@pytest.mark.parametrize(
    "broken",
    [
        bytes.fromhex("08c379a0"),
        bytes.fromhex("08c379a0") + bytes(31),
        bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2**255).to_bytes(32, "big"),
        bytes.fromhex("08c379a0") + (64).to_bytes(32, "big") + bytes(64),
        bytes.fromhex("4e487b71"),
    ],
)
def test_a_broken_encoding_is_unknown(broken: bytes) -> None:
    assert classify(broken).kind == "unknown"


@given(data=st.binary(max_size=500), selector=st.sampled_from(["", "08c379a0", "4e487b71"]))
def test_no_bytes_break_it(data: bytes, selector: str) -> None:
    words = explain(bytes.fromhex(selector) + data)
    assert words
    assert words.isprintable()


@given(text=st.text(max_size=300))
def test_any_text_is_explained_in_one_printable_line(text: str) -> None:
    assert explain(error(text)).isprintable()
