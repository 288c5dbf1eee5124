"""Markets from recorded files: prices, funding and gas, joined without looking ahead.

A file is CSV, plain or gzip, with a header and the column `ts`, unix seconds UTC, never falling.

    close                  bars, `ts` is when a bar opens: its close is known one step later
    price                  prices as they were published: known at `ts`
    funding_rate           fraction of notional that longs pay at `ts`
    gas_gwei, base_fee_gwei, basefee_wei    fee per gas from `ts` on

One file may have several of them. At each price, gas is what was last known by then; funding is
the sum of what is paid until the next price.
"""

import csv
import gzip
import zlib
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from keeper.core.arrays import Bits, Floats, Ints
from keeper.model.errors import ConfigError
from keeper.model.units import DAY_S, GWEI, HOUR_S
from keeper.sim.market import Market

PRICE_COLUMNS: Final = ("close", "price")
GAS_COLUMNS: Final = {"gas_gwei": GWEI, "base_fee_gwei": GWEI, "basefee_wei": 1}
FUNDING_COLUMN: Final = "funding_rate"
SENSE: Final = {
    "ts": "are unix seconds",
    **dict.fromkeys(PRICE_COLUMNS, "must be a number above zero"),
    FUNDING_COLUMN: "must be a finite number",
    **dict.fromkeys(GAS_COLUMNS, "must be from zero to a million gwei"),
}
"""What the columns that are known can be."""
LAST_S: Final = 60_000_000_000
"""Of the year 3871; what is beyond is milliseconds."""
MOST_WEI: Final = 10**6 * GWEI
GAS_AGE_S: Final = 2 * DAY_S
"""Gas older than this is unknown."""


class Files(Struct, frozen=True, kw_only=True):
    """What to read. Funding and gas may stand in the price file, or be left out."""

    prices: Path
    funding: Path | None = None
    gas: Path | None = None
    gas_shift_s: int = 0
    """Added to the times of the gas file: lets gas of one time stand in for that of another."""
    flat_gas_gwei: float = 10.0
    """Where no file says."""


class _Table(Struct, frozen=True, eq=False):
    path: Path
    ts: Ints
    columns: dict[str, Floats]
    lines: Sequence[int]
    """Where in the file each row is."""

    def holds(self, names: Sequence[str]) -> str | None:
        return next((name for name in names if name in self.columns), None)


def read_market(files: Files) -> Market:
    """Return the market that *files* recorded, cut to the time in which all of it is known.

    The asset itself is taken to pay for gas.

    Raises:
        ConfigError: A file cannot be read, a column or a number is missing, or gas is unknown for
            more than two days.

    """
    prices = _read(files.prices)
    at_s, price = _prices(prices)
    gas = _part(files.gas, prices, tuple(GAS_COLUMNS), "gas")
    if gas is not None and files.gas is not None:
        gas = replace(gas, ts=gas.ts + files.gas_shift_s)
    funding = _part(files.funding, prices, (FUNDING_COLUMN,), "funding")
    keep = np.ones(len(at_s), dtype=bool)
    for part, lasts_s in ((gas, GAS_AGE_S), (funding, _step_s(funding))):
        if part is not None:
            keep &= (at_s >= part.ts[0]) & (at_s <= part.ts[-1] + lasts_s)
    if not keep.any():
        raise ConfigError(
            "the files have no time in common",
            prices=files.prices,
            first_s=int(at_s[0]),
            last_s=int(at_s[-1]),
            remedy="name files of one time; --gas-shift moves that of gas",
        )
    at_s, price = at_s[keep], price[keep]
    flat = np.full(len(at_s), round(files.flat_gas_gwei * GWEI), dtype=np.int64)
    return Market(
        name=files.prices.name.partition(".")[0],
        at_s=at_s,
        price=price,
        base_fee_wei=flat if gas is None else _as_of(at_s, gas),
        funding=np.zeros(len(at_s)) if funding is None else _paid(at_s, funding),
        native_price=price,
    )


def _prices(table: _Table) -> tuple[Ints, Floats]:
    name = table.holds(PRICE_COLUMNS)
    if name is None:
        raise ConfigError(
            "the price file has no price",
            file=table.path,
            remedy="it needs a column `price`, or `close` if its rows are bars",
        )
    if name == "close":
        # Bars of one opening time would have no length, and be known before they close.
        same = np.diff(table.ts, prepend=table.ts[0] - 1) == 0
        _refuse(same, table.path, table.lines, "two bars open at the same time", table.ts)
        return table.ts + _step_s(table), table.columns[name]
    # Of several prices within one second the last one is known when it is over.
    last = np.diff(table.ts, append=table.ts[-1] + 1) > 0
    return table.ts[last], table.columns[name][last]


def _part(path: Path | None, prices: _Table, names: tuple[str, ...], what: str) -> _Table | None:
    if path is None:
        return prices if prices.holds(names) else None
    table = _read(path)
    if table.holds(names) is None:
        raise ConfigError(
            f"the {what} file has no {what}",
            file=path,
            remedy=f"it needs a column {' or '.join(names)}",
        )
    return table


def _as_of(at_s: Ints, gas: _Table) -> Ints:
    """Return the last fee known at each time."""
    name = gas.holds(tuple(GAS_COLUMNS)) or ""
    last = np.searchsorted(gas.ts, at_s, side="right") - 1
    age = at_s - gas.ts[last]
    if (age > GAS_AGE_S).any():
        raise ConfigError(
            "gas is unknown for too long",
            file=gas.path,
            at_s=int(at_s[age.argmax()]),
            hours=float(age.max()) / HOUR_S,
            remedy="name a file without such a gap, or one fee",
        )
    fees: Ints = np.round(gas.columns[name][last] * GAS_COLUMNS[name]).astype(np.int64)
    return fees


def _paid(at_s: Ints, funding: _Table) -> Floats:
    """Return what is paid after each time, up to and including the next one."""
    until = np.concatenate(([0.0], np.cumsum(funding.columns[FUNDING_COLUMN])))
    total = until[np.searchsorted(funding.ts, at_s, side="right")]
    return np.append(np.diff(total), 0.0)


def _step_s(table: _Table | None) -> int:
    return int(np.diff(table.ts).min()) if table is not None and len(table.ts) > 1 else 0


def _read(path: Path) -> _Table:
    names, rows, lines = _rows(path)
    if "ts" not in names or not rows:
        raise ConfigError(
            "the file has no times",
            file=path,
            remedy="it needs a header with `ts`, unix seconds, and rows under it",
        )
    columns = dict(zip(names, np.array(rows).T, strict=True))
    for name, values in columns.items():
        _refuse(_nonsense(name, values), path, lines, f"`{name}` {SENSE[name]}", values)
    ts = columns.pop("ts").astype(np.int64)
    back = np.diff(ts, prepend=ts[0]) < 0
    _refuse(back, path, lines, "times must not go back from row to row", ts)
    return _Table(path, ts, columns, lines)


def _rows(path: Path) -> tuple[list[str], list[list[float]], list[int]]:
    """Return the columns that are known, their numbers row by row, and the line of each row."""
    opened = gzip.open if path.suffix == ".gz" else open
    rows: list[list[float]] = []
    lines: list[int] = []
    try:
        # Spreadsheets put a mark of the byte order before the header.
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            read = csv.reader(file)
            header = [name.strip() for name in next(read, [])]
            names = [name for name in dict.fromkeys(header) if name in SENSE]
            places = [header.index(name) for name in names]
            for row in filter(None, read):
                lines.append(read.line_num)
                rows.append([float(row[place]) for place in places])
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError("the file cannot be read", file=path, reason=reason) from error
    except (ValueError, IndexError, csv.Error) as error:
        line = lines[-1] if lines else 1
        raise ConfigError("the file is not a CSV of numbers", file=path, line=line) from error
    return names, rows, lines


def _nonsense(name: str, values: Floats) -> Bits:
    """Return where *values* are none that the column can have."""
    match name:
        case "ts":
            return ~(np.abs(values) <= LAST_S)
        case "close" | "price":
            return ~((values > 0) & (values < inf))
        case "funding_rate":
            return ~np.isfinite(values)
        case _:
            return ~((values >= 0) & (values * GAS_COLUMNS[name] <= MOST_WEI))


def _refuse(
    wrong: Bits, path: Path, lines: Sequence[int], words: str, values: Floats | Ints
) -> None:
    """Name the first row where *wrong* is true."""
    if wrong.any():
        first = int(wrong.argmax())
        raise ConfigError(words, file=path, line=lines[first], value=values[first].item())
