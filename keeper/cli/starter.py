"""The first keeper.toml and .env: a commented template, filled from answers."""

import os
from pathlib import Path
from typing import Final

from msgspec import Struct

from keeper.devnet.world import World

SAFE_FRACTION: Final = 4
"""Orders start at a quarter of the largest position."""
DUST_FRACTION: Final = 10_000
COMMENTS_AT: Final = 31
OWNER_ONLY: Final = 0o600


class Answers(Struct, frozen=True, kw_only=True):
    """What the template asks for; every field is named like its flag of `keeper init`."""

    chain_id: int
    rpc_url: str
    ws_url: str = ""
    block_time_s: float = 12.0
    signer_key: str = ""
    """Written into .env; empty leaves a place to fill in."""
    keystore: str = ""
    """Path of an encrypted key file, used instead of a key in .env."""
    book: str = "eth"
    symbol: str = "ETH"
    asset: str
    feed: str
    native_feed: str = ""
    """Empty: the asset is what pays for gas, and one feed serves both."""
    feed_max_age: str = "75 min"
    vault: str
    position_manager: str = ""
    """Empty: the vault holds no Uniswap v3 positions of its own."""
    quote: str = ""
    clearing_house: str
    base_token: str
    risk_aversion: str = "1e-5 /USD"
    max_position: float = 1.0
    daily_gas_budget: str = "50 USD"
    max_gas_price: str = "100 gwei"
    every: str = "1 min"
    confirmations: int = 2
    cooldown: str = "1 min"


def of_world(world: World) -> Answers:
    """Return the answers for the keeper of a local world."""
    return Answers(
        chain_id=world.chain_id,
        rpc_url=world.http_url,
        ws_url=world.ws_url,
        block_time_s=2.0,
        signer_key=world.accounts.keeper.test_key,
        asset=world.weth,
        feed=world.feed,
        vault=world.vault,
        position_manager=world.uniswap.position_manager,
        quote=world.usdc,
        clearing_house=world.perp.clearing_house,
        base_token=world.perp.base_token,
        risk_aversion="1e-4 /USD",
        max_position=200.0,
        daily_gas_budget="500 USD",
        every="5 s",
        confirmations=1,
        cooldown="5 s",
    )


def files(answers: Answers) -> dict[str, str]:
    """Return the text of each file by its name."""
    return {"keeper.toml": keeper_toml(answers), ".env": dotenv(answers)}


def write(out: Path, texts: dict[str, str]) -> list[Path]:
    """Write *texts* into *out*, readable for their owner alone; return the paths."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        # Opened with its mode: a secret must not be readable for a moment, either.
        handle = os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, OWNER_ONLY)
            file.write(text)
    return [out / name for name in texts]


def keeper_toml(answers: Answers) -> str:
    """Return keeper.toml."""
    parts = (_chain(answers), _book(answers), _policy(answers), _limits(answers), _rest(answers))
    return "\n".join(_aligned(line) for part in parts for line in part.split("\n"))


def dotenv(answers: Answers) -> str:
    """Return .env: what must not stand in keeper.toml."""
    secret = "KEEPER_PASSWORD=" if answers.keystore else f"KEEPER_KEY={answers.signer_key}"
    lines = [
        "# Secrets of this keeper. Never commit this file.",
        "# What signs. Its account needs coins for gas, and the venue's margin belongs to it.",
        secret,
        "# Node addresses stand here because providers put their keys into them.",
        f"KEEPER_RPC={answers.rpc_url}",
        *([f"KEEPER_WS={answers.ws_url}"] if answers.ws_url else []),
    ]
    return "\n".join(lines) + "\n"


def _aligned(line: str) -> str:
    """Return the line with its comment, if it has one behind a value, in the comments' column."""
    code, mark, comment = line.partition("  # ")
    return f"{code.rstrip():<{COMMENTS_AT}}  # {comment.strip()}" if mark and code else line


def _chain(answers: Answers) -> str:
    ws = 'ws = "${KEEPER_WS}"' if answers.ws_url else '# ws = "${KEEPER_WS}"'
    return f"""\
# One keeper, one chain, one key. Every key is explained in docs/reference/config.md.
# Values carry their unit. Check this file with `keeper doctor`.

[chain]
chain_id = {answers.chain_id}
rpc = "${{KEEPER_RPC}}"           # filled from .env
{ws}             # news of blocks and logs; without it only the clock wakes the keeper
block_time = "{answers.block_time_s:g} s"

{_signer(answers)}
[native_price]                   # what the coin that pays for gas is worth
type = "chainlink"
feed = "{answers.native_feed or answers.feed}"
max_age = "{answers.feed_max_age}"

[transactions]
tip = "1 gwei"
confirmations = {answers.confirmations}   # blocks that must hold a receipt
"""


def _signer(answers: Answers) -> str:
    if answers.keystore:
        return f"""\
[signer]
type = "keystore"
path = "{answers.keystore}"
password_variable = "KEEPER_PASSWORD"  # the password itself stands in .env
"""
    return """\
[signer]
type = "private_key"
variable = "KEEPER_KEY"  # the key itself stands in .env
"""


def _book(answers: Answers) -> str:
    counts = '\ncounts = "idle"                  # its Uniswap positions are counted below' if (
        answers.position_manager
    ) else ""  # fmt: skip
    return f"""\
[[books]]                        # vaults that share one hedge
name = "{answers.book}"                     # in the journal, in metrics, on the command line
symbol = "{answers.symbol}"
asset = "{answers.asset}"

[books.oracle]
type = "chainlink"
feed = "{answers.feed}"
max_age = "{answers.feed_max_age}"               # the feed's heartbeat plus a margin

[[books.vaults]]
name = "vault"
type = "erc4626"
address = "{answers.vault}"{counts}
{_positions(answers)}
[books.venue]
type = "perp_v2"
clearing_house = "{answers.clearing_house}"
base_token = "{answers.base_token}"
"""


def _positions(answers: Answers) -> str:
    if not answers.position_manager:
        return ""
    quote = f'quote = "{answers.quote}"\n' if answers.quote else ""
    return f"""
[[books.vaults]]
name = "ranges"
type = "uniswap_v3"
position_manager = "{answers.position_manager}"
base = "{answers.asset}"
{quote}owner = "{answers.vault}"
other_pools = "ignore"           # anybody may send the vault an NFT of another pair
"""


def _policy(answers: Answers) -> str:
    return f"""\
[books.policy]
hedge_ratio = 1.0                # share of the vaults' {answers.symbol} to hedge, 0 to 1.5
risk_aversion = "{answers.risk_aversion}"  # larger: tighter hedge, more trades, more cost
volatility = {{ type = "ewma", half_life = "24 h", floor = "40 %" }}
"""


def _limits(answers: Answers) -> str:
    symbol, most = answers.symbol, answers.max_position
    return f"""\
[books.limits]                   # every one is mandatory; zero never means unlimited
max_position = "{most:g} {symbol}"        # the hedge never grows beyond this, long or short
max_order = "{most / SAFE_FRACTION:g} {symbol}"            # larger trades are cut to this
min_trade = "{most / DUST_FRACTION:g} {symbol}"          # smaller ones wait
max_leverage = "3 x"             # notional over account value after a trade
cooldown = "{answers.cooldown}"                 # pause after a trade
max_gas_price = "{answers.max_gas_price}"       # nothing is signed above it
# urgent_gas_price = "300 gwei"  # signed up to it while the net delta is beyond max_net
daily_gas_budget = "{answers.daily_gas_budget}"     # gas of any 24 hours
# gas_exit_reserve = "25 USD"    # beyond it, for trades that only reduce the hedge
min_gas_hedges = 3               # the hedge grows only while so many can be paid for
max_price_age = "{answers.feed_max_age}"         # the oracle's price
max_block_age = "2 min"          # an older newest block means a stalled chain or node
max_deviation = "3 %"            # oracle against pool and venue
max_slippage = "100 bps"         # fill against the oracle
"""


def _rest(answers: Answers) -> str:
    return f"""\
[triggers]                       # each only says: look now
every = "{answers.every}"
events = true                    # oracle updates, large swaps, deposits, withdrawals

[service]
listen = "127.0.0.1:9464"        # /metrics and /healthz, for this machine only

[journal]
path = "keeper.db"               # what was tried; back it up, never copy it to a second keeper
"""
