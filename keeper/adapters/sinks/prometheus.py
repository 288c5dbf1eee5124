"""Events as Prometheus metrics. Every name is explained in docs/reference/metrics.md."""

from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from msgspec import Struct
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from keeper.model.events import (
    Adopted,
    CodeSeen,
    Decided,
    Event,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import Outcome, Reasoning
from keeper.model.units import MS_PER_S


class Requests(Struct, frozen=True):
    """What one method of the node has cost so far."""

    count: int
    failures: int
    seconds: float
    """From question to answer."""


class EndpointReading(Struct, frozen=True):
    """One of several nodes."""

    usable: bool
    serving: bool
    head: int | None
    lag_blocks: int | None
    latency_s: float | None
    error_rate: float


class Readings(Struct, frozen=True, kw_only=True):
    """Numbers that are not events: they are looked up when somebody asks."""

    ticks: int
    last_tick_at_ms: int | None
    last_tick_s: float
    misfires: int
    leads: bool
    feed_connected: bool | None
    """None without a feed."""
    feed_reconnects: int
    requests: Mapping[str, Requests]
    endpoints: Mapping[str, EndpointReading] = {}
    """By name without credentials; empty with a single node."""


class Prometheus:
    """A sink that counts, and the page that shows it."""

    def __init__(self) -> None:
        # A second series for each counter, saying when it was born, is of no use to anybody here.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it ships without types
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._books = _BookGauges(self.registry)
        self._trades = _TradeCounters(self.registry)
        self._machinery = _Machinery(self.registry)

    def tell(self, event: Event) -> None:
        match event:
            case Decided():
                self._books.decided(event)
                self._machinery.last_decision.set(event.at_ms / MS_PER_S)
            case Intended() | Signed() | Sent() | Settled():
                self._trades.tell(event)
            case Adopted() | Halted() | Resumed() | Troubled():
                self._machinery.tell(event)
            case CodeSeen() | Unseen() | Placed() | Progressed():
                pass
            case never:
                assert_never(never)

    def starts_halted(self, *, halted: bool) -> None:
        """Set the gauge from the journal, before the first event."""
        self._machinery.halted.set(int(halted))

    def pull(self, read: Callable[[], Readings]) -> None:
        """Have *read* called for each page."""
        self.registry.register(_Pulled(read))

    def page(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _BookGauges:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter(
            "keeper_decisions", "Decisions by kind.", ("book", "kind"), registry=registry
        )
        self.refusals = Counter(
            "keeper_gate_refusals", "Gates that said no.", ("book", "gate"), registry=registry
        )
        self.price = _gauge("keeper_price_usd", "Oracle price of the asset.", registry)
        self.delta = _gauge(
            "keeper_delta_base", "What the vaults hold, before the hedge.", registry
        )
        self.hedge = _gauge(
            "keeper_hedge_base", "What the venue holds; negative is short.", registry
        )
        self.net = _gauge("keeper_net_delta_base", "Hedge ratio times delta, plus hedge.", registry)
        self.outer = _gauge("keeper_band_outer_base", "Edge beyond which a trade pays.", registry)
        self.inner = _gauge("keeper_band_inner_base", "Where a trade goes.", registry)

    def decided(self, event: Decided) -> None:
        kind = type(event.decision).__name__.lower()
        self.decisions.labels(event.book, kind).inc()
        if (why := event.decision.why) is not None:
            self._measure(event.book, why)

    def _measure(self, book: str, why: Reasoning) -> None:
        self.price.labels(book).set(why.exposure.price)
        self.delta.labels(book).set(why.exposure.delta)
        self.hedge.labels(book).set(why.hedge)
        self.net.labels(book).set(why.net)
        self.outer.labels(book).set(why.band.outer)
        self.inner.labels(book).set(why.band.inner)
        for gate in why.gates:
            if not gate.ok:
                self.refusals.labels(book, gate.name).inc()


class _TradeCounters:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.intents = Counter(
            "keeper_intents", "Intents by what became of them.", ("status",), registry=registry
        )
        self.signed = Counter("keeper_transactions_signed", "Attempts signed.", registry=registry)
        self.sent = Counter(
            "keeper_transactions_sent", "Broadcasts, repeats too.", registry=registry
        )
        self.gas_usd = Counter("keeper_gas_usd", "Gas of settled intents.", registry=registry)
        self.fees_usd = Counter("keeper_fees_usd", "Venue fees of fills.", registry=registry)
        self.filled = Counter("keeper_filled_base", "Size of fills, unsigned.", registry=registry)

    def tell(self, event: Intended | Signed | Sent | Settled) -> None:
        match event:
            case Intended():
                self.intents.labels("intended").inc()
            case Signed():
                self.signed.inc()
            case Sent():
                self.sent.inc()
            case Settled(outcome=outcome):
                self._settled(outcome)
            case never:
                assert_never(never)

    def _settled(self, outcome: Outcome) -> None:
        self.intents.labels(outcome.status).inc()
        # A counter only grows; a rebate or a wrong sign must not take a sink down.
        self.gas_usd.inc(max(outcome.gas_usd, 0.0))
        if outcome.fill is not None:
            self.fees_usd.inc(max(outcome.fill.fee_usd, 0.0))
            self.filled.inc(abs(outcome.fill.units))


class _Machinery:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.last_decision = Gauge(
            "keeper_last_decision_timestamp_seconds", "Last decision.", registry=registry
        )
        self.halted = Gauge("keeper_halted", "1 while trading is stopped.", registry=registry)
        self.trouble = Counter(
            "keeper_trouble", "Ticks that ended in an error.", ("kind",), registry=registry
        )
        self.adoptions = Counter(
            "keeper_adopted_nonces", "Nonces found used by hand.", registry=registry
        )

    def tell(self, event: Adopted | Halted | Resumed | Troubled) -> None:
        match event:
            case Adopted():
                self.adoptions.inc()
            case Halted():
                self.halted.set(1)
            case Resumed():
                self.halted.set(0)
            case Troubled(kind=kind):
                self.trouble.labels(kind).inc()
            case never:
                assert_never(never)


def _gauge(name: str, words: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, words, ("book",), registry=registry)


class _Pulled(Collector):
    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        now = self._read()
        yield CounterMetricFamily("keeper_ticks", "Ticks that ended well.", value=now.ticks)
        yield GaugeMetricFamily("keeper_tick_seconds", "Time of the last.", value=now.last_tick_s)
        if now.last_tick_at_ms is not None:
            yield GaugeMetricFamily(
                "keeper_last_tick_timestamp_seconds",
                "End of the last.",
                value=now.last_tick_at_ms / MS_PER_S,
            )
        yield CounterMetricFamily("keeper_misfires", "Timers that came late.", value=now.misfires)
        yield GaugeMetricFamily(
            "keeper_leads", "1 while it leads, 0 while it stands by.", value=now.leads
        )
        if now.feed_connected is not None:
            yield GaugeMetricFamily(
                "keeper_feed_connected", "1 while it listens.", value=now.feed_connected
            )
            yield CounterMetricFamily(
                "keeper_feed_reconnects", "Lost connections.", value=now.feed_reconnects
            )
        yield from _requests(now.requests)
        yield from _endpoints(now.endpoints)


def _requests(requests: Mapping[str, Requests]) -> Iterator[Metric]:
    count = CounterMetricFamily("keeper_rpc_calls", "Requests.", labels=["method"])
    failures = CounterMetricFamily("keeper_rpc_failures", "Failed ones.", labels=["method"])
    seconds = CounterMetricFamily("keeper_rpc_seconds", "Time of all.", labels=["method"])
    for method, cost in requests.items():
        count.add_metric([method], cost.count)
        failures.add_metric([method], cost.failures)
        seconds.add_metric([method], cost.seconds)
    yield from (count, failures, seconds)


def _endpoints(endpoints: Mapping[str, EndpointReading]) -> Iterator[Metric]:
    gauges: tuple[tuple[str, str, Callable[[EndpointReading], float | None]], ...] = (
        ("keeper_endpoint_usable", "1 if it may be read.", lambda one: one.usable),
        ("keeper_endpoint_serving", "1 for the one that is read.", lambda one: one.serving),
        ("keeper_endpoint_head", "Its newest block.", lambda one: one.head),
        ("keeper_endpoint_lag_blocks", "Behind the highest.", lambda one: one.lag_blocks),
        ("keeper_endpoint_latency_seconds", "Running mean.", lambda one: one.latency_s),
        ("keeper_endpoint_error_ratio", "Running mean.", lambda one: one.error_rate),
    )
    for name, words, read in gauges:
        gauge = GaugeMetricFamily(name, words, labels=["endpoint"])
        for endpoint, one in endpoints.items():
            if (value := read(one)) is not None:
                gauge.add_metric([endpoint], value)
        if endpoints:
            yield gauge
