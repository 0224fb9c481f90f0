"""Every error that Modaloom raises on purpose.

::

    ModaloomError
    ├── SettingsError          a setting is unknown, of the wrong kind or out of range
    ├── ShopError              a shop's files cannot be used as they are
    │   ├── ShopNotFoundError      no such folder or file
    │   ├── ColumnError            a column that shop.toml names is not in the file
    │   └── TooManyBadRowsError    more rows or pictures are broken than the limit allows
    ├── PictureError           one picture cannot be opened
    ├── EncoderError           an encoder is unknown, its weights cannot be had, or what it made cannot be kept
    │   └── MissingExtraError      an optional package is not installed
    ├── TrainingError          learning cannot start, go on or be resumed
    ├── EvaluationError        a protocol cannot be run on this shop
    ├── BundleError            a bundle cannot be written or trusted
    │   └── ChecksumError          a file of the bundle is not the one that was written
    ├── QueryError             a request for recommendations cannot be answered
    │   └── NotFoundError          what a request names does not exist
    ├── StoreError             the store cannot be opened, read or written
    │   ├── StoreBusyError         the store is too busy at this moment; the same call may be sent again
    │   └── StoreFullError         the disk of the store is full; nothing of the call was kept
    ├── ForecastError          series cannot be read or forecast
    │   └── SeriesFileError        a file of series cannot be used as it is
    └── ServeError             the service cannot be started, or a request is refused

The command line prints the message on one line and exits with 2.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class ModaloomError(Exception):
    """Base of all errors raised on purpose: says what was wrong, where, and what to do next."""

    alarming: ClassVar[bool] = True
    """Whether a service logs it: whoever runs the shop must see to it, since whoever asked cannot."""

    def __init__(self, what: str, *, where: str | Path | None = None, hint: str | None = None):
        self.what = what
        self.where = str(where) if where is not None else None
        self.hint = hint
        parts = [f"{self.where}: {what}" if self.where else what]
        if hint:
            parts.append(hint)
        super().__init__(" ".join(part if part.endswith((".", "?", "!")) else part + "." for part in parts))


class SettingsError(ModaloomError):
    """A setting is unknown, of the wrong kind or out of range."""


class ShopError(ModaloomError):
    """A shop's files cannot be used as they are."""


class ShopNotFoundError(ShopError):
    """No such folder or file."""


class ColumnError(ShopError):
    """A column that ``shop.toml`` names is not in the file."""


class TooManyBadRowsError(ShopError):
    """More rows or pictures are broken than the limit allows."""


class PictureError(ModaloomError):
    """One picture cannot be opened."""

    alarming = False


class EncoderError(ModaloomError):
    """An encoder is unknown, its weights cannot be had, or what it made cannot be kept."""


class MissingExtraError(EncoderError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            hint=f"Run: pip install 'modaloom[{extra}]'",
        )
        self.package = package
        self.extra = extra


EXTRA_OF = {
    "torch": "train", "onnx": "train", "onnxscript": "train",
    "implicit": "evaluate", "statsforecast": "trends", "optuna": "tune", "openpyxl": "xlsx",
    "fastapi": "serve", "starlette": "serve", "httptools": "serve", "httpx": "serve", "orjson": "serve",
    "prometheus_client": "serve", "multipart": "serve", "python_multipart": "serve", "uvicorn": "serve",
    "uvloop": "serve", "faiss": "serve", "psycopg": "postgres", "psycopg_pool": "postgres",
    "open_clip": "encoders", "cn_clip": "encoders", "sentence_transformers": "encoders", "sentencepiece": "encoders",
    "timm": "encoders", "transformers": "encoders",
}  # fmt: skip
"""The extra that brings a module, by the module's name; of several extras the smallest."""


class TrainingError(ModaloomError):
    """Learning cannot start, go on or be resumed."""


class EvaluationError(ModaloomError):
    """A protocol cannot be run on this shop."""


class BundleError(ModaloomError):
    """A bundle cannot be written or trusted."""

    alarming = False


class ChecksumError(BundleError):
    """A file of the bundle is not the one that was written."""


class QueryError(ModaloomError):
    """A request for recommendations cannot be answered."""

    alarming = False


class NotFoundError(QueryError):
    """What a request names does not exist."""


class StoreError(ModaloomError):
    """The store cannot be opened, read or written."""


class StoreBusyError(StoreError):
    """The store is too busy at this moment; the same call may be sent again."""

    alarming = False


class StoreFullError(StoreError):
    """The disk of the store is full; nothing of the call was kept."""


class ForecastError(ModaloomError):
    """Series cannot be read or forecast."""


class SeriesFileError(ForecastError):
    """A file of series cannot be used as it is."""


class ServeError(ModaloomError):
    """The service cannot be started, or a request is refused."""
