"""What every `Vault` adapter must do, whatever protocol it speaks."""

from keeper.model.position import Concentrated, VaultState
from keeper.testing.conformance.reading import ReadingConformance


class VaultConformance(ReadingConformance[VaultState]):
    """Subclass and provide `make`, `recording` and `expected`."""

    def check_sane(self, value: VaultState) -> None:
        for leg in value.legs:
            if isinstance(leg, Concentrated):
                assert leg.base != leg.quote
                assert leg.liquidity > 0
                assert 0 < leg.price_lower < leg.price_upper
        assert all(mark > 0 for mark in value.marks.values())
