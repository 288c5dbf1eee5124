"""One file per protocol deployed on the local chain."""
