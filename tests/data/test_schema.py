from __future__ import annotations

import re
from pathlib import Path

import pytest

from modaloom.data.schema import (
    EvaluationSpec,
    ExtractSpec,
    FeatureSpec,
    FileSpec,
    ImageSpec,
    InteractionColumns,
    InteractionsSpec,
    ItemColumns,
    ItemsSpec,
    ShopSpec,
    UsersSpec,
    VariantsSpec,
    read_spec,
)
from modaloom.errors import ShopError, ShopNotFoundError

MINIMAL = 'name = "x"\n[items]\nfile = "items.csv"\n[items.columns]\nitem_id = "id"\n'
EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "shops").glob("*.toml"))


def _read(folder: Path, text: str | bytes) -> ShopSpec:
    file = folder / "shop.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_spec(file)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_shipped_maps_are_valid(file: Path) -> None:
    assert read_spec(file).name


def test_defaults(tmp_path: Path) -> None:
    spec = _read(tmp_path, MINIMAL)
    assert spec.items is not None
    assert spec.items.encoding == "utf-8"
    assert spec.items.extract == ()
    assert spec.language == "en"
    assert spec.evaluation.exclude_seen


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ShopNotFoundError, match=r"docs/shop\.md"):
        read_spec(tmp_path / "shop.toml")


@pytest.mark.parametrize(
    ("text", "message"), [("name = ", "not valid TOML"), (b"name = '\xff'", r"not UTF-8: .*Save it again as UTF-8\.")]
)
def test_not_toml(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ShopError, match=message):
        _read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL + "titel = 'name'\n", r"items\.columns\.titel: unknown field, did you mean 'title'"),
        (MINIMAL + "[interaction]\n", "interaction: unknown field, did you mean 'interactions'"),
        (MINIMAL + "[zzzzzz]\n", r"zzzzzz: unknown field\."),
        (MINIMAL.replace('"x"', "5"), "name: Input should be a valid string"),
        ('name = "x"\n', r"neither \[items\] nor \[interactions\]"),
        (MINIMAL.replace('item_id = "id"', ""), r"items\.columns\.item_id: Field required"),
        ('language = "fr"\n' + MINIMAL, "language: Input should be 'zh' or 'en'"),
        (MINIMAL + "[evaluation]\ntarget_events = []\n", "name at least one event"),
        (MINIMAL + "[evaluation]\ntarget_events = ['buy']\n", "target_events"),
        (MINIMAL + "[items.images]\n", "say either template or column"),
        (MINIMAL + "[items.images]\ntemplate = 'a.jpg'\n", "lacks {item_id}"),
        (MINIMAL + "[items.images]\ntemplate = '{item_id.x}.jpg'\n", "only names of columns may stand in braces"),
        (MINIMAL.replace("[items.c", "time_zone = 'Mars/Base'\n[items.c"), "unknown time zone 'Mars/Base'"),
        (MINIMAL + "[items.variants]\nchildren_pattern = 'a'\n", "one group in parentheses"),
        (MINIMAL + "[items.variants]\nchildren_pattern = '('\n", "not a usable regular expression"),
        (MINIMAL + "[items.images]\ntemplate = '{item_id'\n", r"items\.images\.template"),
        (MINIMAL + "[features.sound]\nfile = 'a.npy'\n", "features"),
    ],
)
def test_faults_say_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ShopError, match=message):
        _read(tmp_path, text)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ShopError, match="unknown field") as caught:
        _read(tmp_path, MINIMAL + "titel = 'a'\nprize = 'b'\n")
    assert "'title'" in str(caught.value)
    assert "'price'" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "not a usable regular expression"), ("abc", "name at least one group"), ("(?P<a>x)(?=y)", "not a usable")],
)
def test_extract_needs_a_pattern_with_named_groups(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FileSpec.model_validate({"file": "a.csv", "extract": [{"column": "path", "pattern": pattern}]})


def test_columns_may_be_lists_and_words_any_value(tmp_path: Path) -> None:
    spec = _read(tmp_path, MINIMAL.replace('"id"', '["id", "sku"]') + "[items.where]\nshown = [true, 1, 'yes']\n")
    assert spec.items is not None
    assert spec.items.columns.item_id == "id | sku"
    assert spec.items.where == {"shown": ("true", "1", "yes")}


def test_unknown_encoding() -> None:
    with pytest.raises(ValueError, match="unknown encoding"):
        FileSpec(file="a.csv", encoding="klingon")


def _documented() -> dict[str, set[str]]:
    """Fields by heading of docs/shop.md: the first column of the tables."""
    fields: dict[str, set[str]] = {}
    heading = ""
    for line in (Path(__file__).parents[2] / "docs" / "shop.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ").split(":")[0]
            continue
        found = re.match(r"\| `(\w+)` \|", line)
        if found:
            fields.setdefault(heading, set()).add(found[1])
    return fields


def test_every_field_is_documented_and_nothing_else() -> None:
    documented = _documented()
    shared = set(FileSpec.model_fields)
    assert documented["The top"] == set(ShopSpec.model_fields)
    assert documented["Every table"] == shared
    assert documented["`[[items.extract]]`"] == set(ExtractSpec.model_fields)
    assert documented["`[items]`"] == set(ItemsSpec.model_fields) - shared
    assert documented["`[items.columns]`"] == set(ItemColumns.model_fields)
    assert documented["`[items.images]`"] == set(ImageSpec.model_fields)
    assert documented["`[items.variants]`"] == set(VariantsSpec.model_fields)
    assert documented["`[users]`"] == set(UsersSpec.model_fields) - shared
    assert documented["`[interactions]`"] == set(InteractionsSpec.model_fields) - shared
    assert documented["`[interactions.columns]`"] == set(InteractionColumns.model_fields)
    assert documented["`[features.image]`, `[features.text]`"] == set(FeatureSpec.model_fields)
    assert documented["`[evaluation]`"] == set(EvaluationSpec.model_fields)


def test_the_documented_maps_are_valid(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "shop.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, flags=re.S)
    assert _read(tmp_path, blocks[0]).name == "My shop"
    for block in blocks[1:]:
        whole = block.startswith("name =")  # else it is a piece of a map
        assert _read(tmp_path, block if whole else blocks[0] + block)


def test_every_shipped_map_is_listed() -> None:
    text = (Path(__file__).parents[2] / "docs" / "shop.md").read_text(encoding="utf-8")
    assert {file.name for file in EXAMPLES} == set(re.findall(r"^\| `([\w-]+\.toml)` \|", text, flags=re.M))
