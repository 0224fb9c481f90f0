"""Stronger encoders by name, ``library:model[@revision][#image|#text]``, for those who install the extra ``encoders``.

Every picture is padded to a square before the library's own preparation, so that nothing of a tall
garment is cut away. All vectors have length one.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from modaloom.config import Settings
from modaloom.data.pictures import pad_to_square
from modaloom.encoders.image import Picture, upright_picture
from modaloom.encoders.text import normalise_text
from modaloom.encoders.weights import announce, cached_commit, check_licence, folder_hash
from modaloom.errors import EncoderError, MissingExtraError
from modaloom.numerics import unit_rows
from modaloom.types import Encoder, FloatArray

if TYPE_CHECKING:
    import torch

    from modaloom.encoders.hub import Features

MAX_SIDE_PX = 1024
"""Larger pictures are shrunk to this before the model's own preparation."""
_PACKAGES = {  # library: module, and the modalities it can encode
    "open_clip": ("open_clip", ("image", "text")),
    "cn_clip": ("cn_clip", ("image", "text")),
    "sentence-transformers": ("sentence_transformers", ("text",)),
    "timm": ("timm", ("image",)),
    "transformers": ("transformers", ("image", "text")),
}


@dataclass(frozen=True, slots=True)
class EncoderName:
    """A name taken apart."""

    library: str
    model: str
    revision: str | None
    modality: str

    @property
    def plain(self) -> str:
        """``library:model`` without revision and modality, as the table of known weights has it."""
        return f"{self.library}:{self.model}"


def parse_name(name: str, modality: str | None) -> EncoderName:
    """Takes ``library:model[@revision][#modality]`` apart.

    Raises:
        EncoderError: the library is unknown, the model is missing, or the modality is unclear or impossible.
    """
    library, _, rest = name.partition(":")
    if library not in _PACKAGES:
        raise EncoderError(
            f"unknown library {library!r} in the encoder {name!r}", hint=f"Known: {', '.join(_PACKAGES)}"
        )
    rest, _, suffix = rest.partition("#")
    model, _, revision = rest.partition("@")
    if not model:
        raise EncoderError(f"the encoder {name!r} names no model", hint=f"Write {library}:<model>")
    possible = _PACKAGES[library][1]
    wanted = suffix or modality or (possible[0] if len(possible) == 1 else "")
    if not wanted:
        raise EncoderError(f"the encoder {name!r} does both pictures and texts", hint="Add #image or #text to its name")
    if wanted not in possible or (modality and wanted != modality):
        use = (
            f"asked for {modality}"
            if modality and wanted != modality
            else f"{library} encodes {' and '.join(possible)}"
        )
        raise EncoderError(f"the encoder {name!r} cannot encode {wanted} here: {use}", hint="See docs/encoders.md")
    return EncoderName(library, model, revision or None, wanted)


class TorchEncoder:
    """Any torch model as an encoder: batches, no gradients, float32, unit length."""

    def __init__(self, encoder_id: str, modality: str, settings: Settings, features: Features, *, is_e5: bool = False):
        self.encoder_id = encoder_id
        self.modality = modality
        self._settings = settings
        self._features = features
        self._is_e5 = is_e5
        probe: Any = Image.new("RGB", (64, 64), "white") if modality == "image" else "a"
        self.dim = int(self._batch([probe], "").shape[1])

    def encode(self, inputs: Sequence[Any]) -> FloatArray:
        """Unit vectors (b, dim) of pictures (paths, bytes or opened images) or of texts.

        Raises:
            PictureError: one of the pictures cannot be opened.
        """
        return self._encode(inputs, "passage: " if self._is_e5 else "")

    def encode_queries(self, inputs: Sequence[Any]) -> FloatArray:
        """Unit vectors (b, dim) of what shoppers type; only models of the E5 family tell it from what a shop writes."""
        return self._encode(inputs, "query: " if self._is_e5 else "")

    def _encode(self, inputs: Sequence[Any], prefix: str) -> FloatArray:
        size = self._settings.batch_size
        parts = [self._batch(inputs[start : start + size], prefix) for start in range(0, len(inputs), size)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def _batch(self, inputs: Sequence[Any], prefix: str) -> FloatArray:
        import torch

        if self.modality == "image":
            with ThreadPoolExecutor(max_workers=self._settings.threads) as pool:
                prepared: list[Any] = list(pool.map(self._square, inputs))
        else:
            prepared = [prefix + (normalise_text(text) or " ") for text in inputs]
        with torch.inference_mode(), torch.autocast("cuda", enabled=torch.cuda.is_available()):  # half precision
            vectors: FloatArray = self._features(prepared).float().cpu().numpy()
        return unit_rows(vectors)

    def _square(self, source: Picture) -> Image.Image:
        image = upright_picture(source, self._settings, draft_px=MAX_SIDE_PX)
        return pad_to_square(image, min(max(image.size), MAX_SIDE_PX))


def load_optional(name: str, settings: Settings, modality: str | None = None) -> Encoder:
    """The encoder ``library:model[@revision][#modality]``.

    Args:
        name: as in ``open_clip:hf-hub:Marqo/marqo-fashionSigLIP``.
        settings: batch size, threads, and whether non-commercial weights are accepted.
        modality: what the setting that holds the name is for; the name's own ``#image`` or ``#text`` must agree.

    Raises:
        EncoderError: the name makes no sense, the licence forbids it, or the weights cannot be had.
        MissingExtraError: the library is not installed.
    """
    wanted = parse_name(name, modality)
    module = _PACKAGES[wanted.library][0]
    for package in dict.fromkeys(("torch", module)):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "encoders", f"The encoder {name!r}")
    check_licence(wanted.plain, settings)
    folder = _folder(wanted)
    if folder is None and cached_commit(_repo(wanted), wanted.revision) is None:
        announce(wanted.plain, wanted.revision)
    features = _LOADERS[wanted.library](wanted, settings)
    # A folder's place is left out of the id: the same weights elsewhere give the same vectors.
    shown = f"{wanted.library}:{folder.name}" if folder else wanted.plain
    encoder_id = f"{shown}@{_revision(wanted)}/{wanted.modality}/1"
    is_e5 = wanted.library == "sentence-transformers" and "e5" in wanted.model.lower()
    return TorchEncoder(encoder_id, wanted.modality, settings, features, is_e5=is_e5)


def _folder(name: EncoderName) -> Path | None:
    """The local folder that the name means, or None."""
    path = Path(name.model.removeprefix("local-dir:"))
    return path if path.is_dir() else None


def _repo(name: EncoderName) -> str:
    """The hub's name of the model, where it has one."""
    plain = name.model.removeprefix("hf-hub:").removeprefix("hf_hub:")
    return f"timm/{plain}" if name.library == "timm" and "/" not in plain else plain


def _revision(name: EncoderName) -> str:
    """What pins the weights: a folder's content, the commit in the hub's cache, or what was asked for."""
    folder = _folder(name)
    if folder is not None:
        return folder_hash(folder)
    return cached_commit(_repo(name), name.revision) or name.revision or "unpinned"


def _device() -> torch.device:
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _fetch(name: EncoderName, load: Callable[[], Any]) -> Any:
    """Runs a library's loading code and turns its failures into one that teaches."""
    try:
        return load()
    except ImportError as error:
        raise MissingExtraError(error.name or name.library, "encoders", f"The encoder {name.plain!r}") from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        what = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise EncoderError(
            f"cannot load the model ({what})",
            where=name.plain,
            hint="Check the name and the network, or give a local folder",
        ) from error


def _unpinned_only(name: EncoderName) -> None:
    if name.revision:
        raise EncoderError(
            f"{name.library} cannot load a chosen revision",
            where=name.plain,
            hint="Leave out @..., or download it and give the folder",
        )


def _open_clip(name: EncoderName, settings: Settings) -> Features:
    """``hf-hub:org/model``, ``local-dir:/path`` or ``architecture/pretrained-tag``."""
    _unpinned_only(name)
    open_clip: Any = _fetch(name, lambda: importlib.import_module("open_clip"))
    import torch

    architecture, tag = name.model, None
    if not name.model.startswith(("hf-hub:", "local-dir:")):
        architecture, _, tag = name.model.rpartition("/")
        if not architecture:
            raise EncoderError(
                "no pretrained weights are named", where=name.plain, hint="Write open_clip:<architecture>/<tag>"
            )
    device = _device()
    model, prepare = _fetch(
        name, lambda: open_clip.create_model_from_pretrained(architecture, pretrained=tag, device=device)
    )
    model.eval()
    if name.modality == "image":
        return lambda images: model.encode_image(torch.stack([prepare(image) for image in images]).to(device))
    tokenize = _fetch(name, lambda: open_clip.get_tokenizer(architecture))
    return lambda texts: model.encode_text(tokenize(list(texts)).to(device))


def _cn_clip(name: EncoderName, settings: Settings) -> Features:
    """Chinese-CLIP by the name of its architecture, as in ``ViT-B-16``."""
    _unpinned_only(name)
    clip: Any = _fetch(name, lambda: importlib.import_module("cn_clip.clip"))
    import torch

    root = str(settings.cache_dir / "encoders" / "cn_clip")
    # Loaded on the CPU first: the library turns a model into 32 bits only there.
    model, prepare = _fetch(name, lambda: clip.load_from_name(name.model, device="cpu", download_root=root))
    device = _device()
    model.eval().to(device)
    if name.modality == "image":
        return lambda images: model.encode_image(torch.stack([prepare(image) for image in images]).to(device))
    return lambda texts: model.encode_text(clip.tokenize(list(texts)).to(device))


def _sentence_transformers(name: EncoderName, settings: Settings) -> Features:
    """Any model of the library, from the hub or a folder."""
    library: Any = _fetch(name, lambda: importlib.import_module("sentence_transformers"))
    pinned = {"revision": name.revision} if name.revision else {}
    model = _fetch(name, lambda: library.SentenceTransformer(name.model, device=str(_device()), **pinned))
    model.eval()

    def features(texts: Sequence[str]) -> torch.Tensor:
        made: torch.Tensor = model.encode(
            list(texts), batch_size=settings.batch_size, convert_to_tensor=True, show_progress_bar=False
        )
        return made

    return features


def _timm(name: EncoderName, settings: Settings) -> Features:
    """Any picture model of the library, or ``hf_hub:org/model`` from the hub, without its classifier."""
    timm: Any = _fetch(name, lambda: importlib.import_module("timm"))
    import torch

    # The library takes a revision with a hub name only; its own models are on the hub as timm/<name>.
    full = f"hf_hub:{_repo(name)}@{name.revision}" if name.revision else name.model
    device = _device()
    model = _fetch(name, lambda: timm.create_model(full, pretrained=True, num_classes=0)).eval().to(device)
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return lambda images: model(torch.stack([prepare(image) for image in images]).to(device))


def _transformers(name: EncoderName, settings: Settings) -> Features:
    """CLIP, SigLIP or Chinese-CLIP from the hub or a folder."""
    from modaloom.encoders.hub import transformers_features

    return transformers_features(name.model, name.modality, name.revision, _device())


_LOADERS: dict[str, Callable[[EncoderName, Settings], Features]] = {
    "open_clip": _open_clip,
    "cn_clip": _cn_clip,
    "sentence-transformers": _sentence_transformers,
    "timm": _timm,
    "transformers": _transformers,
}
