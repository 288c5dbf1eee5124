"""One file per kind of venue."""
