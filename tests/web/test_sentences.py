"""The page's sentences and files: the same in every language, all used, none in code, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import modaloom
from modaloom.api.routes.page import DESK
from modaloom.errors import QueryError
from modaloom.messages import board_messages, page_messages
from modaloom.types import LANGUAGES

WEB = Path(modaloom.__file__).parent / "web"
SCRIPTS = sorted((WEB / "static").rglob("*.js"))
STYLES = sorted((WEB / "static").rglob("*.css"))
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
SAID = re.compile(r"""\bsay\(\s*["'`]([\w.]+)["'`]""")
BUILT = re.compile(r"""\bsay\(\s*[`"]([\w]+)\.(?:\w*\$\{|["']\s*~)|\bsay\("([\w]+)\."\s*~""")
NAMED = re.compile(r"""\bnamed\(\s*"(\w+)",""")
ANY = re.compile(r"""["'`]([a-z_]+\.\w+)["'`]""")
MAX_SCRIPT_LINES, MAX_STYLE_LINES = 300, 400


def keys_of(language: str) -> dict[str, str]:
    """All sentences by key, of the page and of the trend board: ``home.title``."""
    told: Mapping[str, Any] = board_messages(language)
    return {f"{table}.{name}": text for table, texts in told.items() for name, text in texts.items()}


def sources() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in (*SCRIPTS, *TEMPLATES))


def test_every_language_has_the_same_sentences_with_the_same_gaps() -> None:
    first, *others = (keys_of(language) for language in LANGUAGES)
    for other in others:
        assert set(first) == set(other)
        for key in first:
            assert sorted(re.findall(r"{\w+}", first[key])) == sorted(re.findall(r"{\w+}", other[key])), key
    assert all(text.strip() for text in first.values())


def test_every_sentence_that_is_used_exists() -> None:
    known, text = keys_of("en"), sources()
    used = set(SAID.findall(text)) - {""}
    assert used
    assert not {key for key in used if not key.endswith(".") and key not in known}
    tables = {one or other for one, other in BUILT.findall(text)} | set(NAMED.findall(text))
    assert not tables - set(board_messages("en"))


def test_every_sentence_is_used() -> None:
    text = sources()
    tables = {one or other for one, other in BUILT.findall(text)} | set(NAMED.findall(text))
    mentioned = set(ANY.findall(text))
    api = WEB.parent / "api"
    mentioned |= set(ANY.findall((api / "routes" / "page.py").read_text(encoding="utf-8")))
    mentioned |= {f"{screen}.{part}" for screen in DESK for part in ("title", "lede")}
    chart = (WEB.parent / "bulletin" / "picture.py").read_text(encoding="utf-8")
    mentioned |= {f"chart.{name}" for name in re.findall(r"""said(?:\["chart"\])?\["(\w+)"\]""", chart)}
    assert not {key for key in keys_of("en") if key not in mentioned and key.split(".")[0] not in tables}


def test_chinese_is_chinese_and_english_is_not() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    assert not [key for key, text in keys_of("en").items() if chinese.search(text)]
    words = {key: re.sub(r"{\w+}|\W", "", text) for key, text in keys_of("zh").items()}
    assert not [key for key, text in words.items() if text and not chinese.search(text)]


def test_each_language_has_its_own_punctuation() -> None:
    narrow = re.compile(r"[\u4e00-\u9fff}][,:;!?(]|[),:;!?][\u4e00-\u9fff{]|\d %")
    assert not [key for key, text in keys_of("zh").items() if narrow.search(text)]
    assert not [key for key, text in keys_of("en").items() if re.search(r"[\u3000-\u303f\uff00-\uffef]|[\d}] %", text)]
    glued = re.compile(r"\}(?:: | \(|, )\$\{|\}\)`")
    assert not [(file.name, found) for file in SCRIPTS for found in glued.findall(file.read_text(encoding="utf-8"))]


def test_code_and_templates_hold_no_sentences() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]{3,}")
    assert not [file.name for file in (*SCRIPTS, *TEMPLATES) if chinese.search(file.read_text(encoding="utf-8"))]
    bare = re.compile(r">\s*[A-Za-z][a-z]+ [a-z]+[^<{]*<")
    assert not [file.name for file in TEMPLATES if bare.search(file.read_text(encoding="utf-8"))]


def test_files_are_short_and_from_here() -> None:
    long = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in (*SCRIPTS, *STYLES)}
    limits = {".js": MAX_SCRIPT_LINES, ".css": MAX_STYLE_LINES}
    assert not {name: n for name, n in long.items() if n > limits[Path(name).suffix]}
    for file in (*SCRIPTS, *STYLES, *TEMPLATES):
        text = file.read_text(encoding="utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, file.name
        assert "innerHTML" not in text, file.name
        assert "url(" not in text, file.name


def test_templates_obey_the_content_security_policy() -> None:
    for file in TEMPLATES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text), file.name
        scripts = re.findall(r"<script[^>]*>", text)
        assert all("src=" in one or 'type="application/json"' in one for one in scripts), file.name


def test_another_language_is_refused() -> None:
    with pytest.raises(QueryError, match="unknown language 'fr'"):
        page_messages("fr")
