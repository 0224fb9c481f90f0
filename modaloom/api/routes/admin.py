"""For the shop's people and their machines: health, bundles, traffic, comparisons, figures."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from modaloom import __version__
from modaloom.api.middleware.errors import Refused
from modaloom.api.schemas.answers import Bundles, Comparisons, ServiceFigures, ServiceState
from modaloom.api.schemas.asks import BundleIn, Id, TrafficIn
from modaloom.api.service import AdminCaller, StrictRoute, TheService, caller_of, dumps, in_pool
from modaloom.errors import StoreError
from modaloom.shop.requests import Health

router = APIRouter(tags=["admin"], route_class=StrictRoute)


@router.get("/health", response_model=ServiceState)
async def health() -> Response:
    """Whether the process lives."""
    return _state("ok", 200)


@router.get("/ready", response_model=ServiceState, responses={503: {"model": ServiceState}})
async def ready(service: TheService) -> Response:
    """Whether it can answer: a bundle is loaded and the store can be read."""

    def work() -> bool:
        try:
            service.store.ping()
        except StoreError:
            return False
        return bool(service.live.bundles())

    good = service.ready and await service.pool.run(work)
    return _state("ok" if good else "not ready", 200 if good else 503)


def _state(status: str, code: int) -> Response:
    content = dumps(ServiceState(status, __version__))
    return Response(content, code, {"Cache-Control": "no-store"}, "application/json")


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' own format"}},
)
async def metrics(request: Request, service: TheService) -> Response:
    """Counters and times of all workers, for Prometheus; from this machine, or with an admin key."""
    if not _from_here(request) and caller_of(request).scope != "admin":
        raise Refused(403, "forbidden", "this needs an admin key")
    return Response(await service.pool.run(service.metrics.prometheus), media_type=CONTENT_TYPE_LATEST)


def _from_here(request: Request) -> bool:
    """Whether the caller sits on this machine. Behind a proxy everybody seems to, so that a forwarded call does not."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@router.get("/v1/admin/metrics")
def snapshot(service: TheService, caller: AdminCaller) -> ServiceFigures:
    """Rates, latencies and memory of about the last minute, all workers together."""
    return service.metrics.snapshot(exposures_waiting=service.exposures.waiting)


@router.get("/v1/admin/health")
def catalogue_health(service: TheService, caller: AdminCaller) -> Health:
    """The catalogue as it is served."""
    return service.live.health()


@router.get("/v1/admin/bundles")
def bundles(service: TheService, caller: AdminCaller) -> Bundles:
    """The bundles that are loaded, and their share of the shoppers."""
    return Bundles(tuple(service.live.bundles()), service.live.traffic)


@router.post("/v1/admin/bundles")
@in_pool("ingest_pool")
def add_bundle(service: TheService, caller: AdminCaller, body: BundleIn) -> Bundles:
    """Loads a bundle beside those that answer; it gets no shoppers before the traffic says so."""
    service.live.add_bundle(Path(body.folder))
    return bundles(service, caller)


@router.delete("/v1/admin/bundles/{name:path}")
@in_pool("ingest_pool")
def remove_bundle(service: TheService, caller: AdminCaller, name: Id) -> Bundles:
    """Takes a bundle out that has no share of the shoppers, in every process; its folder stays on disk."""
    service.live.remove_bundle(name)
    return bundles(service, caller)


@router.put("/v1/admin/traffic")
def put_traffic(service: TheService, caller: AdminCaller, body: TrafficIn) -> Bundles:
    """Splits the shoppers between bundles."""
    service.live.set_traffic(body.shares)
    return bundles(service, caller)


@router.get("/v1/admin/comparison")
@in_pool("ingest_pool")
def comparison(
    service: TheService, caller: AdminCaller, against: Id, days: Annotated[int, Query(ge=1, le=366)] = 28
) -> Comparisons:
    """Every bundle against one: share of shown items that were acted on, with the 95 % interval of the difference."""
    service.exposures.flush()
    return Comparisons(tuple(service.live.compare(against, days=days)))
