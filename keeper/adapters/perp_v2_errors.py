"""What Perpetual Protocol v2 (Curie) means when it reverts: code -> kind -> what to do.

Curie reverts with `Error(string)` whose string is a short code. The codes below are those of the
ClearingHouse and everything it calls on behalf of an order: Exchange, OrderBook, AccountBalance,
Vault, MarketRegistry, the base token, its price feed, and the Uniswap v3 pool underneath; plus the
ones of deposits and liquidations, which a person may meet. Read in the sources of
`@perp/curie-contract` 2.8.4 and the bytecode of `@perp/curie-deployments` 2023.4.12 (Curie 2.6.0).
"""

import re
from typing import Final, Literal

from msgspec import Struct

Kind = Literal[
    "slippage",
    "deadline",
    "margin",
    "market",
    "paused",
    "price_band",
    "liquidity",
    "oracle",
    "permission",
    "amount",
    "collateral",
    "setup",
    "arithmetic",
    "unknown",
]
"""A closed set of reasons: what differs between two kinds is what one has to do about it."""


class Refusal(Struct, frozen=True):
    """One understood revert."""

    kind: Kind
    code: str
    """The venue's own word; hex if it said none."""
    meaning: str


REMEDIES: Final[dict[Kind, str]] = {
    "slippage": "nothing was traded; the next tick decides at the new price. If it repeats, "
    "max_slippage leaves no room for fee and impact",
    "deadline": "nothing was traded; the next tick decides afresh. If it repeats, the "
    "transaction waits too long: raise its life or its fee",
    "margin": "deposit collateral into the venue's vault, or lower max_leverage",
    "market": "trading of this market has ended; move the hedge to another venue",
    "paused": "wait for the venue to resume; the exposure is unhedged meanwhile",
    "price_band": "trade less at once (max_order) or wait a few blocks",
    "liquidity": "trade less at once (max_order): the pool is too thin for this size",
    "oracle": "wait for the price feed to update; if it lasts, the venue's feed is broken",
    "permission": "the trader must approve this signer at DelegateApproval, action 1",
    "amount": "check min_trade and the configured addresses",
    "collateral": "this concerns deposits or withdrawals, not the hedge",
    "setup": "the venue is not set up for this: check clearing_house and base_token",
    "arithmetic": "the venue's own arithmetic failed; do not repeat it unchanged",
    "unknown": "simulate it against an archive node to see where it fails",
}

_CODES: Final[dict[str, tuple[Kind, str]]] = {
    # Orders, at the ClearingHouse itself
    "CH_TE": ("deadline", "the deadline had passed when it was mined"),
    "CH_TLRS": ("slippage", "the short would have received less quote than its bound"),
    "CH_TMRS": ("slippage", "the short would have given more base than its bound"),
    "CH_TLRL": ("slippage", "the long would have received less base than its bound"),
    "CH_TMRL": ("slippage", "the long would have paid more quote than its bound"),
    "CH_PSCF": ("slippage", "the liquidity change moved less than its minimum"),
    "CH_NEFCI": ("margin", "not enough free collateral for the initial margin of the new position"),
    "CH_NEFCM": ("margin", "the account is below maintenance margin and cannot even reduce"),
    "CH_MNO": ("market", "the market is not open: it is paused or closed"),
    "CH_MNC": ("market", "the market is not closed, so nothing can be settled at a closing price"),
    "CH_MP": ("paused", "the market is paused"),
    "CH_F0S": ("liquidity", "the swap would exchange nothing: there is no liquidity there"),
    "CH_PSZ": ("amount", "there is no position to close"),
    "CH_SHNAOPT": ("permission", "this sender may not trade for that trader"),
    "CH_OMPS": ("price_band", "the pool's price is too far from the index to add liquidity"),
    "CH_QDN18": ("setup", "the quote token must have 18 decimals"),
    "CH_DUTB": ("setup", "liquidity cannot be added from the taker's balance any more"),
    "CH_OVOT": ("permission", "only the trader or the vault may settle this funding"),
    "CH_TF": ("setup", "a virtual token could not be transferred"),
    "CH_NOB": ("setup", "a mint callback came from somebody else than the order book"),
    "CH_OE": ("setup", "a swap callback came from somebody else than the exchange"),
    # Liquidations and makers, same place
    "CH_EAV": ("margin", "the account is above its maintenance margin: it cannot be liquidated"),
    "CH_WLD": ("amount", "a liquidation in the wrong direction"),
    "CH_CLWTISO": ("market", "an account with open orders cannot be liquidated yet"),
    "CH_IIC": ("market", "the insurance fund cannot cover the bad debt of this liquidation"),
    "CH_NEXO": ("market", "these orders are not in excess, nobody else may cancel them"),
    "CH_ONBM": ("permission", "that order belongs to another maker"),
    # Exchange
    "EX_OPB": (
        "price_band",
        "the trade would push the pool's price out of its band round the index",
    ),
    "EX_OPLAS": ("price_band", "the trade would move the price more ticks than one block may"),
    "EX_MIP": ("paused", "the market may not move by a single tick: it is paused"),
    "EX_TKMM": ("arithmetic", "the exchange's replay of the swap ended at another tick"),
    "EX_BTNE": ("setup", "there is no market for this base token"),
    "EX_BNC": ("setup", "the base token is not a contract"),
    "E_AB0": ("setup", "the exchange has no account balance contract"),
    "EX_MTCLOOR": ("setup", "the limit of ticks within a block is out of range"),
    "UB_UOA": ("liquidity", "the pool cannot deliver that much base"),
    "UCB_FCV": ("setup", "a callback came from a pool that the market does not have"),
    # AccountBalance, OrderBook, tokens, registry
    "AB_MNE": ("amount", "the account is in as many markets as it may be"),
    "AB_OV": ("permission", "only the vault may do this"),
    "CHD_OCH": ("permission", "only the ClearingHouse may do this"),
    "OB_OEX": ("permission", "only the exchange may do this"),
    "OB_ONE": ("amount", "the account has as many orders in this market as it may have"),
    "VT_NW": ("setup", "a virtual token was sent from an address that is not whitelisted"),
    "VT_BNZ": ("setup", "a virtual token's holder cannot be delisted with a balance"),
    "MR_PNE": ("setup", "the market registry knows no pool for this base token"),
    "MR_EP": ("setup", "the market registry has a pool for this base token already"),
    "MR_IB": ("setup", "the base token's address must sort below the quote token's"),
    "MR_PNI": ("setup", "the pool has no price yet"),
    "MR_NEP": ("setup", "that pool does not exist"),
    "MR_RO": ("setup", "a ratio is above 100 %"),
    "MR_OFM": ("permission", "only a fee manager may do this"),
    "DA_IA": ("permission", "no such action can be delegated"),
    # The base token and its price feed
    "BT_NO": ("market", "the base token's market is not open"),
    "BT_NP": ("market", "the base token's market is not paused"),
    "BT_NC": ("market", "the base token's market is not closed"),
    "BT_WPNE": ("market", "the waiting period before closing the market has not passed"),
    "BT_IPFD": ("oracle", "the price feed has more decimals than the base token"),
    "CPF_NU": ("oracle", "the Chainlink price feed has nothing newer than what it keeps"),
    "CPF_GPNO": (
        "oracle",
        "the sequencer came back only lately: the feed waits out its grace time",
    ),
    "CPF_SD": ("oracle", "the sequencer is down"),
    "BPF_NU": ("oracle", "the Band price feed has nothing newer than what it keeps"),
    "CPF_IP": ("oracle", "the Chainlink price feed shows a price that is not above zero"),
    "CPF_NEH": ("oracle", "the Chainlink price feed has too short a history for its average"),
    "CPF_RINC": ("setup", "the price feed's cache would keep no rounds"),
    "BPF_IP": ("oracle", "the Band price feed shows a price that is not above zero"),
    "BPF_TBZ": ("oracle", "the Band price feed has no time for its base"),
    "BPF_TQZ": ("oracle", "the Band price feed has no time for its quote"),
    "CT_IT": ("oracle", "the price feed's time went backwards"),
    "CT_IPWU": ("oracle", "another price for a time that has one already"),
    "CT_IPWCT": ("oracle", "another price for a time that is averaged already"),
    "PFD_UCAU": ("oracle", "the price feed was switched to Uniswap already"),
    "OLD": ("oracle", "the pool's price history is shorter than the average the mark needs"),
    # Vault
    "V_NEFC": ("margin", "a withdrawal beyond the free collateral"),
    "V_GTSTBC": ("collateral", "the vault is full: the deposit would exceed its cap"),
    "V_GTDC": ("collateral", "the deposit would exceed the cap of that collateral"),
    "V_OSCT": ("collateral", "the vault does not take this token"),
    "V_TINAC": ("collateral", "that token is no collateral"),
    "V_WINAC": ("collateral", "wrapped ether is no collateral here"),
    "V_CTNE": ("collateral", "the account has as many kinds of collateral as it may have"),
    "V_ZA": ("amount", "the amount is zero"),
    "V_IBA": ("collateral", "the token moved another amount than was asked"),
    "V_DFZA": ("collateral", "a deposit for the zero address"),
    "V_SNW": ("collateral", "ether came from somebody else than its wrapper"),
    "V_CSI": ("collateral", "the insurance fund's own collateral is not settled so"),
    "V_ISTD": ("setup", "the settlement token has more than 18 decimals"),
    "V_NL": ("collateral", "this collateral cannot be liquidated"),
    "V_MSAE": ("collateral", "more would be repaid than may be"),
    "V_MCAE": ("collateral", "more collateral would be taken than may be"),
    # Uniswap v3 pool
    "LOK": ("market", "the pool is locked: a re-entrant call, or it was never initialised"),
    "SPL": ("slippage", "the pool is beyond the order's price limit already"),
    "AS": ("amount", "the pool was asked to swap nothing"),
    "IIA": ("setup", "the pool was not paid for the swap"),
    "TF": ("setup", "a token could not be transferred out of the pool"),
    "LS": ("arithmetic", "the pool's liquidity would fall below zero"),
    "LA": ("arithmetic", "the pool's liquidity would overflow"),
    "LO": ("arithmetic", "too much liquidity at one tick"),
    "T": ("arithmetic", "a tick out of range"),
    "R": ("arithmetic", "a price out of range"),
    "I": ("oracle", "the pool keeps no price history"),
    "AI": ("setup", "the pool is initialised already"),
    "NP": ("liquidity", "that range holds no liquidity"),
    "L": ("liquidity", "the pool has no liquidity"),
    "TLU": ("amount", "the lower tick is not below the upper"),
    "TLM": ("amount", "the lower tick is too low"),
    "TUM": ("amount", "the upper tick is too high"),
    "M0": ("setup", "the pool was not paid its token0"),
    "M1": ("setup", "the pool was not paid its token1"),
    "F0": ("setup", "a flash loan of token0 was not repaid"),
    "F1": ("setup", "a flash loan of token1 was not repaid"),
}

_PREFIXES: Final[tuple[tuple[str, Kind, str], ...]] = (
    # Codes that only the venue's owner can meet share their meaning by contract.
    ("SO_", "permission", "only the venue's owner may do this"),
    ("Ownable", "permission", "only the venue's owner may do this"),
    ("CM_", "collateral", "the collateral manager refuses this"),
    ("CHC_", "setup", "the venue's configuration refuses this value"),
    ("IF_", "setup", "the insurance fund refuses this"),
    ("MR_", "setup", "the market registry refuses this market"),
    # Texts of the libraries inside.
    ("Pausable: paused", "paused", "the whole venue is paused"),
    ("Pausable", "setup", "the venue is not paused"),
    ("ReentrancyGuard", "setup", "a re-entrant call"),
    ("Initializable", "setup", "the contract is initialised already"),
    ("SafeMath", "arithmetic", "a number would overflow"),
    ("SignedSafeMath", "arithmetic", "a number would overflow"),
    ("SafeCast", "arithmetic", "a number does not fit its type"),
    ("PerpMath", "arithmetic", "a number would overflow"),
    ("ERC20", "collateral", "a token refuses the transfer"),
    ("SafeERC20", "collateral", "a token refuses the transfer"),
    ("STE", "collateral", "ether could not be paid out"),
    ("Address", "setup", "a call went to an address without code"),
)
_NO_CONTRACT: Final = re.compile(r"[A-Z]+_[A-Z0-9]*NC")
"""By the venue's own habit, codes that end so are about an address without code at set-up."""

_PANICS: Final = {
    0x01: "an assertion failed",
    0x11: "an overflow",
    0x12: "a division by zero",
    0x21: "an enumeration out of range",
    0x31: "a pop from an empty array",
    0x32: "an index out of bounds",
    0x41: "out of memory",
    0x51: "a call of an uninitialised function",
}

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")
_WORD: Final = 32
_LONGEST_TEXT: Final = 200


def classify(revert: bytes) -> Refusal:
    """Return what *revert*, the data a call reverted with, means. Never raises."""
    if not revert:
        return Refusal(
            "unknown",
            "0x",
            "it reverted without a reason: out of gas, an address without code, or a bare check",
        )
    if revert[:4] == _ERROR_STRING and (text := _text(revert[4:])) is not None:
        return _of_text(text)
    if revert[:4] == _PANIC and len(revert) == 4 + _WORD:
        number = int.from_bytes(revert[4:], "big")
        meaning = _PANICS.get(number, "an unlisted panic")
        return Refusal("arithmetic", f"Panic({number:#x})", meaning)
    return Refusal("unknown", _shortened("0x" + revert.hex()), "the venue has no such error")


def explain(revert: bytes) -> str:
    """Return one sentence: what it means, the venue's code, and what to do. Never raises."""
    refusal = classify(revert)
    return f"{refusal.meaning} ({refusal.code}): {REMEDIES[refusal.kind]}"


def _of_text(text: str) -> Refusal:
    known = _CODES.get(text)
    if known is not None:
        return Refusal(known[0], text, known[1])
    for prefix, kind, meaning in _PREFIXES:
        if text.startswith(prefix):
            return Refusal(kind, text, meaning)
    if _NO_CONTRACT.fullmatch(text):
        return Refusal("setup", text, "it was set up with an address without code")
    return Refusal("unknown", text or '""', "the venue gives a reason that is not listed")


def _text(encoded: bytes) -> str | None:
    """Return the string of an ABI-encoded `(string)`; None if it is not one."""
    length = int.from_bytes(encoded[_WORD : 2 * _WORD], "big")
    body = encoded[2 * _WORD :]
    if int.from_bytes(encoded[:_WORD], "big") != _WORD or length > len(body):
        return None
    # Whoever deploys a contract chooses its texts: they must not steer a terminal or fill a log.
    text = body[:length].decode(errors="replace")
    return _shortened("".join(c if c.isprintable() else "�" for c in text))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"
