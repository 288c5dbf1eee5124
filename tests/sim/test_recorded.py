import gzip
from pathlib import Path

import pytest

from keeper.model.errors import ConfigError
from keeper.model.units import GWEI
from keeper.sim.recorded import Files, read_market


def csv(folder: Path, name: str, header: str, *rows: str) -> Path:
    path = folder / name
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    rows = (f"{3_600 * k},1,1,1,{100 + k}" for k in range(5))
    return csv(tmp_path, "bars.csv", "ts,open,high,low,close", *rows)


def test_a_bar_is_known_when_it_closes(bars: Path) -> None:
    market = read_market(Files(prices=bars))
    assert market.at_s.tolist() == [3_600, 7_200, 10_800, 14_400, 18_000]
    assert market.price.tolist() == [100, 101, 102, 103, 104]
    assert market.name == "bars"


def test_a_published_price_is_known_at_once_and_the_last_of_a_second_counts(tmp_path: Path) -> None:
    path = csv(tmp_path, "p.csv", "ts,price", "10,1", "20,2", "20,3", "30,4")
    market = read_market(Files(prices=path))
    assert market.at_s.tolist() == [10, 20, 30]
    assert market.price.tolist() == [1, 3, 4]


def test_gas_is_what_was_known_by_then(bars: Path, tmp_path: Path) -> None:
    gas = csv(tmp_path, "gas.csv", "ts,gas_gwei", "0,10", "7200,20", "7201,30")
    fees = read_market(Files(prices=bars, gas=gas)).base_fee_wei
    assert [fee / GWEI for fee in fees.tolist()] == [10, 20, 30, 30, 30]


def test_gas_of_another_time_can_stand_in(bars: Path, tmp_path: Path) -> None:
    gas = csv(tmp_path, "gas.csv", "ts,basefee_wei", "-3600,5", "3600,6")
    fees = read_market(Files(prices=bars, gas=gas, gas_shift_s=7_200)).base_fee_wei
    assert fees.tolist() == [5, 5, 6, 6, 6]


def test_funding_is_paid_by_who_holds_when_it_settles(bars: Path, tmp_path: Path) -> None:
    rates = ("3600,0.5", "7200,0.01", "10000,0.02", "10800,0.04", "99999,9")
    funding = csv(tmp_path, "f.csv", "ts,funding_rate", *rates)
    paid = read_market(Files(prices=bars, funding=funding)).funding
    # What settles at the first bar belongs to whoever held before it.
    assert paid.tolist() == pytest.approx([0.01, 0.06, 0.0, 0.0, 0.0])


def test_the_market_is_cut_to_what_is_known(bars: Path, tmp_path: Path) -> None:
    gas = csv(tmp_path, "gas.csv", "ts,gas_gwei", "7200,20")
    assert read_market(Files(prices=bars, gas=gas)).at_s[0] == 7_200


def test_one_file_may_hold_everything(tmp_path: Path) -> None:
    path = csv(
        tmp_path, "all.csv", "ts,price,funding_rate,gas_gwei", "0,1,0,5", "60,2,0.1,6", "120,3,0,7"
    )
    market = read_market(Files(prices=path))
    assert market.funding.tolist() == pytest.approx([0.1, 0, 0])
    assert market.base_fee_wei.tolist() == [5 * GWEI, 6 * GWEI, 7 * GWEI]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(b"ts,price\n0,1\n1,2\n"))
    assert read_market(Files(prices=path)).bars == 2


def test_without_gas_the_given_one_is_taken(bars: Path) -> None:
    market = read_market(Files(prices=bars, flat_gas_gwei=3.0))
    assert set(market.base_fee_wei.tolist()) == {3 * GWEI}


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("ts,volume", ("0,1", "1,1"), "has no price"),
        ("time,price", ("0,1", "1,1"), "has no times"),
        ("ts,price", (), "has no times"),
        ("ts,price", ("0,1", "1,one"), "not a CSV of numbers"),
        ("ts,price", ("0,1", "1"), "not a CSV of numbers"),
        ("ts,price", ("5,1", "1,1"), "go back"),
        ("ts,close", ("5,1", "5,1", "9,1"), "two bars open"),
        ("ts,price", ("0,1", "1,nan"), "`price` must be a number above zero"),
        ("ts,price", ("0,1", "1,inf"), "`price` must be a number above zero"),
        ("ts,close", ("0,1", "1,-3"), "`close` must be a number above zero"),
        ("ts,price", ("nan,1", "1,1"), "`ts` are unix seconds"),
        ("ts,price", ("1700000000000,1", "1700003600000,1"), "`ts` are unix seconds"),
        ("ts,price,gas_gwei", ("0,1,nan", "1,1,1"), "`gas_gwei` must be from zero"),
        ("ts,price,gas_gwei", ("0,1,-1", "1,1,1"), "`gas_gwei` must be from zero"),
        ("ts,price,basefee_wei", ("0,1,1e30", "1,1,1"), "`basefee_wei` must be from zero"),
        ("ts,price,funding_rate", ("0,1,nan", "1,1,1"), "`funding_rate` must be a finite"),
        ("ts,price", ("0,1",), "two bars"),
    ],
)
def test_a_file_that_says_too_little_is_refused(
    tmp_path: Path, header: str, rows: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_market(Files(prices=csv(tmp_path, "bad.csv", header, *rows)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_market(Files(prices=tmp_path / "nothing.csv"))


def test_gas_that_is_unknown_for_days_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, "p.csv", "ts,price", *(f"{86_400 * k},1" for k in range(9)))
    gas = csv(tmp_path, "gas.csv", "ts,gas_gwei", "0,1", f"{86_400 * 8},1")
    with pytest.raises(ConfigError, match="unknown for too long"):
        read_market(Files(prices=path, gas=gas))


def test_files_of_different_times_are_refused(bars: Path, tmp_path: Path) -> None:
    gas = csv(tmp_path, "gas.csv", "ts,gas_gwei", "999999999,1")
    with pytest.raises(ConfigError, match="no time in common"):
        read_market(Files(prices=bars, gas=gas))


def test_a_gas_file_without_gas_is_refused(bars: Path) -> None:
    with pytest.raises(ConfigError, match="gas file has no gas"):
        read_market(Files(prices=bars, gas=bars))


def test_the_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "p.csv", "ts,price", "0,1", "", "1,2", "2,-3")
    with pytest.raises(ConfigError) as refused:
        read_market(Files(prices=path))
    assert refused.value.facts["line"] == 5
    assert refused.value.facts["value"] == -3
    text = csv(tmp_path, "t.csv", "ts,price", "0,1", "1,two")
    with pytest.raises(ConfigError) as refused:
        read_market(Files(prices=text))
    assert refused.value.facts["line"] == 3


def test_a_mark_of_the_byte_order_and_empty_lines_mean_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"\xef\xbb\xbfts, price\n0,1\n\n1,2\n\n")
    assert read_market(Files(prices=path)).price.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["p.csv", "p.csv.gz"])
def test_what_is_no_text_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError):
        read_market(Files(prices=path))


def test_a_packed_file_that_was_cut_or_damaged_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"ts,price\n" + b"".join(b"%d,%d\n" % (k, k + 1) for k in range(99)))
    path = tmp_path / "p.csv.gz"
    for damaged in (packed[:-20], packed[:20] + bytes(20) + packed[40:]):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="cannot be read"):
            read_market(Files(prices=path))
