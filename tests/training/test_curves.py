"""A picture comes out, whatever the run was like."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from modaloom.training.curves import write_curves
from modaloom.training.loop import Progress


@pytest.mark.parametrize(
    ("progress", "panels"),
    [
        (Progress(3, [5.0, 4.0, 3.5], [0.1, 0.2, 0.3, 0.25], 2), 2),
        (Progress(2, [5.0, 4.0], [0.3, 0.2, 0.1], 0), 2),
        (Progress(1, [5.0], [], 1), 1),
        (Progress(0, [], [0.1], 0), 2),
        (Progress(), 1),
    ],
)
def test_a_picture_is_written(tmp_path: Path, progress: Progress, panels: int) -> None:
    file = tmp_path / "pictures" / "curves.png"
    write_curves(progress, file)
    write_curves(progress, file)  # again over the old one
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        assert (picture.width > 1000) == (panels == 2)
        assert 400 < picture.height < 700
        colours = picture.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 10, "nothing is drawn"
    assert list(file.parent.iterdir()) == [file]


def test_the_best_epoch_is_marked(tmp_path: Path) -> None:
    pictures = []
    for best in (1, 3):
        write_curves(Progress(3, [5.0, 4.0, 3.5], [0.1, 0.3, 0.2, 0.3], best), tmp_path / f"{best}.png")
        pictures.append((tmp_path / f"{best}.png").read_bytes())
    assert pictures[0] != pictures[1]
