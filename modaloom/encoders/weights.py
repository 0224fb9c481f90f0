"""What is known about weights that must be downloaded: size, licence, revision, and whether a shop may use them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from modaloom.config import Settings
from modaloom.errors import EncoderError

logger = logging.getLogger("modaloom.encoders")
_HASHED_SUFFIXES = (".json", ".txt", ".safetensors", ".bin", ".model")


@dataclass(frozen=True, slots=True)
class Weights:
    """One row of the table. ``pattern`` is matched against the encoder's lower-case name."""

    pattern: str
    size_mb: int | None
    licence: str
    commercial: bool = True

    @property
    def size(self) -> str:
        """The size in words."""
        return f"about {self.size_mb:,} MB" if self.size_mb else "of a size that depends on the variant"


KNOWN_WEIGHTS = (
    Weights("open_clip:hf-hub:marqo/marqo-fashionsiglip", 813, "Apache-2.0"),
    Weights("open_clip:hf-hub:marqo/marqo-fashionclip", 599, "Apache-2.0"),
    Weights("open_clip:vit-b-32/laion2b_s34b_b79k", 605, "MIT"),
    Weights("cn_clip:vit-b-16", 753, "MIT (the repository's; the weights state none of their own)"),
    Weights("sentence-transformers:intfloat/multilingual-e5-small", 471, "MIT"),
    Weights(
        "transformers:openai/clip-vit-base-patch32", 605, "MIT (the repository's; the weights state none of their own)"
    ),
    Weights("transformers:patrickjohncyh/fashion-clip", 605, "MIT"),
    Weights("transformers:google/siglip-base-patch16-224", 813, "Apache-2.0"),
    Weights("transformers:ofa-sys/chinese-clip-vit-base-patch16", 753, "not stated"),
    Weights("timm:tf_efficientnet_lite0.in1k", 19, "Apache-2.0"),
    Weights("timm:vit_base_patch14_dinov2.lvd142m", 346, "Apache-2.0"),
    Weights("*metaclip*", None, "CC-BY-NC-4.0", commercial=False),
    Weights("timm:convnextv2*", None, "CC-BY-NC-4.0", commercial=False),
    Weights("*mobileclip*", None, "Apple's research licence", commercial=False),
    Weights("*dfn[25]b*", None, "Apple's research licence", commercial=False),
    Weights("*jinaai/jina-clip-v2", 1730, "CC-BY-NC-4.0", commercial=False),
    Weights("*jinaai/jina-embeddings-v3", 1144, "CC-BY-NC-4.0", commercial=False),
)
"""Weights that somebody has looked up, most specific first. The publisher's own page has the last word."""


def known_weights(name: str) -> Weights | None:
    """The table's row for an encoder's name ``library:model``, or None."""
    return next((row for row in KNOWN_WEIGHTS if fnmatchcase(name.lower(), row.pattern)), None)


def check_licence(name: str, settings: Settings) -> None:
    """Refuses weights that are known to exclude commercial use, unless the settings accept them.

    Raises:
        EncoderError: they do, and the settings don't.
    """
    row = known_weights(name)
    if row is not None and not row.commercial and not settings.accept_noncommercial:
        raise EncoderError(
            f"the weights of {name!r} may not be used commercially ({row.licence})",
            hint="If yours is not a commercial use, set accept_noncommercial = true; else see docs/encoders.md",
        )


def announce(name: str, revision: str | None) -> None:
    """Says, before anything is downloaded, how large it is, under which licence, and in which revision."""
    row = known_weights(name)
    size = f"weights {row.size}" if row else "weights of unknown size"
    licence = row.licence if row else "unknown, read the publisher's page first"
    limit = "" if row is None or row.commercial else ", NOT for commercial use"
    logger.warning(
        "encoder %s: downloading %s; licence: %s%s; revision: %s",
        name,
        size,
        licence,
        limit,
        revision or "the newest (not pinned)",
    )


def cached_commit(repo_id: str, revision: str | None = None) -> str | None:
    """The commit of a model of the Hugging Face hub that lies in the local cache, or None."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    for file in ("config.json", "open_clip_config.json"):
        try:
            found = try_to_load_from_cache(repo_id, file, revision=revision)
        except HFValidationError:
            return None
        if isinstance(found, str):
            return Path(found).parent.name
    return None


def folder_hash(folder: Path) -> str:
    """A short hash of a local model's files, so that other weights under the same path get other cache entries."""
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted(path for path in folder.iterdir() if path.suffix in _HASHED_SUFFIXES):
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
