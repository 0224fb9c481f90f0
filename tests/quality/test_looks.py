from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from modaloom.config import Settings
from modaloom.data.shop import Shop
from modaloom.quality.findings import Severity
from modaloom.quality.looks import Looks, look_alikes, look_at_pictures, picture_findings
from modaloom.types import silent

MakeShop = Callable[..., Shop]


def _garment(colour: str, seed: int, size: tuple[int, int] = (160, 240)) -> Image.Image:
    """A random patchwork on white: as different as two real pictures, the same for the same seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, width, height = rng.uniform([0, 0, 0.2, 0.2], [0.6, 0.6, 0.5, 0.5])
        box = (x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1])
        draw.rectangle(box, fill=colour, outline="black")
    return image


def _shop(make_shop: MakeShop, groups: dict[str, str] | None = None) -> Shop:
    """Every picture in the folder is an item with its name as id."""
    shop = make_shop()
    names = sorted(path.name for path in shop.root.glob("*.[jp][pn]g"))
    rows = ["id,image,group_id", *(f"{name.split('.')[0]},{name},{(groups or {}).get(name, '')}" for name in names)]
    return make_shop(rows)


def _look(shop: Shop, settings: Settings) -> Looks:
    return look_at_pictures(shop, settings, silent)


def test_copies_are_found_and_others_are_not(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    for seed in range(40):
        _garment("crimson", seed).save(tmp_path / f"a{seed:02}.png")
    _garment("crimson", 7).save(tmp_path / "jpeg.jpg", quality=60)
    _garment("crimson", 7).resize((320, 480)).save(tmp_path / "large.png")
    _garment("navy", 7).save(tmp_path / "recoloured.png")
    (tmp_path / "same.png").write_bytes((tmp_path / "a07.png").read_bytes())
    shop = _shop(make_shop)
    looks = _look(shop, settings)
    groups = look_alikes(shop, looks)
    assert [group.item_ids for group in groups] == [("a07", "jpeg", "large", "same")]
    finding = picture_findings(shop, looks, groups, settings)[-1]
    assert finding.figures["items_with_the_same_file"] == 2
    assert finding.figures["groups_across_models"] == 1


def test_one_model_is_told_from_strangers(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    for name, seed in (("a1", 1), ("a2", 1), ("b1", 2), ("b2", 2)):
        _garment("teal", seed).save(tmp_path / f"{name}.png")
    shop = _shop(make_shop, {"a1.png": "A", "a2.png": "A", "b1.png": "B"})
    groups = look_alikes(shop, _look(shop, settings))
    assert [(group.item_ids, group.one_group) for group in groups] == [(("b1", "b2"), False), (("a1", "a2"), True)]


def test_two_pictures_of_one_item_are_no_duplicates(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    _garment("teal", 1).save(tmp_path / "1.png")
    _garment("teal", 1).save(tmp_path / "2.png")
    shop = make_shop(["id,image", "a,1.png|2.png"], toml='separator = "|"\n')
    looks = _look(shop, settings)
    assert looks.opened == 2
    assert look_alikes(shop, looks) == ()


def test_crowds_of_placeholders_cost_little(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    for num in range(300):
        Image.new("RGB", (80, 80), "white").save(tmp_path / f"p{num:03}.png")
    shop = _shop(make_shop)
    groups = look_alikes(shop, _look(shop, settings))
    assert [len(group.paths) for group in groups] == [300]


def test_broken_and_tiny_pictures(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    for seed in range(3):
        _garment("crimson", seed).save(tmp_path / f"ok{seed}.png")
    (tmp_path / "bad.jpg").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes((tmp_path / "ok0.png").read_bytes()[:80])
    Image.new("RGB", (16, 16), "red").save(tmp_path / "icon.png")
    shop = _shop(make_shop)
    looks = _look(shop, settings)
    found = {one.check: one for one in picture_findings(shop, looks, look_alikes(shop, looks), settings)}
    assert found["broken pictures"].severity is Severity.ERROR
    assert found["broken pictures"].figures == {"broken": 2, "pictures": 6}
    assert str(found["broken pictures"].examples[0]).startswith("bad.jpg: item bad: this is not a picture")
    assert found["tiny pictures"].figures == {"tiny": 1}
    lenient = settings.model_copy(update={"max_bad_share": 0.5})
    assert picture_findings(shop, looks, (), lenient)[0].severity is Severity.WARNING


def test_progress_reaches_the_end(make_shop: MakeShop, settings: Settings, tmp_path: Path) -> None:
    _garment("crimson", 1).save(tmp_path / "a.png")
    steps: list[tuple[str, int, int]] = []
    look_at_pictures(_shop(make_shop), settings, lambda *step: steps.append(step))
    assert steps == [("pictures", 1, 1)]


def test_no_pictures(make_shop: MakeShop, settings: Settings) -> None:
    shop = make_shop()
    looks = _look(shop, settings)
    assert look_alikes(shop, looks) == ()
    assert picture_findings(shop, looks, (), settings) == []
