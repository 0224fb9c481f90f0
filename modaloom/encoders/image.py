"""Pictures to vectors: EfficientNet-Lite0 on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

from modaloom.config import Settings
from modaloom.data.pictures import WHITE, open_picture, pad_to_square
from modaloom.encoders import efficientnet
from modaloom.encoders.cache import cannot_keep
from modaloom.files import whole
from modaloom.types import FloatArray

SIDE_PX = 224
ONNX_FILE = "efficientnet-lite0.1.onnx"
"""The exported network, in the cache and in a bundle; the number changes whenever the vectors do."""
PICTURES_AT_ONCE = 16
Picture = str | Path | bytes | Image.Image


class EfficientNetLite0:
    """The default picture encoder: 18 MB, Apache-2.0, ImageNet features before the classifier.

    The vectors are not normalised; whoever compares them divides by their length.
    """

    encoder_id = "efficientnet-lite0/imagenet-57934424/pad224/1"
    modality = "image"
    dim = efficientnet.DIM

    def __init__(self, settings: Settings):
        self._settings = settings
        self._session = _session(exported_network(settings), settings.threads)

    def encode(self, inputs: Sequence[Picture]) -> FloatArray:
        """Vectors (b, 1280) of pictures given as paths, bytes or opened images.

        Raises:
            PictureError: one of them cannot be opened.
        """
        with ThreadPoolExecutor(max_workers=self._settings.threads) as pool:
            squares = pool.map(self._pixels, inputs)
            vectors = [self._run(group) for group in _groups(squares, PICTURES_AT_ONCE)]
        return np.concatenate(vectors) if vectors else np.zeros((0, self.dim), dtype=np.float32)

    def _pixels(self, source: Picture) -> FloatArray:
        image = upright_picture(source, self._settings, draft_px=SIDE_PX)
        square = np.asarray(pad_to_square(image, SIDE_PX), dtype=np.float32)
        return ((square - 127.0) / 128.0).transpose(2, 0, 1)

    def _run(self, squares: list[FloatArray]) -> FloatArray:
        result: FloatArray = self._session.run(None, {"pixels": np.stack(squares)})[0]
        return result


def upright_picture(source: Picture, settings: Settings, *, draft_px: int) -> Image.Image:
    """The picture as upright RGB on white, whether it comes as a path, as bytes or opened.

    Raises:
        PictureError: it cannot be opened.
    """
    if not isinstance(source, Image.Image):
        return open_picture(source, max_pixels=settings.max_picture_pixels, draft_px=draft_px)
    image = ImageOps.exif_transpose(source)
    if image.has_transparency_data:
        cutout = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", cutout.size, (*WHITE, 255)), cutout)
    return image.convert("RGB")


def _groups(squares: object, size: int) -> list[list[FloatArray]]:
    everything: list[FloatArray] = list(squares)  # type: ignore[call-overload]
    return [everything[start : start + size] for start in range(0, len(everything), size)]


def _session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def with_encoders_of(folder: Path, settings: Settings) -> Settings:
    """The settings, with the exported encoder that a bundle's folder holds looked for there before the cache."""
    return settings.model_copy(update={"encoder_dir": folder}) if (folder / ONNX_FILE).is_file() else settings


def exported_network(settings: Settings) -> Path:
    """The network as ONNX (13.4 MB): from ``encoder_dir``, else from the cache, where the first use writes it.

    Raises:
        MissingExtraError: it is in neither, and torch or onnx, which write it, are not installed.
        EncoderError: the cache cannot be written to.
    """
    if settings.encoder_dir is not None and (settings.encoder_dir / ONNX_FILE).is_file():
        return settings.encoder_dir / ONNX_FILE
    file = settings.cache_dir / "encoders" / ONNX_FILE
    if not file.is_file():
        weights = efficientnet.packaged_weights()
        try:
            with whole(file) as temporary:
                efficientnet.write_onnx(temporary, weights)
        except OSError as error:
            raise cannot_keep("the picture encoder", file.parent, error) from error
    return file
