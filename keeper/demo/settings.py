"""The keeper.toml of the demo: the one file this keeper ran on, for anybody to read."""

from string import Template

from msgspec import Struct

from keeper.devnet.world import World

KEY_VARIABLE = "KEEPER_PRIVATE_KEY"


class Tuning(Struct, frozen=True):
    """What an owner would choose.

    The risk aversion is chosen so that the residual risk comes out a little below that of the
    keeper with a 5 % threshold: then cost alone tells who is better.
    """

    risk_aversion_per_usd: float = 1e-2
    sigma_fraction: float = 0.8


TEMPLATE = Template("""\
[chain]
chain_id = $chain_id
rpc = "$rpc"
ws = "$ws"
multicall = "$multicall"
call_timeout = "2 s"
block_time = "1 s"

[signer]
type = "private_key"
variable = "$variable"

[journal]
path = "keeper.db"

[native_price]
type = "chainlink"
feed = "$feed"
max_age = "1 h"

[transactions]
tip = "1 gwei"
confirmations = 1
resend_after = "10 min"
bump_after = "20 min"
intent_life = "1 h"

[triggers]
every_blocks = 1
events = true

[[books]]
name = "eth"
symbol = "ETH"
asset = "$weth"

[books.oracle]
type = "chainlink"
feed = "$feed"
max_age = "1 h"

[[books.vaults]]
name = "idle"
type = "erc4626"
address = "$vault"
counts = "idle"

[[books.vaults]]
name = "range"
type = "uniswap_v3"
position_manager = "$position_manager"
base = "$weth"
owner = "$vault"

[books.venue]
type = "perp_v2"
clearing_house = "$clearing_house"
base_token = "$base_token"

[books.policy]
hedge_ratio = 1.0
risk_aversion = "$risk_aversion /USD"
volatility = { type = "fixed", sigma = "$sigma %" }
horizon = "7 d"

[books.limits]
min_trade = "0.05 ETH"
cooldown = "1 min"
max_order = "300 ETH"
max_position = "400 ETH"
max_leverage = "3 x"
max_gas_price = "400 gwei"
daily_gas_budget = "2000 USD"
max_price_age = "1 h"
max_block_age = "5 min"
max_deviation = "3 %"
max_slippage = "2 %"
""")


def keeper_toml(world: World, *, rpc: str, ws: str, tuning: Tuning) -> str:
    """Return the configuration of a keeper for *world* that reaches its node at *rpc* and *ws*."""
    return TEMPLATE.substitute(
        chain_id=world.chain_id,
        rpc=rpc,
        ws=ws,
        multicall=world.multicall3,
        variable=KEY_VARIABLE,
        feed=world.feed,
        weth=world.weth,
        vault=world.vault,
        position_manager=world.uniswap.position_manager,
        clearing_house=world.perp.clearing_house,
        base_token=world.perp.base_token,
        risk_aversion=tuning.risk_aversion_per_usd,
        sigma=100 * tuning.sigma_fraction,
    )
