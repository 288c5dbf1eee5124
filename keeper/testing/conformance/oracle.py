"""What every `Oracle` adapter must do, whoever reports the price."""

from collections.abc import Callable

from keeper.model.errors import BadData
from keeper.model.market import Quote
from keeper.testing.conformance.reading import Readable, ReadingConformance, read
from keeper.testing.replay import Recording, Replay


class OracleConformance(ReadingConformance[Quote]):
    """Subclass and provide `make`, `recording` and `expected`."""

    def check_sane(self, value: Quote) -> None:
        assert value.price > 0
        assert value.updated_at_s > 0

    def test_staleness_is_visible(
        self, make: Callable[[], Readable[Quote]], recording: Recording
    ) -> None:
        quote = read(Replay(recording), make())
        assert not isinstance(quote, BadData)
        assert quote.max_age_s > 0
        assert quote.source
