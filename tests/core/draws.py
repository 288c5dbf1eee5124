"""Numbers that laws of the core are tried on."""

from hypothesis import strategies as st


def powers(low: int, high: int) -> st.SearchStrategy[float]:
    """Draw from 10^low to 10^high, every decade alike."""
    return st.floats(low, high).map(lambda exponent: float(10.0**exponent))
