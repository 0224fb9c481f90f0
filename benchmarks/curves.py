"""Draws what the studies found, from results/*.json into docs/images; what has no results yet is left out.

    python benchmarks/curves.py [--results DIR] [--images DIR] [NAME ...]

Bands are 95 % intervals over shoppers. Nothing is measured here, so a picture says what its file says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from drawing import OURS, Line, Panel, draw_curves

HERE = Path(__file__).parent
N = 20
Row = Mapping[str, Any]
SETUPS = {"content": "fusion, content only", "fusion": "fusion with behaviour", "whole": "whole blend"}
NEVER_SOLD = ("modaloom", "hand-made-blend", "content-knn", "content-knn-text", "ials", "popularity")


def missing_modalities(study: Mapping[str, Any]) -> list[Panel]:
    """Recall against the share of modality values that is hidden, a chart per set-up, a line per treatment."""
    rows: list[Row] = study["rows"]
    made = []
    for setup in dict.fromkeys(str(row["setup"]) for row in rows):
        own = [row for row in rows if row["setup"] == setup]
        shares = sorted({float(row["share"]) for row in own})
        lines = {}
        for kind in dict.fromkeys(str(row["kind"]) for row in own):
            by_share = {float(row["share"]): row for row in own if row["kind"] == kind}
            # How dropout fares is in the file: ten lines in a chart of this size could not be told apart.
            if set(by_share) != set(shares) or ", dropout" in kind:
                continue
            values = [float(by_share[share]["recall"]) for share in shares]
            errors = [1.96 * float(by_share[share]["recall_se"]) for share in shares]
            low, high = (
                [value + sign * error for value, error in zip(values, errors, strict=True)] for sign in (-1, 1)
            )
            lines[kind] = Line(values, low, high)
        if lines:
            places = [f"{share:.0%}" for share in shares]
            made.append(Panel(SETUPS.get(setup, setup), "values hidden", f"Recall@{N}", places, lines, at=shares))
    order = list(SETUPS.values())
    return sorted(made, key=lambda panel: order.index(panel.title) if panel.title in order else len(order))


def new_users(study: Mapping[str, Any]) -> list[Panel]:
    """Recall against the number of events known of a stranger, a chart per shop."""
    return [
        _known_events(name, shop["models"], ()) for name, shop in sorted(study["shops"].items(), key=lambda one: one[0])
    ]


def _known_events(title: str, models: Mapping[str, Any], group: Sequence[str], y: str = f"Recall@{N}") -> Panel:
    lines, places = {}, list(next(iter(models.values())))
    for name in sorted(models, key=lambda name: (name != OURS, -_inside(models[name][places[-1]], group)["recall"])):
        rows = [_inside(models[name][place], group) for place in places]
        ends = [row["intervals"]["recall"] for row in rows]
        lines[name] = Line([row["recall"] for row in rows], [low for low, _ in ends], [high for _, high in ends])
    return Panel(title, "events known of a new shopper", y, places, lines)


def _inside(row: Row, group: Sequence[str]) -> Row:
    for name in group:
        row = row[name]
    return row


def never_sold(rolling: Mapping[str, Any], strangers: Mapping[str, Any] | None) -> list[Panel]:
    """Recall among right answers that nobody had bought before: of known shoppers by model, of strangers by events."""
    models = rolling["models"]
    names = sorted((name for name in NEVER_SOLD if name in models), key=lambda name: -models[name]["cold"]["recall"])
    lines = {}
    for title, group in (("never sold before", ("cold",)), ("all", ())):
        rows = [_inside(models[name], group) for name in names]
        ends = [row["intervals"]["recall"] for row in rows]
        lines[title] = Line([row["recall"] for row in rows], [low for low, _ in ends], [high for _, high in ends])
    made = [Panel("H&M, known shoppers", f"Recall@{N}", "", names, lines, rows=True)]
    shop = (strangers or {}).get("shops", {}).get("H&M")
    if shop:
        some = {name: rows for name, rows in shop["models"].items() if name in NEVER_SOLD[:3]}
        made.append(_known_events("H&M, new shoppers", some, ("cold",), f"Recall@{N}, never sold"))
    return made


def robustness(study: Mapping[str, Any]) -> list[Panel]:
    """Loss of recall against label noise, and by what else is wrong."""
    rows: list[Row] = study["rows"]
    dirt = list(dict.fromkeys(str(row["dirt"]) for row in rows))
    noisy = [name for name in dirt if name == "clean" or name.startswith("label noise")]
    other = [name for name in dirt if name not in noisy]
    made = []
    for title, names in (("purchases of a random item", noisy), ("other dirt", other)):
        lines = {}
        for model in dict.fromkeys(str(row["model"]) for row in rows):
            own = {row["dirt"]: row for row in rows if row["model"] == model}
            values = [100 * float(own[name]["loss"]) for name in names]
            errors = [196 * float(own[name]["loss_se"]) for name in names]
            low, high = (
                [value + sign * error for value, error in zip(values, errors, strict=True)] for sign in (-1, 1)
            )
            lines[model] = Line(values, low, high)
        places = ["0%" if name == "clean" else name.removeprefix("label noise ") for name in names]
        places = places if names is noisy else [name.replace(" ", "\n") for name in names]
        axes = ("", f"loss of Recall@{N}, %") if names is noisy else (f"loss of Recall@{N}, %", "")
        made.append(Panel(title, *axes, places, lines, rows=names is other))
    return made


def pictures(results: Path) -> Iterable[tuple[str, Callable[[], list[Panel]]]]:
    """What can be drawn from the files that are there."""

    def read(name: str) -> dict[str, Any] | None:
        file = results / f"{name}.json"
        content: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        return content

    for name, make in (
        ("missing_modalities", missing_modalities),
        ("new_users", new_users),
        ("robustness", robustness),
    ):
        if (study := read(name)) is not None:
            yield name, partial(make, study)
    if (rolling := read("hm_rolling")) is not None:
        yield "never_sold", partial(never_sold, rolling, read("new_users"))


def main() -> None:
    """Draws all pictures, or those that were named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--images", type=Path, default=HERE.parent / "docs" / "images")
    asked = parser.parse_args()
    for name, make in pictures(asked.results):
        if not asked.names or name in asked.names:
            draw_curves(make(), asked.images / f"{name}.png")
            print(asked.images / f"{name}.png")


if __name__ == "__main__":
    main()
