"""CLIP, SigLIP and Chinese-CLIP through ``transformers``, from the hub or from a local folder.

Pictures are prepared here by hand from the model's own ``preprocessor_config.json``: it needs no
torchvision, and gives the same vectors whether that is installed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from modaloom.errors import EncoderError, MissingExtraError
from modaloom.types import FloatArray

Features = Callable[[Sequence[Any]], Tensor]
"""A batch of square pictures, or of texts, to feature vectors (b, d)."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CHINESE_CLIP_LENGTH = 52
"""Chinese-CLIP was trained on texts of this many tokens, though its position table is longer."""


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """How a model wants its pictures: side, resampling, scale, mean and spread per channel."""

    side_px: int
    resample: int = Image.Resampling.BICUBIC
    scale: float = 1 / 255
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> PixelRecipe:
        """The recipe that a ``preprocessor_config.json`` describes.

        Raises:
            EncoderError: it gives no size.
        """
        cropped = config.get("do_center_crop", "crop_size" in config) and config.get("crop_size")
        side = _side(config["crop_size"] if cropped else config.get("size"))
        normalised = config.get("do_normalize", True)
        return cls(
            side_px=side,
            resample=int(config.get("resample", Image.Resampling.BICUBIC)),
            scale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            mean=tuple(config.get("image_mean") or CLIP_MEAN) if normalised else (0.0, 0.0, 0.0),
            std=tuple(config.get("image_std") or CLIP_STD) if normalised else (1.0, 1.0, 1.0),
        )

    def pixels(self, square: Image.Image) -> FloatArray:
        """A square RGB picture as (3, side, side)."""
        resized = square.resize((self.side_px, self.side_px), Image.Resampling(self.resample))
        values = np.asarray(resized, dtype=np.float32) * np.float32(self.scale)
        normalised = (values - np.array(self.mean, dtype=np.float32)) / np.array(self.std, dtype=np.float32)
        return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def _side(size: object) -> int:
    if isinstance(size, int):
        return size
    if isinstance(size, Mapping):
        for key in ("height", "shortest_edge"):
            if isinstance(size.get(key), int):
                return int(size[key])
    raise EncoderError(
        f"the model's preprocessor_config.json gives no usable size ({size!r})", hint="It needs size or crop_size"
    )


def transformers_features(model: str, modality: str, revision: str | None, device: torch.device) -> Features:
    """A function from square pictures or texts to their features.

    Raises:
        MissingExtraError: ``transformers``, or a tokenizer's package, is not installed.
        EncoderError: the model cannot be had, or has no features for this modality.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "encoders", f"The encoder 'transformers:{model}'") from error
    pinned: dict[str, Any] = {"revision": revision} if revision else {}
    try:
        network = transformers.AutoModel.from_pretrained(model, dtype=torch.float32, **pinned).eval().to(device)
        wanted = "get_image_features" if modality == "image" else "get_text_features"
        if not hasattr(network, wanted):
            raise EncoderError(
                f"{type(network).__name__} has no {modality} features",
                where=f"transformers:{model}",
                hint="Use a model with two towers, such as CLIP, SigLIP or Chinese-CLIP",
            )
        make = _image_features if modality == "image" else _text_features
        return make(transformers, network, model, pinned)
    except ImportError as error:  # SigLIP's own tokenizer asks for sentencepiece
        raise MissingExtraError(
            error.name or "sentencepiece", "encoders", f"The encoder 'transformers:{model}'"
        ) from error
    except (OSError, ValueError) as error:
        raise EncoderError(
            f"cannot load the model ({_first_line(error)})",
            where=f"transformers:{model}",
            hint="Check the name, the revision and the network, or give a local folder",
        ) from error


def _image_features(transformers: Any, network: Any, model: str, pinned: dict[str, Any]) -> Features:
    config, _ = transformers.ImageProcessingMixin.get_image_processor_dict(model, **pinned)
    recipe = PixelRecipe.from_config(config)

    def features(images: Sequence[Image.Image]) -> Tensor:
        pixels = torch.from_numpy(np.stack([recipe.pixels(image) for image in images]))
        return _pooled(network.get_image_features(pixel_values=pixels.to(network.device)))

    return features


def _text_features(transformers: Any, network: Any, model: str, pinned: dict[str, Any]) -> Features:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model, **pinned)
    kind = network.config.model_type
    is_siglip = kind.startswith("siglip")
    length = min(int(network.config.text_config.max_position_embeddings), int(tokenizer.model_max_length))
    length = min(length, CHINESE_CLIP_LENGTH) if kind == "chinese_clip" else length

    def features(texts: Sequence[str]) -> Tensor:
        tokens = tokenizer(
            list(texts),
            padding="max_length" if is_siglip else True,  # SigLIP was trained on full length, without a mask
            truncation=True,
            max_length=length,
            return_tensors="pt",
        )
        names = ("input_ids",) if is_siglip else ("input_ids", "attention_mask")
        return _pooled(network.get_text_features(**{name: tokens[name].to(network.device) for name in names}))

    return features


def _pooled(output: Any) -> Tensor:
    """The features, which transformers gives bare before version 5 and wrapped since."""
    pooled: Tensor = output if isinstance(output, Tensor) else output.pooler_output
    return pooled


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
