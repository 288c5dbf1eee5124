"""The journal is fast enough to stand between a decision and its transaction."""
