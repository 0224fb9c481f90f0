"""Rows that are sizes and colours of one garment become one item, with sizes, stock per size and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from modaloom.data.cells import to_id, to_text
from modaloom.data.schema import ItemsSpec, VariantsSpec
from modaloom.types import ATTRIBUTE_PREFIX, SIZE_ATTRIBUTES, STOCK_BY_SIZE

_SIZE_NAME: Final = "(?i)size|größ|groess|taille|talla|taglia|maat|storlek|rozmiar|размер|尺码|尺寸|サイズ"
_COLOUR_NAME: Final = "(?i)colou?r|farbe|couleur|colore|kleur|färg|kolor|цвет|颜色|カラー"
COLOUR_ATTRIBUTES: Final = ("colour", "color")


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of the rows of a catalogue."""

    items: pl.DataFrame
    """One row for each item, in the order of their first rows."""
    item_of_row: pl.Series
    """Number of the item that each row belongs to."""


def variants_of(spec: ItemsSpec) -> VariantsSpec | None:
    """How a catalogue's variants are told apart: as shop.toml says, or by ``group_id`` and an attribute ``size``."""
    if spec.variants is False:
        return None
    if spec.variants is not None:
        return spec.variants
    size = spec.attributes.get("size")
    if spec.columns.group_id is None or size is None or spec.keep_first:
        return None
    colour = next((spec.attributes[name] for name in COLOUR_ATTRIBUTES if name in spec.attributes), None)
    return VariantsSpec(by=spec.columns.group_id, size=size, colour=colour)


def variant_columns(variants: VariantsSpec) -> tuple[str, ...]:
    """The columns of the file that merging needs."""
    named = [variants.by, variants.size, variants.colour, variants.children]
    return tuple(name for name in [*named, *(part for pair in variants.options for part in pair)] if name)


def keys_of(
    spec: ItemsSpec, variants: VariantsSpec, raw: pl.DataFrame, ids: pl.Series, keep_fraction: bool
) -> pl.Series:
    """The id of the item that each row belongs to."""
    by = variants.by or spec.columns.group_id or spec.columns.item_id
    if by == spec.columns.item_id:
        keys = ids
    else:
        named = to_id(raw[by], keep_fraction=keep_fraction)
        if spec.columns.sku:  # a parent may be named by its other number
            other = pl.DataFrame(
                {"sku": to_id(raw[spec.columns.sku], keep_fraction=keep_fraction), "id": ids}
            ).drop_nulls()
            other = other.filter(~pl.col("sku").is_in(ids.drop_nulls().implode())).unique("sku", keep="first")
            named = named.replace(other["sku"], other["id"])
        keys = pl.select(pl.coalesce(named, ids)).to_series()
    if variants.children:
        listed = to_text(raw[variants.children]).str.extract_all(variants.children_pattern)
        pairs = pl.DataFrame({"parent": ids, "child": listed}).drop_nulls().explode("child").drop_nulls()
        child = pairs["child"].str.extract(variants.children_pattern, 1).str.strip_chars()
        parents = pairs.with_columns(child=to_id(child, keep_fraction=keep_fraction)).unique("child", keep="first")
        mapped = ids.replace_strict(parents["child"], parents["parent"], default=None, return_dtype=pl.String)
        keys = pl.select(pl.coalesce(mapped, keys)).to_series()
    return keys


def differ_in_size(variants: VariantsSpec, raw: pl.DataFrame, keys: pl.Series) -> bool:
    """Whether any key has rows of different sizes: otherwise rows that share it are colours, which are items."""
    if variants.size is None:
        return False
    sizes = pl.DataFrame({"key": keys, "size": to_text(raw[variants.size])}).drop_nulls()
    return bool((sizes.group_by("key").agg(pl.col("size").n_unique())["size"] > 1).any())


def merged(spec: ItemsSpec, variants: VariantsSpec, rows: pl.DataFrame, raw: pl.DataFrame, *, flags: bool) -> Merged:
    """One item for each key, and with ``split_by_colour`` for each colour of it.

    Args:
        spec: the catalogue as shop.toml describes it.
        variants: how its rows are merged.
        rows: the item table's columns for every row, with ``key`` (the item's id) and ``item_id`` (the row's own).
        raw: the columns that :func:`variant_columns` names.
        flags: the stock says whether there is any, not how many pieces.
    """
    size, colour = _sizes_and_colours(variants, raw, rows["key"])
    frame = rows.with_columns(_size=size, _colour=colour, _row=pl.int_range(pl.len()))
    own_row = pl.col("item_id") == pl.col("key")
    separate = rows["item_id"].n_unique() > rows["key"].n_unique()
    frame = frame.with_columns(_parent=own_row & (pl.len().over("key") > 1) & pl.lit(separate))
    parts = ["key"]
    if variants.split_by_colour:
        frame = frame.with_columns(_shade=pl.col("_colour").fill_null(""))
        parents = frame.filter("_parent")
        frame = frame.filter(~pl.col("_parent")) if parents.height else frame
        parts = ["key", "_shade"]
    frame = frame.with_columns(_group=pl.col("_row").min().over(parts).rank("dense") - 1)
    ordered = frame.sort("_group", ~pl.col("_parent"), "_row")
    described = [name for name in rows.columns if name not in ("key", "item_id", "price", "stock")]
    items = ordered.group_by("_group", maintain_order=True).agg(
        _id_of(variants).alias("item_id"),
        pl.col("key").first().alias("_key"),
        *(pl.col(name).drop_nulls().first() for name in described if name != "currency"),
        _price(),
        pl.col("currency").filter(pl.col("price").is_not_null()).first(),
        _stock(flags),
        _listed("_size"),
        _listed("_colour"),
    )
    items = _with_sizes(spec, variants, items, _stock_by_size(ordered, flags))
    group = frame.sort("_row").select("_row", "_group")
    item_of_row = pl.DataFrame({"_row": pl.int_range(rows.height, eager=True)}).join(group, on="_row", how="left")
    return Merged(items, item_of_row.sort("_row")["_group"].cast(pl.Int64))


def _id_of(variants: VariantsSpec) -> pl.Expr:
    """The key; of several colours with one key, the first row's own id."""
    if not variants.split_by_colour:
        return pl.col("key").first()
    return pl.col("item_id").first()


def _price() -> pl.Expr:
    """What the item's own row says, else the lowest price of its variants (in the first one's currency)."""
    price, currency = pl.col("price"), pl.col("currency")
    own = price.filter(pl.col("_parent") & (price > 0)).first()
    same = currency.eq_missing(currency.filter(price.is_not_null()).first())
    return pl.coalesce(own, price.filter(~pl.col("_parent") & same).min(), price.drop_nulls().first())


def _stock(flags: bool) -> pl.Expr:
    """The pieces of all variants; of oversold ones none. What the item's own row says where they say nothing."""
    parts = pl.col("stock").filter(~pl.col("_parent")).drop_nulls()
    pieces = parts.max() if flags else pl.when(parts.len() > 1).then(parts.clip(0).sum()).otherwise(parts.first())
    return pl.when(parts.len() > 0).then(pieces).otherwise(pl.col("stock").drop_nulls().first()).alias("stock")


def _listed(name: str) -> pl.Expr:
    """The values of the variants, each once; of the item's own row where it has no variants."""
    parts = pl.col(name).filter(~pl.col("_parent")).drop_nulls()
    return parts.unique(maintain_order=True).alias(name)


def _stock_by_size(ordered: pl.DataFrame, flags: bool) -> pl.DataFrame:
    """Per item a text such as ``S 4, M 0``."""
    rows = ordered.filter(~pl.col("_parent") & pl.col("_size").is_not_null() & pl.col("stock").is_not_null())
    pieces = pl.col("stock").max() if flags else pl.col("stock").clip(0).sum()
    sizes = rows.group_by("_group", "_size", maintain_order=True).agg(pieces.cast(pl.Int64).alias("n"))
    text = pl.format("{} {}", "_size", "n").str.join(", ").alias("by_size")
    return sizes.group_by("_group", maintain_order=True).agg(text)


def _with_sizes(spec: ItemsSpec, variants: VariantsSpec, items: pl.DataFrame, by_size: pl.DataFrame) -> pl.DataFrame:
    """The sizes and colours as attributes, under the names that shop.toml gives them."""
    items = items.join(by_size, on="_group", how="left", maintain_order="left")
    attributes = {column: name for name, column in spec.attributes.items()}
    size_name = attributes.get(variants.size or "", "")
    size_name = size_name if size_name in SIZE_ATTRIBUTES else "sizes"
    colour_name = attributes.get(variants.colour or "", "colour")
    for column, name, between in (("_size", size_name, ","), ("_colour", colour_name, ", ")):
        text = pl.col(column).list.join(between)
        listed: pl.Expr = pl.when(pl.col(column).list.len() > 0).then(text)
        target = ATTRIBUTE_PREFIX + name
        if target in items.columns:
            listed = pl.coalesce(listed, pl.col(target))
        if items[column].list.len().sum() > 0 or target in items.columns:
            items = items.with_columns(listed.alias(target))
    if by_size.height:
        items = items.with_columns(pl.col("by_size").alias(ATTRIBUTE_PREFIX + STOCK_BY_SIZE))
    group = pl.col("_key") if variants.split_by_colour else pl.lit(None, pl.String)
    if variants.split_by_colour or variants.by == spec.columns.group_id or variants.by is None:
        items = items.with_columns(group.alias("group_id"))
    return items.drop("_group", "_key", "_size", "_colour", "by_size")


def _sizes_and_colours(variants: VariantsSpec, raw: pl.DataFrame, keys: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The size and the colour of every row, out of their own columns or out of named options."""
    found: list[pl.Series] = []
    for column, names in ((variants.size, _SIZE_NAME), (variants.colour, _COLOUR_NAME)):
        parts: list[pl.Expr] = [pl.lit(to_text(raw[column]))] if column else []
        for name, value in variants.options:
            option = pl.DataFrame({"key": keys, "name": to_text(raw[name])})
            filled = option.select(pl.col("name").forward_fill().over("key"))["name"]  # named on the first row only
            fits = filled.str.contains(names).fill_null(False)
            parts.append(pl.when(fits).then(to_text(raw[value])))
        cells = pl.select(pl.coalesce(parts)).to_series() if parts else pl.Series([None], dtype=pl.String)
        found.append(cells if len(cells) == len(keys) else cells.new_from_index(0, len(keys)))
    return found[0], found[1]
