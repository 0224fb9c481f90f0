"""What the service does, in figures: for Prometheus, and as a snapshot for people.

With several workers, each writes into files of a folder that all of them share, and whoever is asked adds them up.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.metrics_core import Metric

from modaloom.api.middleware.logs import Record
from modaloom.api.schemas.answers import Latency, RouteFigures, ServiceFigures

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SAMPLE_EVERY_S = 5.0
WINDOW_S = 60.0


@dataclass(slots=True)
class _Totals:
    """All counters at one moment."""

    at_s: float
    requests: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By route and status class."""
    buckets: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    """By route and upper bound, cumulated."""
    events: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    exposures: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    memory: dict[str, float] = field(default_factory=dict)


class Metrics:
    """Counters of one worker, and the way to read those of all."""

    def __init__(self) -> None:
        shared = FOLDER_VARIABLE in os.environ
        self._registry = CollectorRegistry()
        if shared:
            multiprocess.MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        own = None if shared else self._registry
        self._requests = Counter("modaloom_requests", "Answers.", ("method", "route", "status"), registry=own)
        self._seconds = Histogram(
            "modaloom_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS_S, registry=own
        )
        self._events = Counter("modaloom_events", "Interactions that came in.", ("result",), registry=own)
        self._exposures = Counter("modaloom_exposures", "Shown items.", ("result",), registry=own)
        self._memory = Gauge(
            "modaloom_memory_bytes", "Resident memory.", ("worker",), multiprocess_mode="livesum", registry=own
        )
        self._pid = str(os.getpid())
        self._past: deque[_Totals] = deque(maxlen=int(WINDOW_S / SAMPLE_EVERY_S) + 1)
        self.sample()

    def observe(self, method: str, route: str, record: Record) -> None:
        """Counts one answer."""
        self._requests.labels(method, route, str(record.status)).inc()
        self._seconds.labels(route).observe(time.perf_counter() - record.started_s)

    def count_events(self, added: int, repeated: int) -> None:
        """Counts what became of a batch of interactions."""
        self._events.labels("added").inc(added)
        self._events.labels("repeated").inc(repeated)

    def count_exposures(self, result: str, n: int) -> None:
        """Counts shown items: ``written`` or ``dropped``."""
        self._exposures.labels(result).inc(n)

    def prometheus(self) -> bytes:
        """The text that Prometheus reads."""
        self._memory.labels(self._pid).set(resident_bytes())
        return generate_latest(self._registry)

    def sample(self) -> None:
        """Keeps the totals of this moment; called every few seconds, so that rates can be told."""
        self._memory.labels(self._pid).set(resident_bytes())
        self._past.append(self._totals())

    def snapshot(self, *, exposures_waiting: int = 0) -> ServiceFigures:
        """Rates and latencies of about the last minute, of all workers together."""
        now = self._totals()
        then = self._past[0]
        span_s = max(now.at_s - then.at_s, 1e-3)
        requests = {key: total - then.requests.get(key, 0.0) for key, total in now.requests.items()}
        faults = sum(n for (_, status), n in requests.items() if status.startswith("5"))
        routes = []
        for route, bounds in sorted(now.buckets.items()):
            recent = _difference(bounds, then.buckets.get(route, {}))
            n = sum(count for (name, _), count in requests.items() if name == route)
            if n:
                p50, p99 = (quantile_ms(recent, share) for share in (0.5, 0.99))
                routes.append(RouteFigures(p50, p99, route=route, requests_per_s=round(n / span_s, 3)))
        everything: dict[float, float] = defaultdict(float)
        for route, bounds in now.buckets.items():
            for bound, count in _difference(bounds, then.buckets.get(route, {})).items():
                everything[bound] += count
        return ServiceFigures(
            window_s=round(span_s, 1),
            requests_per_s=round(sum(requests.values()) / span_s, 3),
            errors_per_s=round(faults / span_s, 3),
            latency_ms=Latency(quantile_ms(everything, 0.5), quantile_ms(everything, 0.99)),
            memory_mb=round(sum(now.memory.values()) / 2**20, 1),
            workers=max(1, len(now.memory)),
            requests=int(sum(now.requests.values())),
            events={key: int(n) for key, n in now.events.items()},
            events_per_s=round((now.events["added"] - then.events.get("added", 0.0)) / span_s, 3),
            exposures={key: int(n) for key, n in now.exposures.items()},
            exposures_waiting=exposures_waiting,
            routes=tuple(sorted(routes, key=lambda one: -one.requests_per_s)),
        )

    def _totals(self) -> _Totals:
        totals = _Totals(at_s=time.monotonic())
        for metric in self._registry.collect():
            _add(totals, metric)
        return totals


def _add(totals: _Totals, metric: Metric) -> None:
    for sample in metric.samples:
        labels, name = sample.labels, sample.name
        if name == "modaloom_requests_total":
            totals.requests[labels["route"], labels["status"]] += sample.value
        elif name == "modaloom_request_seconds_bucket":
            totals.buckets[labels["route"]][float(labels["le"])] += sample.value
        elif name == "modaloom_events_total":
            totals.events[labels["result"]] += sample.value
        elif name == "modaloom_exposures_total":
            totals.exposures[labels["result"]] += sample.value
        elif name == "modaloom_memory_bytes":
            totals.memory[labels.get("worker", "")] = sample.value


def _difference(now: Mapping[float, float], then: Mapping[float, float]) -> dict[float, float]:
    return {bound: count - then.get(bound, 0.0) for bound, count in now.items()}


def quantile_ms(cumulated: Mapping[float, float], share: float) -> float | None:
    """A quantile of a histogram given by upper bounds in seconds, on a straight line within its bucket."""
    bounds: Iterable[float] = sorted(cumulated)
    total = max(cumulated.values(), default=0.0)
    if total <= 0:
        return None
    below_s, below_n = 0.0, 0.0
    for bound in bounds:
        n = cumulated[bound]
        if n >= share * total:
            if bound == float("inf"):
                return round(below_s * 1_000, 2)
            part = (share * total - below_n) / max(n - below_n, 1e-12)
            return round((below_s + part * (bound - below_s)) * 1_000, 2)
        below_s, below_n = bound, n
    return round(below_s * 1_000, 2)


def forget_worker(pid: int) -> None:
    """Takes a dead worker's memory out of the figures; what it counted stays."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def resident_bytes() -> int:
    """Memory that this process holds; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
