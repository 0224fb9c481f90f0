from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.quality.findings import QualityReport, Severity
from modaloom.quality.report import check_shop, print_report, summary

MakeShop = Callable[..., Shop]
REAL_DATA = os.environ.get("MODALOOM_REAL_DATA")
LOG = ["user,item,timestamp", "u,a,2020-01-01", "u,b,2020-01-02", "u,gone,2020-01-02", ",a,2020-01-02"]


def _printed(report: QualityReport) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    with console.file:
        print_report(report, console)
        return console.export_text()


def test_everything_at_once(make_shop: MakeShop, settings: Settings) -> None:
    report = check_shop(
        make_shop(["id,title,colour", "a,dress,red", "b,jeans,"], LOG, attributes=["colour"]), settings=settings
    )
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, reverse=True)
    assert report.worst is Severity.WARNING
    assert report.counts["items"] == 2
    assert report.counts["events"] == {"purchase": 2}
    assert (report.counts["first_day"], report.counts["last_day"]) == ("2020-01-01", "2020-01-02")
    unknown = report.of("unknown item")[0]
    assert [str(case) for case in unknown.examples] == ["log.csv:4: item = 'gone'"]
    assert "discontinued" in unknown.advice
    assert report.of("missing user id")[0].sentence == "1 row: missing user id"
    assert str(report.of("missing attributes")[0].examples[0]) == "items.csv:3: item b"
    assert json.loads(json.dumps(report.to_dict()))["counts"]["interactions"] == 2


def test_the_terminal_shows_it_all(make_shop: MakeShop, settings: Settings) -> None:
    report = check_shop(make_shop(["id,title", "a,[red] dress", "b,jeans"], LOG), settings=settings)
    text = _printed(report)
    for finding in report.findings:
        assert finding.check.split()[0] in text
    assert "Next:" in text
    assert summary(report) in text


@pytest.mark.parametrize("log", [(), ("user,item", "u,a")])
def test_shops_without_pictures_or_log(make_shop: MakeShop, settings: Settings, log: tuple[str, ...]) -> None:
    report = check_shop(make_shop(log=log), settings=settings)
    assert report.look_alikes == ()
    assert _printed(report)
    alone = check_shop(make_shop(items=(), log=["user,item", "u,a"]), settings=settings)
    assert alone.counts["pictures"] == 0
    assert _printed(alone)


def test_checking_changes_nothing(make_shop: MakeShop, settings: Settings) -> None:
    shop = make_shop(["id,title", "a,dress", "b,jeans"], LOG)
    before = shop.fingerprint(), shop.problems.to_dict()
    check_shop(shop, settings=settings)
    assert (shop.fingerprint(), shop.problems.to_dict()) == before


@pytest.mark.real
@pytest.mark.skipif(REAL_DATA is None, reason="MODALOOM_REAL_DATA is not set")
def test_hm_in_time(settings: Settings) -> None:
    toml = Path(__file__).parents[2] / "examples" / "shops" / "hm.toml"
    shop = load_shop(toml, root=Path(str(REAL_DATA)) / "hm", settings=settings)
    start = time.monotonic()
    report = check_shop(shop, settings=settings)
    assert time.monotonic() - start < 90
    assert report.of("broken pictures")[0].severity is Severity.OK
    assert report.of("duplicate rows")[0].figures["rows"] == 3_024
