"""Reads how a picture file is wrapped: its kind by its bytes, whether it is whole, and what else it carries.

A polyglot is a file that is a picture and at the same time something that runs or unpacks. Since every picture is
encoded anew, one would do no harm here; it is refused because nobody sends one by accident. What phones put behind
their photos (a second JPEG, a short film, a maker's notes) is let through, and dropped.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from modaloom.api.middleware.errors import Refused

SOFT_TAIL = 4_096
"""So many zeros or blanks behind a picture are sloppiness, not a second file."""
PIECE = 128 * 1024
"""Bytes that are searched in one go: a search holds the interpreter, and somebody else waits for it."""
FOREIGN_ANYWHERE = (b"<?php", b"<script", b"<!doctype", b"<html", b"javascript:", b"#!/bin/")
"""In small letters."""
FOREIGN_TAIL: tuple[bytes, ...] = (
    b"PK\x05\x06",
    b"PK\x03\x04",
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"%PDF-",
    b"\x7fELF",
)
FOREIGN_TAIL += (b"\xca\xfe\xba\xbe",)
LONGEST_MARK = max(map(len, FOREIGN_ANYWHERE + FOREIGN_TAIL))
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
MAX_SEGMENTS, MAX_SCANS = 10_000, 100
"""Of a JPEG: a photo has dozens of segments, and a progressive one ten scans."""
PASSES = {"PNG": 2, "WEBP": 3, "AVIF": 8}
"""Kinds by how long they take to decode, in scans of a JPEG."""
BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}
"""Markers of a JPEG that no length follows."""
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"miaf")
AVIF_BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"idat", b"pdin", b"sidx"}


class Wrapping(NamedTuple):
    """What is known of a file before anything of it is decoded."""

    kind: str
    """As Pillow calls it."""
    passes: int
    """How often a decoder goes over the whole picture: of a JPEG its scans; more than one for slower kinds."""


def check_wrapping(data: bytes) -> Wrapping:
    """The kind of a picture, once the file is known to be whole and nothing but a picture.

    Raises:
        Refused: 415 for another kind, 422 for a file that is cut short or carries something else.
    """
    scans = 0
    if data[:3] == b"\xff\xd8\xff":
        (end, scans), kind = _jpeg_end(data), "JPEG"
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        kind, end = "PNG", _png_end(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind, end = "WEBP", _webp_end(data)
    elif data[4:8] == b"ftyp" and data[8:12] in AVIF_BRANDS:
        kind, end = "AVIF", _avif_end(data)
    else:
        what = "the file is empty" if not data else "this is no JPEG, PNG, WebP or AVIF picture"
        raise Refused(415, "not_a_picture", what, hint="Send a photo as JPEG, PNG, WebP or AVIF")
    if end is None:
        raise Refused(422, "bad_picture", f"the {kind} file is cut short or damaged", hint="Export it again")
    _check_passengers(data, kind, end)
    return Wrapping(kind, scans if kind == "JPEG" else PASSES[kind])


def _check_passengers(data: bytes, kind: str, end: int) -> None:
    tail = data[end:]
    foreign = _holds(data, FOREIGN_ANYWHERE, any_case=True) or _holds(tail, FOREIGN_TAIL) or b"%PDF-" in data[:1_024]
    soft = not tail.strip(b"\x00 \r\n\t") and len(tail) <= SOFT_TAIL
    if foreign or not (soft or (kind == "JPEG" and _from_a_phone(tail))):
        raise Refused(
            422,
            "disguised",
            "the file is a picture and something else at once",
            hint="Save it again as a picture",
        )


def _holds(data: bytes, marks: tuple[bytes, ...], *, any_case: bool = False) -> bool:
    for start in range(0, len(data), PIECE):
        piece = data[start : start + PIECE + LONGEST_MARK]
        piece = piece.lower() if any_case else piece
        if any(mark in piece for mark in marks):
            return True
    return False


def _next_marker(data: bytes, start: int) -> int | None:
    """Place of the next marker of a JPEG that ends a scan."""
    for at in range(start, len(data), PIECE):
        found = JPEG_MARKER.search(data, at, at + PIECE + 1)
        if found is not None:
            return found.start()
    return None


def _from_a_phone(tail: bytes) -> bool:
    """A second JPEG (previews, depth, brightness), a film (motion photos), or a maker's own notes with an end mark."""
    head = tail.lstrip(b"\x00")[:64]
    return head[:3] == b"\xff\xd8\xff" or b"ftyp" in head[:8] or tail.rstrip(b"\x00")[-4:] == b"SEFT"


def _jpeg_end(data: bytes) -> tuple[int | None, int]:
    """Where the picture's data end, None where no end mark comes; and how many scans it has."""
    at, scans = 2, 0
    for _ in range(MAX_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if data[at : at + 1] != b"\xff" or at + 2 > len(data):
            return None, scans
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2, scans
        if marker in BARE_MARKERS:
            at += 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < 2 or at + 2 + length > len(data):
                return None, scans
            at += 2 + length
            if marker == 0xDA:  # a scan follows, as long as it likes
                scans += 1
                following = _next_marker(data, at)
                if following is None or scans > MAX_SCANS:
                    return None, scans
                at = following
    return None, scans


def _png_end(data: bytes) -> int | None:
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        at += 12 + length
        if at > len(data):
            return None
        if kind == b"IEND":
            return at
    return None


def _webp_end(data: bytes) -> int | None:
    length = int.from_bytes(data[4:8], "little")
    end = 8 + length + length % 2
    return end if end <= len(data) else len(data) if end == len(data) + 1 else None


def _avif_end(data: bytes) -> int | None:
    at, seen = 0, set()
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        if kind not in AVIF_BOXES:
            break
        if length == 0:  # to the end of the file
            length = len(data) - at
        if length < 8 or at + length > len(data):
            return None
        seen.add(kind)
        at += length
    return at if {b"ftyp", b"meta"} <= seen or {b"ftyp", b"moov"} <= seen else None
