"""Writes the tables and pictures of README.md and docs/results.md from results/*.json; `--check` compares them.

    python benchmarks/readme_tables.py [--check]

A table stands between `<!-- table: NAME -->` and `<!-- end -->`, a picture between `<!-- picture: NAME -->` and
`<!-- end -->`. Where there is no result file, a sentence says so; once the file is there, the next run puts the table
in its place.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENTS = (HERE.parent / "README.md", HERE.parent / "docs" / "results.md")
NOT_MEASURED = "Not measured yet on the corrected data set: see the entry of 2026-12-01 in `benchmarks/LOG.md`."


def result(name: str) -> dict[str, Any]:
    """The models of one result file."""
    models: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))["models"]
    return models


def hm_rolling() -> str:
    models = result("hm_rolling")
    lines = ["| model | Recall@20 | NDCG@20 | Recall@20 of never-sold items |", "| --- | --- | --- | --- |"]
    for name, row in sorted(models.items(), key=lambda pair: -pair[1]["recall"]):
        low, high = row["intervals"]["recall"]
        shown = f"**{name}**" if name == "modaloom" else name
        cells = [f"{row['recall']:.4f} [{low:.4f}, {high:.4f}]", f"{row['ndcg']:.4f}", f"{row['cold']['recall']:.4f}"]
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


def peers(data: str) -> str:
    lines = ["| model | Recall@20 | NDCG@20 | fit s | shoppers/s | peak MB |", "| --- | --- | --- | --- | --- | --- |"]
    for name, row in sorted(result(f"peers_{data}").items(), key=lambda pair: -pair[1].get("recall", -1)):
        if "error" in row:  # what cannot run on these data, with the reason, stands in the file
            continue
        low, high = row["intervals"]["recall"]
        shown, speed = f"**{name}**" if name == "modaloom" else name, row["users_per_s"]
        cells = [f"{row['recall']:.4f} [{low:.4f}, {high:.4f}]", f"{row['ndcg']:.4f}", f"{row['fit_s']:.0f}"]
        lines.append(f"| {shown} | {' | '.join([*cells, f'{speed:,.0f}', str(row['peak_mb'])])} |")
    return "\n".join(lines)


def fusion_kinds(shop: str) -> str:
    lines = ["| what is different | Recall@20 | gain ± its error | NDCG@20 |", "| --- | --- | --- | --- |"]
    for name, row in sorted(result(f"fusion_kinds_{shop}").items(), key=lambda pair: -pair[1]["recall"]):
        low, high = row["recall_interval"]
        gain = (
            f"{row['recall_gain']:+.4f} ± {row['recall_gain_error']:.4f}" if row["recall_gain_error"] else "(default)"
        )
        lines.append(f"| {name} | {row['recall']:.4f} [{low:.4f}, {high:.4f}] | {gain} | {row['ndcg']:.4f} |")
    return "\n".join(lines)


def ablations(data: str) -> dict[str, Any]:
    """Rows by kind and name of one ablation study; empty where it has no result file."""
    file = HERE / "results" / f"ablations_{data}.json"
    rows: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else {}
    return rows


def added(row: dict[str, Any], metric: str = "recall") -> str:
    """What a component adds, with its interval."""
    if f"{metric}_gain" not in row:
        return ""
    low, high = row[f"{metric}_gain_interval"]
    if low == high == 0:  # it was not there to be taken out: a log without times has no ages
        return ""
    return f"{row[f'{metric}_gain']:+.4f} [{low:+.4f}, {high:+.4f}]"


def ablated_parts() -> str:
    """What each part of the blend adds: three columns for H&M, two for Amazon, of those that were measured."""
    hm, amazon = ablations("hm"), ablations("amazon")
    heads = ["H&M: alone", "adds to Recall@20", "adds, never-sold"] if hm else []
    heads += ["Amazon: alone", "adds to Recall@20"] if amazon else []
    lines = [f"| part | {' | '.join(heads)} |", f"|{' --- |' * (len(heads) + 1)}"]
    first = (hm or amazon)["parts"]
    names = [name for name in first if name != "everything"]
    for name in sorted(names, key=lambda name: -first[name]["recall_gain"]):
        cells = [name]
        for rows, metrics in ((hm, ("recall", "never_sold")), (amazon, ("recall",))):
            if rows:
                cells.append(f"{rows['alone'][name]['recall']:.4f}" if name in rows["alone"] else "")
                cells += [added(rows["parts"].get(name, {}), metric) for metric in metrics]
        lines.append(f"| {' | '.join(cells)} |")
    whole = [f"{rows['parts']['everything']['recall']:.4f}" if rows else "" for rows in (hm, amazon)]
    cells = ([whole[0], "", ""] if hm else []) + ([whole[1], ""] if amazon else [])
    lines.append(f"| **everything** | {' | '.join(cells)} |")
    return "\n".join(lines)


def ablated_learning() -> str:
    """What each ingredient of learning adds, a column for each study that was made."""
    studies = {
        "built-in shop, whole blend": ablations("shop").get("learning, whole"),
        "its last 28 days": ablations("shop_forward").get("learning, whole"),
        "H&M, whole blend": ablations("hm").get("learning, whole"),
        "H&M, fusion alone": ablations("hm").get("learning, fusion"),
    }
    columns: dict[str, dict[str, Any]] = {head: rows for head, rows in studies.items() if rows}
    lines = [f"| what is undone | {' | '.join(f'{head}: it adds' for head in columns)} |"]
    lines.append(f"|{' --- |' * (len(columns) + 1)}")
    gains: dict[str, float] = {}
    for rows in reversed(columns.values()):  # the first study that has a name orders it
        gains |= {name: row["recall_gain"] for name, row in rows.items() if name != "everything"}
    for name in sorted(gains, key=lambda name: (-gains[name], name)):
        cells = [added(rows[name]) if name in rows else "" for rows in columns.values()]
        if any(cells):
            lines.append(f"| {'learning itself' if name == 'untrained' else name} | {' | '.join(cells)} |")
    base = [f"Recall@20 {rows['everything']['recall']:.4f}" for rows in columns.values()]
    lines.append(f"| **nothing** | {' | '.join(base)} |")
    return "\n".join(lines)


def serving() -> str:
    lines = ["| what | per second | best round | p50 ms | p99 ms |", "| --- | --- | --- | --- | --- |"]
    rows = json.loads((HERE / "results" / "serving.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        cells = [f"{row[key]:,.{digits}f}" if key in row else "" for key, digits in SERVED]
        lines.append(f"| {row['what']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def hermes() -> str:
    content = json.loads((HERE / "results" / "hermes.json").read_text(encoding="utf-8"))
    rows = {name: {"mase": mase} for name, mase in content["published"].items()} | content["models"]
    lines = ["| model | MASE | direction right | 80 % interval covers | s |", "| --- | --- | --- | --- | --- |"]
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]["mase"]):
        interval = " [{:.3f}, {:.3f}]".format(*row["interval"]) if "interval" in row else ""
        shown = f"**modaloom, {name}**" if name == "ensemble" else name
        cells = [f"{row['mase']:.3f}{interval}", f"{row['direction']:.0%}" if row.get("direction") else ""]
        cells += [f"{row['coverage']:.1%}" if "coverage" in row else ""]
        lines.append(
            f"| {shown} | {' | '.join(cells)} | {row['seconds']:.1f} |"
            if "seconds" in row
            else f"| {shown} | {' | '.join(cells)} |  |"
        )
    return "\n".join(lines)


def scaling() -> str:
    models = result("scaling")
    sizes = sorted({row["items"] for step in models.values() for row in step["rows"]})
    heads = [f"{size:,} items" for size in sizes]
    lines = [f"| step | {' | '.join(heads)} | slope |", f"| --- |{' --- |' * len(sizes)} --- |"]
    for name, step in models.items():
        rows = {row["items"]: row for row in step["rows"] if "error" not in row}
        cells = [
            f"{rows[size]['cpu_s']:,.1f} s, {rows[size]['peak_mb']:,} MB" if size in rows else "" for size in sizes
        ]
        slope = "" if step["slope"] is None else f"{step['slope']:.2f}"
        lines.append(f"| {name} | {' | '.join(cells)} | {slope} |")
    return "\n".join(lines)


def end_to_end() -> str:
    lines = ["| command | cache | seconds | processor s | peak MB |", "| --- | --- | --- | --- | --- |"]
    rows = json.loads((HERE / "results" / "end_to_end.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        cells = [row["what"], row["cache"], f"{row['wall_s']:,.1f}", f"{row['cpu_s']:,.1f}", f"{row['peak_mb']:,}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


SERVED = (("per_s", 0), ("best_per_s", 0), ("p50_ms", 1), ("p99_ms", 1))
TABLES = {
    "serving": serving,
    "hermes": hermes,
    "hm_rolling": hm_rolling,
    "peers_amazon": lambda: peers("amazon"),
    "peers_hm": lambda: peers("hm"),
    "ablated_parts": ablated_parts,
    "ablated_learning": ablated_learning,
    "fusion_kinds_hm": lambda: fusion_kinds("hm"),
    "fusion_kinds_shop": lambda: fusion_kinds("shop"),
    "scaling": scaling,
    "end_to_end": end_to_end,
}


PICTURES = {
    "never_sold": ("hm_rolling", "Recall on items never sold before, by model and by known events of a new shopper"),
    "new_users": ("new_users", "Recall by the number of events that are known of a new shopper, by model"),
}
"""Pictures of `curves.py` that need a study which may be missing: its result file, and the text for who cannot see."""


def table(name: str) -> str:
    """One table, or the sentence that says that there is none yet."""
    try:
        return TABLES[name]()
    except FileNotFoundError:
        return NOT_MEASURED


def picture(name: str) -> str:
    """A link to one picture, relative to docs/, or the sentence that says that there is none yet."""
    study, alt = PICTURES[name]
    return f"![{alt}](images/{name}.png)" if (HERE / "results" / f"{study}.json").exists() else NOT_MEASURED


def rendered(text: str) -> str:
    """A document's text with every table and picture made anew."""
    blocks = {"table": table, "picture": picture}
    pattern = re.compile(r"(<!-- (table|picture): (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}\n{blocks[match[2]](match[3])}\n\n{match[4]}", text)


def main() -> int:
    """Writes the documents anew, or with `--check` says whether that would change them."""
    stale = False
    for file in DOCUMENTS:
        text = file.read_text(encoding="utf-8")
        fresh = rendered(text)
        stale |= fresh != text
        if "--check" not in sys.argv:
            file.write_text(fresh, encoding="utf-8")
    return int(stale and "--check" in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())
