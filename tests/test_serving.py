"""What ``serve`` takes from the bundle, from the environment and from its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from modaloom import serving
from modaloom.config import load_settings
from modaloom.errors import SettingsError
from modaloom.serving import _serve_settings, default_store, print_ready, run_service
from modaloom.shop.bundle import Bundle, load_bundle


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def test_the_store_lies_beside_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle").mkdir()
    monkeypatch.chdir(tmp_path / "bundle")
    assert default_store(Path()) == default_store(tmp_path / "bundle") == f"sqlite:///{tmp_path / 'bundle.db'}"


def test_the_shop_says_how_it_is_called(bundle: Bundle, sample_bundle: Path) -> None:
    made = _serve_settings(bundle, sample_bundle, {"port": None, "workers": 2})
    shop = bundle.config["shop"]
    assert (made.shop_name, made.language, made.currency) == (shop["name"], shop["language"], shop["currency"])
    assert (made.port, made.workers) == (8000, 2)
    assert made.media_dir == sample_bundle.resolve().with_name(sample_bundle.name + ".media")


def test_arguments_before_the_environment_before_the_shop(
    bundle: Bundle, sample_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODALOOM_SERVE_SHOP_NAME", "By the environment")
    monkeypatch.setenv("MODALOOM_SERVE_PORT", "1234")
    made = _serve_settings(bundle, sample_bundle, {})
    assert (made.shop_name, made.port) == ("By the environment", 1234)
    made = _serve_settings(bundle, sample_bundle, {"port": 4321, "shop_name": "By hand"})
    assert (made.shop_name, made.port) == ("By hand", 4321)
    monkeypatch.setenv("MODALOOM_SERVE_SHOP_NAME", "")
    monkeypatch.setenv("MODALOOM_SERVE_PORT", "")
    made = _serve_settings(bundle, sample_bundle, {})
    assert (made.shop_name, made.port) == (bundle.config["shop"]["name"], 8000), "empty is unset"
    monkeypatch.setenv("MODALOOM_SERVE_PORT", "no number")
    with pytest.raises(SettingsError, match="port"):
        _serve_settings(bundle, sample_bundle, {})


def test_matrix_products_have_one_thread_while_one_worker_serves(
    own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one worker is this process, in which NumPy was loaded long before anybody said how many threads."""

    def threads() -> set[int]:
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    seen: list[set[int]] = []
    monkeypatch.setattr(serving, "serve", lambda *given, **named: seen.append(threads()))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threadpool_limits(2, user_api="blas"):
        run_service(own_bundle, f"sqlite:///{tmp_path / 'shop.db'}", load_settings(), port=0)
        assert seen == [{1}]
        assert threads() == {2}, "as before"


def test_keys_are_told_but_the_one_that_every_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    print_ready("http://localhost:1", {"page": "public", "shop": "s" * 200, "admin": "a"})
    said = capsys.readouterr().out
    assert "public" not in said
    assert "s" * 200 in said, "in one piece, to be copied"
    assert said.splitlines()[-1].startswith("Serving on http://localhost:1 ")
