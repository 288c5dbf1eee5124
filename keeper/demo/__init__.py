"""The demonstration: a compressed day on a local chain, hedged live, and what it cost."""
