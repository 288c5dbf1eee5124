"""The reference values in `tests/vectors`, in the shapes that tests want them in."""

import csv
from pathlib import Path

import numpy as np

from keeper.core.arrays import Floats

FOLDER = Path(__file__).parents[1] / "vectors"


def texts(name: str) -> list[dict[str, str]]:
    """Return the rows as they are written."""
    with (FOLDER / name).open() as lines:
        return list(csv.DictReader(lines))


def rows(name: str) -> list[dict[str, float]]:
    """Return the rows as numbers, by column."""
    return [{column: float(word) for column, word in row.items()} for row in texts(name)]


def columns(name: str) -> dict[str, Floats]:
    """Return the columns, by name."""
    found = rows(name)
    return {column: np.array([row[column] for row in found]) for column in found[0]}


def quantities(name: str) -> dict[str, float]:
    """Return the column `value`, by the column `quantity`."""
    return {row["quantity"]: float(row["value"]) for row in texts(name)}


def matrix(name: str) -> Floats:
    """Return all numbers, without the names of their columns."""
    return np.loadtxt(FOLDER / name, delimiter=",", skiprows=1)
