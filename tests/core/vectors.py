"""Reference values to forty digits, worked out by other means: see `tests/vectors/README.md`."""
