"""What the keeper refuses on the real chain: a clear error each, an exit code, no transaction."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from tests.anvil.conftest import Office, Running

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]

NOBODY = "0x000000000000000000000000000000000000dEaD"
REVERTS = "0x60006000fd"
"""The shortest contract that reverts without a reason."""
ANSWER = 2_000 * 10**8


def assert_refused(office: Office, code: int, *words: str, flags: tuple[str, ...] = ()) -> None:
    """A tick says all of *words*, ends with *code*, and sends nothing."""
    done = office.command("tick", *flags)
    assert done.code == code, done.said
    for word in words:
        assert word in done.said
    office.assert_nothing_was_sent()


# ---------------------------------------------------------------------- the configuration


def test_a_file_that_is_not_toml_is_refused_with_its_line(office: Office) -> None:
    office.change(("[signer]", "[signer"))
    assert_refused(office, 2, "the configuration is not TOML", "line 9")


def test_f1_an_unknown_key_is_refused_with_the_nearest_name(office: Office) -> None:
    office.change(("max_gas_price", "max_gas_prize"))
    assert_refused(office, 2, "unknown key", "max_gas_prize", "did you mean max_gas_price?")


@pytest.mark.parametrize(
    "limit",
    [
        'min_trade = "0.05 ETH"',
        'cooldown = "1 h"',
        'max_order = "300 ETH"',
        'max_position = "400 ETH"',
        'max_leverage = "3 x"',
        'max_gas_price = "400 gwei"',
        'daily_gas_budget = "2000 USD"',
        'max_price_age = "1 h"',
        'max_block_age = "30 d"',
        'max_deviation = "3 %"',
        'max_slippage = "2 %"',
    ],
)
def test_f3_a_missing_limit_is_refused_by_its_name(office: Office, limit: str) -> None:
    office.change((f"{limit}\n", ""))
    name = limit.partition(" ")[0]
    assert_refused(office, 2, f"missing key: {name}", "books[0].limits", "no default on purpose")


def test_a_limit_of_zero_is_refused(office: Office) -> None:
    office.change(('max_order = "300 ETH"', 'max_order = "0 ETH"'))
    assert_refused(office, 2, "it must be above zero", "zero never means unlimited")


@pytest.mark.parametrize("value", ['"300"', "300"])
def test_a_value_without_a_unit_is_refused(office: Office, value: str) -> None:
    office.change(('max_order = "300 ETH"', f"max_order = {value}"))
    assert_refused(office, 2, "value without unit", "max_order", 'as in "12.5 ETH"')


def test_a_missing_key_is_refused_and_the_place_for_it_named(office: Office) -> None:
    office.set_key("")
    assert_refused(office, 2, "the private key is missing", "KEEPER_PRIVATE_KEY=0x…", ".env")


# ---------------------------------------------------------------------- the node


def test_e5_another_chain_than_the_configured_one_is_refused(office: Office) -> None:
    office.change(("chain_id = 31337", "chain_id = 1337"))
    assert_refused(office, 2, "the node serves another chain", "31337", "correct the node's")


def test_a_node_that_is_down_is_said_to_be_down(office: Office) -> None:
    office.change((office.door.url, "http://127.0.0.1:1"))
    assert_refused(office, 3, "the node gave no usable answer", "Connection refused", "check the")


def test_r7_an_answer_with_the_wrong_id_is_not_used(office: Office) -> None:
    office.door.falsify = lambda _question, answer: answer | {"id": answer["id"] + 1}
    assert_refused(office, 3, "the node gave no usable answer", "an answer with the wrong id")


def test_r7_an_answer_with_the_wrong_id_in_the_middle_of_a_tick_is_not_used(office: Office) -> None:
    def falsify(_question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        late = office.door.asked.count("eth_call") > 3
        return answer | {"id": answer["id"] - 1} if late else answer

    office.door.falsify = falsify
    assert_refused(office, 3, "an answer with the wrong id")
    assert "eth_call" in office.door.asked


# ---------------------------------------------------------------------- addresses without code


def vault(world: World) -> tuple[str, str]:
    return f'type = "erc4626"\naddress = "{world.vault}"', f'type = "erc4626"\naddress = "{NOBODY}"'


def feed(world: World) -> tuple[str, str]:
    head = '[books.oracle]\ntype = "chainlink"\nfeed = '
    return f'{head}"{world.feed}"', f'{head}"{NOBODY}"'


def native_feed(world: World) -> tuple[str, str]:
    head = '[native_price]\ntype = "chainlink"\nfeed = '
    return f'{head}"{world.feed}"', f'{head}"{NOBODY}"'


def ranges(world: World) -> tuple[str, str]:
    return world.uniswap.position_manager, NOBODY


@pytest.mark.parametrize("place", [vault, feed, native_feed, ranges])
def test_f4_an_address_without_code_is_refused(
    office: Office, place: Callable[[World], tuple[str, str]]
) -> None:
    office.change(place(office.world))
    assert_refused(office, 3, f"no code or empty answer at {NOBODY}", "check the address")


def test_f4_a_venue_without_code_is_refused(office: Office) -> None:
    office.change((office.world.perp.clearing_house, NOBODY))
    assert_refused(office, 3, "not a Perp v2 market", NOBODY, "check clearing_house")


def test_a_market_that_the_venue_does_not_have_is_refused(office: Office) -> None:
    office.change((office.world.perp.base_token, NOBODY))
    assert_refused(office, 3, "not a Perp v2 market", "knows no pool for this base token")


def test_a_chain_without_multicall_is_refused(office: Office) -> None:
    office.change((office.world.multicall3, NOBODY))
    assert_refused(office, 3, "there is no Multicall3 on this chain", NOBODY, "configure the")


# ---------------------------------------------------------------------- the feed


def stale(world: World) -> dict[str, int]:
    return {"answer": ANSWER, "updated_at_s": world.chain.block().timestamp_s - 3_600}


def future(world: World) -> dict[str, int]:
    return {"answer": ANSWER, "updated_at_s": world.chain.block().timestamp_s + 600}


def zero(_world: World) -> dict[str, int]:
    return {"answer": 0}


def negative(_world: World) -> dict[str, int]:
    return {"answer": -ANSWER}


BAD_ROUNDS = [
    pytest.param(stale, "the price is stale", id="stale"),
    pytest.param(zero, "the answer is not positive", id="zero"),
    pytest.param(negative, "the answer is not positive", id="negative"),
    pytest.param(future, "the price is from the future", id="future"),
]
Round = Callable[[World], dict[str, int]]


@pytest.mark.parametrize(("bad", "words"), BAD_ROUNDS)
def test_a_bad_round_of_the_feed_is_no_price(office: Office, bad: Round, words: str) -> None:
    actions.set_feed(office.world, **bad(office.world))
    assert_refused(office, 3, words, office.world.feed)


@pytest.mark.parametrize(("bad", "words"), BAD_ROUNDS)
def test_a_keeper_waits_through_a_bad_round_and_hedges_at_the_next_good_one(
    office: Office, run: Run, bad: Round, words: str
) -> None:
    actions.set_feed(office.world, **bad(office.world))
    running = run(office)
    running.until(running.decided)
    office.world.chain.mine(3)
    head = office.world.chain.block().number
    assert office.effects() == []
    office.assert_nothing_was_sent()
    assert words in getattr(running.decided()[-1].decision, "reason", "")
    actions.report_price(office.world, 2_000.0)
    running.until_sent()
    assert office.world.chain.block().number == head + 1
    running.until_quiet()
    assert running.beside.halted() is None


def test_o1_a_person_is_not_told_that_it_is_done_when_the_price_is_stale(office: Office) -> None:
    actions.set_feed(office.world, **stale(office.world))
    done = office.command("rebalance", "--timeout", "0.3")
    assert done.code != 0
    assert "rebalance: done" not in done.said
    office.assert_nothing_was_sent()


# ---------------------------------------------------------------------- contracts and accounts


def test_a1_a_vault_whose_read_reverts_is_not_an_empty_vault(office: Office) -> None:
    office.world.chain.rpc.call("anvil_setCode", office.world.vault, REVERTS)
    assert_refused(office, 3, "the call reverted", office.world.vault)


def test_a1_a_vault_that_begins_to_revert_does_not_lead_to_a_trade(
    office: Office, run: Run
) -> None:
    running = run(office)
    running.until_quiet()
    hedge, sends, ticks = office.hedge(), office.door.sends, running.keeper.loop.pulse.ticks
    running.rest()
    office.world.chain.rpc.call("anvil_setCode", office.world.vault, REVERTS)
    office.world.chain.mine(3)
    running.until(lambda: running.keeper.loop.pulse.ticks > ticks)
    running.until(lambda: running.decided()[-1].decision.why is None)
    assert "reverted" in getattr(running.decided()[-1].decision, "reason", "")
    assert (office.hedge(), office.door.sends) == (hedge, sends)


def test_too_little_margin_is_refused_with_both_numbers(office: Office) -> None:
    world = office.world
    most = encode("withdraw(address,uint256)", world.usdc, 499_000 * 10**6)
    world.chain.execute(Tx(office.account, world.perp.vault, most))
    office._nonce += 1
    office.change(('max_leverage = "3 x"', 'max_leverage = "500 x"'))
    assert_refused(
        office, 0, "✗ margin", "1,000.00 USD (initial margin against free collateral)",
        "HOLD: refused: margin", flags=("--adopt",),
    )  # fmt: skip


def test_a_venue_that_refuses_the_trade_says_why_in_the_simulation(office: Office) -> None:
    world = office.world
    base = f'base_token = "{world.perp.base_token}"'
    office.change((base, f'{base}\ntrader = "{world.accounts.liquidator.address}"'))
    assert_refused(office, 4, "the simulation reverts", "the trader must approve this signer")


def test_g7_an_account_that_cannot_pay_for_gas_signs_nothing(office: Office) -> None:
    office.world.chain.fund(office.account, 0)
    done = office.command("tick")
    assert done.code == 0
    assert "refused: gas runway" in done.said
    office.assert_nothing_was_sent()


# ---------------------------------------------------------------------- the journal


def test_s7_a_journal_of_a_newer_keeper_is_refused(office: Office) -> None:
    assert office.command("tick").code == 0
    office.world.chain.mine()
    sends, nonce = office.door.sends, office.nonce()
    with closing(sqlite3.connect(office.folder / "keeper.db")) as file:
        file.execute("PRAGMA user_version = 99")
    for words in (("tick",), ("run",), ("status",), ("halt",), ("rebalance",)):
        done = office.command(*words)
        assert done.code == 2, done.said
        assert "the journal was written by a newer keeper" in done.said
        assert "update the keeper" in done.said
    assert (office.door.sends, office.nonce("pending")) == (sends, nonce)


def test_a_journal_of_another_chain_is_refused(office: Office) -> None:
    assert office.command("tick").code == 0
    sends = office.door.sends
    office.change(("chain_id = 31337", "chain_id = 1337"))
    done = office.command("tick")
    assert (done.code, office.door.sends) == (2, sends)
    assert "the journal belongs to another chain" in done.said


def test_nobody_acts_by_hand_beside_a_keeper_that_leads(office: Office) -> None:
    with office.process("run") as first:
        first.await_line("leading")
        second = office.command("tick")
        assert second.code == 2, second.said
        assert "another keeper acts on this journal" in second.said
        assert str(first.pid) in second.said
        sends = office.door.sends
        first.stop()
    assert sends <= 1
    # The kernel drops the lock with its process: the next one may act.
    assert office.command("tick").code == 0
