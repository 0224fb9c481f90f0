from __future__ import annotations

from collections.abc import Callable

from modaloom.data.shop import Shop
from modaloom.quality.behaviour import behaviour_findings
from modaloom.quality.findings import Finding, Severity

MakeShop = Callable[..., Shop]
HEADER = "user,item,timestamp"


def _findings(shop: Shop) -> dict[str, Finding]:
    return {finding.check: finding for finding in behaviour_findings(shop)}


def test_no_log(make_shop: MakeShop) -> None:
    findings = _findings(make_shop())
    assert list(findings) == ["behaviour"]
    assert findings["behaviour"].severity is Severity.NOTE


def test_a_clean_log(make_shop: MakeShop) -> None:
    rows = ["u,a,2020-01-01 10:00", "u,b,2020-01-02 11:00", "v,c,2020-01-03 12:30", "v,a,2020-01-03 12:31"]
    findings = _findings(make_shop(log=[HEADER, *rows]))
    assert {finding.severity for finding in findings.values()} == {Severity.OK}
    assert findings["times"].sentence == "The log runs from 2020-01-01 to 2020-01-03"


def test_duplicate_rows(make_shop: MakeShop) -> None:
    rows = ["u,a,2020-01-01", "u,a,2020-01-01", "u,a,2020-01-01", "v,b,2020-01-01", "v,b,2020-01-02"]
    finding = _findings(make_shop(log=[HEADER, *rows]))["duplicate rows"]
    assert finding.figures == {"rows": 2, "most_often": 3}
    assert finding.severity is Severity.WARNING
    assert "days only" in finding.sentence
    assert len(finding.examples) == 1
    untimed = _findings(make_shop(log=["user,item", "u,a", "u,a", "u,b", "u,c", "v,a", "v,b"]))["duplicate rows"]
    assert untimed.severity is Severity.NOTE
    assert "no times" in untimed.sentence


def test_missing_equal_and_implausible_times(make_shop: MakeShop) -> None:
    assert _findings(make_shop(log=["user,item", "u,a"]))["times"].severity is Severity.WARNING
    same = _findings(make_shop(log=[HEADER, "u,a,2020-01-01", "v,b,2020-01-01"]))["times"]
    assert "All 2 rows have the same time (2020-01-01)" in same.sentence
    old = _findings(make_shop(log=[HEADER, "u,a,1970-01-01", "v,b,2020-01-01"]))["implausible dates"]
    assert old.figures == {"rows": 1}
    assert old.examples[0].user_id == "u"


def test_cold_items_and_one_timers(make_shop: MakeShop) -> None:
    findings = _findings(make_shop(log=[HEADER, "u,a,2020-01-01", "v,a,2020-01-02"]))
    assert findings["items nobody touched"].figures == {"items": 2}
    assert findings["items nobody touched"].severity is Severity.NOTE
    assert findings["users with one row"].figures == {"users": 2}


def test_robots(make_shop: MakeShop) -> None:
    rows = [f"u{num},a,2020-01-01 00:00:{num % 60:02}" for num in range(200)]
    rows += [f"robot,b,2020-01-02 {num // 3600:02}:{num // 60 % 60:02}:{num % 60:02}" for num in range(900)]
    finding = _findings(make_shop(log=[HEADER, *rows]))["robots"]
    assert [case.user_id for case in finding.examples] == ["robot"]


def test_identical_histories(make_shop: MakeShop) -> None:
    past = ["a,2020-01-01", "b,2020-01-02", "c,2020-01-03"]
    rows = [f"{user},{row}" for user in ("u", "v") for row in past] + ["w,a,2020-01-01", "w,b,2020-01-02"]
    finding = _findings(make_shop(log=[HEADER, *rows]))["identical histories"]
    assert finding.figures == {"users": 2, "groups": 1}
    assert finding.severity is Severity.WARNING
    assert finding.examples[0].text == "users u, v have the same past"
