"""Settings of the service: arguments before the environment (``MODALOOM_SERVE_...``) before the defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from modaloom.config import Folder
from modaloom.errors import SettingsError
from modaloom.shop.requests import MAX_N

Key = Annotated[SecretStr, Field(min_length=16, max_length=200)]
Rate = Annotated[float, Field(gt=0, le=1_000_000)]
Burst = Annotated[int, Field(ge=1, le=1_000_000)]


class ServeSettings(BaseSettings):
    """Everything about the service that is not about what it recommends. Unknown fields are refused."""

    model_config = SettingsConfigDict(
        env_prefix="MODALOOM_SERVE_",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1

    shop_name: str = "Modaloom"
    language: Literal["zh", "en"] = "en"
    """Of everybody who has not chosen one."""
    currency: str = "€"
    page_size: Annotated[int, Field(ge=1, le=MAX_N)] = 24
    demo_shoppers: dict[str, str] = Field(default_factory=dict)
    """Shoppers whose place a visitor of the page may take, with their labels, by user id. Never on a real shop."""
    demo_report: Folder | None = None
    """Where a demonstration's report is being made: its progress and its pages stand below ``/demo``."""

    page_keys: tuple[Key, ...] = ()
    shop_keys: tuple[Key, ...] = ()
    admin_keys: tuple[Key, ...] = ()
    """Keys by scope; where none is given, one is made at the first start and kept in the store (as a hash)."""
    shopper_days: Annotated[int, Field(ge=1, le=3_650)] = 365
    """How long a shopper's token is good."""
    secure_cookies: bool | None = None
    """Whether the cookie is for https only; by default it is when it was asked for over https."""
    cors_origins: tuple[str, ...] = ()
    """Other sites whose pages may call the service, such as ``https://shop.example``."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    """Addresses whose ``X-Forwarded-For`` is believed."""

    shopper_per_s: Rate = 20
    shopper_burst: Burst = 100
    """Requests of one shopper. All rates hold for each worker by itself."""
    address_per_s: Rate = 100
    address_burst: Burst = 600
    """Requests of one address without a shop's key, pictures included."""
    newcomers_per_s: Rate = 0.2
    newcomers_burst: Burst = 20
    """New anonymous shoppers, and wrong keys, of one address."""
    key_per_s: Rate | None = None
    key_burst: Burst = 2_000
    """Requests with one shop or admin key; no limit unless it is set."""

    max_body_mb: Annotated[float, Field(gt=0, le=256)] = 8
    """Of a body of JSON with a shop or admin key."""
    max_page_body_kb: Annotated[float, Field(gt=0, le=65_536)] = 128
    """Of a body of JSON with the page's key, which everybody has."""
    max_members: Annotated[int, Field(ge=100, le=10_000_000)] = 300_000
    """Values in one body of JSON, counted before it is parsed."""
    max_page_members: Annotated[int, Field(ge=100, le=10_000_000)] = 20_000
    max_picture_mb: Annotated[float, Field(gt=0, le=100)] = 10
    max_picture_pixels: Annotated[int, Field(ge=1, le=200_000_000)] = 40_000_000
    """Of a picture that is sent in; checked before it is decoded."""
    max_bodies_mb: Annotated[float, Field(gt=0, le=65_536)] = 256
    """Of all bodies with a shop or admin key that one worker holds at a time. Bytes count once they have come."""
    max_page_bodies_mb: Annotated[float, Field(gt=0, le=65_536)] = 128
    """The same of bodies with the page's key, so that these never take the place of the shop's own."""
    address_bodies_mb: Annotated[float, Field(gt=0, le=65_536)] = 32
    """What one address may hold of that."""
    min_body_kb_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = 1
    """A body that comes more slowly is given up, once the grace is over."""
    body_grace_s: Annotated[float, Field(gt=0, le=600)] = 5
    max_header_kb: Annotated[int, Field(ge=1, le=1_024)] = 16
    """Of all header lines of a request."""
    max_headers: Annotated[int, Field(ge=10, le=10_000)] = 100
    header_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10
    """From a connection's or a request's first byte to the end of its headers."""
    max_connections: Annotated[int, Field(ge=8, le=100_000)] = 800
    """Of one worker; the one that was idle longest makes room for a new one."""
    address_connections: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Of one address, but for the trusted proxies, through which all come."""
    request_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30
    shutdown_timeout_s: Annotated[int, Field(ge=1, le=600)] = 20

    threads: Annotated[int, Field(ge=1, le=64)] = 4
    """Answers that one worker computes at once, but for lists for shoppers."""
    list_threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Lists for shoppers that one worker computes at once: on one bundle they take turns anyway, and several threads
    only fight for the interpreter. More of them pay where the store is a server far away."""
    waiting: Annotated[int, Field(ge=0, le=100_000)] = 256
    """Requests that may wait for a thread; more are told to come again."""
    ingest_threads: Annotated[int, Field(ge=1, le=16)] = 2
    ingest_waiting: Annotated[int, Field(ge=0, le=10_000)] = 16
    address_decoding_per_s: Rate = 20
    address_decoding_burst: Burst = 400
    """Work of decoding the photos of one address with the page's key, in millions of pixels times scans."""
    picture_threads: Annotated[int, Field(ge=1, le=16)] = 2
    """Pictures that one worker decodes at once, the shop's own and shoppers' photos each; each may take some 200 MB for
    a moment."""
    picture_waiting: Annotated[int, Field(ge=0, le=10_000)] = 64

    media_dir: Folder = Path("modaloom-media")
    """Where pictures that were sent in are kept, re-encoded."""
    picture_cache_dir: Folder | None = None
    """Where resized copies are kept; by default under the cache folder. Safe to delete."""
    picture_cache_mb: Annotated[int, Field(ge=1)] = 2_000

    exposures_waiting: Annotated[int, Field(ge=1)] = 200_000
    """Shown items that may wait to be written; more are dropped and counted."""
    exposures_flush_s: Annotated[float, Field(gt=0, le=60)] = 0.5

    keep_days: dict[Literal["events", "searches", "showings"], Annotated[int, Field(ge=1, le=36_500)]] = Field(
        default_factory=dict
    )
    """Days after which records go, by kind, looked after once a day; what is not named stays until it is erased."""

    trends_every_h: Annotated[float, Field(ge=0, le=8_784)] = 24
    """How often the trend board is made anew, once the log is long enough for one; 0 for only when asked."""

    gzip: bool = False
    """Whether JSON is compressed here; a proxy in front does it without costing answers."""
    log_requests: bool = True


def load_serve_settings(**overrides: object) -> ServeSettings:
    """Reads the settings of the service.

    Raises:
        SettingsError: names every field that is unknown or wrong, not just the first.
    """
    try:
        return ServeSettings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(faults, where="settings of the service", hint="See docs/api.md") from error
