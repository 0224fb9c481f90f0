"""One shape for every error: ``{"error": {"code", "message", "hint", "request_id"}}``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from modaloom.api.middleware.logs import record_of
from modaloom.api.schemas.answers import Error, ErrorAnswer, Fault
from modaloom.errors import (
    BundleError,
    EncoderError,
    ModaloomError,
    NotFoundError,
    PictureError,
    QueryError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)

CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
TOLD: tuple[tuple[type[ModaloomError], int, str], ...] = (
    (NotFoundError, 404, "not_found"),
    (PictureError, 422, "bad_picture"),
    (QueryError, 422, "bad_query"),
    (BundleError, 422, "bad_bundle"),
)
"""Errors whose words are for whoever asked; the first kind that fits decides."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
MAX_FAULTS = 50
"""Faulty fields that are named; a body of a thousand items may have many more."""


class Refused(HTTPException):
    """A request that is answered with an error. Starlette lets this one through wherever a body is being read."""

    def __init__(self, status: int, code: str, message: str, *, hint: str | None = None, retry_after_s: float = 0):
        headers = {"Retry-After": str(max(1, round(retry_after_s)))} if retry_after_s else None
        super().__init__(status, message, headers)
        self.code = code
        self.hint = hint


def error_response(scope: Scope, refused: Refused, fields: Sequence[Fault] = ()) -> Response:
    """The error as JSON; the log line gets its code."""
    record = record_of(scope)
    record.code = refused.code
    error = Error(refused.code, refused.detail, refused.hint, record.request_id, tuple(fields) or None)
    headers = {**(refused.headers or {}), "Cache-Control": "no-store"}
    content = asdict(ErrorAnswer(error))
    if not fields:
        del content["error"]["fields"]
    return Response(orjson.dumps(content), refused.status_code, headers, "application/json")


def refusal_of(error: Exception) -> Refused:
    """How an error that Modaloom raised on purpose is told. Where it happened is nobody's business outside."""
    if not isinstance(error, ModaloomError):
        return Refused(500, "internal", "something went wrong on our side", hint="Tell us the request_id")
    for kind, status, code in TOLD:
        if isinstance(error, kind):
            return Refused(status, code, _printable(error.what), hint=error.hint and _printable(error.hint))
    if isinstance(error, StoreBusyError):
        return Refused(503, "busy", "the store is too busy", hint="Send the same request again", retry_after_s=1)
    if isinstance(error, StoreFullError):
        hint = "Send it again when the shop has made room"
        return Refused(503, "store_full", "the store's disk is full, nothing was kept", hint=hint, retry_after_s=30)
    if isinstance(error, StoreError):
        hint = "Send it again later; the service's log has the request_id"
        return Refused(503, "store_failed", "the store cannot be used", hint=hint, retry_after_s=30)
    if isinstance(error, EncoderError):
        hint = "Whoever runs the shop finds in the service's log what is missing"
        return Refused(503, "no_encoder", "what was sent cannot be read here", hint=hint)
    return Refused(500, "internal", "something went wrong on our side", hint="Tell us the request_id")


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def faults_of(error: RequestValidationError) -> list[Fault]:
    """Every faulty field and what is wrong with it; never the value, which may be personal."""
    faults = []
    for fault in error.errors()[:MAX_FAULTS]:
        place = [str(part) for part in fault["loc"]]
        field = ".".join(place[1:] if len(place) > 1 else place)
        faults.append(Fault(_printable(field)[:200], str(fault["msg"])))
    return faults


def allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """The methods that a path answers to."""
    found = []
    for method in METHODS:
        asked = {**scope, "method": method}
        if any(route.matches(asked)[0] is Match.FULL for route in app.router.routes):
            found.append(method)
    return [*found, *(["HEAD"] if "GET" in found else []), *(["OPTIONS"] if found else [])]


def install(app: FastAPI) -> None:
    """Makes the app tell every error in the one shape."""

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, Refused):
            return error_response(request.scope, error)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(allowed_methods(app, request.scope))
            if request.method == "OPTIONS":
                return Response(None, 204, headers)
        told = Refused(error.status_code, CODES.get(error.status_code, "refused"), str(error.detail))
        told.headers = headers
        return error_response(request.scope, told)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if any(fault["type"] == "json_invalid" for fault in error.errors()):
            return error_response(request.scope, Refused(400, "bad_json", "the body is not valid JSON"))
        fields = faults_of(error)
        message = "; ".join(f"{fault.field}: {fault.message}" for fault in fields)
        refused = Refused(422, "invalid", message, hint="See /openapi.json for every field")
        return error_response(request.scope, refused, fields)

    async def on_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, ModaloomError)
        if error.alarming:
            record_of(request.scope).failure = error
        return error_response(request.scope, refusal_of(error))

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(ModaloomError, on_ours)
