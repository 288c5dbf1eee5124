"""What a dashboard can ask for."""

import pytest
from msgspec import structs

from keeper.adapters.sinks.prometheus import EndpointReading, Prometheus, Readings, Requests
from keeper.model.events import Decided, Event


@pytest.fixture
def told(one_of_each: tuple[Event, ...]) -> Prometheus:
    metrics = Prometheus()
    for event in one_of_each:
        metrics.tell(event)
    return metrics


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("keeper_decisions_total", {"book": "eth-lp", "kind": "hold"}, 1),
        ("keeper_gate_refusals_total", {"book": "eth-lp", "gate": "band"}, 1),
        ("keeper_price_usd", {"book": "eth-lp"}, 2_000),
        ("keeper_delta_base", {"book": "eth-lp"}, 10.5),
        ("keeper_hedge_base", {"book": "eth-lp"}, -10),
        ("keeper_net_delta_base", {"book": "eth-lp"}, 0.5),
        ("keeper_band_outer_base", {"book": "eth-lp"}, 0.8),
        ("keeper_band_inner_base", {"book": "eth-lp"}, 0.3),
        ("keeper_intents_total", {"status": "intended"}, 1),
        ("keeper_intents_total", {"status": "done"}, 1),
        ("keeper_transactions_signed_total", {}, 1),
        ("keeper_transactions_sent_total", {}, 1),
        ("keeper_gas_usd_total", {}, 0.7),
        ("keeper_fees_usd_total", {}, 1.0),
        ("keeper_filled_base_total", {}, 0.5),
        ("keeper_trouble_total", {"kind": "Transient"}, 1),
        ("keeper_adopted_nonces_total", {}, 1),
        ("keeper_last_decision_timestamp_seconds", {}, 1_790_000_003.5),
    ],
)
def test_events_become_numbers(
    told: Prometheus, name: str, labels: dict[str, str], value: float
) -> None:
    assert told.registry.get_sample_value(name, labels) == pytest.approx(value)


def test_a_gate_that_said_yes_is_not_a_refusal(told: Prometheus) -> None:
    labels = {"book": "eth-lp", "gate": "price age"}
    assert told.registry.get_sample_value("keeper_gate_refusals_total", labels) is None


def test_halted_is_a_gauge_that_follows_the_last_word(one_of_each: tuple[Event, ...]) -> None:
    metrics = Prometheus()
    metrics.starts_halted(halted=True)
    assert metrics.registry.get_sample_value("keeper_halted") == 1
    *_, halted, resumed = one_of_each
    metrics.tell(resumed)
    assert metrics.registry.get_sample_value("keeper_halted") == 0
    metrics.tell(halted)
    assert metrics.registry.get_sample_value("keeper_halted") == 1


READINGS = Readings(
    ticks=7,
    last_tick_at_ms=1_790_000_000_000,
    last_tick_s=0.02,
    misfires=1,
    leads=True,
    feed_connected=True,
    feed_reconnects=2,
    requests={"eth_call": Requests(count=9, failures=1, seconds=0.5)},
    endpoints={
        "a": EndpointReading(
            usable=True, serving=True, head=10, lag_blocks=0, latency_s=0.01, error_rate=0.25
        ),
        "b": EndpointReading(
            usable=False, serving=False, head=None, lag_blocks=None, latency_s=None, error_rate=1.0
        ),
    },
)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("keeper_ticks_total", {}, 7),
        ("keeper_tick_seconds", {}, 0.02),
        ("keeper_last_tick_timestamp_seconds", {}, 1_790_000_000),
        ("keeper_misfires_total", {}, 1),
        ("keeper_leads", {}, 1),
        ("keeper_feed_connected", {}, 1),
        ("keeper_feed_reconnects_total", {}, 2),
        ("keeper_rpc_calls_total", {"method": "eth_call"}, 9),
        ("keeper_rpc_failures_total", {"method": "eth_call"}, 1),
        ("keeper_rpc_seconds_total", {"method": "eth_call"}, 0.5),
        ("keeper_endpoint_usable", {"endpoint": "a"}, 1),
        ("keeper_endpoint_usable", {"endpoint": "b"}, 0),
        ("keeper_endpoint_serving", {"endpoint": "a"}, 1),
        ("keeper_endpoint_head", {"endpoint": "a"}, 10),
        ("keeper_endpoint_lag_blocks", {"endpoint": "a"}, 0),
        ("keeper_endpoint_latency_seconds", {"endpoint": "a"}, 0.01),
        ("keeper_endpoint_error_ratio", {"endpoint": "b"}, 1),
    ],
)
def test_the_machinery_is_read_when_the_page_is_made(
    name: str, labels: dict[str, str], value: float
) -> None:
    metrics = Prometheus()
    metrics.pull(lambda: READINGS)
    assert metrics.registry.get_sample_value(name, labels) == pytest.approx(value)


def test_what_is_not_there_is_not_shown_as_zero() -> None:
    metrics = Prometheus()
    metrics.pull(lambda: structs.replace(READINGS, feed_connected=None, last_tick_at_ms=None))
    sample = metrics.registry.get_sample_value
    assert sample("keeper_feed_reconnects_total") is None
    assert sample("keeper_last_tick_timestamp_seconds") is None
    assert sample("keeper_endpoint_head", {"endpoint": "b"}) is None
    assert sample("keeper_endpoint_lag_blocks", {"endpoint": "b"}) is None


def test_a_single_node_has_no_endpoints_to_compare() -> None:
    metrics = Prometheus()
    metrics.pull(lambda: structs.replace(READINGS, endpoints={}))
    assert b"keeper_endpoint" not in metrics.page()


def test_two_keepers_in_one_process_do_not_share_numbers(decided: Decided) -> None:
    first, second = Prometheus(), Prometheus()
    first.tell(decided)
    assert b'keeper_price_usd{book="eth-lp"} 2000.0' in first.page()
    assert b"keeper_price_usd{" not in second.page()
