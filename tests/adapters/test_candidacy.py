import os
from socket import gethostname

from keeper import __version__
from keeper.adapters.candidacy import candidate


def test_a_process_names_itself_once_and_never_again() -> None:
    one, other = candidate("abc"), candidate("abc")
    assert one.holder != other.holder
    assert one.holder.startswith(f"{gethostname()}:{os.getpid()}:")
    assert (one.version, one.config_hash) == (__version__, "abc")
