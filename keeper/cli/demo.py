"""`keeper demo`: the demonstration, as a command."""

from keeper.demo.command import demo

__all__ = ["demo"]
