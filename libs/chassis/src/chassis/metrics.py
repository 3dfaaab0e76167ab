"""Every metric of the shared plumbing, declared once, in one registry per process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one process. `registry` also takes a service's own."""

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.service = Gauge("service_info", "Which service this process is.", ("service",), registry=self.registry)
        self.service.labels(service).set(1)
        topic = ("topic",)
        consumed = "comeback_messages_"
        self.consumed = self._counter(f"{consumed}consumed", "Records read.", topic)
        self.handled = self._counter(f"{consumed}handled", "Messages handled.", (*topic, "type"))
        self.duplicates = self._counter(f"{consumed}duplicate", "Messages handled before, skipped.", topic)
        self.unknown = self._counter(f"{consumed}unknown", "Messages of unknown type, skipped.", topic)
        self.dead_lettered = self._counter(f"{consumed}dead_lettered", "Records kept aside.", (*topic, "reason"))
        self.retried = self._counter(f"{consumed}retried", "Attempts that failed and were tried again.", topic)
        self.handling = Histogram(
            "comeback_handler_seconds",
            "From the start of a message's transaction to its commit.",
            topic,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.lag = self._gauge("comeback_consumer_lag", "Records behind the end, by partition.", (*topic, "partition"))
        self.published = self._counter("comeback_published", "Records acknowledged by Kafka.", topic)
        self.publishing = Histogram(
            "comeback_publish_seconds",
            "From handing a record to the client until Kafka's acknowledgement.",
            topic,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.outbox_waiting = self._gauge("comeback_outbox_waiting", "Rows not yet published (counted to 10000).")
        self.outbox_oldest = self._gauge("comeback_outbox_oldest_seconds", "Age of the oldest row not yet published.")
        self.outbox_leading = self._gauge("comeback_outbox_leading", "1 where this process publishes the outbox.")
        self.timers_fired = self._counter("comeback_timers_fired", "Timers whose handler committed.", ("name",))
        self.timers_failed = self._counter("comeback_timers_failed", "Timers whose handler failed.", ("name",))
        self.timers_late = Histogram(
            "comeback_timer_late_seconds",
            "From a timer's due time until its handler started.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.timers_due = self._gauge("comeback_timers_due", "Timers that are due and not yet handled.")

    def _counter(self, name: str, about: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)
