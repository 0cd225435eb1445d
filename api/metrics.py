"""Prometheus metrics: this API's own, and the pipeline's counters as its newest tick told them."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.live import Hub

_NAME = re.compile(r"[^a-z0-9_]+")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The registry of one application."""

    def __init__(self, hub: Hub) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cityvitals_api_requests", "Requests answered", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "cityvitals_api_request_seconds",
            "Time to the first byte of an answer",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("cityvitals_api_streams", "Open live streams", ["transport"], registry=self.registry)
        self.events = Counter(
            "cityvitals_api_events", "Events sent on live streams", ["transport", "event"], registry=self.registry
        )
        self.registry.register(_PipelineCollector(hub))

    def render(self) -> bytes:
        return generate_latest(self.registry)


class _PipelineCollector(Collector):
    """Reads the hub when metrics are asked for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[GaugeMetricFamily]:
        tick = self._hub.snapshot.tick
        own = {"number": tick.number, "age_seconds": self._hub.age, "silent": self._hub.snapshot.silent}
        for name, value in own.items():
            yield GaugeMetricFamily(f"cityvitals_tick_{name}", "The newest tick of the pipeline", float(value))
        yield from pipeline_families(tick.pipeline)


def pipeline_families(counters: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    """One family per number in the tick message; a number inside an object gets the object's key as its label."""
    for key, value in counters.items():
        name = f"cityvitals_pipeline_{metric_name(key)}"
        if isinstance(value, Mapping):
            family = GaugeMetricFamily(name, "As the pipeline's newest tick says", labels=["of"])
            for label, inner in value.items():
                if isinstance(inner, int | float):
                    family.add_metric([str(label)], float(inner))
            yield family
        elif isinstance(value, int | float):
            yield GaugeMetricFamily(name, "As the pipeline's newest tick says", float(value))


def metric_name(key: str) -> str:
    """``queueDepth`` -> ``queue_depth``; whatever Prometheus does not take becomes ``_``."""
    return _NAME.sub("_", re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower())


class Measured:
    """Counts and times requests by the template of their route, so that ids in paths make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = route_name(scope)
                self._metrics.requests.labels(scope["method"], route, message["status"]).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, counted)


def route_name(scope: Scope) -> str:
    """The template of the route a request met, with the prefix that an included router's routes do not know of."""
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "unmatched"
    prefix = "/v1" if scope["path"].startswith("/v1/") and not path.startswith("/v1/") else ""
    return f"{prefix}{path}"
