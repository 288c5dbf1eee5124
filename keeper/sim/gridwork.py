"""What the dynamic programmes share: expectations on a lattice, and places between grid points."""

from typing import Final

import numpy as np

from keeper.core.arrays import Floats

REACH_SD: Final = 4.8
"""Log prices this many standard deviations from their mean are the edge of a lattice."""
KERNEL_SD: Final = 5.0
"""The sampled Gaussian ends here."""
BLOCK: Final = 8
"""Prices of one matrix product: the fewer, the less of it multiplies zeros; and so small a product
is not split over threads, which wait for each other on a busy machine."""


def kernel_matrix(nodes: int, reach: int, per_sd: int) -> Floats:
    """Return the matrix that takes values on *nodes* + 2·*reach* nodes to expectations on *nodes*.

    A Gaussian sampled *per_sd* times in a standard deviation, as far as *reach* nodes either way.
    """
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / per_sd) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((nodes, nodes + 2 * reach))
    for row in range(nodes):
        matrix[row, row : row + len(weights)] = weights
    return matrix


def first_kept(grid: Floats, wait: Floats, traded: Floats) -> Floats:
    """Return the first hedge at which waiting is no dearer than a trade, between grid points.

    One step before the grid if a trade pays nowhere.
    """
    kept = np.argmin(traded < wait, axis=1)
    rows, before = np.arange(len(kept)), np.maximum(kept - 1, 0)
    inside = wait[rows, kept] - traded[rows, kept]
    outside = wait[rows, before] - traded[rows, before]
    crosses = kept > 0
    share = outside / np.where(crosses, outside - inside, 1.0)
    first: Floats = grid[0] + (grid[1] - grid[0]) * (kept - 1 + np.where(crosses, share, 0.0))
    return first


def interpolated(grid: Floats, costs: Floats, at: Floats) -> Floats:
    """Return each row of *costs* at its own hedge, by a parabola through the nearest points.

    A hedge beyond the grid is read off at its end.
    """
    step = grid[1] - grid[0]
    at = np.clip(at, grid[0], grid[-1])
    node = np.clip(np.rint((at - grid[0]) / step).astype(np.intp), 1, len(grid) - 2)
    share = (at - grid[node]) / step
    rows = np.arange(len(costs))
    low, mid, high = (costs[rows, node + offset] for offset in (-1, 0, 1))
    value: Floats = mid + 0.5 * share * (high - low + share * (low - 2.0 * mid + high))
    return value


def lowest(grid: Floats, costs: Floats) -> Floats:
    """Return where each row of *costs* is least, between grid points by a parabola."""
    at = np.argmin(costs, axis=1)
    rows = np.arange(len(costs))
    inner = np.clip(at, 1, len(grid) - 2)
    low, mid, high = (costs[rows, inner + step] for step in (-1, 0, 1))
    bend = low - 2.0 * mid + high
    shift = np.where(bend > 0.0, 0.5 * (low - high) / np.where(bend > 0.0, bend, 1.0), 0.0)
    place: Floats = np.where(inner == at, grid[inner] + shift * (grid[1] - grid[0]), grid[at])
    return place
