"""What the server counts, in the Prometheus text format. One registry per server: two servers in one process never mix."""

from __future__ import annotations

from collections.abc import Callable

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Meter:
    """Counters and histograms. `queue` gives the number of items waiting, `in_flight` that of requests in work."""

    def __init__(self, *, queue: Callable[[], int], in_flight: Callable[[], int], up: Callable[[], bool]) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "bakeoff_requests", "HTTP requests by route and status; status 499 is a client that hung up.", ["route", "status"], registry=registry
        )  # fmt: skip
        self.request_seconds = Histogram(
            "bakeoff_request_seconds", "From the head of a request to the end of its answer.", ["route"], buckets=LATENCIES,
            registry=registry,
        )  # fmt: skip
        self.items = Counter(
            "bakeoff_items", "Items that the approach was asked and answered, errors among them.", registry=registry
        )
        self.item_errors = Counter("bakeoff_item_errors", "Items whose answer is an error.", registry=registry)
        self.batch_items = Histogram("bakeoff_batch_items", "Items computed together.", buckets=BATCHES, registry=registry)
        self.model_seconds = Histogram(
            "bakeoff_model_seconds", "Time in the model, per batch or generation.", ["work"], buckets=LATENCIES, registry=registry
        )
        self.tokens_in = Counter("bakeoff_tokens_in", "Tokens read, where the model counts them.", registry=registry)
        self.tokens_out = Counter("bakeoff_tokens_out", "Tokens written, where the model counts them.", registry=registry)
        self.dropped = Counter(
            "bakeoff_dropped_requests", "Requests whose work was dropped, by reason.", ["reason"], registry=registry
        )
        Gauge("bakeoff_queue_items", "Items and generations that wait.", registry=registry).set_function(lambda: float(queue()))
        Gauge("bakeoff_in_flight_requests", "Requests being worked on.", registry=registry).set_function(
            lambda: float(in_flight())
        )
        Gauge("bakeoff_model_up", "1 while the model thread works.", registry=registry).set_function(lambda: float(up()))

    def page(self, accept: str) -> tuple[bytes, str]:
        """Everything counted, and its content type, in the format that the scraper accepts."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def tokens(self, read: int | None, written: int | None) -> None:
        """Count the tokens of one answer; None is not counted."""
        if read:
            self.tokens_in.inc(read)
        if written:
            self.tokens_out.inc(written)
