"""The whole journey on the built-in shop: draw, check, measure, learn, recommend, and a page to look at."""

from __future__ import annotations

import base64
import io
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image

from modaloom.bulletin.run import run_trends
from modaloom.config import Settings
from modaloom.data.shop import Shop
from modaloom.encoders.encode import encode_items
from modaloom.evaluation.protocol import Evaluation, Protocol, evaluate
from modaloom.evaluation.report import print_report, write_html
from modaloom.files import write_text
from modaloom.learning import LearnOptions, model_factories, train_bundle
from modaloom.messages import messages
from modaloom.quality.report import check_shop
from modaloom.quality.report import print_report as print_quality
from modaloom.samples.write import write_sample
from modaloom.serving import print_ready, run_service
from modaloom.shop import requests
from modaloom.shop.bundle import load_bundle
from modaloom.shop.offline import Query, Recommender
from modaloom.shop.open import fill_store
from modaloom.storage.open import open_store
from modaloom.terminal import bars, console, open_shop, print_recommendations, print_trained
from modaloom.trends.read import TrendOptions
from modaloom.types import LANGUAGES, Tell

THUMBNAIL_PX = (240, 300)
LISTED = 8
PAST_SHOWN = 6
MODELS = ("modaloom", "popularity", "item-knn", "ease", "content-knn", "bpr-mf", "ials")
WORDS = {"en": "a warm wool coat for the office", "zh": "通勤穿的真丝衬衫"}
GROUPS = ("image", "text", "behaviour")
NAMES = ("Mei", "Jun", "Lina", "Tao", "Ana", "Kai")
"""What the demonstration calls the shoppers that a visitor may look at the page as."""
TO_TRY = """
What to try:
  * [bold]Look as[/bold] somebody else (top right), and see the list and its reasons change
  * like, hide or call something too dear: the next list knows
  * search for “silk blouse” or 羊毛大衣, or drop a photo of a garment on the search
  * Me: what Modaloom knows, changed or erased by you
  * {address}/trends with the shop or admin key above: what rises and falls, how sure that is, and what to do
  * {address}/admin with the admin key; 'modaloom serve' has the same pages for your own shop
"""


@dataclass(frozen=True)
class Card:
    """One garment on the page."""

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
    recall: list[tuple[str, float, float]]  # model, recall, width in per cent
    n: int
    curves: str
    shelves: list[Shelf]


def run_demo(folder: Path, *, port: int, serve: bool) -> None:
    """Runs the journey; the drawn shop is kept for the next time.

    Args:
        folder: where everything goes.
        port: of the page.
        serve: whether to end with the page, until Ctrl-C, or with the report.
    """
    shop_folder, bundle_folder, report = folder / "shop", folder / "bundle", folder / "report.html"
    with bars() as tell:
        if not (shop_folder / "shop.toml").is_file():
            write_sample(shop_folder, progress=tell)
    settings, shop = open_shop(shop_folder, None)
    with bars() as tell:
        quality = check_shop(shop, settings=settings, progress=tell)
    print_quality(quality, console)
    with bars() as tell:
        evaluation = _measure(shop, settings, tell)
    print_report(evaluation, console)
    write_html(evaluation, folder / "evaluation.html")
    with bars() as tell:
        metrics = train_bundle(shop, bundle_folder, LearnOptions(), settings=settings, tell=tell)
    print_trained(metrics, bundle_folder, console)
    recommender = Recommender(load_bundle(bundle_folder), settings)
    shelves = _shelves(recommender, shop, shop_folder)
    write_text(report, _page(shop, evaluation, bundle_folder, shelves))
    console.print(
        f"\n[bold]Open {report}[/bold] to see it with pictures; {folder / 'evaluation.html'} has every figure."
    )
    store = f"sqlite:///{(folder / 'shop.db').resolve()}"
    if serve:
        with open_store(store) as opened, bars() as tell:
            fill_store(opened, load_bundle(bundle_folder), settings, today=True, tell=tell)
    _trends(store if serve else str(shop_folder), folder / "trends", settings)
    if serve:
        _serve(folder, bundle_folder, settings, port, store)


def _trends(source: str, report: Path, settings: Settings) -> None:
    """What is moving, told here, written as a report, and kept where it is a store."""
    with bars() as tell:
        told = run_trends(source, None, TrendOptions(), settings=settings, tell=tell)
    console.print("\n[bold]What is moving[/bold]")
    told.print(None, console)
    told.write(report, None, console)


def _serve(folder: Path, bundle: Path, settings: Settings, port: int, store: str) -> None:
    """The page, with some of the built-in shop's shoppers to look at it as."""
    users = json.loads((folder / "shop" / "truth.json").read_text(encoding="utf-8"))["users"]
    chosen = [
        user_id for group in GROUPS for user_id in islice((u for u, one in users.items() if one["group"] == group), 2)
    ]

    keys = {scope: secrets.token_urlsafe(18) for scope in ("shop", "admin")}  # of this run

    def ready(address: str, made: Mapping[str, str]) -> None:
        print_ready(address, keys)
        console.print(TO_TRY.format(address=address), soft_wrap=True)

    run_service(
        bundle,
        store,
        settings,
        today=True,
        on_ready=ready,
        port=port,
        demo_shoppers=dict(zip(chosen, NAMES, strict=False)),
        shop_name="Modaloom",
        log_requests=False,
        shop_keys=(keys["shop"],),
        admin_keys=(keys["admin"],),
    )


def _measure(shop: Shop, settings: Settings, tell: Tell) -> Evaluation:
    tokens = encode_items(shop, settings=settings, progress=tell)
    factories = model_factories(MODELS, LearnOptions())
    return evaluate(shop, tokens, Protocol("rolling", windows=2), factories, tolerant=True, tell=tell)


def _shelves(recommender: Recommender, shop: Shop, folder: Path) -> list[Shelf]:
    """One shopper of each kind of taste, a photo, and words in both languages; printed on the way."""
    shelves = []
    for group, user_id in _shoppers(folder).items():
        language = "zh" if group == "text" else "en"
        answers = recommender.recommend(Query(user=user_id), n=LISTED, language=language)
        console.print(f"\n[bold]{user_id}[/bold], whose taste was planted in: {group}")
        print_recommendations(recommender, answers, language, as_json=False)
        past = _bought(shop, user_id)[-PAST_SHOWN:]
        given = [_card_of_item(recommender, item_id, language) for item_id in past]
        heading = {"en": f"{user_id} bought", "zh": f"{user_id} 买过"}[language]
        shelves.append(Shelf(heading, language, given, [_card(recommender, answer) for answer in answers]))
    photo = next(path for path in shop.image_paths() if path is not None)
    for language, query, heading in (
        ("en", Query(photo=photo), "A photo"),
        *((language, Query(text=WORDS[language]), f"“{WORDS[language]}”") for language in LANGUAGES),
    ):
        answers = recommender.recommend(query, n=LISTED, language=language)
        console.print(f"\n[bold]{heading}[/bold]")
        print_recommendations(recommender, answers, language, as_json=False)
        given = [Card("", "", _thumbnail(photo), ())] if query.photo else []
        shelves.append(Shelf(heading, language, given, [_card(recommender, answer) for answer in answers]))
    return shelves


def _shoppers(folder: Path) -> dict[str, str]:
    """The first shopper of each planted kind of taste."""
    users = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["users"]
    return {group: next(user_id for user_id, user in users.items() if user["group"] == group) for group in GROUPS}


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


def _page(shop: Shop, evaluation: Evaluation, bundle: Path, shelves: list[Shelf]) -> str:
    template = files("modaloom").joinpath("demo.html").read_text(encoding="utf-8")
    recall = {name: evaluation.mean(name, "recall") for name, rounds in evaluation.rounds.items() if rounds}
    top = max(recall.values()) or 1.0
    page = DemoPage(
        shop=shop.name,
        counts={"garments": shop.n_items, "shoppers": shop.n_users, "events": shop.interactions.height},
        recall=[(name, value, 100 * value / top) for name, value in sorted(recall.items(), key=lambda pair: -pair[1])],
        n=evaluation.protocol.n,
        curves="data:image/png;base64," + base64.b64encode((bundle / "curves.png").read_bytes()).decode(),
        shelves=shelves,
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    said = {language: messages(language) for language in LANGUAGES}
    return environment.from_string(template).render(page=page, said=said)
