"""For the shop's people and their machines: health, bundles, traffic, comparisons, figures."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from modaloom import __version__
from modaloom.api.middleware.errors import Refused
from modaloom.api.schemas.answers import BundlesOut, CatalogueHealthOut, ComparisonsOut, MetricsOut, StateOut
from modaloom.api.schemas.asks import BundleIn, Id, TrafficIn
from modaloom.api.schemas.shapes import Json
from modaloom.api.service import AdminCaller, Service, StrictRoute, TheService, caller_of, dumps
from modaloom.errors import StoreError

router = APIRouter(tags=["admin"], route_class=StrictRoute)
BUNDLES: dict[int | str, dict[str, Any]] = {200: {"model": BundlesOut}}


@router.get("/health", responses={200: {"model": StateOut}})
async def health() -> Response:
    """Whether the process lives."""
    return _state("ok", 200)


@router.get("/ready", responses={200: {"model": StateOut}, 503: {"model": StateOut}})
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
    content = dumps({"status": status, "version": __version__})
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


@router.get("/v1/admin/metrics", responses={200: {"model": MetricsOut}})
async def snapshot(service: TheService, caller: AdminCaller) -> Response:
    """Rates, latencies and memory of about the last minute, all workers together."""
    return await service.json(lambda: {**service.metrics.snapshot(), "exposures_waiting": service.exposures.waiting})


@router.get("/v1/admin/health", responses={200: {"model": CatalogueHealthOut}})
async def catalogue_health(service: TheService, caller: AdminCaller) -> Response:
    """The catalogue as it is served."""
    return await service.json(lambda: asdict(service.live.health()))


@router.get("/v1/admin/bundles", responses=BUNDLES)
async def bundles(service: TheService, caller: AdminCaller) -> Response:
    """The bundles that are loaded, and their share of the shoppers."""
    return await service.json(_bundles, service)


@router.post("/v1/admin/bundles", responses=BUNDLES)
async def add_bundle(service: TheService, caller: AdminCaller, body: BundleIn) -> Response:
    """Loads a bundle beside those that answer; it gets no shoppers before the traffic says so."""

    def work() -> Json:
        service.live.add_bundle(Path(body.folder))
        return _bundles(service)

    return await service.json_in(service.ingest_pool, work)


@router.delete("/v1/admin/bundles/{name:path}", responses=BUNDLES)
async def remove_bundle(service: TheService, caller: AdminCaller, name: Id) -> Response:
    """Takes a bundle out that has no share of the shoppers, in every process; its folder stays on disk."""

    def work() -> Json:
        service.live.remove_bundle(name)
        return _bundles(service)

    return await service.json_in(service.ingest_pool, work)


@router.put("/v1/admin/traffic", responses=BUNDLES)
async def put_traffic(service: TheService, caller: AdminCaller, body: TrafficIn) -> Response:
    """Splits the shoppers between bundles."""

    def work() -> Json:
        service.live.set_traffic(body.shares)
        return _bundles(service)

    return await service.json(work)


def _bundles(service: Service) -> Json:
    return {"bundles": service.live.bundles(), "traffic": service.live.traffic}


@router.get("/v1/admin/comparison", responses={200: {"model": ComparisonsOut}})
async def comparison(
    service: TheService, caller: AdminCaller, against: Id, days: Annotated[int, Query(ge=1, le=366)] = 28
) -> Response:
    """Every bundle against one: share of shown items that were acted on, with the 95 % interval of the difference."""

    def work() -> Json:
        service.exposures.flush()
        return {"comparison": [asdict(one) for one in service.live.compare(against, days=days)]}

    return await service.json_in(service.ingest_pool, work)
