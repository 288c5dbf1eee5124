"""Option libraries of others, in an interpreter of their own; `benchmarks/pricing.py` starts it.

It needs numpy and those libraries, and nothing of ours. It names the libraries it has and their
versions, then answers each line of JSON with the seconds of one run. What a library wants prepared,
its own flags or Python lists, is prepared before the clock starts.
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from math import exp, nan, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

Columns = dict[str, Any]
"""Arrays: sign, spot, forward, strike, years, sigma, rate, carry_yield, price."""
Work = Callable[[], Any]

PER_YEAR = {"vega": 100.0, "theta": 365.0, "rho": 100.0}
"""vollib and its kin: per point of volatility or rate, and per day."""
GREEKS = ("delta", "gamma", "vega", "theta", "rho")


def fast_vollib(task: str, c: Columns) -> Work:
    """Return the work of fast-vollib's numpy backend."""
    lib = import_module("fast_vollib")
    how, flag = {"return_as": "numpy", "backend": "numpy"}, _flags(c)
    if task == "iv":
        terms = c["price"], c["forward"], c["strike"], c["rate"], c["years"], flag
        return lambda: lib.fast_implied_volatility_black(*terms, on_error="ignore", **how)
    given: tuple[Any, ...] = flag, c["spot"], c["strike"], c["years"], c["rate"], c["sigma"]
    model, price = "black_scholes", lib.fast_black_scholes
    if c["carry_yield"].any():
        model, price = "black_scholes_merton", lib.fast_black_scholes_merton
        given = (*given, c["carry_yield"])
    how_greeks = how | {"return_as": "dict", "model": model}
    return lambda: _rows(price(*given, **how), lib.get_all_greeks(*given, **how_greeks))


def py_vollib_vectorized(task: str, c: Columns) -> Work:
    """Return the work of py_vollib_vectorized, which compiles itself."""
    lib = import_module("py_vollib_vectorized")
    how, flag = {"return_as": "numpy"}, _flags(c)
    if task == "iv":
        terms = c["price"], c["forward"], c["strike"], c["rate"], c["years"], flag
        return lambda: lib.vectorized_implied_volatility_black(*terms, on_error="ignore", **how)
    given: tuple[Any, ...] = flag, c["spot"], c["strike"], c["years"], c["rate"], c["sigma"]
    model, price = "black_scholes", lib.vectorized_black_scholes
    if c["carry_yield"].any():
        model, price = "black_scholes_merton", lib.vectorized_black_scholes_merton
        given = (*given, c["carry_yield"])
    how_greeks = {"return_as": "dict", "model": model}
    return lambda: _rows(price(*given, **how), lib.get_all_greeks(*given, **how_greeks))


def quantlib(task: str, c: Columns, accuracy: float = 1e-6) -> Work:
    """Return the work of a loop over QuantLib, whose bindings take one option at a time."""
    lib = import_module("QuantLib")
    names = ("sign", "spot", "forward", "strike", "years", "sigma", "rate", "price")
    options = list(zip(*(c[name].tolist() for name in names), strict=True))

    def sigma(option: tuple[float, ...]) -> float:
        sign, _, forward, strike, years, _, rate, price = option
        try:
            deviation: float = lib.blackFormulaImpliedStdDev(
                int(sign), strike, forward, price, exp(-rate * years), 0.0, lib.nullDouble(),
                accuracy,
            )  # fmt: skip
        except RuntimeError:
            return nan
        return deviation / sqrt(years)

    def greeks(option: tuple[float, ...]) -> tuple[float, ...]:
        sign, spot, forward, strike, years, sigma, rate, _ = option
        payoff = lib.PlainVanillaPayoff(int(sign), strike)
        black = lib.BlackCalculator(payoff, forward, sigma * sqrt(years), exp(-rate * years))
        return (
            black.value(), black.delta(spot), black.gamma(spot), black.vega(years),
            black.theta(spot, years), black.rho(years),
        )  # fmt: skip

    each: Callable[[tuple[float, ...]], object] = sigma if task == "iv" else greeks
    return lambda: [each(option) for option in options]


def quantlib_1e_12(task: str, c: Columns) -> Work:
    """Return the same, with the accuracy of its implied volatility set to 1e-12."""
    return quantlib(task, c, 1e-12)


def vollib(task: str, c: Columns) -> Work:
    """Return the work of a loop over vollib, which takes one option at a time."""
    flags = _flags(c).tolist()
    if task == "iv":
        implied = import_module("vollib.black.implied_volatility").implied_volatility
        quoted = ("price", "forward", "strike", "rate", "years")
        quotes = list(zip(*(c[name].tolist() for name in quoted), flags, strict=True))
        return lambda: [implied(*quote) for quote in quotes]
    merton = import_module("vollib.black_scholes_merton")
    analytical = import_module("vollib.black_scholes_merton.greeks.analytical")
    each = [merton.black_scholes_merton, *(getattr(analytical, name) for name in GREEKS)]
    names = ("spot", "strike", "years", "rate", "sigma", "carry_yield")
    options: list[Any] = list(zip(flags, *(c[name].tolist() for name in names), strict=True))
    return lambda: [[one(*option) for one in each] for option in options]


LIBRARIES: dict[str, tuple[str, Callable[[str, Columns], Work]]] = {
    "fast_vollib": ("fast-vollib", fast_vollib),
    "py_vollib_vectorized": ("py_vollib_vectorized", py_vollib_vectorized),
    "quantlib": ("quantlib", quantlib),
    "quantlib_1e_12": ("quantlib", quantlib_1e_12),
    "vollib": ("vollib", vollib),
}
"""Name → the package that it is in, and what makes its work."""


def _flags(c: Columns) -> Any:
    import numpy as np  # noqa: PLC0415  # the peer's own

    return np.where(c["sign"] > 0.0, "c", "p")


def _rows(price: Any, greeks: Any) -> list[Any]:
    return [price, *(greeks[name] for name in GREEKS)]


def _versions() -> dict[str, str]:
    found = {}
    for name, (package, _) in LIBRARIES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _in_years(found: Any) -> Any:
    """Return price and Greeks in rows, per 1.0 of volatility or rate and per year."""
    scales = [1.0, *(PER_YEAR.get(name, 1.0) for name in GREEKS)]
    return [row * scale for row, scale in zip(found, scales, strict=True)]


def serve() -> None:
    """Answer each line of stdin with the seconds of one run, and keep its results if asked to."""
    import numpy as np  # noqa: PLC0415  # the peer's own

    def once(asked: dict[str, Any]) -> dict[str, Any]:
        with np.load(asked["columns"]) as stored:
            columns = {name: stored[name][: asked["first"]] for name in stored.files}
        name, task = asked["library"], asked["task"]
        work = LIBRARIES[name][1](task, columns)
        began = perf_counter()
        found = work()
        seconds = perf_counter() - began
        if asked["keep"]:
            rows = np.array(found, dtype=float)
            if task == "greeks":
                rows = rows if len(rows) == 1 + len(GREEKS) else rows.T
                rows = rows if name.startswith("quantlib") else _in_years(rows)
            np.save(Path(asked["keep"]), rows)
        return {"seconds": seconds}

    print(json.dumps(_versions()), flush=True)
    for line in sys.stdin:
        try:
            answer = once(json.loads(line))
        except Exception as failed:  # noqa: BLE001  # whatever another's code raises is its answer
            answer = {"error": f"{type(failed).__name__}: {failed}"[:300]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
