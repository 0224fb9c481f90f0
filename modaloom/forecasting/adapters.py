"""Other people's forecasters by name: ``statsforecast:MODEL``, ``chronos:ORG/MODEL[@REVISION]``, ``timesfm:...``.

For those who install the extra ``trends`` (statsforecast) or the packages themselves. Chronos and TimesFM are large
pretrained networks: before anything is downloaded, size, licence and revision are said.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modaloom.errors import ForecastError, MissingExtraError
from modaloom.forecasting.contract import Forecaster, SeriesSet, Values

logger = logging.getLogger("modaloom.forecasting")
PACKAGES = {"statsforecast": "statsforecast", "chronos": "chronos", "timesfm": "timesfm"}
INSTALL = {"chronos": "chronos-forecasting>=2", "timesfm": "timesfm[torch]>=2"}
"""What pip gets for those that are too large for an extra of ours."""
KNOWN_WEIGHTS = {
    "chronos:amazon/chronos-bolt-tiny": ("about 35 MB", "Apache-2.0"),
    "chronos:amazon/chronos-bolt-small": ("about 191 MB", "Apache-2.0"),
    "chronos:amazon/chronos-bolt-base": ("about 821 MB", "Apache-2.0"),
    "chronos:amazon/chronos-2": ("about 478 MB", "Apache-2.0"),
    "timesfm:google/timesfm-2.5-200m-pytorch": ("about 925 MB", "Apache-2.0"),
}
"""Size and licence of weights that somebody has looked up; the publisher's own page has the last word."""
BATCH = 256
"""Series that a pretrained network is given at a time."""
MAX_CONTEXT = 2_048
"""Steps of history that a pretrained network is given."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name taken apart."""

    library: str
    model: str
    revision: str | None

    @property
    def plain(self) -> str:
        """``library:model``."""
        return f"{self.library}:{self.model}"


def parse_name(name: str) -> ModelName:
    """Takes ``library:model[@revision]`` apart.

    Raises:
        ForecastError: the library is unknown or the model is missing.
    """
    library, _, rest = name.partition(":")
    if library not in PACKAGES:
        raise ForecastError(f"unknown library {library!r} in the model {name!r}", hint=f"Known: {', '.join(PACKAGES)}")
    model, _, revision = rest.partition("@")
    if not model:
        raise ForecastError(f"the model {name!r} names none", hint=f"Write {library}:<model>")
    return ModelName(library, model, revision or None)


def load_adapter(name: str) -> Forecaster:
    """The forecaster of that name, its weights loaded.

    Raises:
        ForecastError: the name makes no sense, or the model cannot be had.
        MissingExtraError: the library is not installed; says how to install it.
    """
    wanted = parse_name(name)
    if importlib.util.find_spec(PACKAGES[wanted.library]) is None:
        raise _missing(wanted)
    if wanted.library != "statsforecast" and not Path(wanted.model).is_dir():
        size, licence = KNOWN_WEIGHTS.get(wanted.plain, ("of unknown size", "unknown, read the publisher's page first"))
        revision = wanted.revision or "the newest (not pinned)"
        logger.warning(
            "model %s: weights %s, downloaded on first use; licence: %s; revision: %s",
            wanted.plain, size, licence, revision,
        )  # fmt: skip
    try:
        return _LOADERS[wanted.library](wanted)
    except ImportError as error:
        raise _missing(wanted) from error
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ForecastError(
            f"cannot load the model ({what})", where=wanted.plain, hint="Check the name and the network"
        ) from error


def _missing(name: ModelName) -> MissingExtraError:
    error = MissingExtraError(PACKAGES[name.library], "trends", f"The model {name.plain!r}")
    if name.library in INSTALL:
        error.hint = f"Run: pip install '{INSTALL[name.library]}'"
        error.args = (f"{error.what}. {error.hint}.",)
    return error


@dataclass(frozen=True)
class PerSeries:
    """A forecaster of one series at a time, ``say(values, season, horizon) -> (h,)``."""

    name: str
    say: Callable[[Values, int, int], Values]

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """Each series asked alone: (s, h)."""
        return np.stack([self.say(line, season, horizon) for line in series.values])


@dataclass(frozen=True)
class Pretrained:
    """A pretrained network, ``say(values (b, t), horizon) -> (b, h)``; it is not told the season."""

    name: str
    say: Callable[[Values, int], Values]

    def forecast(self, series: SeriesSet, *, season: int, horizon: int) -> Values:
        """The network's median, batch by batch: (s, h)."""
        past = series.values[:, -MAX_CONTEXT:]
        parts = [self.say(past[start : start + BATCH], horizon) for start in range(0, len(past), BATCH)]
        return np.concatenate(parts)


def _statsforecast(name: ModelName) -> Forecaster:
    """Any model of the library that takes a season's length, such as ``AutoETS`` and ``AutoTheta``."""
    models: Any = importlib.import_module("statsforecast.models")
    kind = getattr(models, name.model)

    def say(values: Values, season: int, horizon: int) -> Values:
        said = kind(season_length=season).forecast(y=np.ascontiguousarray(values), h=horizon)
        return np.asarray(said["mean"], dtype=np.float64)

    return PerSeries(name.plain, say)


def _chronos(name: ModelName) -> Forecaster:
    """Chronos, Chronos-Bolt or Chronos-2, from the hub or a folder."""
    chronos: Any = importlib.import_module("chronos")
    import torch

    pinned = {"revision": name.revision} if name.revision else {}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline = chronos.BaseChronosPipeline.from_pretrained(name.model, device_map=device, **pinned)

    def say(values: Values, horizon: int) -> Values:
        past = [torch.from_numpy(line.astype(np.float32)) for line in values]
        quantiles, _ = pipeline.predict_quantiles(past, prediction_length=horizon, quantile_levels=[0.5])
        # Chronos-2 answers with a list of (variates, h, q), the others with one tensor (b, h, q).
        rows = [np.asarray(part, dtype=np.float64).reshape(-1, horizon)[0] for part in quantiles]
        return np.stack(rows)

    return Pretrained(name.plain, say)


def _timesfm(name: ModelName) -> Forecaster:
    """TimesFM 2.5, from the hub or a folder."""
    timesfm: Any = importlib.import_module("timesfm")
    pinned = {"revision": name.revision} if name.revision else {}
    model = timesfm.TimesFM_2p5_200M_torch.from_pretrained(name.model, **pinned)
    compiled: list[int] = [0]

    def say(values: Values, horizon: int) -> Values:
        if horizon > compiled[0]:
            compiled[0] = -(-horizon // 128) * 128
            model.compile(
                timesfm.ForecastConfig(max_context=MAX_CONTEXT, max_horizon=compiled[0], normalize_inputs=True)
            )
        point, _ = model.forecast(horizon=horizon, inputs=[line.astype(np.float32) for line in values])
        return np.asarray(point, dtype=np.float64)[:, :horizon]

    return Pretrained(name.plain, say)


_LOADERS: dict[str, Callable[[ModelName], Forecaster]] = {
    "statsforecast": _statsforecast,
    "chronos": _chronos,
    "timesfm": _timesfm,
}
