"""Modaloom: pictures, words and behaviour, woven into one shopping guide for clothing.

The public names are resolved on first use, so that importing the package costs nothing and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modaloom.build import LearnOptions, Modaloom
    from modaloom.config import Settings, load_settings
    from modaloom.data.shop import Shop, load_shop
    from modaloom.errors import ModaloomError
    from modaloom.models.fusion import MultimodalFusionModel
    from modaloom.recommend.bundle import load_bundle
    from modaloom.recommend.pipeline import Recommender
    from modaloom.types import Event, Histories, Interaction, Item, Snapshot, Tokens

__version__ = "0.1.0"

__all__ = [
    "Event",
    "Histories",
    "Interaction",
    "Item",
    "LearnOptions",
    "Modaloom",
    "ModaloomError",
    "MultimodalFusionModel",
    "Recommender",
    "Settings",
    "Shop",
    "Snapshot",
    "Tokens",
    "load_bundle",
    "load_settings",
    "load_shop",
]

_HOMES = {
    "Event": "types",
    "Histories": "types",
    "Interaction": "types",
    "Item": "types",
    "LearnOptions": "build",
    "Modaloom": "build",
    "ModaloomError": "errors",
    "MultimodalFusionModel": "models.fusion",
    "Recommender": "recommend.pipeline",
    "Settings": "config",
    "Shop": "data.shop",
    "Snapshot": "types",
    "Tokens": "types",
    "load_bundle": "recommend.bundle",
    "load_settings": "config",
    "load_shop": "data.shop",
}


def __getattr__(name: str) -> object:
    """The public name, from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
