"""Names, licences and missing packages; the call contract of libraries that are not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from modaloom.config import Settings, load_settings
from modaloom.encoders.load import load_encoder
from modaloom.encoders.optional import EncoderName, TorchEncoder, parse_name
from modaloom.encoders.weights import KNOWN_WEIGHTS, cached_commit, known_weights
from modaloom.errors import EncoderError, MissingExtraError
from modaloom.testing import EncoderSuite

ABSENT = {
    "open_clip": "open_clip:hf-hub:Marqo/marqo-fashionSigLIP#image",
    "cn_clip": "cn_clip:ViT-B-16#text",
    "sentence_transformers": "sentence-transformers:intfloat/multilingual-e5-small",
    "timm": "timm:tf_efficientnet_lite0.in1k",
}


@pytest.mark.parametrize("package", ABSENT)
def test_a_missing_package_names_the_command_that_installs_it(package: str) -> None:
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    with pytest.raises(MissingExtraError) as caught:
        load_encoder(ABSENT[package], Settings())
    assert caught.value.package == package
    assert caught.value.extra == "encoders"
    assert "pip install 'modaloom[encoders]'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "modality", "expected"),
    [
        ("open_clip:ViT-B-32/laion2b", "image", EncoderName("open_clip", "ViT-B-32/laion2b", None, "image")),
        ("open_clip:hf-hub:a/b#text", None, EncoderName("open_clip", "hf-hub:a/b", None, "text")),
        ("transformers:a/b@12ab#text", "text", EncoderName("transformers", "a/b", "12ab", "text")),
        ("sentence-transformers:a/b", None, EncoderName("sentence-transformers", "a/b", None, "text")),
        ("timm:x.y@main", "image", EncoderName("timm", "x.y", "main", "image")),
    ],
)
def test_names_are_taken_apart(name: str, modality: str | None, expected: EncoderName) -> None:
    assert parse_name(name, modality) == expected


@pytest.mark.parametrize(
    ("name", "modality", "says"),
    [
        ("openclip:x", None, "unknown library 'openclip'.*Known: open_clip"),
        ("timm:", None, "names no model"),
        ("open_clip:x", None, "Add #image or #text"),
        ("timm:x", "text", "asked for text|cannot encode text"),
        ("sentence-transformers:x#image", None, "sentence-transformers encodes text"),
        ("open_clip:x#image", "text", "asked for text"),
        ("open_clip:x#sound", None, "cannot encode sound"),
    ],
)
def test_impossible_names_are_explained(name: str, modality: str | None, says: str) -> None:
    with pytest.raises(EncoderError, match=says):
        parse_name(name, modality)


def test_noncommercial_weights_need_a_word_from_the_shop() -> None:
    name = "transformers:facebook/metaclip-b32-400m"
    with pytest.raises(EncoderError, match=r"may not be used commercially \(CC-BY-NC-4.0\).*accept_noncommercial"):
        load_encoder(name, load_settings(), "image")
    for name in ("timm:convnextv2_tiny.fcmae_ft_in22k_in1k", "open_clip:hf-hub:apple/DFN2B-CLIP-ViT-B-16"):
        row = known_weights(name)
        assert row is not None
        assert not row.commercial


def test_accepted_noncommercial_weights_are_announced_as_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="cannot load the model"):
        load_encoder("transformers:facebook/metaclip-b32-400m", load_settings(accept_noncommercial=True), "image")
    assert "NOT for commercial use" in caplog.messages[0]


def test_the_table_of_weights_is_sound() -> None:
    for row in KNOWN_WEIGHTS:
        assert row.pattern == row.pattern.lower(), "names are compared in lower case"
        assert row.licence
        assert row.size_mb is None or row.size_mb > 1
    for name in ("open_clip:hf-hub:Marqo/marqo-fashionSigLIP", "cn_clip:ViT-B-16", "timm:tf_efficientnet_lite0.in1k"):
        assert known_weights(name) is not None, name
    assert known_weights("transformers:someone/else") is None


def test_a_name_that_is_no_hub_name_has_no_commit() -> None:
    assert cached_commit("/a/local/path") is None
    assert cached_commit("ViT-B-16") is None


class TestTorchEncoder(EncoderSuite):
    """The shared part, on a small linear model of average colours."""

    def make_encoder(self) -> TorchEncoder:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 7)

        def features(images: list[Image.Image]) -> torch.Tensor:
            assert len(images) <= 2, "batches are as large as asked for"
            assert all(image.width == image.height for image in images)
            pixels = np.stack([np.asarray(image).reshape(-1, 3).mean(axis=0) for image in images])
            return layer(torch.from_numpy(pixels.astype(np.float32))).double()

        return TorchEncoder("colours/1", "image", Settings(batch_size=2, threads=2), features)

    def make_inputs(self) -> list[Image.Image]:
        return [Image.new("RGB", (30, 50), colour) for colour in ("red", "green", "blue", "white", "black")]


FAKES = {
    "open_clip.py": """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.image, self.text = torch.nn.Linear(3, 5), torch.nn.Linear(4, 5)
    def encode_image(self, pixels):
        assert not self.training and pixels.ndim == 4
        return self.image(pixels.mean(dim=(2, 3)))
    def encode_text(self, tokens):
        assert not self.training and tokens.ndim == 2
        return self.text(tokens.float())
def create_model_from_pretrained(name, pretrained=None, device="cpu"):
    if name == "ViT-B-99":
        raise RuntimeError("Model config for ViT-B-99 not found.")
    assert (name, pretrained) in [("ViT-B-32", "laion2b_s34b_b79k"), ("hf-hub:Marqo/marqo-fashionSigLIP", None)]
    return Model().train(), lambda image: torch.tensor(image.resize((4, 4)).getcolors()[0][1]).view(3, 1, 1).float()
def get_tokenizer(name):
    return lambda texts: torch.tensor([[len(text), text.count("a"), text.count("e"), 1] for text in texts])
""",
    "cn_clip/clip.py": """
import pathlib
import torch
import open_clip
def load_from_name(name, device, download_root):
    assert (name, device) == ("ViT-B-16", "cpu") and pathlib.Path(download_root).name == "cn_clip"
    return open_clip.create_model_from_pretrained("ViT-B-32", "laion2b_s34b_b79k")
tokenize = open_clip.get_tokenizer("")
""",
    "cn_clip/__init__.py": "",
    "sentence_transformers.py": """
import torch
class SentenceTransformer(torch.nn.Module):
    def __init__(self, name, device, revision=None):
        super().__init__()
        assert revision in (None, "abc")
        self.seen = []
    def encode(self, texts, *, batch_size, convert_to_tensor, show_progress_bar):
        assert convert_to_tensor and not show_progress_bar and not self.training
        return torch.tensor([[len(text), text.startswith("passage: "), text.startswith("query: ")] for text in texts])
""",
    "timm/__init__.py": """
import torch
from timm import data
def create_model(name, pretrained, num_classes):
    assert pretrained and num_classes == 0
    assert name in ("tf_efficientnet_lite0.in1k", "hf_hub:a/b@abc", "hf_hub:timm/tf_efficientnet_lite0.in1k@abc")
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 6))
""",
    "timm/data.py": """
import torch
def resolve_model_data_config(model):
    return {"input_size": (3, 8, 8)}
def create_transform(input_size, is_training):
    assert not is_training
    return lambda image: torch.tensor(image.getpixel((0, 0))).float()
""",
}


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Stand-ins that check how they are called, for libraries that are not installed here."""
    root = tmp_path / "packages"
    for name, code in FAKES.items():
        if importlib.util.find_spec(name.split("/")[0].removesuffix(".py")) is None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(code)
        else:
            pytest.skip("the real library is installed")
    monkeypatch.syspath_prepend(root)
    before = set(sys.modules)
    yield Settings(cache_dir=tmp_path, batch_size=2, threads=1)
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"open_clip", "cn_clip", "sentence_transformers", "timm"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    "name",
    ["open_clip:ViT-B-32/laion2b_s34b_b79k", "open_clip:hf-hub:Marqo/marqo-fashionSigLIP", "cn_clip:ViT-B-16"],
)
def test_two_towers_are_called_as_their_library_wants(fakes: Settings, name: str) -> None:
    image, text = load_encoder(name, fakes, "image"), load_encoder(name, fakes, "text")
    vectors = image.encode([Image.new("RGB", (9, 9), colour) for colour in ("red", "green", "blue")])
    assert vectors.shape == (3, 5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert text.encode(["a", "bee", ""]).shape == (3, 5)
    assert image.encoder_id != text.encoder_id


def test_e5_gets_its_prefixes(fakes: Settings) -> None:
    encoder = load_encoder("sentence-transformers:intfloat/multilingual-e5-small@abc", fakes)
    assert isinstance(encoder, TorchEncoder)
    assert "abc" in encoder.encoder_id
    assert encoder.encode(["red dress"])[0, 1] > 0
    assert encoder.encode_queries(["red dress"])[0, 2] > 0
    plain = load_encoder("sentence-transformers:BAAI/bge-small-zh-v1.5", fakes)
    assert isinstance(plain, TorchEncoder)
    assert plain.encode(["red dress"])[0, 1:].tolist() == plain.encode_queries(["red dress"])[0, 1:].tolist() == [0, 0]


def test_timm_gives_features_without_the_classifier(fakes: Settings) -> None:
    for name in ("tf_efficientnet_lite0.in1k", "tf_efficientnet_lite0.in1k@abc", "hf_hub:a/b@abc"):
        encoder = load_encoder(f"timm:{name}", fakes)
        assert encoder.modality == "image"
        assert encoder.encode([Image.new("RGB", (9, 9), "red")]).shape == (1, 6)


def test_a_librarys_failure_teaches(fakes: Settings) -> None:
    with pytest.raises(EncoderError, match=r"open_clip:ViT-B-99/x: cannot load the model \(Model config for ViT-B-99"):
        load_encoder("open_clip:ViT-B-99/x", fakes, "image")
    with pytest.raises(EncoderError, match="no pretrained weights are named"):
        load_encoder("open_clip:ViT-B-32", fakes, "image")
    with pytest.raises(EncoderError, match="cannot load a chosen revision"):
        load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k@abc", fakes, "image")
