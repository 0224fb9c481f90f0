"""What is wrong with the catalogue: what is missing, doubtful or in the wrong column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from modaloom.data.shop import Shop
from modaloom.quality.findings import Example, Finding, Severity, first_examples, percent, plain_number, share_text
from modaloom.types import ATTRIBUTE_PREFIX, NOT_STYLE, IntArray

MISSING_NOTE, MISSING_WARNING = 0.0, 0.05
"""More than this share of items without a modality is worth a note, or a warning."""
OUTLIER_Z = 8.0
"""Robust z-score of the logarithm of a price from which on it is more likely a slip than a luxury."""
UNIQUE_SHARE = 0.9
"""An attribute with a different value for more than this share of the items tells them apart, not what they are."""
ENOUGH_ITEMS = 30
"""Shares of fewer items than this say nothing."""
HAN = r"\p{Han}"
LATIN = r"\p{Latin}"


def catalogue_findings(shop: Shop) -> list[Finding]:
    """Every check that needs only the item table."""
    if shop.spec.items is None:
        return [
            Finding(
                "catalogue",
                Severity.WARNING,
                f"There is no catalogue: the {shop.n_items:,} items are known by their ids only",
                "Add [items] to shop.toml; without content, new items cannot be recommended",
            )
        ]
    findings = [_missing(shop, name, column) for name, column in _modality_masks(shop).items()]
    findings += [_empty_items(shop), _attribute_gaps(shop), *_attribute_disguises(shop)]
    return [*findings, *_prices(shop), *_languages(shop), *_swapped_titles(shop)]


def _modality_masks(shop: Shop) -> dict[str, pl.Series]:
    """Which items have what."""
    items = shop.items
    attributes = [items[name].is_not_null() for name in items.columns if name.startswith(ATTRIBUTE_PREFIX)]
    none = pl.Series([False] * items.height, dtype=pl.Boolean)
    some = none
    for mask in attributes:
        some = some | mask
    return {
        "picture": items["images"].list.len().fill_null(0) > 0,
        "title": items["title"].is_not_null(),
        "description": items["description"].is_not_null(),
        "attributes": some,
        "price": items["price"].is_not_null(),
    }


_USES = {
    "picture": ("Check [items.images] in shop.toml; the folder must hold the files themselves", Severity.WARNING),
    "title": ("Check title in [items.columns]", Severity.WARNING),
    "description": ("Long texts help words find clothes; map description if there is one", Severity.NOTE),
    "attributes": ("Add category, colour ... under [items.attributes]", Severity.WARNING),
    "price": ("Prices are needed for price filters; map price in [items.columns]", Severity.NOTE),
}


def _missing(shop: Shop, name: str, present: pl.Series) -> Finding:
    lacking = (~present).arg_true()
    number, whole = len(lacking), shop.n_items
    advice, gravest = _USES[name]
    severity = Severity.OK
    if number > MISSING_NOTE * whole:
        severity = min(gravest, Severity.WARNING if number > MISSING_WARNING * whole else Severity.NOTE)
    ids = shop.items["item_id"].gather(lacking.head(20)).to_list()
    noun = name if name == "attributes" else f"a {name}"
    sentence = f"Every item has {noun}" if not number else f"{share_text(number, whole)} items lack {noun}"
    return Finding(
        f"missing {name}",
        severity,
        sentence,
        advice if number else "",
        {"missing": number, "items": whole},
        () if number == whole else first_examples([Example(f"item {item_id}", item_id) for item_id in ids]),
    )


def _empty_items(shop: Shop) -> Finding:
    masks = _modality_masks(shop)
    content = masks["picture"] | masks["title"] | masks["description"] | masks["attributes"]
    ids = shop.items["item_id"].filter(~content)
    return Finding(
        "items without content",
        Severity.WARNING if len(ids) else Severity.OK,
        f"{share_text(len(ids), shop.n_items)} items have neither picture nor words nor attributes"
        if len(ids)
        else "Every item has a picture, words or attributes",
        "Such an item can be recommended only after many shoppers have bought it" if len(ids) else "",
        {"items": len(ids)},
        first_examples([Example(f"item {item_id}", item_id) for item_id in ids.head(20)]),
    )


def _attribute_gaps(shop: Shop) -> Finding:
    """Per attribute: how often it is filled and how many values it has."""
    names = shop.attribute_names
    if not names:
        return Finding("attributes", Severity.NOTE, "No attributes are mapped", "Add [items.attributes]")
    figures: dict[str, object] = {}
    gaps: list[tuple[float, str]] = []
    for name in names:
        cells = shop.items[ATTRIBUTE_PREFIX + name]
        missing = cells.null_count() / shop.n_items
        figures[name] = {"missing_share": plain_number(missing), "values": cells.drop_nulls().n_unique()}
        gaps.append((missing, name))
    worst = sorted(gaps, reverse=True)[:3]
    poor = [name for missing, name in gaps if missing > 0.5]
    listed = ", ".join(f"{name} ({percent(missing)} missing)" for missing, name in worst)
    return Finding(
        "attributes",
        Severity.NOTE if poor else Severity.OK,
        f"{len(names)} attribute{'s' if len(names) > 1 else ''}; least filled: {listed}",
        f"More than half of {', '.join(poor)} is missing: check the column names" if poor else "",
        figures,
    )


def _attribute_disguises(shop: Shop) -> list[Finding]:
    """Attributes that are an id in disguise (a model would learn items by heart) or always the same."""
    findings = []
    for name in [name for name in shop.attribute_names if name not in NOT_STYLE]:
        cells = shop.items[ATTRIBUTE_PREFIX + name].drop_nulls()
        values = cells.n_unique()
        if len(cells) < ENOUGH_ITEMS:
            continue
        if values > UNIQUE_SHARE * len(cells):
            sentence = f"The attribute {name} has {values:,} values on {len(cells):,} items: an id in disguise"
            advice = f"Leave {name} out of [items.attributes], or map it as title or group_id"
            cases = [Example(f"{name} = {value!r}") for value in cells.head(3)]
            findings.append(
                Finding("id in disguise", Severity.WARNING, sentence, advice, {"values": values}, tuple(cases))
            )
        elif values == 1:
            sentence = f"The attribute {name} is {cells[0]!r} on every item that has it"
            findings.append(Finding("constant attribute", Severity.NOTE, sentence, f"{name} may be left out"))
    return findings


def _prices(shop: Shop) -> list[Finding]:
    """Prices that are not positive, and prices far from all others of the same category."""
    prices = shop.items["price"].to_numpy().astype(np.float64)
    given = np.flatnonzero(np.isfinite(prices))
    if not len(given):
        return []
    findings = []
    wrong = given[prices[given] <= 0]
    if len(wrong):
        findings.append(
            Finding(
                "price not positive",
                Severity.WARNING,
                f"{share_text(len(wrong), len(given))} prices are zero or less",
                "Leave the cell empty where a price is not known",
                {"items": len(wrong)},
                _price_examples(shop, wrong),
            )
        )
    positive = given[prices[given] > 0]
    if len(positive) < ENOUGH_ITEMS:
        return findings
    z = _robust_z(np.log(prices[positive]))
    far = positive[np.abs(z) > OUTLIER_Z]
    low, middle, high = np.quantile(prices[positive], [0, 0.5, 1]).tolist()
    sentence = f"Prices run from {low:g} to {high:g}, half of them below {middle:g}"
    if len(far):
        sentence += f"; {share_text(len(far), len(positive))} are far from all others (a slipped decimal point?)"
    findings.append(
        Finding(
            "price outliers",
            Severity.WARNING if len(far) else Severity.OK,
            sentence,
            "Look at the examples; one wrong price spoils price filters and sorting" if len(far) else "",
            {"outliers": len(far), "lowest": low, "median": middle, "highest": high, "z": OUTLIER_Z},
            _price_examples(shop, far),
        )
    )
    return findings


def _robust_z(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance from the median in units of the spread of the middle half of the values."""
    middle = np.median(values)
    spread = np.median(np.abs(values - middle)) * 1.4826
    spread = max(float(spread), 0.05)  # prices that are nearly all equal: 5 % is no outlier
    return np.asarray((values - middle) / spread, dtype=np.float64)


def _price_examples(shop: Shop, rows: IntArray) -> tuple[Example, ...]:
    ids = shop.items["item_id"]
    values = shop.items["price"]
    return first_examples([Example(f"item {ids[row]}: price {values[row]:g}", ids[row]) for row in rows[:20].tolist()])


def _scripts(texts: pl.Series) -> dict[str, pl.Series]:
    """Which texts are Chinese, Latin, both or neither, by their letters; nulls are none of these."""
    han = texts.str.contains(HAN).fill_null(False)
    latin = texts.str.contains(LATIN + LATIN).fill_null(False)  # one letter alone is a size or a code: "T恤"
    there = texts.is_not_null()
    return {"zh": han & ~latin, "en": latin & ~han, "mixed": han & latin, "other": there & ~han & ~latin}


def _languages(shop: Shop) -> list[Finding]:
    """Which language the titles and descriptions are in, and whether it is the one that shop.toml names."""
    findings = []
    for column in ("title", "description"):
        texts = shop.items[column]
        filled = shop.n_items - texts.null_count()
        if not filled:
            continue
        counts = {script: int(mask.sum()) for script, mask in _scripts(texts).items()}
        parts = [f"{script} {percent(number / filled)}" for script, number in counts.items() if number]
        names = {"zh": "Chinese", "en": "Latin letters"}
        other = "en" if shop.language == "zh" else "zh"
        foreign = counts[other] > 0.5 * filled
        findings.append(
            Finding(
                f"language of {column}s",
                Severity.WARNING if foreign else Severity.OK,
                f"{column.capitalize()}s by script: {', '.join(parts)}"
                + (f"; but shop.toml says language = {shop.language!r}" if foreign else ""),
                f"Most are {names[other]}: set language = {other!r} in shop.toml" if foreign else "",
                counts,
            )
        )
    return findings


def _swapped_titles(shop: Shop) -> list[Finding]:
    """Translations that stand in each other's column."""
    findings = []
    for kind in ("title", "description"):
        chinese, english = shop.items[f"{kind}_zh"], shop.items[f"{kind}_en"]
        wrong_zh = _scripts(chinese)["en"]
        wrong_en = _scripts(english)["zh"]
        wrong = wrong_zh | wrong_en
        filled = int((chinese.is_not_null() | english.is_not_null()).sum())
        if not filled or not wrong.any():
            continue
        swapped = int((wrong_zh & wrong_en).sum())
        rows = wrong.arg_true().head(20).to_list()
        ids = shop.items["item_id"]
        cases = [Example(f"item {ids[row]}: zh {chinese[row]!r}, en {english[row]!r}", ids[row]) for row in rows]
        often = int(wrong.sum()) > 0.5 * filled
        findings.append(
            Finding(
                f"translated {kind}s",
                Severity.WARNING,
                f"{share_text(int(wrong.sum()), filled)} translated {kind}s are in the wrong language"
                f" ({swapped:,} with both columns swapped)",
                f"Exchange {kind}_zh and {kind}_en in shop.toml" if often else "Correct the rows in the examples",
                {"wrong": int(wrong.sum()), "swapped": swapped},
                first_examples(cases),
            )
        )
    return findings
