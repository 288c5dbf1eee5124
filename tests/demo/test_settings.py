from pathlib import Path

import pytest

from keeper.config import load
from keeper.demo.settings import KEY_VARIABLE, Tuning, keeper_toml
from keeper.devnet.world import World


@pytest.mark.anvil
def test_the_demo_runs_on_a_configuration_that_anybody_could_have_written(
    world: World, tmp_path: Path
) -> None:
    path = tmp_path / "keeper.toml"
    text = keeper_toml(world, rpc=world.http_url, ws=world.ws_url, tuning=Tuning(2e-4, 0.7))
    path.write_text(text)
    config = load(path, {KEY_VARIABLE: world.accounts.keeper.test_key})
    (book,) = config.books
    assert book.policy.risk_aversion_per_usd == 2e-4
    assert book.policy.volatility.sigma_fraction == pytest.approx(0.7)  # type: ignore[union-attr]  # a fixed one
    assert set(book.named_vaults) == {"idle", "range"}
    assert world.accounts.keeper.test_key not in text
