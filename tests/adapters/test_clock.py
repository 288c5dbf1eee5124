"""The machine's clocks."""

from keeper.adapters.clock import SystemClock


def test_wall_time_is_unix_milliseconds() -> None:
    assert 1_700_000_000_000 < SystemClock().now_ms() < 5_000_000_000_000


def test_monotonic_time_does_not_go_back() -> None:
    clock = SystemClock()
    times = [clock.monotonic_ms() for _ in range(1_000)]
    assert times == sorted(times)
