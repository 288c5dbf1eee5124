from pathlib import Path

import pytest

from benchmarks.figures import disk, machine, p50_ms, spread


def test_quantiles_lie_between_their_neighbours() -> None:
    found = spread([4_000_000, 1_000_000, 2_000_000, 3_000_000])
    assert (found.p50, found.p90, found.samples) == (2.5, 3.7, 4)
    assert p50_ms([7_000_000]) == 7.0


def test_the_spread_of_nothing_is_a_mistake() -> None:
    with pytest.raises(IndexError):
        spread([])


def test_the_journals_disk_is_named_and_timed(tmp_path: Path) -> None:
    found = disk(tmp_path)
    assert found.filesystem
    assert found.fsync_p50_ms >= 0
    assert list(tmp_path.iterdir()) == []


def test_the_machine_is_described_without_its_name() -> None:
    found = machine("anvil/v1.7.1")
    assert found.cpus >= 1
    assert (found.node, found.web3[:2]) == ("anvil/v1.7.1", "8.")
