import msgspec
import pytest

from keeper.demo.summary import Books, Row, compare, summarise

FLAT = Row(1, 0, 2_000.0, 10.0, 0.0, 0.0, 0.5, 0.1, 20.0, gas_usd=3.0)
BOOKS = Books(ticks=6, intents=2, transactions=2, effects=2, done=2, open_intents=0,
              gas_usd=6.0, fees_usd=20.0)  # fmt: skip


def rows() -> list[Row]:
    prices = (2_000.0, 2_000.0, 2_010.0, 2_000.0, 2_010.0)
    hedges = (0.0, -9.9, -9.9, -9.9, -9.9)
    return [
        msgspec.structs.replace(FLAT, number=i, price=p, hedge=h)
        for i, (p, h) in enumerate(zip(prices, hedges, strict=True))
    ]


def test_risk_is_what_the_hedge_leaves_of_it() -> None:
    seen = rows()
    summary = summarise(seen, BOOKS, compare(seen, 0.001), seconds=1.0)
    assert summary.risk_removed_pct == pytest.approx(99.0)
    assert summary.max_abs_net_delta_base == pytest.approx(0.1), "counted from the first hedge"
    assert summary.blocks == 5
    assert summary.double_effects == 0


def test_an_effect_without_an_intent_is_a_double() -> None:
    seen = rows()
    twice = msgspec.structs.replace(BOOKS, effects=3)
    assert summarise(seen, twice, compare(seen, 0.001), seconds=1.0).double_effects == 1


def test_the_naive_keepers_pay_gas_and_fee_for_each_trade() -> None:
    naive = compare(rows(), 0.001)
    assert naive.every_block.trades == 1
    assert naive.every_block.cost_usd == pytest.approx(3.0 + 0.001 * 10 * 2_000)


def test_a_day_without_moves_removed_nothing() -> None:
    still = [msgspec.structs.replace(FLAT, number=i, hedge=-10.0) for i in range(3)]
    assert summarise(still, BOOKS, compare(still, 0.0), seconds=1.0).risk_removed_pct == 0.0
