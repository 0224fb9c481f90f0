from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modaloom.errors import QueryError
from modaloom.ids import ID_PATTERN, MAX_ID_LENGTH, id_fault
from modaloom.storage.rows import checked_id


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not empty"), (None, "must be text"), ("A\x002", "code 0"), ("a\nb", "code 10"),
        ("x" * 501, "501 characters"),
        ("\ud83d", "surrogate"), ("ok", None), ("裙" * 500, None),
    ],
)  # fmt: skip
def test_one_rule(text: object, fault: str | None) -> None:
    found = id_fault(text)
    assert (found is None) if fault is None else (found is not None and fault in found)


@given(st.text(min_size=1, max_size=20))
def test_the_store_and_the_pattern_have_the_same_rule(text: str) -> None:
    good = id_fault(text) is None
    assert good == bool(re.fullmatch(ID_PATTERN, text) and len(text) <= MAX_ID_LENGTH)
    if good:
        assert checked_id(text, "item_id") == text
    else:
        with pytest.raises(QueryError, match="item_id has a character of code"):
            checked_id(text, "item_id")
