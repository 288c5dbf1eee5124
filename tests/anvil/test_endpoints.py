"""Two nodes, of which one dies or lies: hedged all the same, or nothing risked."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from keeper.devnet import actions
from keeper.testing.relay import Relay
from tests.anvil.conftest import TOKEN_VARIABLE, FrontDoor, Office, Running
from tests.anvil.test_faults import host_and_port

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]


def two(office: Office, other: str, more: str = "") -> None:
    first = f'"{office.door.url}/v2/${{{TOKEN_VARIABLE}}}"'
    office.change((f"rpc = {first}", f'rpc = [{first}, "{other}"]{more}'))


@pytest.fixture
def liar(office: Office) -> Iterator[FrontDoor]:
    """A second door to the same node, which lies about every number once it is told to."""
    door = FrontDoor(office.world.http_url)
    yield door
    door.close()


def lie(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Say that the price is a little higher."""
    if question["method"] == "eth_call" and "result" in answer:
        honest, higher = (f"{round(price * 10**8):x}" for price in (2_000.0, 2_000.001))
        answer["result"] = answer["result"].replace(honest, higher)
    return answer


def test_r1_a_dead_endpoint_of_two_costs_no_hedge(office: Office, run: Run) -> None:
    with Relay(host_and_port(office.world.http_url)) as relay:
        two(office, f"http://127.0.0.1:{relay.port}")
        running = run(office)
        running.until_quiet()
        for change, price in ((relay.cut, 1_900.0), (relay.mend, 2_000.0)):
            before = office.effects()
            running.rest()
            change()
            actions.move_price(office.world, price)
            running.keeper.mailbox.post("test")
            running.until_hedged(effects=len(before) + 1)
            assert len(running.troubles) <= 1, "the decision that was under way, at most"
        running.assert_hedged()
        assert running.beside.halted() is None


def test_r17_two_dead_endpoints_are_one_outage_and_hedged_behind_afterwards(
    office: Office, run: Run
) -> None:
    with Relay(host_and_port(office.world.http_url)) as relay:
        path = f"/v2/${{{TOKEN_VARIABLE}}}"
        places = (f'"http://{host}:{relay.port}"' for host in ("127.0.0.1", "localhost"))
        office.change((f'"{office.door.url}{path}"', f"[{', '.join(places)}]"))
        running = run(office)
        running.until_quiet()
        before = office.effects()
        running.rest()
        relay.cut()
        actions.move_price(office.world, 1_900.0)
        running.until(lambda: running.keeper.loop.pulse.troubles >= 3)
        assert [trouble.kind for trouble in running.troubles] == ["Transient"]
        relay.mend()
        running.until_hedged(effects=len(before) + 1)
        running.assert_hedged()


def test_r18_nothing_is_risked_while_one_of_two_lies(
    office: Office, liar: FrontDoor, run: Run
) -> None:
    two(office, liar.url, "\nquorum = 2")
    liar.falsify = lie
    running = run(office)
    running.until(lambda: running.troubles)
    assert "do not confirm" in running.troubles[0].message
    office.assert_nothing_was_sent()
    liar.falsify = lambda _question, answer: answer
    running.keeper.mailbox.post("test")
    running.until_quiet()
    running.assert_hedged()
