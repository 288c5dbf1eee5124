"""The same band in vectorbt, in an interpreter of its own; `benchmarks/backtest.py` starts it.

It needs numpy and vectorbt and nothing of ours. For each line it is sent it runs once, and answers
with one line of JSON.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any


def serve(folder: Path) -> None:
    """Answer each line of stdin with the seconds of one run and what it traded."""
    import numpy as np  # noqa: PLC0415  # the peer's own
    import vectorbt  # type: ignore[import-not-found]  # noqa: PLC0415  # a peer, not a dependency
    from numba import njit  # type: ignore[import-not-found]  # noqa: PLC0415  # comes with it
    from vectorbt.portfolio import enums, nb  # type: ignore[import-not-found]  # noqa: PLC0415  # ditto

    scene = np.load(folder / "scene.npz")

    @njit  # type: ignore[untyped-decorator]  # the peer is untyped
    def order(c: Any, bare: Any, outer: Any, inner: Any, gas: Any, fee: float) -> Any:
        net = bare[c.i] + c.position_now
        if abs(net) < outer[c.i]:
            return enums.NoOrder
        target = inner[c.i] if net > 0 else -inner[c.i]
        return nb.order_nb(
            size=target - net, price=c.close[c.i, c.col], fees=fee, fixed_fees=gas[c.i]
        )

    def once() -> dict[str, Any]:
        began = perf_counter()
        portfolio = vectorbt.Portfolio.from_order_func(
            scene["price"], order, scene["bare"], scene["outer"], scene["inner"], scene["gas_usd"],
            float(scene["fee"]), init_cash=1e12,
        )  # fmt: skip
        records = portfolio.order_records
        seconds = perf_counter() - began
        return {
            "seconds": seconds,
            "trades": len(records),
            "cost_usd": float(records["fees"].sum()),
        }

    print(json.dumps({"version": vectorbt.__version__}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(once()), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
