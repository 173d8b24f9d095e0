"""What the service counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
MENTIONS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = {"namespace": "otmel", "registry": self.registry}
        where = ("method", "route")
        self.requests = Counter("requests", "Requests by route and status.", (*where, "status"), **made)
        self.latency = Histogram("request_seconds", "Time from headers to answer.", where, buckets=SECONDS, **made)
        self.in_flight = Gauge("requests_in_flight", "Requests that are being answered.", **made)
        self.queue = Gauge("queue_mentions", "Mentions that wait to be linked.", **made)
        self.batches = Histogram("batch_mentions", "Mentions that were linked together.", buckets=MENTIONS, **made)
        self.links = Counter("links", "Mentions by what became of them.", ("outcome",), **made)
        self.bodies = Gauge("bodies_bytes", "Bytes of bodies that are held.", **made)
        self.entities = Gauge("entities", "Entities of the graph.", **made)
        self.snapshot = Gauge("snapshot_info", "The model and the snapshot that answers come from.", KEYS, **made)
        self.follows = Counter("graph_follows", "Snapshots taken over, and failures to.", ("outcome",), **made)
        self.changes = Counter("graph_changes", "Entities changed through this service.", ("operation",), **made)
        self.fetches = Counter("image_fetches", "Images fetched by their address.", ("outcome",), **made)

    def serves(self, model: str, graph: str, entities: int) -> None:
        """Say what answers come from as of now."""
        self.snapshot.clear()
        self.snapshot.labels(model, graph).set(1)
        self.entities.set(entities)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


KEYS = ("model", "graph")
