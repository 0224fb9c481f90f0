"""Sends thousands of odd requests, made from the OpenAPI document, to the service in this process.

    python benchmarks/fuzz_api.py --bundle BUNDLE --store sqlite:///copy.db --cases 10000

None may end in a 5xx, every error must have the one shape, and every good answer the documented one. The shop is
changed by it: give it a store that may be thrown away. Bundles and traffic are left alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from schemathesis.specs.openapi.checks import response_schema_conformance

from modaloom.api.app import create_app
from modaloom.api.settings import load_serve_settings

KEY = "admin-key-for-fuzzing"
UNTOUCHED = ("/v1/admin/traffic", "/v1/admin/bundles")
"""Not written to: they would take the answering bundle away, or load one from wherever the machine has one."""


def fuzz(app: Any, *, key: str, cases_each: int, first_seed: int = 0, token: str | None = None) -> Counter[str]:
    """Number of answers by operation and status.

    Raises:
        AssertionError: names the first request that ended in a 5xx, or was answered in another shape than documented.
    """
    answered: Counter[str] = Counter()
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    for number, operation in enumerate(result.ok() for result in schema.get_all_operations()):
        if operation.path in UNTOUCHED and operation.method != "get":
            continue
        _fuzz_operation(operation, _asked(key, token, answered), cases_each, first_seed + number)
    return answered


def _asked(key: str, token: str | None, answered: Counter[str]) -> Callable[[Any], None]:
    def ask(case: Any) -> None:
        headers = {**(case.headers or {}), "X-API-Key": key, **({"X-Shopper-Token": token} if token else {})}
        answer = case.call(headers=headers)
        answered[f"{case.method} {case.operation.path} {answer.status_code}"] += 1
        assert answer.status_code < 500, f"{case.method} {case.path} {case.query}: {answer.text}"
        if answer.status_code < 400:
            case.validate_response(answer, checks=[response_schema_conformance])
        elif answer.content:
            assert set(answer.json()) == {"error"}, answer.text

    return ask


def _fuzz_operation(operation: Any, ask: Callable[[Any], None], cases: int, number: int) -> None:
    def once(case: Any) -> None:
        ask(case)

    limited = hypothesis_settings(
        max_examples=cases,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    strategy = operation.as_strategy() | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    seed(number)(limited(given(case=strategy)(once)))()


def main() -> int:
    from modaloom.config import load_settings
    from modaloom.shop.open import open_live_shop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--store", help="by default a new one that is thrown away")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where the result is written as JSON")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        live = open_live_shop(asked.bundle, asked.store or f"sqlite:///{folder}/shop.db", load_settings())
        unlimited = {f"{name}_burst": 1_000_000 for name in ("shopper", "address", "newcomers")}
        settings = load_serve_settings(
            admin_keys=(KEY,), media_dir=Path(folder) / "media", log_requests=False, **unlimited
        )
        app = create_app(live, settings)
        operations = sum(len(one) for one in app.openapi()["paths"].values())
        began_s, answered = time.perf_counter(), Counter[str]()
        try:
            token, _ = app.state.service.tokens.issue("somebody")
            while answered.total() < asked.cases:
                each = max(1, min(50, -(-(asked.cases - answered.total()) // operations)))
                answered += fuzz(app, key=KEY, cases_each=each, first_seed=asked.seed + answered.total(), token=token)
                print(f"{answered.total():,} cases", file=sys.stderr)
        finally:
            app.state.service.close()
            live.close()
            live.store.close()
    by_status = Counter[str]()
    for name, count in answered.items():
        by_status[name.rsplit(" ", 1)[1]] += count
    result = {
        "cases": answered.total(),
        "operations": operations,
        "server_errors": sum(count for status, count in by_status.items() if status >= "500"),
        "by_status": dict(sorted(by_status.items())),
        "seconds": round(time.perf_counter() - began_s, 1),
    }
    print(json.dumps(result, indent=2))
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
