"""Words as words: which items say what the shopper typed, beside what encoders think it means."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import jieba
import numpy as np
import polars as pl

from modaloom.types import ATTRIBUTE_PREFIX, BoolArray, FloatArray

TEXT_COLUMNS = ("title", "title_zh", "title_en", "description", "description_zh", "description_en")
ENGLISH_STOP_WORDS = (
    "a", "am", "an", "and", "any", "are", "as", "at", "be", "buy", "by", "can", "do", "find", "for", "from", "get",
    "has", "have", "i", "i'd", "i'm", "in", "is", "it", "like", "looking", "me", "my", "need", "of", "on", "or",
    "please", "show", "some", "something", "that", "the", "this", "to", "want", "wear", "wearing", "which", "with",
    "would", "you",
)  # fmt: skip
CHINESE_STOP_WORDS = (
    "一个", "一些", "一件", "一双", "一条", "一款", "一点", "一种", "与", "个", "买", "了", "什么", "件", "出",
    "出去", "到", "双", "可以", "吗", "吧", "呢", "和", "哪些", "在", "对", "就", "帮", "帮我", "很", "想", "想买",
    "想要", "我", "或", "或者", "找", "搭", "时", "时候", "是", "有", "有没有", "条", "比较", "没有", "点", "用",
    "的", "看看", "着", "穿", "穿着", "给", "能", "要", "请", "跟", "身上", "还", "这", "这种", "适合", "那", "那种",
    "都", "里", "需要",
)  # fmt: skip
STOP_WORDS = frozenset((*ENGLISH_STOP_WORDS, *CHINESE_STOP_WORDS))
"""Words of a wish that say nothing of the garment: 上班穿的衬衫 asks for a shirt, and 穿 stands in every text."""
_LATIN = re.compile(r"[a-z0-9][a-z0-9'-]*")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")
_BETWEEN_CHINESE = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")


def terms(text: str) -> list[str]:
    """Words of a text worth looking for: English ones without a plural, Chinese ones cut by jieba."""
    plain = unicodedata.normalize("NFKC", text).lower()
    found = [_singular(word) for word in _LATIN.findall(plain) if word not in STOP_WORDS]
    for stretch in _CHINESE.findall(plain):
        found += [word.strip() for word in _cutter().cut_for_search(stretch)]
    return [word for word in dict.fromkeys(found) if word and word not in STOP_WORDS]


def _singular(word: str) -> str:
    """English plurals by their endings: dresses, watches, shirts, shoes; "ies" is left to the search."""
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _pattern(term: str) -> str:
    """A regular expression for a term in lower-case text; English words may stand in the plural."""
    if not _LATIN.fullmatch(term):
        return re.escape(term)
    if len(term) > 3 and term.endswith("y"):
        return rf"\b{re.escape(term[:-1])}(?:y|ys|ies)\b"
    return rf"\b{re.escape(term)}(?:s|es)?\b"


@cache
def _cutter() -> jieba.Tokenizer:
    jieba.setLogLevel(logging.WARNING)
    return jieba.Tokenizer()


def all_words(items: pl.DataFrame) -> pl.Series:
    """Everything that is said of each item in lower case, (n,): texts and attributes."""
    columns = [name for name in items.columns if name in TEXT_COLUMNS or name.startswith(ATTRIBUTE_PREFIX)]
    return items.select(pl.concat_str(columns, separator=" ", ignore_nulls=True).str.to_lowercase())[columns[0]]


def saying(joined: pl.Series, term: str) -> BoolArray:
    """Which of the texts in lower case (n,) have a term in them."""
    there: BoolArray = joined.str.contains(_pattern(term)).fill_null(False).to_numpy()
    return there


def word_scores(items: pl.DataFrame, text: str) -> tuple[FloatArray, list[list[str]]]:
    """How much of the text each item (n,) says, rare words counting more, and which words."""
    joined = all_words(items)
    scores = np.zeros(items.height, dtype=np.float32)
    said: list[list[str]] = [[] for _ in range(items.height)]
    for term in terms(text):
        there = saying(joined, term)
        number = int(there.sum())
        if 0 < number < items.height:
            scores[there] += np.log(1 + items.height / number)
            for row in np.flatnonzero(there).tolist():
                said[row].append(term)
    return scores, said


def as_read(words: str) -> str:
    """Terms with spaces between them as people read them: Chinese ones have a comma of their own there."""
    return _BETWEEN_CHINESE.sub("、", words)


def longest(found: Sequence[str]) -> list[str]:
    """The terms less those that are only a part of a longer Chinese one: a 连衣裙 was asked for, not a 衣裙."""
    return [
        term for term in found if _LATIN.fullmatch(term) or not any(term != other and term in other for other in found)
    ]
