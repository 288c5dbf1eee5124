"""The machine's clocks, behind the port the engine knows."""

import time

NS_PER_MS = 1_000_000


class SystemClock:
    """Wall time for records, monotonic time for time-outs."""

    def now_ms(self) -> int:
        return time.time_ns() // NS_PER_MS

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // NS_PER_MS
