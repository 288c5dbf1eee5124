"""The same thinking on an invented world."""
