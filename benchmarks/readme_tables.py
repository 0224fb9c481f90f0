"""Writes the README's tables from results/*.json; `--check` says whether they agree.

python benchmarks/readme_tables.py [--check]
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def hm_rolling() -> str:
    models = json.loads((HERE / "results" / "hm_rolling.json").read_text(encoding="utf-8"))["models"]
    lines = ["| model | Recall@20 | NDCG@20 | Recall@20 of never-sold items |", "| --- | --- | --- | --- |"]
    for name, row in sorted(models.items(), key=lambda pair: -pair[1]["recall"]):
        low, high = row["intervals"]["recall"]
        shown = f"**{name}**" if name == "modaloom" else name
        cells = [f"{row['recall']:.4f} [{low:.4f}, {high:.4f}]", f"{row['ndcg']:.4f}", f"{row['cold']['recall']:.4f}"]
        lines.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {"hm_rolling": hm_rolling}


def rendered(text: str) -> str:
    """The README's text with every table made anew."""
    for name, make in TABLES.items():
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
