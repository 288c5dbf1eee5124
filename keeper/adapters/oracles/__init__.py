"""One file per kind of oracle."""
