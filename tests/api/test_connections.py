"""Which addresses are proxies; the bounds of connections are tried on a real service in ``benchmarks``' tests."""

from __future__ import annotations

import pytest

from modaloom.api.workers.connections import is_one_of


@pytest.mark.parametrize(
    ("host", "proxies", "wanted"),
    [
        ("127.0.0.1", ("127.0.0.1",), True),
        ("10.1.2.3", ("127.0.0.1", "10.0.0.0/8"), True),
        ("11.1.2.3", ("127.0.0.1", "10.0.0.0/8"), False),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:db8::1", ("10.0.0.0/8",), False),
        ("1.2.3.4", ("*",), True),
        ("1.2.3.4", ("proxy.example",), False),
        ("", ("127.0.0.1",), False),
    ],
)
def test_who_is_a_proxy(host: str, proxies: tuple[str, ...], wanted: bool) -> None:
    assert is_one_of(host, proxies) is wanted
