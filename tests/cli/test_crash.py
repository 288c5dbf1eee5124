import subprocess
import sys

import pytest

URL = "https://user:pass@node.example/v2/KEY?key=KEY"
RAISE = f"raise RuntimeError('no route to {URL}')"
IN_A_THREAD = f"""
from threading import Thread
def fail():
    {RAISE}
thread = Thread(target=fail)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("code", [RAISE, IN_A_THREAD], ids=["main", "thread"])
def test_x6_a_traceback_shows_no_key(code: str) -> None:
    start = "from keeper.cli.crash import keep_secrets\nkeep_secrets()\n"
    run = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, check=False
    )
    assert "Traceback" in run.stderr
    assert "no route to https://node.example" in run.stderr
    assert "KEY" not in run.stderr.replace("KeyError", "")
    assert "pass@" not in run.stderr
