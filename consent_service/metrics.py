"""Every metric's name and labels in one place (Prometheus). Labels are closed vocabularies: never a person's data."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """One object a process, handed to whoever counts; `registry` is what `/metrics` shows."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._count_requests()
        self._count_tokens()
        self._count_ledger()
        self._count_stream()
        self._count_feed()
        self._count_propagation()

    def _count_requests(self) -> None:
        self.requests = Counter(
            "consent_requests_total",
            "Answered requests.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "consent_request_seconds",
            "Time from a request's head to its answer, in seconds.",
            ("method", "route"),
            buckets=_LATENCY_S,
            registry=self.registry,
        )

        self.limited = Counter(
            "consent_limited_total",
            "Requests that were over a limit (429).",
            ("policy",),
            registry=self.registry,
        )

    def _count_tokens(self) -> None:
        self.token_keys_age_seconds = Gauge(
            "consent_token_keys_age_seconds",
            "Time since an issuer last gave the keys of its tokens, in seconds; infinite where it has not yet.",
            ("issuer",),
            registry=self.registry,
        )
        self.token_keys_failures = Counter(
            "consent_token_keys_failures_total",
            "Attempts to fetch the keys of an issuer's tokens that failed.",
            ("issuer",),
            registry=self.registry,
        )

    def _count_ledger(self) -> None:
        self.records = Counter(
            "consent_records_total", "Records appended to the ledger.", ("command",), registry=self.registry
        )
        self.batch_rows = Histogram(
            "consent_batch_rows",
            "Submissions that committed together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.queued_rows = Gauge(
            "consent_queued_rows", "Commands that wait for the ledger's writers.", registry=self.registry
        )
        self.swept = Counter(
            "consent_swept_total",
            "What time has led to: records `expire` and `invalidate`, notices `renewal_due` and `recipient_late`.",
            ("kind",),
            registry=self.registry,
        )
        self.sweep_pending = Gauge(
            "consent_sweep_pending",
            "Records `expire` and `invalidate` that the sweeper still has to make; at most 100,000 are counted.",
            ("kind",),
            registry=self.registry,
        )

    def _count_stream(self) -> None:
        self.published = Counter(
            "consent_published_total",
            "Events that Kafka has acknowledged.",
            ("kind",),
            registry=self.registry,
        )
        self.publish_failures = Counter(
            "consent_publish_failures_total", "Batches that Kafka did not take.", registry=self.registry
        )
        self.outbox_rows = Gauge(
            "consent_outbox_rows",
            "Events that wait for Kafka; at most 100,000 are counted.",
            registry=self.registry,
        )
        self.held_back = Gauge(
            "consent_held_back_subjects",
            "Persons of whom an event cannot be read, or has no topic to go to: theirs wait.",
            registry=self.registry,
        )
        self.outbox_oldest_seconds = Gauge(
            "consent_outbox_oldest_seconds",
            "Age of the oldest event that waits for Kafka, in seconds.",
            registry=self.registry,
        )

    def _count_feed(self) -> None:
        self.feed_readers = Gauge(
            "consent_feed_readers", "Open streams of `/v1/changes`.", registry=self.registry
        )
        self.feed_events = Counter(
            "consent_feed_events_total", "Changes sent on streams of `/v1/changes`.", registry=self.registry
        )
        self.feed_cut_off = Counter(
            "consent_feed_cut_off_total",
            "Streams of `/v1/changes` that were ended because the reader was too slow.",
            ("why",),
            registry=self.registry,
        )

    def _count_propagation(self) -> None:
        self.acknowledgements = Counter(
            "consent_acknowledgements_total",
            "Words of recipients that were kept, also those that repeat one.",
            ("outcome",),
            registry=self.registry,
        )
        self.acknowledgements_refused = Counter(
            "consent_acknowledgements_refused_total",
            "Words of recipients that were not believed, or not understood.",
            ("why",),
            registry=self.registry,
        )
        self.propagation_seconds = Histogram(
            "consent_propagation_seconds",
            "Time from a record to the acknowledgement that settles it, in seconds.",
            ("controller", "recipient"),
            buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600),
            registry=self.registry,
        )
        self.propagation_oldest_pending_seconds = Gauge(
            "consent_propagation_oldest_pending_seconds",
            "Age of the oldest record that a recipient has not acknowledged, in seconds; 0 where it owes nothing.",
            ("controller", "recipient"),
            registry=self.registry,
        )
