"""How a process names itself when it asks for a lease."""

import os
from secrets import token_hex
from socket import gethostname

from keeper import __version__
from keeper.model.lease import Candidate


def candidate(config_hash: str = "") -> Candidate:
    """Return this process as a candidate: its host and pid for people, and a name used once."""
    return Candidate(
        holder=f"{gethostname()}:{os.getpid()}:{token_hex(4)}",
        version=__version__,
        config_hash=config_hash,
    )
