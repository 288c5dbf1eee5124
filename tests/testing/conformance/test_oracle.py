"""What the oracle suite knows beyond what every reader must do."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from keeper.adapters.abi import function
from keeper.model.chain import Address, Watch
from keeper.model.market import Quote
from keeper.ports.reading import Read
from keeper.testing.conformance.oracle import OracleConformance
from keeper.testing.replay import Recording

ASK = function("erc20", "totalSupply")(Address("0x" + "0" * 40))
GOOD = Quote(source="s", price=1.0, updated_at_s=1, max_age_s=60)


class Told:
    """Says what it is told to."""

    def __init__(self, quote: Quote) -> None:
        self._quote = quote

    def read(self) -> Read[Quote]:
        yield (ASK,)
        return self._quote

    def watch(self) -> tuple[Watch, ...]:
        return ()


def make(quote: Quote) -> Callable[[], Told]:
    return lambda: Told(quote)


RECORDING: Recording = {ASK: (1,)}


def test_a_quote_with_sense_passes() -> None:
    OracleConformance().check_sane(GOOD)
    OracleConformance().test_staleness_is_visible(make(GOOD), RECORDING)


@pytest.mark.parametrize("quote", [replace(GOOD, price=0.0), replace(GOOD, updated_at_s=0)])
def test_a_quote_without_sense_is_caught(quote: Quote) -> None:
    with pytest.raises(AssertionError):
        OracleConformance().check_sane(quote)


@pytest.mark.parametrize("quote", [replace(GOOD, max_age_s=0), replace(GOOD, source="")])
def test_a_quote_that_cannot_go_stale_is_caught(quote: Quote) -> None:
    with pytest.raises(AssertionError):
        OracleConformance().test_staleness_is_visible(make(quote), RECORDING)
