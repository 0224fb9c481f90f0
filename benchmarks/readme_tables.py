"""Writes the README's tables from results/*.json; `--check` says whether they agree.

python benchmarks/readme_tables.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


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
    """Rows by kind and name of one study of what pays."""
    rows: dict[str, Any] = json.loads((HERE / "results" / f"ablations_{data}.json").read_text(encoding="utf-8"))["rows"]
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
    hm, amazon = ablations("hm"), ablations("amazon")
    lines = [
        "| part | alone | adds to Recall@20 | adds, never-sold | Amazon: alone | adds to Recall@20 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    whole = [f"{rows['parts']['everything']['recall']:.4f}" for rows in (hm, amazon)]
    names = sorted(
        (name for name in hm["parts"] if name != "everything"), key=lambda name: -hm["parts"][name]["recall_gain"]
    )
    for name in names:
        own, other = hm["parts"][name], amazon["parts"].get(name, {})
        alone = [f"{rows['alone'][name]['recall']:.4f}" if name in rows["alone"] else "" for rows in (hm, amazon)]
        cells = [name, alone[0], added(own), added(own, "never_sold"), alone[1], added(other)]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(f"| **everything** | {whole[0]} |  |  | {whole[1]} |  |")
    return "\n".join(lines)


def ablated_learning() -> str:
    hm = ablations("hm")
    alone, whole = hm["learning, fusion"], hm["learning, whole"]
    drawn, forward = (ablations(shop)["learning, whole"] for shop in ("shop", "shop_forward"))
    heads = ("built-in shop, whole blend", "its last 28 days", "H&M, whole blend", "H&M, fusion alone")
    lines = [f"| what is undone | {' | '.join(f'{head}: it adds' for head in heads)} |", f"|{' --- |' * 5}"]
    names = (drawn | forward | whole).keys() - {"everything"}
    for name in sorted(names, key=lambda name: (-(drawn.get(name) or forward[name])["recall_gain"], name)):
        shown = "learning itself" if name == "untrained" else name
        cells = [added(rows[name]) if name in rows else "" for rows in (drawn, forward, whole, alone)]
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    base = [f"Recall@20 {rows['everything']['recall']:.4f}" for rows in (drawn, forward, whole, alone)]
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


def rendered(text: str) -> str:
    """The README's text with every table made anew."""
    for name, make in TABLES.items():
        if f"<!-- table: {name} -->" not in text:
            continue
        pattern = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        table = make()
        text = pattern.sub(rf"\g<1>\n{table}\n\n\g<2>", text)
    return text


def main() -> int:
    text = README.read_text(encoding="utf-8")
    made = rendered(text)
    if "--check" in sys.argv:
        return int(made != text)
    README.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
