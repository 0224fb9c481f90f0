"""Hundreds of odd requests, made from the OpenAPI document itself: none may end in a 5xx."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from modaloom.trends.kept import save_board
from tests.api.conftest import ADMIN, Api
from tests.web.plausible import plausible_board

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_api.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_api", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestWarning")
def test_no_request_breaks_the_service(start: Callable[..., Api], script: ModuleType) -> None:
    api = start(address_burst=1_000_000, newcomers_burst=1_000_000, shopper_burst=1_000_000)
    save_board(api.store, plausible_board(["dress-red", "skirt-blue"]))
    token, _ = api.service.tokens.issue("somebody")
    answered = script.fuzz(api.client.app, key=ADMIN, cases_each=6, token=token)
    operations = {name.rsplit(" ", 1)[0] for name in answered}
    good = Counter(name.rsplit(" ", 1)[1] for name in answered)
    assert answered.total() > 200
    assert len(operations) > 35
    assert good["200"] > 20, answered
    assert not [line for line in api.log if line["event"] == "failure"]


@pytest.mark.parametrize("path", ["/v1/recommendations?n=%ff", "/v1/items/%ff%00/similar", "/v1/items/a%2Fb"])
def test_odd_addresses(api: Api, path: str) -> None:
    assert 400 <= api.get(path).status_code < 500
