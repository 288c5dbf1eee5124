"""A number without its unit is no number; a number with it is exact."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.model.quantities import KINDS, key_of, kind_of, parse, spell_units, suffix_of


@pytest.mark.parametrize(
    ("suffix", "text", "value"),
    [
        ("_s", "30 s", 30),
        ("_s", "5 min", 300),
        ("_s", "1 h", 3_600),
        ("_s", "7 d", 604_800),
        ("_s", "500 ms", Fraction(1, 2)),
        ("_ms", "500 ms", 500),
        ("_ms", "1.5 s", 1_500),
        ("_wei", "25 gwei", 25 * 10**9),
        ("_wei", "0.000000001 gwei", 1),
        ("_wei", "100 wei", 100),
        ("_usd", "1_000_000 USD", 10**6),
        ("_fraction", "50 bps", Fraction(1, 200)),
        ("_fraction", "0.5 %", Fraction(1, 200)),
        ("_base", "12.5 ETH", Fraction(25, 2)),
        ("_per_usd", "1e-5 /USD", Fraction(1, 10**5)),
        ("_x", "5 x", 5),
        ("_s", "  30s ", 30),
        ("_s", "-2E+1 s", -20),
    ],
)
def test_a_value_means_exactly_what_it_says(suffix: str, text: str, value: Fraction) -> None:
    assert parse(text, kind_of(suffix, "ETH")) == value


@pytest.mark.parametrize("text", ["25", " 1e9 ", "-3", "0.5"])
def test_a_bare_number_has_no_meaning(text: str) -> None:
    with pytest.raises(ValueError, match="without unit"):
        parse(text, KINDS["_s"])


@pytest.mark.parametrize(
    "text",
    ["", "s", "five s", "inf s", "nan s", ".5 s", "1,000 s", "1 000 s", "1__0 s", "1. s", "٣ s",
     "--1 s", "1\n2 s", "True", "[1]"],
)  # fmt: skip
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        parse(text, KINDS["_s"])


@pytest.mark.parametrize(
    ("suffix", "text", "hint"),
    [
        ("_wei", "25 Gwei", "did you mean gwei"),
        ("_wei", "25 s", "not known here$"),
        ("_s", "5 mins", "did you mean min"),
        ("_s", "5 m", "not known here"),
        ("_usd", "5 usd", "did you mean USD"),
        ("_base", "1 BTC", "not known here"),
        ("_fraction", "1 bp", "did you mean bps"),
        ("_x", "3 times", "not known here"),
    ],
)
def test_an_unknown_unit_is_refused_with_the_nearest(suffix: str, text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        parse(text, kind_of(suffix, "ETH"))


@pytest.mark.parametrize(
    ("field", "key", "suffix"),
    [
        ("cooldown_s", "cooldown", "_s"),
        ("risk_aversion_per_usd", "risk_aversion", "_per_usd"),
        ("daily_gas_budget_usd", "daily_gas_budget", "_usd"),
        ("timeout_ms", "timeout", "_ms"),
        ("max_leverage_x", "max_leverage", "_x"),
        ("confirmations", "confirmations", None),
        ("every_blocks", "every_blocks", None),
        ("address", "address", None),
        ("_s", "_s", None),
    ],
)
def test_a_key_is_the_fields_name_without_its_unit(
    field: str, key: str, suffix: str | None
) -> None:
    assert key_of(field) == key
    assert suffix_of(field) == suffix


def test_an_amount_of_the_asset_needs_to_know_which() -> None:
    with pytest.raises(ValueError, match="symbol"):
        kind_of("_base", None)


@pytest.mark.parametrize("suffix", KINDS)
def test_the_example_of_every_kind_can_be_read(suffix: str) -> None:
    kind = kind_of(suffix, "ETH")
    assert 0 < parse(kind.example, kind) <= kind.most
    assert kind.example in spell_units(kind)
    assert all(unit in spell_units(kind) for unit in kind.units)


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_survives_its_text(value: float) -> None:
    assert float(parse(f"{value!r} USD", KINDS["_usd"])) == value
