import io

from rich.console import Console

from keeper.demo.ledger import Ledger
from keeper.demo.summary import Books, Row, compare, summarise
from keeper.demo.view import View, comparison, gauge, line, panel, sparkline

ROW = Row(7, 0, 1_987.5, 100.0, -0.07, -98.5, 3.4, 0.3, 12.0, gas_usd=20.0)


def printed(thing: object) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(thing)
    return out.getvalue()


def test_a_sparkline_shows_the_shape_and_only_the_newest_part() -> None:
    assert sparkline([1.0, 2.0, 3.0]) == "▁▄█"
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert len(sparkline([float(i) for i in range(500)])) == 60


def test_the_gauge_shows_where_the_net_stands_in_its_band() -> None:
    centre = gauge(0.0, 3.0)
    assert centre.index("●") == gauge(1e-9, 3.0).index("●")
    assert gauge(-3.0, 3.0).index("●") < centre.index("●") < gauge(3.0, 3.0).index("●")
    assert gauge(300.0, 3.0).rstrip("·").endswith("●")
    assert "●" in gauge(1.0, 0.0)


def test_a_block_is_one_line() -> None:
    assert line(ROW, 7, Ledger(), "bob withdraws 12 WETH") == (
        "block    7  ETH 1,987.50  vault  +100.00  hedge   -98.50  net  +1.50 in ±3.40  "
        "gas    12 gwei  cost       0 USD  bob withdraws 12 WETH"
    )


def test_the_panel_shows_price_delta_hedge_and_gas() -> None:
    text = printed(panel([ROW, ROW], Ledger(), "the node fails for 10 s"))
    for word in ("1,987.50 USD", "+100.000 ETH", "-98.500 ETH", "12 gwei", "the node fails"):
        assert word in text


def test_without_a_terminal_news_are_told_once() -> None:
    out = io.StringIO()
    view = View(Console(file=out, width=200))
    view.begin()
    for _ in range(3):
        view.show([ROW], Ledger(), "the price feed is silent")
    view.show([ROW] * 25, Ledger(), "")
    view.end()
    assert out.getvalue().count("silent") == 1
    assert out.getvalue().count("block") == 2


def test_on_a_terminal_it_draws() -> None:
    out = io.StringIO()
    view = View(Console(file=out, width=120, force_terminal=True))
    view.begin()
    view.show([ROW, ROW], Ledger(), "")
    view.end()
    assert "net delta" in out.getvalue()


def test_the_closing_table_has_all_four() -> None:
    rows = [ROW, ROW, ROW]
    naive = compare(rows, 0.001)
    books = Books(3, 1, 1, 1, 1, 0, gas_usd=10.0, fees_usd=5.0)
    text = printed(comparison(summarise(rows, books, naive, seconds=1.0), naive))
    for keeper in ("unhedged", "every block", "5 % threshold", "this keeper"):
        assert keeper in text
