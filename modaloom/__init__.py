"""Modaloom: pictures, words and behaviour, woven into one shopping guide for clothing.

The public names are resolved on first use, so that importing the package costs nothing and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modaloom.config import Settings, load_settings
    from modaloom.data.shop import Shop, load_shop
    from modaloom.errors import ModaloomError
    from modaloom.forecasting.contract import Forecast, SeriesSet
    from modaloom.forecasting.forecast import forecast
    from modaloom.forecasting.series import read_series
    from modaloom.learning import LearnOptions, Modaloom
    from modaloom.models.fusion import MultimodalFusionModel
    from modaloom.shop.bundle import load_bundle
    from modaloom.shop.offline import Recommender
    from modaloom.types import Event, Histories, Interaction, Item, Snapshot, Tokens

__version__ = "0.1.0"

__all__ = [
    "Event",
    "Forecast",
    "Histories",
    "Interaction",
    "Item",
    "LearnOptions",
    "Modaloom",
    "ModaloomError",
    "MultimodalFusionModel",
    "Recommender",
    "SeriesSet",
    "Settings",
    "Shop",
    "Snapshot",
    "Tokens",
    "forecast",
    "load_bundle",
    "load_settings",
    "load_shop",
    "read_series",
]

_HOMES = {
    "Event": "types",
    "Forecast": "forecasting.contract",
    "Histories": "types",
    "Interaction": "types",
    "Item": "types",
    "LearnOptions": "learning",
    "Modaloom": "learning",
    "ModaloomError": "errors",
    "MultimodalFusionModel": "models.fusion",
    "Recommender": "shop.offline",
    "SeriesSet": "forecasting.contract",
    "Settings": "config",
    "Shop": "data.shop",
    "Snapshot": "types",
    "Tokens": "types",
    "forecast": "forecasting.forecast",
    "load_bundle": "shop.bundle",
    "load_settings": "config",
    "load_shop": "data.shop",
    "read_series": "forecasting.series",
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
