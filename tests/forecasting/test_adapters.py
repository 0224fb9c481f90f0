"""Other people's forecasters: names, missing packages, and the call contract of each library on tiny stand-ins."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from modaloom.errors import ForecastError, MissingExtraError
from modaloom.forecasting.adapters import INSTALL, KNOWN_WEIGHTS, PACKAGES, ModelName, load_adapter, parse_name
from modaloom.forecasting.contract import Forecaster
from modaloom.forecasting.forecast import forecast
from modaloom.testing.forecasts import named, seasonal

FAKES = {
    "chronos.py": """
import torch
calls = []
class BaseChronosPipeline:
    @classmethod
    def from_pretrained(cls, name, device_map=None, **more):
        calls.append((name, device_map, more))
        if name == "org/none":
            raise OSError("org/none is not a local folder\\nand more")
        return cls()
    def predict_quantiles(self, context, prediction_length, quantile_levels):
        assert quantile_levels == [0.5]
        assert all(isinstance(line, torch.Tensor) and line.ndim == 1 for line in context)
        out = torch.stack([line.mean().repeat(prediction_length)[:, None] for line in context])
        return out, out[..., 0]
""",
    "timesfm.py": """
import numpy as np
class ForecastConfig:
    def __init__(self, max_context, max_horizon, normalize_inputs):
        assert max_horizon % 128 == 0
        self.max_horizon = max_horizon
class TimesFM_2p5_200M_torch:
    compiled = 0
    @classmethod
    def from_pretrained(cls, name, revision=None):
        return cls()
    def compile(self, config):
        self.compiled = config.max_horizon
    def forecast(self, horizon, inputs):
        assert horizon <= self.compiled
        point = np.stack([np.full(horizon, line[-1]) for line in inputs])
        return point, np.repeat(point[..., None], 10, axis=2)
""",
}


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FAKES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("statsforecast:AutoETS", ModelName("statsforecast", "AutoETS", None)),
        ("chronos:amazon/chronos-bolt-small@12ab", ModelName("chronos", "amazon/chronos-bolt-small", "12ab")),
        ("timesfm:google/x", ModelName("timesfm", "google/x", None)),
    ],
)
def test_names_are_taken_apart(name: str, expected: ModelName) -> None:
    assert parse_name(name) == expected


@pytest.mark.parametrize(("name", "says"), [("arima:x", "unknown library 'arima'"), ("chronos:", "names none")])
def test_impossible_names_are_explained(name: str, says: str) -> None:
    with pytest.raises(ForecastError, match=says):
        load_adapter(name)


@pytest.mark.parametrize("library", PACKAGES)
def test_a_missing_package_names_the_command_that_installs_it(library: str) -> None:
    if importlib.util.find_spec(PACKAGES[library]) is not None:
        pytest.skip(f"{library} is installed")
    with pytest.raises(MissingExtraError) as caught:
        load_adapter(f"{library}:org/model")
    assert f"pip install '{INSTALL.get(library, 'modaloom[trends]')}'" in str(caught.value)


@pytest.mark.usefixtures("stand_ins")
def test_chronos_is_asked_in_batches_for_its_median(caplog: pytest.LogCaptureFixture) -> None:
    torch = pytest.importorskip("torch")
    made = load_adapter("chronos:amazon/chronos-bolt-small@12ab")
    assert isinstance(made, Forecaster)
    values = seasonal(300, 120, 0.1)
    said = made.forecast(named(values), season=52, horizon=9)
    np.testing.assert_allclose(said, np.repeat(values.mean(axis=1)[:, None], 9, axis=1), rtol=1e-5)
    assert said.shape == (300, 9)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert sys.modules["chronos"].calls == [("amazon/chronos-bolt-small", device, {"revision": "12ab"})]
    assert "191 MB" in caplog.messages[0]
    assert "Apache-2.0" in caplog.messages[0]
    assert "12ab" in caplog.messages[0]


@pytest.mark.usefixtures("stand_ins")
def test_what_nobody_looked_up_is_said_to_be_unknown(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ForecastError, match=r"cannot load the model \(org/none is not a local folder\)"):
        load_adapter("chronos:org/none")
    assert "unknown size" in caplog.messages[0]
    assert "not pinned" in caplog.messages[0]


@pytest.mark.usefixtures("stand_ins")
def test_timesfm_is_compiled_for_the_longest_horizon_so_far() -> None:
    made = load_adapter("timesfm:google/timesfm-2.5-200m-pytorch")
    values = seasonal(3, 120)
    for horizon in (5, 200, 20):
        said = made.forecast(named(values), season=52, horizon=horizon)
        np.testing.assert_allclose(said, np.repeat(values[:, -1:], horizon, axis=1), rtol=1e-6)


def test_a_package_that_breaks_on_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "timesfm.py").write_text("import a_part_that_is_missing", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "timesfm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError, match="pip install 'timesfm"):
        load_adapter("timesfm:google/x")


@pytest.mark.filterwarnings("ignore")
def test_statsforecast_joins_the_pool() -> None:
    pytest.importorskip("statsforecast")
    made = forecast(
        named(seasonal(2, 84, 0.1, 7)), season=7, horizon=7, models=["seasonal-naive", "statsforecast:AutoTheta"]
    )
    assert made.models[1] == "statsforecast:AutoTheta"
    assert np.isfinite(made.mean).all()
    with pytest.raises(ForecastError, match="cannot load"):
        load_adapter("statsforecast:NoSuchModel")


def test_the_table_of_weights_is_sound() -> None:
    for name, (size, licence) in KNOWN_WEIGHTS.items():
        assert parse_name(name).library in INSTALL
        assert size.startswith("about")
        assert licence == "Apache-2.0"
