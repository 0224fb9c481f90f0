from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from modaloom.config import Settings
from modaloom.data.shop import Shop
from modaloom.quality.page import SHOWN_PER_GROUP, write_page
from modaloom.quality.report import check_shop

MakeShop = Callable[..., Shop]


def test_one_file_with_thumbnails_inside(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    for num in range(SHOWN_PER_GROUP + 2):
        Image.linear_gradient("L").convert("RGB").save(tmp_path / f"{num}.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"")
    rows = ["id,title,image", *(f"i{num},dress,{num}.jpg" for num in range(SHOWN_PER_GROUP + 2)), "x,<b>coat,bad.jpg"]
    shop = make_shop(rows)
    report = check_shop(shop, settings=settings)
    (tmp_path / "0.jpg").unlink()  # gone since: its place stays without a picture
    write_page(report, shop, tmp_path / "check.html", settings=settings)
    html = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == SHOWN_PER_GROUP - 1
    assert "and 2 more" in html
    assert "bad.jpg: item x" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    for finding in report.findings:
        assert f"<strong>{finding.check}</strong>" in html


def test_a_page_without_pictures_and_with_marks_in_names(
    make_shop: MakeShop, settings: Settings, tmp_path: Path
) -> None:
    shop = make_shop(["id,title_zh,title_en", "<script>,red,红裙"])
    write_page(check_shop(shop, settings=settings), shop, tmp_path / "check.html", settings=settings)
    html = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "look the same" not in html
