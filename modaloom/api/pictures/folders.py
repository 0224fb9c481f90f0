"""Where pictures lie: those that were sent in, and resized copies for the page."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections import OrderedDict
from pathlib import Path

from PIL import Image

from modaloom.api.pictures.accept import jpeg_bytes
from modaloom.data.pictures import open_picture
from modaloom.errors import NotFoundError
from modaloom.files import write_bytes

PROGRESSIVE_PX = 640
"""Widest copy that is worth encoding in one go."""


class MediaFolder:
    """Pictures that were sent in, under random or content names that nobody can steer."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()

    def keep(self, image: Image.Image, room: str) -> str:
        """Writes a picture; its name in the folder, such as ``wardrobe/ab12.jpg``."""
        name = f"{room}/{secrets.token_hex(16)}.jpg"
        write_bytes(self.folder / name, jpeg_bytes(image), private=True)
        return name

    def path(self, name: str) -> Path:
        """Where a picture is.

        Raises:
            NotFoundError: there is none, or the name points out of the folder.
        """
        file = (self.folder / name).resolve()
        if not file.is_relative_to(self.folder) or not file.is_file():
            raise NotFoundError("no such picture")
        return file

    def drop(self, name: str) -> bool:
        """Deletes a picture; whether it was there."""
        try:
            self.path(name).unlink()
        except (NotFoundError, FileNotFoundError):
            return False
        return True


class ResizedPictures:
    """Copies of pictures at the page's widths, made once and kept on disk under what their content is."""

    def __init__(self, folder: Path, *, max_bytes: int, max_pixels: int = 50_000_000):
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._digests: OrderedDict[tuple[str, int, int], str] = OrderedDict()
        self._made = 0

    def tag(self, source: Path, width: int) -> str:
        """A name that changes with the picture's content.

        Raises:
            NotFoundError: the file is gone.
        """
        return f"{self._digest(source)}-{width}"

    def kept(self, tag: str) -> bytes | None:
        """The copy; None if it is still to be made."""
        try:
            return self._file(tag).read_bytes()
        except OSError:
            return None

    def make(self, source: Path, width: int, tag: str) -> bytes:
        """Makes the copy and keeps it.

        Raises:
            PictureError: the picture cannot be opened.
        """
        data = self._resized(source, width)
        with contextlib.suppress(OSError):  # a full disk costs time, not pictures
            write_bytes(self._file(tag), data, private=True)
            self._made += 1
            if self._made % 500 == 0:
                self.prune()
        return data

    def prune(self) -> int:
        """Deletes the oldest copies beyond the limit; how many."""
        files = []
        for file in self._folder.glob("*/*.jpg"):
            with contextlib.suppress(OSError):
                stat = file.stat()
                files.append((stat.st_mtime_ns, stat.st_size, file))
        excess, dropped = sum(size for _, size, _ in files) - self._max_bytes, 0
        for _, size, file in sorted(files):
            if excess <= 0:
                break
            file.unlink(missing_ok=True)
            excess -= size
            dropped += 1
        return dropped

    def _file(self, tag: str) -> Path:
        return self._folder / tag[:2] / f"{tag}.jpg"

    def _digest(self, source: Path) -> str:
        try:
            stat = source.stat()
            key = (str(source), stat.st_mtime_ns, stat.st_size)
            known = self._digests.get(key)
            if known is None:
                known = hashlib.blake2b(source.read_bytes(), digest_size=16).hexdigest()
                self._digests[key] = known
                if len(self._digests) > 100_000:
                    self._digests.popitem(last=False)
        except OSError as error:
            raise NotFoundError("no such picture") from error
        return known

    def _resized(self, source: Path, width: int) -> bytes:
        image = open_picture(source, max_pixels=self._max_pixels, draft_px=width)
        if image.width > width:
            size = (width, max(1, round(image.height * width / image.width)))
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        return jpeg_bytes(image, quality=82, progressive=width <= PROGRESSIVE_PX)
