"""Figures for Prometheus and for people."""

from __future__ import annotations

import pytest

from modaloom.api.middleware.metrics import quantile_ms, resident_bytes
from tests.api.conftest import ADMIN, PAGE, Api, error_of


def test_prometheus_from_here_or_with_an_admin_key(api: Api) -> None:
    api.get("/v1/shop")
    error_of(api.get("/metrics", key=None), 401, "unauthorized")  # the test client is no address of this machine
    error_of(api.get("/metrics", key=PAGE), 403, "forbidden")
    text = api.get("/metrics", key=ADMIN).text
    assert 'modaloom_requests_total{method="GET",route="/v1/shop",status="200"} 1.0' in text
    assert 'modaloom_request_seconds_bucket{le="0.05",route="/v1/shop"}' in text
    api.client._transport.client = ("127.0.0.1", 5)  # type: ignore[attr-defined]
    assert api.get("/metrics", key=None).is_success
    forwarded = {"X-Forwarded-For": "8.8.8.8"}
    error_of(api.get("/metrics", key=None, headers=forwarded), 401, "unauthorized")


def test_a_snapshot_for_people(api: Api) -> None:
    for _ in range(5):
        api.get("/v1/shop")
    api.get("/v1/items/none")
    told = api.get("/v1/admin/metrics", key=ADMIN).json()
    assert told["requests"] == 6
    assert told["requests_per_s"] > 0
    assert told["errors_per_s"] == 0
    assert told["memory_mb"] > 20
    assert told["workers"] == 1
    shop = next(route for route in told["routes"] if route["route"] == "/v1/shop")
    assert 0 < shop["p50"] <= shop["p99"]


def test_quantiles_of_a_histogram() -> None:
    bounds = {0.01: 50.0, 0.02: 90.0, 0.05: 100.0, float("inf"): 100.0}
    assert quantile_ms(bounds, 0.5) == pytest.approx(10.0)
    assert quantile_ms(bounds, 0.7) == pytest.approx(15.0)
    assert quantile_ms(bounds, 0.99) == pytest.approx(47.0)
    assert quantile_ms({0.01: 0.0}, 0.5) is None
    assert quantile_ms({0.01: 0.0, float("inf"): 4.0}, 0.5) == 10.0, "beyond the last bound: at least that"


def test_memory_is_told() -> None:
    assert resident_bytes() > 10_000_000
