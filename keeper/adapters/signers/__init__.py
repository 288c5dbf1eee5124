"""One file per way to hold a key."""
