"""What the demonstration measures while its page is up: data check, example lists, evaluation, trends.

It runs in a process of its own (``python -m modaloom.demo_report``), with what the machine has left over, and ends
with the process that started it. How far it is stands in a file that the page shows.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image

from modaloom.api.boards import NICENESS, Boards
from modaloom.bulletin.report import write_report
from modaloom.bulletin.run import run_trends
from modaloom.config import Settings, load_settings
from modaloom.data.shop import Shop
from modaloom.encoders.encode import encode_items
from modaloom.errors import ModaloomError, QueryError
from modaloom.evaluation.protocol import Evaluation, Protocol, evaluate
from modaloom.evaluation.report import ranked, write_html
from modaloom.files import write_json, write_text
from modaloom.learning import LearnOptions, model_factories
from modaloom.messages import messages
from modaloom.quality.page import write_page
from modaloom.quality.report import check_shop
from modaloom.shop import requests
from modaloom.shop.bundle import load_bundle
from modaloom.shop.offline import Query, Recommender
from modaloom.storage.open import open_store
from modaloom.terminal import open_shop
from modaloom.trends.board import Board
from modaloom.trends.kept import load_board
from modaloom.trends.read import TrendOptions
from modaloom.types import LANGUAGES, Tell, silent

PROGRESS_FILE = "progress.json"
STEPS = {
    "check": "quality.html",
    "lists": "report.html",
    "measure": "evaluation.html",
    "trends": "trends/report.html",
}
"""What is done, in this order, and the page that shows the outcome."""
LOG_FILE = "report.log"
WRITE_EVERY_S = 0.5
POLL_S = 0.5
THUMBNAIL_PX = (240, 300)
LISTED = 8
PAST_SHOWN = 6
MODELS = ("modaloom", "popularity", "item-knn", "ease", "content-knn", "bpr-mf", "ials")
WORDS = {"en": "a warm wool coat for the office", "zh": "通勤穿的真丝衬衫"}
GROUPS = ("image", "text", "behaviour")


@dataclass(slots=True)
class Step:
    """One step of the report, as the page shows it."""

    name: str
    file: str
    """Of the outcome, below the report's folder."""
    state: str = "waiting"
    """``waiting``, ``running``, ``ready`` or ``failed``."""
    done: int = 0
    total: int = 0
    error: str | None = None


@dataclass
class Report:
    """The steps of a report and how far they are, kept in a file for the page; ``say`` gets a line for each step."""

    folder: Path
    say: Callable[[str], None]
    address: str | None = None
    """Of the page, where there is one: what is ready is told with its address."""
    tell: Tell = silent
    """Gets the progress of each step too, for a terminal."""
    steps: dict[str, Step] = field(default_factory=lambda: {name: Step(name, file) for name, file in STEPS.items()})
    _written_s: float = 0.0

    def write(self) -> None:
        """Writes the state of all steps."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / PROGRESS_FILE, {"steps": [asdict(step) for step in self.steps.values()]})
        self._written_s = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[Tell]:
        """Runs one step; what Modaloom knows to be wrong fails this step alone."""
        step = self.steps[name]
        step.state = "running"
        self.write()

        def tell(what: str, done: int, total: int) -> None:
            begins = total != step.total  # such a call may be the last one for minutes
            step.done, step.total = done, total
            self.tell(what, done, total)
            if begins or time.monotonic() - self._written_s > WRITE_EVERY_S:
                self.write()

        try:
            yield tell
        except (ModaloomError, OSError) as error:
            step.state, step.error = "failed", str(error)
            self.say(f"{self._number(step)} failed: {error}")
        else:
            step.state = "ready"
        self.write()

    def ready(self, name: str, outcome: str) -> None:
        """Tells the outcome of a step, and where it is to be read."""
        step = self.steps[name]
        self.say(f"{self._number(step)} {outcome}: {self.place_of(step)}")

    def place_of(self, step: Step) -> str:
        """The address of a step's page, or its file where no page is served."""
        return f"{self.address}/demo/{step.file}" if self.address else str(self.folder / step.file)

    def _number(self, step: Step) -> str:
        return f"[report {list(self.steps).index(step.name) + 1}/{len(self.steps)}]"


class BackgroundReport:
    """The report in a process of its own. It has the lowest claim on the machine, and ends with this process."""

    def __init__(self, demo: Path, settings: Settings, say: Callable[[str], None], *, store_url: str, address: str):
        self._report, self._say = Report(demo / "report", say), say
        self._report.write()
        self._log = demo / "report" / LOG_FILE
        arguments = {
            "demo": str(demo),
            "settings": settings.model_dump(mode="json", exclude_unset=True),
            "store_url": store_url,
            "address": address,
        }
        command = [sys.executable, "-m", __name__]
        with self._log.open("wb") as log:
            # a session of its own: Ctrl-C is for the service, which then closes this process's input
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(arguments).encode() + b"\n")
        self._process.stdin.flush()  # and left open: that it closes tells the process to end
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name="demo-report", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        """Passes the process's lines on; where it died, says so, here and on the page."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._say(line.decode(errors="replace").rstrip())
        if self._process.wait() and not self._closed:
            self._say(f"The report could not be finished; {self._log} says why. The page goes on without it.")
            mark_unfinished(self._report.folder, "the process that made it ended too early")

    def close(self) -> None:
        """Ends the process."""
        self._closed = True
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def mark_unfinished(folder: Path, why: str) -> None:
    """Notes that nobody works on the steps any more that are not ready."""
    kept = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
    for step in kept["steps"]:
        if step["state"] in ("waiting", "running"):
            step.update(state="failed", error=why)
    write_json(folder / PROGRESS_FILE, kept)


def make_report(demo: Path, settings: Settings, report: Report, *, store_url: str | None) -> Evaluation | None:
    """Makes the whole report of a demonstration's folder, which holds a shop and a bundle.

    Args:
        demo: the demonstration's folder.
        settings: of the encoders.
        report: gets the progress.
        store_url: of the store whose trend board is made, and kept for its service; without one, trends are read from
            the shop's files.

    Returns:
        The evaluation, unless it failed.
    """
    _, shop = open_shop(demo / "shop", None)
    evaluation, shelves, bundle = None, [], demo / "bundle"
    with _board_of(demo, settings, store_url) as board_of:
        with report.step("check") as tell:
            quality = check_shop(shop, settings=settings, progress=tell)
            write_page(quality, shop, report.folder / STEPS["check"], settings=settings)
            report.ready("check", "data check")
        with report.step("lists"):
            shelves = list(_shelves(Recommender(load_bundle(bundle), settings), shop, demo / "shop"))
            write_text(report.folder / STEPS["lists"], _page(shop, None, bundle, shelves))
            report.ready("lists", "lists for three shoppers, a photo and words")
        with report.step("measure") as tell:
            evaluation = _measure(shop, settings, tell)
            write_html(evaluation, report.folder / STEPS["measure"])
            write_text(report.folder / STEPS["lists"], _page(shop, evaluation, bundle, shelves))
            report.ready("measure", _outcome(evaluation))
        with report.step("trends") as tell:
            write_report(board_of(tell), (report.folder / STEPS["trends"]).parent, shop.language)
            report.ready("trends", "what rises and falls")
    return evaluation


@contextmanager
def _board_of(demo: Path, settings: Settings, store_url: str | None) -> Iterator[Callable[[Tell], Board]]:
    """A function that gives the trend board; a store's is begun at once, by a process of its own."""
    if store_url is None:
        yield lambda tell: run_trends(str(demo / "shop"), None, TrendOptions(), settings=settings, tell=tell).board
        return
    with open_store(store_url) as store:
        boards = Boards(store, settings, store_url=store_url)
        boards.make()

        def wait(tell: Tell) -> Board:
            while boards.state().running:
                time.sleep(POLL_S)
            board = load_board(store)
            if board is None:
                raise QueryError(boards.state().error or "no trend board was made")
            return board

        try:
            yield wait
        finally:
            boards.close()


def _measure(shop: Shop, settings: Settings, tell: Tell) -> Evaluation:
    tokens = encode_items(shop, settings=settings, progress=silent)  # in the cache since the shop was learned from
    factories = model_factories(MODELS, LearnOptions())
    return evaluate(shop, tokens, Protocol("rolling", windows=2), factories, tolerant=True, tell=tell)


def _outcome(evaluation: Evaluation) -> str:
    """One line: the best model, and the best of the others."""
    best = [f"{name} {evaluation.mean(name, 'recall'):.3f}" for name in ranked(evaluation)]
    return f"measured on two months that no model had seen, recall at {evaluation.protocol.n}: {', '.join(best[:3])}"


@dataclass(frozen=True)
class Card:
    """One garment in the report."""

    title: str
    price: str
    picture: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class Shelf:
    """One question and its answer, in one language."""

    heading: str
    language: str
    given: list[Card]
    answers: list[Card]


@dataclass(frozen=True)
class DemoPage:
    """What ``demo.html`` may use."""

    shop: str
    counts: dict[str, int]
    recall: list[tuple[str, float, float]]  # model, recall, width in per cent; empty until it is measured
    n: int
    curves: str
    shelves: list[Shelf]


def shoppers(shop_folder: Path, each: int) -> dict[str, list[str]]:
    """The first shoppers of each planted kind of taste."""
    users = json.loads((shop_folder / "truth.json").read_text(encoding="utf-8"))["users"]
    return {group: list(islice((u for u, one in users.items() if one["group"] == group), each)) for group in GROUPS}


def _shelves(recommender: Recommender, shop: Shop, folder: Path) -> Iterator[Shelf]:
    """One shopper of each kind of taste, a photo, and words in both languages."""
    for group, (user_id,) in shoppers(folder, 1).items():
        language = "zh" if group == "text" else "en"
        answers = recommender.recommend(Query(user=user_id), n=LISTED, language=language)
        past = _bought(shop, user_id)[-PAST_SHOWN:]
        given = [_card_of_item(recommender, item_id, language) for item_id in past]
        heading = {"en": f"{user_id} bought", "zh": f"{user_id} 买过"}[language]
        yield Shelf(heading, language, given, [_card(recommender, answer) for answer in answers])
    photo = next(path for path in shop.image_paths() if path is not None)
    for language, query, heading in (
        ("en", Query(photo=photo), "A photo"),
        *((language, Query(text=WORDS[language]), f"“{WORDS[language]}”") for language in LANGUAGES),
    ):
        answers = recommender.recommend(query, n=LISTED, language=language)
        given = [Card("", "", _thumbnail(photo), ())] if query.photo else []
        yield Shelf(heading, language, given, [_card(recommender, answer) for answer in answers])


def _bought(shop: Shop, user_id: str) -> list[str]:
    num = int(shop.user_nums([user_id])[0])
    targets = [int(event) for event in shop.target_events]
    log = shop.interactions
    rows = np.flatnonzero((log["user_num"].to_numpy() == num) & np.isin(log["event"].to_numpy(), targets))
    nums = log["item_num"].to_numpy()[rows]
    return [shop.items["item_id"][int(num)] for num in dict.fromkeys(nums.tolist())]


def _card_of_item(recommender: Recommender, item_id: str, language: str) -> Card:
    shown = recommender.show(item_id, language)
    return Card(shown.title, "", _thumbnail(recommender.picture(item_id)), ())


def _card(recommender: Recommender, answer: requests.Card) -> Card:
    price = "" if answer.price is None else f"¥{answer.price:,.0f}"
    why = tuple(reason.text for reason in answer.why)
    return Card(answer.title, price, _thumbnail(recommender.picture(answer.item_id)), why)


def _thumbnail(file: str | Path | None) -> str:
    """A small JPEG as a data address; empty where there is no picture."""
    if file is None:
        return ""
    with Image.open(file) as image:
        small = image.convert("RGB")
        small.thumbnail(THUMBNAIL_PX)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _page(shop: Shop, evaluation: Evaluation | None, bundle: Path, shelves: list[Shelf]) -> str:
    template = files("modaloom").joinpath("demo.html").read_text(encoding="utf-8")
    rounds: Mapping[str, Any] = evaluation.rounds if evaluation else {}
    recall = {name: evaluation.mean(name, "recall") for name in rounds if rounds[name] and evaluation}
    top = max(recall.values(), default=0) or 1.0
    page = DemoPage(
        shop=shop.name,
        counts={"garments": shop.n_items, "shoppers": shop.n_users, "events": shop.interactions.height},
        recall=[(name, value, 100 * value / top) for name, value in sorted(recall.items(), key=lambda pair: -pair[1])],
        n=evaluation.protocol.n if evaluation else 0,
        curves="data:image/png;base64," + base64.b64encode((bundle / "curves.png").read_bytes()).decode(),
        shelves=shelves,
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    said = {language: messages(language) for language in LANGUAGES}
    return environment.from_string(template).render(page=page, said=said)


def main() -> None:
    """Makes the report that a line on standard input describes, with what the machine has left over.

    Its lines go to standard output. Ends when whoever started it does.
    """
    os.nice(NICENESS)
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    demo = Path(told["demo"])
    report = Report(demo / "report", lambda line: print(line, flush=True), told["address"])
    make_report(demo, load_settings(**told["settings"]), report, store_url=told["store_url"])


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
