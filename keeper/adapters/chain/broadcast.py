"""One transaction to several endpoints at once: the same bytes, each in its own thread.

The first that says it has the transaction ends the wait; the others go on by themselves and end at
their deadline. A refusal does not end it: another endpoint may know better, and no text is a
verdict. Only if nobody said anything is it silence.
"""

from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Final

from keeper.adapters.chain.evm import Said
from keeper.model.errors import Refused, Uncertain

Deliver = Callable[[], Said]
"""Hands the bytes to one endpoint, or raises `Uncertain` for silence."""

_Heard = tuple[str, Said | Uncertain]
_GRACE_S: Final = 0.1
"""Each endpoint meets its own deadline; this is for the thread's way back."""


def broadcast(ways: Mapping[str, Deliver], deadline_s: float) -> str:
    """Return what was said: by the first endpoint that took it, else by all that spoke.

    Raises:
        Refused: Every one refused it in words that leave no doubt.
        Uncertain: Nobody said anything, or there is nobody.

    """
    heard: SimpleQueue[_Heard] = SimpleQueue()
    for name, deliver in ways.items():
        # Daemons, so that a hanging endpoint does not keep the process from ending.
        Thread(target=_carry, args=(name, deliver, heard), name="keeper-send", daemon=True).start()
    until = monotonic() + deadline_s + _GRACE_S
    answers: dict[str, Said] = {}
    silent: dict[str, str] = dict.fromkeys(ways, "no answer in time")
    for _ in ways:
        try:
            name, said = heard.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            break
        if isinstance(said, Uncertain):
            silent[name] = str(said.facts.get("reason", said.message))
        elif said.taken:
            return said.text
        else:
            answers[name] = said
            del silent[name]
    if answers:
        return _words(answers, silent)
    raise Uncertain(
        "nothing was heard about the transaction",
        remedy="its hash decides; the same bytes may be sent again",
        endpoints="; ".join(f"{name}: {why}" for name, why in silent.items()) or "none is left",
    )


def _words(answers: Mapping[str, Said], silent: Mapping[str, str]) -> str:
    told = "; ".join(f"{name}: {said.text}" for name, said in answers.items())
    if not silent and all(said.refused for said in answers.values()):
        raise Refused(told)
    return told


def _carry(name: str, deliver: Deliver, heard: "SimpleQueue[_Heard]") -> None:
    try:
        heard.put((name, deliver()))
    except Uncertain as silence:
        heard.put((name, silence))
