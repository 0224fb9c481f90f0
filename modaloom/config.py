"""Settings: environment (``MODALOOM_...``) before ``modaloom.toml`` before the defaults written here."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as NotJsonError

from modaloom.errors import SettingsError


def _default_cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "modaloom"


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError("an empty path; say . for the working folder")
    return value


Folder = Annotated[Path, BeforeValidator(_not_empty)]
"""A folder that is named: an empty name would silently mean the working folder."""


class Settings(BaseSettings):
    """Everything about a run that is not about the shop itself. Unknown fields are refused."""

    model_config = SettingsConfigDict(
        env_prefix="MODALOOM_",
        env_ignore_empty=True,  # MODALOOM_CACHE_DIR= unsets it, as it does elsewhere
        toml_file="modaloom.toml",
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    cache_dir: Folder = Field(default_factory=_default_cache_dir)
    """Where vectors and exported encoders are kept, by content hash. Safe to delete."""
    encoder_dir: Folder | None = None
    """Where exported encoders are looked for before the cache: a bundle's folder, for machines without torch."""
    image_encoder: str = "efficientnet-lite0"
    text_encoder: str = "use-multilingual"
    accept_noncommercial: bool = False
    """Whether encoders may be loaded whose weights are known to exclude commercial use."""
    threads: Annotated[int, Field(ge=1, le=256)] = Field(default_factory=lambda: os.cpu_count() or 1)
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    """Pictures or texts that an encoder sees at once."""
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """A run stops when more than this share of a file's rows or of the pictures is broken."""
    max_picture_pixels: Annotated[int, Field(ge=1)] = 50_000_000
    """Larger pictures are counted as broken instead of being decoded."""
    blocked_terms: tuple[str, ...] = ()
    """Words that no trend board shows, nor any search that has one of them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then ``modaloom.toml`` in the working folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**overrides: object) -> Settings:
    """Reads the settings.

    Raises:
        SettingsError: names every field that is unknown or wrong, not just the first; or the file is no TOML.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(faults, where="settings", hint="See docs/settings.md for every field") from error
    except NotJsonError as error:
        raise SettingsError(str(error), where="settings", hint="Lists are JSON in the environment") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"not valid TOML: {error}", where="modaloom.toml", hint="Mend it or move it away"
        ) from error
