"""One term for its spellings: widths and cases, traditional and simplified characters, and slips of the finger."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from modaloom.counting.ledger import plain_query

_TRADITIONAL = (
    "乾價優兒動務單國圍夾婦嬰學寬帶彈後復戶曬書會條業極涼淨溫濕無熱環產簡約紅紋純紗絨絲綠綢緊線緞織繡羅職"
    "腦華藍術衛裝褲襖襪襯貴買賣購車軟輕辦連運釘針釦銀錢錶鍊鏈鑽長開雙電韓項領顏風飾馬馳騁騎鬆麗黃點"
)
_SIMPLIFIED = (
    "干价优儿动务单国围夹妇婴学宽带弹后复户晒书会条业极凉净温湿无热环产简约红纹纯纱绒丝绿绸紧线缎织绣罗职"
    "脑华蓝术卫装裤袄袜衬贵买卖购车软轻办连运钉针扣银钱表链链钻长开双电韩项领颜风饰马驰骋骑松丽黄点"
)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)
"""Traditional characters as they occur in searches for clothes; no table of the whole script."""
RARER = 8
"""A slip is at least so many times rarer than what was meant."""
_LEAST_LATIN, _TWO_SLIPS = 5, 9
_LEAST_CHINESE = 3


def plain_term(text: str) -> str:
    """Half width, lower case, single blanks, simplified characters."""
    return plain_query(text).translate(_TO_SIMPLIFIED)


def as_written(term: str, numbers: Mapping[str, int]) -> str:
    """A term as it is mostly written, where :func:`~modaloom.shop.words.terms` took an English plural from it.

    Args:
        term: in the singular, or what looked like one.
        numbers: how often each word was written.
    """
    if not term.isascii() or " " in term:
        return term
    forms = (term, f"{term}s", f"{term}es", f"{term[:-1]}ies")
    return max(forms, key=lambda form: (numbers.get(form, 0), form == term))


def fold(numbers: Mapping[str, float], known: Collection[str] = ()) -> dict[str, str]:
    """What each term was most likely meant to be; terms that stand for themselves are left out.

    Args:
        numbers: how often each term was typed, in one spelling (:func:`plain_term`).
        known: terms that the shop's own texts use: never taken for slips.
    """
    frequent = sorted(numbers, key=lambda term: (-numbers[term], term))
    index: dict[str, list[str]] = {}
    for term in frequent:
        if slips_allowed(term):
            for key in _keys(term):
                index.setdefault(key, []).append(term)
    meant: dict[str, str] = {}
    for term in reversed(frequent):
        if term in known or not slips_allowed(term):
            continue
        near = {other for key in _keys(term) for other in index.get(key, ()) if other != term}
        good = [
            other
            for other in near
            if numbers[other] >= RARER * numbers[term]
            and _same_script(term, other)
            and distance(term, other) <= min(slips_allowed(term), slips_allowed(other))
        ]
        if good:
            meant[term] = max(good, key=lambda other: (-distance(term, other), numbers[other], other))
    return {term: _last(term, meant) for term in meant}


def _last(term: str, meant: Mapping[str, str]) -> str:
    """The end of a chain of slips; each step is to something much more frequent, so it ends."""
    while term in meant:
        term = meant[term]
    return term


def slips_allowed(term: str) -> int:
    """How many slips a term may hold and still be told: short ones none, since each is another word."""
    if term.isascii():
        return 0 if len(term) < _LEAST_LATIN else 1 if len(term) < _TWO_SLIPS else 2
    return 0 if len(term) < _LEAST_CHINESE else 1


def _same_script(one: str, other: str) -> bool:
    if one.isascii() != other.isascii():
        return False
    return one.isascii() or len(one) == len(other)  # a character more is another word in Chinese


def _keys(term: str) -> set[str]:
    """The term with up to as many letters left out as slips are allowed: two that are near share one of them."""
    keys = {term}
    edge = {term}
    for _ in range(slips_allowed(term)):
        edge = {word[:at] + word[at + 1 :] for word in edge for at in range(len(word))}
        keys |= edge
    return keys


def distance(one: str, other: str) -> int:
    """Letters put in, left out, exchanged or swapped with their neighbour to make one term of the other.

    Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        above, before, row = before, row, [i, *[0] * len(other)]
        for j, against in enumerate(other, start=1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                row[j] = min(row[j], above[j - 2] + 1)
    return row[-1]
