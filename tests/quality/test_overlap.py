from __future__ import annotations

from pathlib import Path

from modaloom.config import Settings
from modaloom.data.shop import Shop, load_shop
from modaloom.quality.findings import Severity
from modaloom.quality.overlap import overlap_findings

TOML = """
name = "x"
[items]
file = "items.csv"
[items.columns]
item_id = "id"
[users]
file = "users.csv"
user_id = "id"
attributes = { age = "age" }
[interactions]
file = "log.csv"
[interactions.columns]
user_id = "u"
item_id = "i"
"""


def shop_of(root: Path, users: str, log: str, items: str = "a\nb\n") -> Shop:
    (root / "shop.toml").write_text(TOML)
    (root / "items.csv").write_text("id\n" + items)
    (root / "users.csv").write_text("id,age\n" + users)
    (root / "log.csv").write_text("u,i\n" + log)
    return load_shop(root, settings=Settings())


def test_tables_that_meet(tmp_path: Path) -> None:
    users, items = overlap_findings(shop_of(tmp_path, "x,1\ny,2\n", "x,a\ny,b\n"))
    assert users.sentence == "2 of 2 (100 %) shoppers of the log are in [users], which has 2"
    assert items.sentence == "2 of 2 (100 %) items are in the log; 0 of 2 (0 %) rows name others"
    assert users.severity == items.severity == Severity.OK


def test_shoppers_that_are_spelt_differently_are_an_error(tmp_path: Path) -> None:
    users, _ = overlap_findings(shop_of(tmp_path, "007,1\n008,2\n", "7,a\n8,b\n"))
    assert users.severity == Severity.ERROR
    assert "'7' here is '007' there" in users.advice
    users, _ = overlap_findings(shop_of(tmp_path, "p,1\nq,2\n", "7,a\n8,b\n"))
    assert users.severity == Severity.WARNING


def test_rows_that_name_others(tmp_path: Path) -> None:
    items = "".join(f"0{n}\n" for n in range(9))
    log = "".join(f"x,0{n}\n" for n in range(5)) + "x,6\nx,7\nx,8\n"
    _, items_finding = overlap_findings(shop_of(tmp_path, "x,1\n", log, items))
    assert items_finding.severity == Severity.ERROR
    assert "zeros in front" in items_finding.advice
