"""A local chain with real protocols on it, for the demo, the tests and rehearsals."""
