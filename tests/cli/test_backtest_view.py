from pathlib import Path

import pytest
from msgspec.structs import replace

from keeper.cli import backtest_view
from keeper.cli.backtest_view import Told
from keeper.cli.setting import Setting
from keeper.cli.staging import OPEN_LIMITS, stage
from keeper.core.decide import EwmaVolatility, FixedVolatility, Policy, Terms
from keeper.model.strategies import Never, Optimal
from keeper.sim.backtest import Scene
from keeper.sim.comparison import Comparison, entry
from keeper.sim.holding import ASSET, Range, hold
from keeper.sim.pooled import pool
from keeper.sim.processes import Invention, invent
from keeper.sim.rivals import Rival
from tests.cli.test_staging import CHOSEN


@pytest.fixture
def told() -> Told:
    market = invent(Invention(steps=72), 1)
    scene = Scene(market, hold(Range(), market))
    policy = Policy(risk_aversion_per_usd=1e-5, volatility=FixedVolatility(0.8))
    terms = Terms(book="b", asset=ASSET, policy=policy, limits=OPEN_LIMITS, tip_wei=0)
    rivals = (Rival("ours", Optimal(), 1e-5), Rival("nobody", Never(), 1e-5))
    entries = tuple(entry(scene, terms, rival) for rival in rivals)
    return Told(Comparison(scene, terms, entries, {}), (), {"market": "gbm"}, Path("p.html"))


def test_the_text_has_facts_a_row_for_each_policy_and_the_page(told: Told) -> None:
    lines = backtest_view.text(told).splitlines()
    assert lines[0].split() == ["market", "gbm"]
    assert [line.split()[0] for line in lines if line.startswith((" ours", " nobody"))] == [
        "ours", "nobody"
    ]  # fmt: skip
    assert lines[-1] == "charts: p.html"


def test_the_table_is_as_wide_as_it_needs_to_be(told: Told) -> None:
    text = backtest_view.text(told)
    assert "…" not in text
    assert all(column in text for column in backtest_view.COLUMNS)


def test_pooled_scenarios_have_a_table_of_their_own(told: Told) -> None:
    account = told.comparison.entries[0].account
    pooled = pool([account, account, account], risk_aversion_per_usd=1e-5)
    text = backtest_view.text(replace(told, pooled=(pooled, pooled)))
    assert "mean of 3 paths" in text
    assert "±" in text


def test_the_document_says_what_was_run(told: Told) -> None:
    found = backtest_view.document(told)
    assert found["market"]["bars"] == 73
    assert [each["name"] for each in found["policies"]] == ["ours", "nobody"]
    assert found["policies"][0]["pooled"] is None


def test_what_kept_a_policy_from_trading_is_said_most_frequent_first(told: Told) -> None:
    first, *others = told.comparison.entries
    held_back = replace(
        first, run=replace(first.run, refusals={"refused: margin": 1, "refused: gas price": 1_200})
    )
    text = backtest_view.text(
        replace(told, comparison=replace(told.comparison, entries=(held_back, *others)))
    )
    assert "ours: refused: gas price (1,200 bars); refused: margin (1 bar)" in text.splitlines()
    assert "refused" not in backtest_view.text(told)


def test_a_trade_too_small_is_told_only_if_somebody_set_what_is_too_small(told: Told) -> None:
    first = told.comparison.entries[0]
    held_back = replace(first, run=replace(first.run, refusals={"refused: min trade": 3}))
    terms = told.comparison.terms
    own = replace(terms, limits=replace(terms.limits, min_trade_base=1.0))

    def text(under: Terms) -> str:
        comparison = replace(told.comparison, terms=under, entries=(held_back,))
        return backtest_view.text(replace(told, comparison=comparison))

    assert "refused" not in text(terms)
    assert "ours: refused: min trade (3 bars)" in text(own)


def test_a_mean_without_an_error_stands_alone(told: Told) -> None:
    pooled = pool([told.comparison.entries[0].account], risk_aversion_per_usd=1e-5)
    ((_, row),) = backtest_view.means(replace(told, pooled=(pooled,)))
    assert "±" not in row["cost"]
    assert row["CVaR95"] == "–"


@pytest.mark.parametrize(
    ("law", "words"),
    [
        (FixedVolatility(0.8), "80 % a year"),
        (EwmaVolatility(86_400, 0.3), "of the prices, half-life 1 d, at least 30 % a year"),
    ],
)
def test_the_facts_say_what_was_played(law: FixedVolatility | EwmaVolatility, words: str) -> None:
    chosen = replace(CHOSEN, scenarios=2)
    staged = stage(chosen, Setting())
    policy = replace(staged.terms.policy, volatility=law)
    found = backtest_view.facts(chosen, replace(staged, terms=replace(staged.terms, policy=policy)))
    assert found["market"] == "gbm, 2 d in steps of 1 h"
    assert found["begins"] == "seed 1, 2 scenarios"
    assert found["volatility"] == words
    assert found["vault"] == "price/1.25 to price×1.25, 1,000,000.00 USD, anew every 30 d"
    recorded = backtest_view.facts(replace(chosen, path="prices.csv"), staged)
    assert recorded["begins"] == "2025-01-01 00:00:00 UTC"


def test_the_facts_say_what_is_held() -> None:
    spot, once = replace(CHOSEN, holding="spot"), replace(CHOSEN, reopen=0.0)
    facts = backtest_view.facts
    assert facts(spot, stage(spot, Setting()))["vault"] == "the asset, 1,000,000.00 USD"
    assert facts(once, stage(once, Setting()))["vault"].endswith("anew never")
