"""The sockets: one Protocol per thing the keeper plugs in, as small as the engine's need."""
