"""The default picture encoder: strange pictures, and the exported graph against torch."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from modaloom.config import Settings
from modaloom.encoders import efficientnet
from modaloom.encoders.image import (
    ONNX_FILE,
    SIDE_PX,
    EfficientNetLite0,
    exported_network,
    upright_picture,
    with_encoders_of,
)
from modaloom.errors import EncoderError, PictureError
from modaloom.numerics import unit_rows
from modaloom.testing import EncoderSuite


def garment(colour: str = "firebrick", size: tuple[int, int] = (160, 240)) -> Image.Image:
    """A dress-like shape with an upside and a downside."""
    image = Image.new("RGB", size, "white")
    width, height = size
    draw = ImageDraw.Draw(image)
    draw.polygon([(width // 2, height // 10), (width - 10, height - 10), (10, height - 10)], fill=colour)
    draw.ellipse([width // 3, height // 4, width // 2, height // 2], fill="gold")
    return image


def as_bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    pair = unit_rows(np.stack([left, right]))
    return float(pair[0] @ pair[1])


@pytest.fixture
def encoder(settings: Settings) -> EfficientNetLite0:
    return EfficientNetLite0(settings)


class TestEfficientNetLite0(EncoderSuite):
    @pytest.fixture(autouse=True)
    def cache(self, exported: Path) -> None:
        self.settings = Settings(cache_dir=exported, threads=2)

    def make_encoder(self) -> EfficientNetLite0:
        return EfficientNetLite0(self.settings)

    def make_inputs(self) -> list[Image.Image]:
        return [garment(), garment("navy", (240, 160)), Image.new("RGB", (9, 9), "green")]


def test_a_path_bytes_and_an_opened_picture_are_one(encoder: EfficientNetLite0, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(as_bytes(garment()))
    vectors = encoder.encode([file, str(file), file.read_bytes(), garment()])
    assert (vectors == vectors[0]).all()


def test_the_orientation_tag_is_obeyed(encoder: EfficientNetLite0) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it turned by 270 degrees
    turned = garment().rotate(90, expand=True)
    tagged = as_bytes(turned, exif=exif.tobytes())
    upright, opened, plain, ignored = encoder.encode([tagged, Image.open(io.BytesIO(tagged)), garment(), turned])
    assert np.allclose(upright, plain)
    assert np.allclose(opened, plain)
    assert cosine(ignored, plain) < 0.98


def test_transparency_becomes_paper(encoder: EfficientNetLite0) -> None:
    cutout = garment().convert("RGBA")
    pixels = np.asarray(cutout).copy()
    blank = (pixels[..., :3] == 255).all(axis=-1)
    pixels[blank] = 0  # transparent black, as cut-outs are saved
    cutout = Image.fromarray(pixels)
    from_bytes, opened, plain = encoder.encode([as_bytes(cutout), cutout, garment()])
    assert np.allclose(from_bytes, plain)
    assert np.allclose(opened, plain)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "LA", "I;16", "RGBA", "YCbCr"])
def test_every_mode_is_read(encoder: EfficientNetLite0, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(garment().convert("L")).astype(np.uint16) * 256)
    else:
        picture = garment().convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    vector, grey = encoder.encode([as_bytes(picture, kind), garment().convert("L")])
    assert np.isfinite(vector).all()
    if mode in ("L", "LA", "I;16"):
        assert cosine(vector, grey) > 0.95  # 16 bits are stretched to the full range


def test_odd_sizes_are_padded_not_squashed(encoder: EfficientNetLite0) -> None:
    tall = garment(size=(60, 240))
    padded = Image.new("RGB", (240, 240), "white")
    padded.paste(tall, (90, 0))
    squashed = tall.resize((240, 240))
    vectors = encoder.encode([tall, padded, squashed, Image.new("RGB", (1, 500), "red"), Image.new("RGB", (1, 1))])
    assert np.isfinite(vectors).all()
    assert cosine(vectors[0], vectors[1]) > 0.99
    assert cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]) + 0.05


def test_more_pictures_than_fit_at_once(encoder: EfficientNetLite0) -> None:
    vectors = encoder.encode([garment()] * 19 + [garment("navy")])
    assert vectors.shape == (20, 1280)
    assert np.allclose(vectors[:19], vectors[0], atol=1e-4)
    assert not np.allclose(vectors[19], vectors[0], atol=1e-2)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "The file is empty"), (b"<html>", "not a picture"), (as_bytes(garment(), "JPEG")[:900], "damaged")],
)
def test_broken_pictures_are_named(encoder: EfficientNetLite0, tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "broken.jpg"
    file.write_bytes(content)
    with pytest.raises(PictureError, match=says) as caught:
        encoder.encode([garment(), file])
    assert "broken.jpg" in str(caught.value)


def test_too_large_a_picture_is_refused_before_decoding() -> None:
    settings = Settings(max_picture_pixels=1000)
    with pytest.raises(PictureError, match="more than the limit of 1,000"):
        upright_picture(as_bytes(garment()), settings, draft_px=SIDE_PX)


def torch_forward(weights: dict[str, np.ndarray], pixels: torch.Tensor) -> torch.Tensor:
    """EfficientNet-Lite0 as its paper draws it, with batch normalisation as layers of their own."""
    state = {name: torch.from_numpy(value) for name, value in weights.items()}

    def layer(
        x: torch.Tensor, conv: str, norm: str, *, stride: int = 1, groups: int = 1, clip: bool = True
    ) -> torch.Tensor:
        kernel = state[f"{conv}.weight"]
        size, side = kernel.shape[-1], x.shape[-1]
        pad = max((-(-side // stride) - 1) * stride + size - side, 0)  # "same", the odd pixel at the end
        x = F.pad(x, (pad // 2, pad - pad // 2, pad // 2, pad - pad // 2))
        x = F.conv2d(x, kernel, stride=stride, groups=groups)
        mean, var, scale, shift = (
            state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.batch_norm(x, mean, var, scale, shift, training=False, eps=1e-3)
        return F.relu6(x) if clip else x

    x, channels, number = layer(pixels, "_conv_stem", "_bn0", stride=2), 32, 0
    for _, first_stride, expansion, out, repeats in efficientnet.STAGES:
        for repeat in range(repeats):
            name, entry, stride = f"_blocks.{number}", x, first_stride if repeat == 0 else 1
            if expansion != 1:
                x = layer(x, f"{name}._expand_conv", f"{name}._bn0")
            x = layer(x, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, groups=x.shape[1])
            x = layer(x, f"{name}._project_conv", f"{name}._bn2", clip=False)
            if stride == 1 and channels == out:
                x = x + entry
            channels, number = out, number + 1
    return layer(x, "_conv_head", "_bn1").mean(dim=(2, 3))


def test_the_exported_graph_equals_torch(encoder: EfficientNetLite0) -> None:
    picture = garment(size=(SIDE_PX, SIDE_PX))
    pixels = torch.from_numpy((np.asarray(picture, dtype=np.float32) - 127) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = torch_forward(efficientnet.packaged_weights(), pixels)[0].numpy()
    made = encoder.encode([picture])[0]
    assert np.abs(made - expected).max() < 1e-3
    assert made.max() > 0.5


def test_the_export_is_written_once_and_leaves_nothing_behind(exported: Path) -> None:
    folder = exported / "encoders"
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    EfficientNetLite0(Settings(cache_dir=exported, threads=1))
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert list(before) == ["efficientnet-lite0.1.onnx"]


def test_a_cache_that_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "encoders").write_text("in the way")
    with pytest.raises(EncoderError) as caught:
        EfficientNetLite0(Settings(cache_dir=tmp_path, threads=1))
    assert str(caught.value) == (
        f"{tmp_path / 'encoders'}: cannot keep the picture encoder here ({os.strerror(errno.EEXIST)}). "
        "Free some space, or set MODALOOM_CACHE_DIR to another folder."
    )


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX can limit the size of files")
def test_a_full_cache_says_where_and_what_to_do(tmp_path: Path) -> None:
    """No file may be larger than 4 kB."""
    program = (
        "import resource; from modaloom.config import Settings; from modaloom.encoders.image import exported_network; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000)); "
        f"exported_network(Settings(cache_dir={str(tmp_path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert f"EncoderError: {tmp_path / 'encoders'}: cannot keep the picture encoder here" in done.stderr
    assert not list((tmp_path / "encoders").iterdir())


def test_the_network_is_looked_for_in_a_bundles_folder_before_the_cache(exported: Path, tmp_path: Path) -> None:
    bundle, empty = tmp_path / "bundle", tmp_path / "empty"
    bundle.mkdir()
    settings = Settings(cache_dir=empty, threads=1)
    assert with_encoders_of(bundle, settings) is settings, "an old bundle brings none"
    shutil.copyfile(exported / "encoders" / ONNX_FILE, bundle / ONNX_FILE)
    beside = with_encoders_of(bundle, settings)
    assert beside.encoder_dir == bundle
    picture = garment()
    made = EfficientNetLite0(beside).encode([picture])
    assert np.array_equal(made, EfficientNetLite0(Settings(cache_dir=exported, threads=1)).encode([picture]))
    assert not empty.exists()
    (bundle / ONNX_FILE).unlink()
    assert exported_network(beside.model_copy(update={"cache_dir": exported})) == exported / "encoders" / ONNX_FILE
