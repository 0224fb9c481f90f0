"""Reads a picture out of a request, in memory only: no byte that a stranger sent touches a disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends
from PIL import Image
from pydantic import BaseModel
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from modaloom.api.middleware.bodies import MB
from modaloom.api.middleware.errors import Refused
from modaloom.api.pictures.accept import accept_picture
from modaloom.api.schemas.queries import checked
from modaloom.api.service import Caller, Service, caller_of, service_of

T = TypeVar("T", bound=BaseModel)
MAX_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent."""

    file: bytes
    fields: list[tuple[str, str]]

    def checked(self, shape: type[T]) -> T:
        """The fields beside the picture.

        Raises:
            RequestValidationError: names every faulty field.
        """
        return checked(shape, self.fields)


def picture_form(fields: type[BaseModel] | None = None, *, raw: bool = False) -> dict[str, Any]:
    """How a form with a picture is told in ``/openapi.json``."""
    properties: dict[str, Any] = {"file": {"type": "string", "format": "binary"}}
    if fields is not None:
        properties |= fields.model_json_schema()["properties"]
    content: dict[str, Any] = {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": properties,
                "required": ["file"],
                "additionalProperties": False,
            }
        }
    }
    if raw:
        content |= {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in ("jpeg", "png")}
    return {"requestBody": {"required": True, "content": content}}


async def read_form(request: Request) -> Form:
    """A form with one picture called ``file``, or a body that is the picture.

    Raises:
        Refused: 415 for another kind of body, 400 for a broken form, 422 for one without a picture.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return Form(await request.body(), [])
    if kind != "multipart/form-data":
        raise Refused(415, "not_a_form", "send multipart/form-data with a file, or the picture itself")
    body = await request.body()
    service, caller = service_of(request), caller_of(request)
    pool = service.page_body_pool if caller.scope == "page" else service.body_pool
    return await pool.run(_parsed, request.headers, body)


PictureForm = Annotated[Form, Depends(read_form)]


def _parsed(headers: Headers, body: bytes) -> Form:
    """The form, read in one go: the parser is plain Python, and megabytes take it a while."""

    async def parts() -> AsyncIterator[bytes]:
        yield body

    parser = MultiPartParser(headers, cast("AsyncGenerator[bytes, None]", parts()), max_files=1, max_fields=MAX_FIELDS)
    parser.spool_max_size = 1024 * MB  # never onto a disk: the size of the body is bounded already
    return asyncio.run(_checked(parser))


async def _checked(parser: MultiPartParser) -> Form:
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeError, KeyError, ValueError) as error:
        raise Refused(400, "bad_form", "the form cannot be read", hint="Send multipart/form-data") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Refused(422, "no_picture", "file: the form has no picture of this name", hint="Call it 'file'")
        if len(form.getlist("file")) > 1:
            raise Refused(422, "invalid", "file: given more than once")
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        return Form(await file.read(), fields)
    finally:
        await form.close()


def decoded(service: Service, caller: Caller, data: bytes) -> Image.Image:
    """The picture, once it was found to be one and nothing else. With the page's key its cost counts by address.

    Raises:
        Refused: see :func:`~modaloom.api.pictures.accept.accept_picture`; 429 for too much work of one address.
    """
    settings = service.settings

    def spend(megapixels: float) -> None:
        if caller.scope == "page":
            service.decoding.spend(caller.address, "too many large photos from this address", megapixels)

    return accept_picture(
        data,
        max_bytes=int(settings.max_picture_mb * MB),
        max_pixels=settings.max_picture_pixels,
        spend=spend,
    )
