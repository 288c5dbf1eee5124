"""hedge-keeper: holds a vault's exposure inside its cost-optimal no-trade band."""

__version__ = "0.1.0"
