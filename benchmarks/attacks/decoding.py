"""Photos that are small files and long work: does the search by photo still answer others?"""

from __future__ import annotations

import io
import threading
import time

from PIL import Image

from benchmarks.attacks.target import PAGE, SHOP, Figures, Target

PATH = "/v1/search/photo"


def progressive(pixels: int) -> bytes:
    """A progressive JPEG of so many pixels, nearly empty."""
    stream = io.BytesIO()
    side = int(pixels**0.5)
    Image.new("RGB", (side, side), (200, 30, 60)).save(stream, "JPEG", progressive=True, quality=50)
    return stream.getvalue()


def disguised(n_bytes: int) -> bytes:
    """A JPEG whose only scan is of fill bytes, and ends in nothing."""
    return b"\xff\xd8\xff\xda\x00\x08" + b"x" * 6 + b"\xff" * n_bytes + b"\x00"


def angles(n_bytes: int) -> bytes:
    """A picture with a long comment of what might begin a page."""
    small = io.BytesIO()
    Image.new("RGB", (64, 64)).save(small, "JPEG")
    data, comment = small.getvalue(), b"\xff\xfe\xff\xff" + b"<" * 65_533
    return data[:2] + comment * (n_bytes // len(comment)) + data[2:]


def attack(target: Target, *, n_photos: int = 24, pixels: int = 40_000_000, fill: int = 4_000) -> Figures:
    """Sends the photos at once, and one small photo of the shop's own behind them."""
    large, small = progressive(pixels), progressive(40_000)
    answered: list[int] = []
    figures: Figures = {"KB of each photo": round(len(large) / 1e3)}
    with target.probed(figures):

        def send() -> None:
            answered.append(target.ask("POST", PATH, large, key=PAGE, kind="image/jpeg"))

        threads = [threading.Thread(target=send) for _ in range(n_photos)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.perf_counter()
        figures["another's photo"] = target.ask("POST", PATH, small, key=SHOP, kind="image/jpeg")
        figures["another's photo took ms"] = round(1e3 * (time.perf_counter() - began), 1)
        for thread in threads:
            thread.join(60)
    figures["answers"] = {str(status): answered.count(status) for status in sorted(set(answered))}
    figures["memory_mb"] = target.memory_mb()
    for name, photo in (("10 MB comment", angles(9_900_000)), (f"{fill} fill bytes", disguised(fill))):
        one: Figures = {}
        with target.probed(one):
            began = time.perf_counter()
            one["status"] = target.ask("POST", PATH, photo, key=PAGE, kind="image/jpeg")
            one["answered_ms"] = round(1e3 * (time.perf_counter() - began), 1)
        figures[name] = one
    return figures
