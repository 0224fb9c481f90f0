"""The report as one HTML file that can be mailed: styles and thumbnails are inside it."""

from __future__ import annotations

import base64
import io
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from modaloom.config import Settings
from modaloom.data.pictures import open_picture
from modaloom.data.shop import Shop
from modaloom.errors import PictureError
from modaloom.files import write_text
from modaloom.quality.findings import LookAlikes, QualityReport
from modaloom.quality.report import summary

THUMB_PX = 96
SHOWN_GROUPS = 60
SHOWN_PER_GROUP = 8
SHOWN_BROKEN = 200


def render_page(report: QualityReport, shop: Shop, *, settings: Settings) -> str:
    """The page's HTML.

    Pictures of look-alikes are shrunk and inlined: at most 60 groups of 8.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("modaloom.quality").joinpath("page.html").read_text(encoding="utf-8")
    groups = [_shown(group, shop, settings) for group in report.look_alikes[:SHOWN_GROUPS]]
    return environment.from_string(source).render(
        report=report,
        summary=summary(report),
        groups=groups,
        more_groups=max(0, len(report.look_alikes) - SHOWN_GROUPS),
        broken=report.broken[:SHOWN_BROKEN],
        more_broken=max(0, len(report.broken) - SHOWN_BROKEN),
    )


def write_page(report: QualityReport, shop: Shop, file: str | Path, *, settings: Settings) -> None:
    """Writes :func:`render_page` to a file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(Path(file), render_page(report, shop, settings=settings))


def _shown(group: LookAlikes, shop: Shop, settings: Settings) -> dict[str, object]:
    pairs = list(zip(group.item_ids, group.paths, strict=True))[:SHOWN_PER_GROUP]
    return {
        "one_group": group.one_group,
        "pictures": [(item_id, path, _thumb(shop.root / path, settings)) for item_id, path in pairs],
        "more": len(group.paths) - len(pairs),
    }


def _thumb(path: Path, settings: Settings) -> str:
    """A small JPEG as a data address; empty if the picture has gone since it was checked."""
    try:
        image = open_picture(path, max_pixels=settings.max_picture_pixels, draft_px=THUMB_PX)
    except PictureError:
        return ""
    image.thumbnail((THUMB_PX, THUMB_PX))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
