from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from modaloom.data.shop import Shop
from modaloom.quality.findings import (
    Example,
    Finding,
    LookAlikes,
    QualityReport,
    Severity,
    locate,
    percent,
    plain_number,
    share_text,
)

MakeShop = Callable[..., Shop]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.2234, "22.3 %"),
        (1e-6, "less than 0.1 %"),
        (0.9999, "more than 99.9 %"),
    ],
)
def test_shares_never_round_to_nothing_or_all(share: float, text: str) -> None:
    assert percent(share) == text


def test_share_text() -> None:
    assert share_text(1234, 5678) == "1,234 of 5,678 (21.7 %)"
    assert share_text(0, 0) == "0 of 0 (0 %)"
    assert plain_number(float("nan")) is None


def test_report_as_json() -> None:
    finding = Finding("check", Severity.NOTE, "words", examples=(Example("text", file="a.csv", line=3),))
    report = QualityReport("Tiny", {"items": 1}, (finding,), (LookAlikes(("a", "b"), ("1", "2"), False),))
    assert report.worst is Severity.NOTE
    assert report.of("check") == [finding]
    assert report.of("other") == []
    data = json.loads(json.dumps(report.to_dict()))
    assert data["worst"] == data["findings"][0]["severity"] == "note"
    assert data["findings"][0]["examples"] == ["a.csv:3: text"]
    assert data["look_alikes"] == [{"item_ids": ["a", "b"], "pictures": ["1", "2"], "one_group": False}]
    assert QualityReport("Tiny", {}, ()).worst is Severity.OK


def test_examples_find_their_lines(make_shop: MakeShop) -> None:
    shop = make_shop(log=["user,item,timestamp", "u,a,2020-01-01", "v,b,2020-01-02", "v,a,2020-01-03"])
    time = int(shop.interactions["timestamp"][1])
    cases = (
        Example("item", "c"),
        Example("row", "b", "v", time),
        Example("user", None, "v"),
        Example("nowhere", "z"),
        Example("known", "c", file="a.jpg"),
    )
    found = locate(shop, [Finding("check", Severity.NOTE, "words", examples=cases)])[0].examples
    assert [str(case) for case in found] == [
        "items.csv:4: item",
        "log.csv:3: row",
        "log.csv:3: user",
        "nowhere",
        "a.jpg: known",
    ]


def test_a_log_without_times_is_searched_too(make_shop: MakeShop) -> None:
    shop = make_shop(items=(), log=["user,item", "u,a", "v,b"])
    found = locate(shop, [Finding("check", Severity.NOTE, "words", examples=(Example("row", "b", "v", 0),))])
    assert found[0].examples[0].line == 3
