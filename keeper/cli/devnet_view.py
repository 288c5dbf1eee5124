"""What stands where on a local chain, and what to try: text for people. Pure."""

from pathlib import Path
from shlex import quote
from typing import Any

from keeper.devnet.world import World


def places(world: World) -> dict[str, str]:
    """Return every address worth knowing, by name."""
    return {
        "vault (ERC-4626)": world.vault,
        "price feed (ETH/USD)": world.feed,
        "WETH": world.weth,
        "USDC": world.usdc,
        "Uniswap v3 pool": world.uniswap.pool,
        "Uniswap v3 positions": world.uniswap.position_manager,
        "Perp v2 clearing house": world.perp.clearing_house,
        "Multicall3": world.multicall3,
    }


def document(world: World, folder: Path) -> dict[str, Any]:
    """Return the world for programs."""
    return {
        "http_url": world.http_url,
        "ws_url": world.ws_url,
        "ipc_path": world.ipc_path,
        "chain_id": world.chain_id,
        "pid": world.pid,
        "addresses": places(world),
        "keeper": world.accounts.keeper.address,
        "world": str(folder / "world.json"),
        "config": str(folder / "keeper.toml"),
    }


def text(world: World, folder: Path) -> str:
    """Return what is where, whose keys are whose, and commands to copy."""
    who = world.accounts
    named = {"keeper": who.keeper, "alice": who.alice, "bob": who.bob, "deployer": who.deployer}
    file, config = quote(str(folder / "world.json")), quote(str(folder / "keeper.toml"))
    return "\n".join(
        [
            f"A local chain with real protocols is running (chain {world.chain_id}).",
            "",
            *_rows({"HTTP": world.http_url, "WebSocket": world.ws_url, "IPC": world.ipc_path}),
            "",
            *_rows(places(world)),
            "",
            "Test accounts: these keys are published, money sent to them elsewhere is gone.",
            *_rows({name: f"{it.address}  {it.test_key}" for name, it in named.items()}),
            "",
            "In another terminal:",
            f"  keeper doctor --config {config}",
            f"  keeper tick --dry-run --config {config}",
            f"  keeper run --config {config}",
            f"  keeper status --watch --config {config}",
            f"  keeper devnet move-price 1900 --world {file}",
            f"  keeper devnet deposit alice 5 --world {file}",
            f"  keeper devnet gas 40 --world {file}",
            "",
            "Ctrl-C ends it.",
        ]
    )


def _rows(rows: dict[str, str]) -> list[str]:
    width = max(map(len, rows))
    return [f"  {name:<{width}}  {value}" for name, value in rows.items()]
