"""CLIP, SigLIP and Chinese-CLIP through transformers, with tiny random weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from modaloom.config import Settings
from modaloom.encoders.hub import CLIP_MEAN, CLIP_STD, PixelRecipe
from modaloom.encoders.load import load_encoder
from modaloom.errors import EncoderError
from modaloom.testing import EncoderSuite
from modaloom.types import Encoder

from . import tiny_models

TEXTS = ["a", "b dress", "红色连衣裙", "", "a very long text " * 40]


@pytest.fixture(scope="session", params=sorted(tiny_models.MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of one family."""
    return tiny_models.MAKERS[request.param](tmp_path_factory.mktemp(request.param))


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for side in (32, 64, 48)]


class _Suite(EncoderSuite):
    modality: str

    @pytest.fixture(autouse=True)
    def model(self, folder: Path) -> None:
        self.folder = folder

    def make_encoder(self) -> Encoder:
        return load_encoder(f"transformers:{self.folder}", Settings(batch_size=2, threads=1), self.modality)

    def encoder(self) -> Encoder:
        return self.make_encoder()


class TestImages(_Suite):
    modality = "image"

    def make_inputs(self) -> list[Image.Image]:
        return [*pictures(), Image.new("RGB", (20, 90), "navy")]


class TestTexts(_Suite):
    modality = "text"

    def make_inputs(self) -> list[str]:
        return TEXTS


def test_vectors_are_the_models_own_features(folder: Path) -> None:
    """The same pixels and tokens by way of transformers' own classes."""
    network = AutoModel.from_pretrained(folder).eval()
    recipe = PixelRecipe.from_config(CLIPImageProcessorPil.from_pretrained(folder).to_dict())
    tokens = AutoTokenizer.from_pretrained(folder)(
        ["red dress"], padding="max_length", max_length=16, truncation=True, return_tensors="pt"
    )
    names = ["input_ids"] if network.config.model_type == "siglip" else ["input_ids", "attention_mask"]
    with torch.inference_mode():
        pixels = torch.from_numpy(recipe.pixels(pictures()[1]))[None]
        image = network.get_image_features(pixel_values=pixels).pooler_output[0].numpy()
        text = network.get_text_features(**{name: tokens[name] for name in names}).pooler_output[0].numpy()
    settings = Settings(threads=1)
    made = load_encoder(f"transformers:{folder}#image", settings).encode(pictures()[1:2])[0]
    assert np.allclose(made, image / np.linalg.norm(image), atol=1e-5)
    made = load_encoder(f"transformers:{folder}#text", settings).encode(["red dress"])[0]
    assert np.allclose(made, text / np.linalg.norm(text), atol=1e-5)


@pytest.mark.parametrize("side", [32, 64, 100])
def test_pixels_equal_transformers_own_preparation(side: int) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    expected = processor(picture, return_tensors="np")["pixel_values"][0]
    made = PixelRecipe.from_config(processor.to_dict()).pixels(picture)
    assert made.shape == expected.shape == (3, 32, 32)
    assert made.dtype == np.float32
    assert np.abs(made - expected).max() < 1e-4


def test_recipes_are_read_in_every_spelling() -> None:
    assert PixelRecipe.from_config({"size": 224}) == PixelRecipe(224)
    assert PixelRecipe.from_config({"size": {"shortest_edge": 256}, "crop_size": 224}).side_px == 224
    assert PixelRecipe.from_config({"size": {"height": 384, "width": 384}, "resample": 2}) == PixelRecipe(384, 2)
    uncropped = {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": False}
    assert PixelRecipe.from_config(uncropped).side_px == 256
    assert PixelRecipe(32).mean == CLIP_MEAN
    assert PixelRecipe(32).std == CLIP_STD
    plain = PixelRecipe.from_config({"size": 8, "do_normalize": False, "do_rescale": False})
    assert plain.pixels(Image.new("RGB", (8, 8), (10, 20, 30)))[:, 0, 0].tolist() == [10, 20, 30]
    with pytest.raises(EncoderError, match="no usable size"):
        PixelRecipe.from_config({"size": {"longest_edge": 3}})


def test_nothing_learns_and_nothing_is_dropped(folder: Path) -> None:
    encoder = load_encoder(f"transformers:{folder}", Settings(threads=1), "text")
    assert np.array_equal(encoder.encode(TEXTS[:1]), encoder.encode(TEXTS[:1]))
    assert not torch.is_inference_mode_enabled()
    assert encoder.encode(TEXTS).dtype == np.float32


def test_the_id_follows_the_content_not_the_place(tmp_path: Path) -> None:
    first = tiny_models.clip(tmp_path / "one" / "model")
    second = tmp_path / "two" / "model"
    shutil.copytree(first, second)
    settings = Settings(threads=1)
    ids = [load_encoder(f"transformers:{place}#text", settings).encoder_id for place in (first, second)]
    assert ids[0] == ids[1]
    assert str(tmp_path) not in ids[0]
    tiny_models.preprocessor(second, resample=2)
    assert load_encoder(f"transformers:{second}#text", settings).encoder_id != ids[0]
    assert load_encoder(f"transformers:{first}#image", settings).encoder_id != ids[0]


def test_a_model_in_the_hubs_cache_is_pinned_by_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "models--shop--tiny"
    tiny_models.clip(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    encoder = load_encoder("transformers:shop/tiny", Settings(threads=1), "text")
    assert encoder.encoder_id == f"transformers:shop/tiny@{commit}/text/1"
    assert encoder.encode(["a"]).shape == (1, 24)
    assert not caplog.records, "nothing is downloaded, so nothing is announced"
    pinned = load_encoder(f"transformers:shop/tiny@{commit}#text", Settings(threads=1))
    assert pinned.encoder_id == encoder.encoder_id


def test_what_must_be_downloaded_is_announced_first_and_failure_teaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"cannot load the model .*or give a local folder"):
        load_encoder("transformers:openai/clip-vit-base-patch32@abc123", Settings(threads=1), "image")
    said = caplog.messages[0]
    for part in ("about 605 MB", "MIT", "revision: abc123"):
        assert part in said
    with pytest.raises(EncoderError):
        load_encoder("transformers:shop/never-heard-of", Settings(threads=1), "image")
    assert "of unknown size" in caplog.messages[1]
    assert "not pinned" in caplog.messages[1]


def test_a_model_with_one_tower_is_refused(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match=r"BertModel has no text features\. Use a model with two towers"):
        load_encoder(f"transformers:{tmp_path}", Settings(), "text")


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="cannot load the model"):
        load_encoder(f"transformers:{tmp_path}", Settings(), "text")
