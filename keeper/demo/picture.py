"""The picture of the demo: price, net delta inside its band, and what it cost."""

from collections.abc import Sequence
from pathlib import Path

from keeper.demo.summary import Comparison, Row, Summary
from keeper.model.units import HOUR_S


def draw(
    path: Path,
    rows: Sequence[Row],
    cost_usd: Sequence[float],
    naive: Comparison,
    summary: Summary,
) -> None:
    """Write a PNG to *path*; *cost_usd* is the keeper's cumulative cost, one value a row."""
    import matplotlib as mpl  # noqa: PLC0415  # an extra, and slow to import

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  # after the backend is chosen

    hours = [(row.at_s - rows[0].at_s) / HOUR_S for row in rows]
    with plt.style.context("seaborn-v0_8-whitegrid"):
        figure, (top, middle, bottom) = plt.subplots(
            3, 1, figsize=(10, 8), sharex=True, height_ratios=(2, 3, 2), layout="constrained"
        )
        top.plot(hours, [row.price for row in rows], color="#333333", linewidth=1.2)
        top.set_ylabel("ETH, USD")
        top.set_title(
            f"{summary.risk_removed_pct:.1f} % of the vault's price risk removed with "
            f"{summary.transactions} transactions for "
            f"{summary.gas_usd + summary.fees_usd:,.0f} USD",
            loc="left",
        )
        _draw_band(middle, hours, rows)
        _draw_costs(bottom, hours, cost_usd, naive)
        bottom.set_xlabel("hours of a compressed day")
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _draw_band(axes: object, hours: Sequence[float], rows: Sequence[Row]) -> None:
    outer = [row.band_outer for row in rows]
    axes.fill_between(hours, [-b for b in outer], outer, color="#9ecae1", alpha=0.45,  # type: ignore[attr-defined]  # untyped library
                      label="no-trade band", linewidth=0)  # fmt: skip
    inner = [row.band_inner for row in rows]
    for sign in (1, -1):
        axes.plot(hours, [sign * a for a in inner], color="#3182bd", linewidth=0.6,  # type: ignore[attr-defined]  # untyped library
                  linestyle=":", label="inner target" if sign > 0 else None)  # fmt: skip
    axes.plot(hours, [row.net for row in rows], color="#d94801", linewidth=1.1, label="net delta")  # type: ignore[attr-defined]  # untyped library
    widest = max(outer)
    axes.set_ylim(-2.2 * widest, 2.2 * widest)  # type: ignore[attr-defined]  # untyped library
    axes.set_ylabel("net delta, ETH")  # type: ignore[attr-defined]  # untyped library
    axes.legend(loc="upper right", ncols=3)  # type: ignore[attr-defined]  # untyped library


def _draw_costs(
    axes: object, hours: Sequence[float], cost_usd: Sequence[float], naive: Comparison
) -> None:
    for label, values, colour in (
        ("every block", naive.every_block.cumulative_cost_usd, "#999999"),
        ("5 % threshold", naive.threshold.cumulative_cost_usd, "#756bb1"),
        ("this keeper", cost_usd, "#d94801"),
    ):
        axes.plot(hours, [max(v, 1.0) for v in values], label=label, color=colour, linewidth=1.3)  # type: ignore[attr-defined]  # untyped library
    axes.set_yscale("log")  # type: ignore[attr-defined]  # untyped library
    axes.set_ylim(bottom=50.0)  # type: ignore[attr-defined]  # untyped library
    axes.set_ylabel("cost, USD")  # type: ignore[attr-defined]  # untyped library
    axes.legend(loc="upper left", ncols=3)  # type: ignore[attr-defined]  # untyped library
