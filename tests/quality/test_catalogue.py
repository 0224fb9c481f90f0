from __future__ import annotations

from collections.abc import Callable

import pytest

from modaloom.data.shop import Shop
from modaloom.quality.catalogue import catalogue_findings
from modaloom.quality.findings import Finding, Severity

MakeShop = Callable[..., Shop]


def _findings(shop: Shop) -> dict[str, Finding]:
    return {finding.check: finding for finding in catalogue_findings(shop)}


def test_no_catalogue(make_shop: MakeShop) -> None:
    findings = _findings(make_shop(items=(), log=["user,item", "u,a"]))
    assert list(findings) == ["catalogue"]
    assert findings["catalogue"].severity is Severity.WARNING


def test_missing_modalities_are_counted(make_shop: MakeShop) -> None:
    rows = ["id,title,price,colour", *(f"i{num},dress,10,red" for num in range(38)), "x,,5,", "y,coat,,"]
    findings = _findings(make_shop(rows, attributes=["colour"]))
    assert findings["missing title"].sentence == "1 of 40 (2.5 %) items lack a title"
    assert findings["missing title"].severity is Severity.NOTE
    assert [case.item_id for case in findings["missing title"].examples] == ["x"]
    assert findings["missing attributes"].figures["missing"] == 2
    assert findings["missing picture"].severity is Severity.WARNING
    assert findings["missing picture"].examples == ()  # all of them: no use in listing any
    assert findings["missing description"].severity is Severity.NOTE
    assert findings["items without content"].sentence.startswith("1 of 40 (2.5 %)")
    assert findings["attributes"].figures["colour"] == {"missing_share": 0.05, "values": 1}


def test_poor_and_constant_attributes_and_ids_in_disguise(make_shop: MakeShop) -> None:
    rows = ["id,title,sku,brand,fit", *(f"i{num},dress,s{num},Acme,{'slim' if num < 9 else ''}" for num in range(40))]
    findings = _findings(make_shop(rows, attributes=["sku", "brand", "fit"]))
    assert findings["id in disguise"].figures == {"values": 40}
    assert "sku" in findings["id in disguise"].advice
    assert "'Acme' on every item" in findings["constant attribute"].sentence
    assert "fit" in findings["attributes"].advice
    assert findings["attributes"].severity is Severity.NOTE


def test_few_items_say_nothing_about_disguises(make_shop: MakeShop) -> None:
    findings = _findings(make_shop(["id,sku", "a,1", "b,2"], attributes=["sku"]))
    assert "id in disguise" not in findings


def test_price_outliers_and_impossible_prices(make_shop: MakeShop) -> None:
    rows = ["id,price", *(f"i{num},{10 + num % 40}" for num in range(60)), "slip,2999999", "free,0", "minus,-5"]
    findings = _findings(make_shop(rows))
    assert [case.text for case in findings["price outliers"].examples] == ["item slip: price 3e+06"]
    assert findings["price outliers"].severity is Severity.WARNING
    assert [case.item_id for case in findings["price not positive"].examples] == ["free", "minus"]


def test_ordinary_and_equal_prices_are_fine(make_shop: MakeShop) -> None:
    for prices in ([9.9 + num for num in range(60)], [20] * 60, [20] * 59 + [25]):
        findings = _findings(make_shop(["id,price", *(f"i{num},{price}" for num, price in enumerate(prices))]))
        assert findings["price outliers"].severity is Severity.OK
    assert "price outliers" not in _findings(make_shop(["id,price", "a,1", "b,1000000"]))


@pytest.mark.parametrize(
    ("language", "title", "severity"),
    [
        ("en", "red dress", Severity.OK),
        ("zh", "红色连衣裙", Severity.OK),
        ("zh", "宽松T恤", Severity.OK),
        ("zh", "red dress", Severity.WARNING),
        ("en", "红色连衣裙", Severity.WARNING),
    ],
)
def test_language_of_titles(make_shop: MakeShop, language: str, title: str, severity: Severity) -> None:
    finding = _findings(make_shop(["id,title", f"a,{title}"], language=language))["language of titles"]
    assert finding.severity is severity
    assert bool(finding.advice) == (severity is Severity.WARNING)


def test_scripts_are_counted(make_shop: MakeShop) -> None:
    finding = _findings(make_shop(["id,title", "a,red", "b,红裙", "c,Nike 红裙", "d,123"]))["language of titles"]
    assert finding.figures == {"zh": 1, "en": 1, "mixed": 1, "other": 1}


def test_swapped_translations(make_shop: MakeShop) -> None:
    rows = ["id,title_zh,title_en", "a,红裙,red dress", "b,blue jeans,蓝色牛仔裤", "c,white shirt,white shirt"]
    finding = _findings(make_shop(rows))["translated titles"]
    assert finding.figures == {"wrong": 2, "swapped": 1}
    assert [case.item_id for case in finding.examples] == ["b", "c"]
    assert "Exchange" in finding.advice
    assert "translated titles" not in _findings(make_shop(rows[:2]))
