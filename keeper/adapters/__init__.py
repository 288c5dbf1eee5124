"""The plugs: one file per protocol, chain or service; translation only."""
