from __future__ import annotations

from collections.abc import Callable

import pytest

from modaloom.data.shop import Shop
from modaloom.quality.findings import Finding, Severity
from modaloom.quality.leaks import leak_findings

MakeShop = Callable[..., Shop]


def _findings(shop: Shop) -> dict[str, Finding]:
    return {finding.check: finding for finding in leak_findings(shop)}


def test_nothing_to_find(make_shop: MakeShop) -> None:
    assert list(_findings(make_shop())) == ["leaks"]


@pytest.mark.parametrize("column", ["x_label", "split", "is_test", "Fold", "evaluation_status"])
def test_columns_that_part_the_test(make_shop: MakeShop, column: str) -> None:
    finding = _findings(make_shop(log=[f"user,item,{column}", "u,a,0"]))["test column"]
    assert repr(column) in finding.sentence
    assert f"event = {column!r}" in finding.advice
    mapped = _findings(make_shop([f"id,{column}", "a,train"], attributes=[column]))["test column"]
    assert "mapped as an attribute" in mapped.sentence


def test_a_test_column_that_is_used_as_the_event_is_fine(make_shop: MakeShop) -> None:
    shop = make_shop(items=(), log=["user,item", "u,a"])
    toml = (shop.root / "shop.toml").read_text() + 'event = "x_label"\n[interactions.events]\n0 = "purchase"\n'
    (shop.root / "log.csv").write_text("user,item,x_label\nu,a,0\nu,b,2\n")
    (shop.root / "shop.toml").write_text(toml)
    from modaloom.data.shop import load_shop

    assert "test column" not in _findings(load_shop(shop.root))


def test_events_before_release_and_items_after_the_log(make_shop: MakeShop) -> None:
    items = ["id,released_at", "a,2020-01-10", "b,2019-01-01", "c,2021-01-01"]
    findings = _findings(make_shop(items, ["user,item,timestamp", "u,a,2020-01-01", "u,b,2020-01-12"]))
    assert findings["events before release"].figures == {"rows": 1}
    assert findings["events before release"].severity is Severity.WARNING
    assert "released 2020-01-10, user u on 2020-01-01" in findings["events before release"].examples[0].text
    assert [case.item_id for case in findings["released after the log"].examples] == ["c"]


def test_no_release_dates(make_shop: MakeShop) -> None:
    findings = _findings(make_shop(log=["user,item,timestamp", "u,a,2020-01-01"]))
    assert findings["release dates"].severity is Severity.NOTE


def test_sales_figures_as_attributes(make_shop: MakeShop) -> None:
    rows = [f"u{num},i{item},2020-01-01 10:{num:02}" for item in range(60) for num in range(item)]
    items = ["id,demand,colour,sales_rank", *(f"i{num},{num * 3 + 1},{num % 7},{num % 5}" for num in range(60))]
    shop = make_shop(items, ["user,item,timestamp", *rows], attributes=["demand", "colour", "sales_rank"])
    found = {str(one.figures["attribute"]): one for one in leak_findings(shop) if one.check == "outcome as attribute"}
    assert set(found) == {"demand", "sales_rank"}  # one by its numbers, one by its name
    assert found["demand"].severity is Severity.WARNING
    assert found["demand"].figures["rank_correlation"] == pytest.approx(1.0)
    assert found["sales_rank"].severity is Severity.NOTE


def test_looked_at_after_the_purchase(make_shop: MakeShop) -> None:
    log = ["user,item,event,timestamp"]
    for num in range(60):
        log += [f"u{num},a,purchase,2020-01-01 10:00", f"u{num},a,view,2020-01-01 {'18' if num < 40 else '09'}:00"]
    finding = _findings(make_shop(log=log))["looked at afterwards"]
    assert finding.figures == {"pairs": 40}
    assert "u0 took a 28,800 s before" in finding.examples[0].text
    assert "looked at afterwards" not in _findings(make_shop(log=[row for row in log if "18:00" not in row]))
