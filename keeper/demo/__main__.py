"""`python -m keeper.demo`."""

from keeper.demo.command import demo

if __name__ == "__main__":
    demo()
