import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.model.strategies import Interval, Never, Optimal
from keeper.sim.backtest import Scene
from keeper.sim.comparison import Comparison, entry, frontier
from keeper.sim.edges import looks_along
from keeper.sim.report import cells, dollars, kind_of, page
from keeper.sim.rivals import Rival, rivals

VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Refuses a tag that is closed by another one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        for name, value in attrs:
            assert name not in {"src", "href", "onclick"}, value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def comparison(scene: Scene, terms: Terms) -> Comparison:
    line_up = rivals(terms, looks_along(scene, terms))
    entries = tuple(entry(scene, terms, rival) for rival in line_up)
    return Comparison(scene, terms, entries, dict(frontier(scene, terms, 3_600)))


def test_the_page_is_well_formed_and_needs_no_network(comparison: Comparison) -> None:
    text = page(comparison, {"market": "GBM <30 d>"})
    reader = Balance()
    reader.feed(text)
    assert not reader.open
    assert reader.seen.count("svg") == 4
    assert "script" not in reader.seen
    assert not re.search(r"https?:|url\(|@import", text)
    assert "GBM &lt;30 d&gt;" in text
    assert "nan" not in text.lower().replace("dominant", "")


def test_every_policy_is_in_the_table_and_the_best_is_marked(comparison: Comparison) -> None:
    text = page(comparison, {})
    for each in comparison.entries:
        assert f'<th scope="row">{each.rival.name}</th>' in text
    assert text.count('class="best"') == 1
    assert '<tr class="best"><th scope="row">optimal</th>' in text


def test_a_page_without_trades_says_so(scene: Scene, terms: Terms) -> None:
    idle = entry(scene, terms, Rival("never", Never(), 1e-5))
    text = page(Comparison(scene, terms, (idle,), {}), {})
    assert "No policy traded." in text
    assert "This policy has no band." in text


def test_a_policy_of_the_clock_has_no_band_to_draw(scene: Scene, terms: Terms) -> None:
    clock = entry(scene, terms, Rival("clock", Interval(every_s=86_400), 1e-5))
    assert "This policy has no band." in page(Comparison(scene, terms, (clock,), {}), {})


def test_unknown_figures_are_dashes(comparison: Comparison) -> None:
    unknown = replace(comparison.entries[0].account, sharpe=None, cvar95_usd=None)
    found = cells(unknown)
    assert found["Sharpe"] == found["CVaR95"] == "–"


def test_a_family_has_one_colour(comparison: Comparison) -> None:
    kinds = [kind_of(each.rival.strategy) for each in comparison.entries]
    assert kinds[0] == kind_of(Optimal(check_shift=False)) == "c0"
    assert len(set(kinds)) == len(kinds)


def test_dollars_have_a_minus_and_a_dash_where_they_are_unknown() -> None:
    assert [dollars(each) for each in (-1_234.6, 0.2, None)] == ["−1,235", "0", "–"]


def test_many_scenarios_have_a_table_of_their_own(comparison: Comparison) -> None:
    text = page(comparison, {}, [("optimal", {"trades": "9 ± 1"})])
    assert "Over all scenarios" in text
    assert "<td>9 ± 1</td>" in text
    assert "Over all scenarios" not in page(comparison, {})


def test_a_point_of_the_frontier_says_its_setting(comparison: Comparison) -> None:
    text = page(comparison, {})
    assert "<title>optimal, 1e-05 /USD</title>" in text
    assert re.search(r"<title>interval, every [0-9.]+ h</title>", text)
    assert re.search(r"<title>fixed band to zero, [0-9.]+ units</title>", text)
