"""How a node is spoken to."""
