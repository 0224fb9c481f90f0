"""Settings: where they come from, in which order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from modaloom.config import Settings, load_settings
from modaloom.errors import SettingsError


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder and none of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MODALOOM_{name.upper()}", raising=False)


def test_no_file_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    settings = load_settings()
    assert settings.cache_dir == tmp_path / "xdg" / "modaloom"
    assert settings.threads >= 1
    assert not settings.accept_noncommercial


def test_without_a_cache_home_it_is_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings().cache_dir == Path.home() / ".cache" / "modaloom"


def test_environment_before_file_before_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().batch_size == 32
    Path("modaloom.toml").write_text("batch_size = 8\nmax_bad_share = 0.5\n", encoding="utf-8")
    assert load_settings().batch_size == 8
    monkeypatch.setenv("MODALOOM_BATCH_SIZE", "16")
    settings = load_settings()
    assert (settings.batch_size, settings.max_bad_share) == (16, 0.5)
    assert load_settings(batch_size=4).batch_size == 4


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    default = load_settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"MODALOOM_{name.upper()}", "")
    assert load_settings() == default
    Path("modaloom.toml").write_text('cache_dir = "kept"\n', encoding="utf-8")
    assert load_settings().cache_dir == Path("kept")


def test_an_empty_cache_folder_is_refused_and_this_folder_is_not() -> None:
    Path("modaloom.toml").write_text('cache_dir = ""\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cache_dir.*say \. for the working folder"):
        load_settings()
    assert load_settings(cache_dir=".").cache_dir == Path()


def test_an_unknown_field_is_refused() -> None:
    Path("modaloom.toml").write_text("bach_size = 8\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"bach_size.*See docs/settings\.md"):
        load_settings()


def test_every_wrong_field_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODALOOM_THREADS", "none")
    with pytest.raises(SettingsError, match="max_bad_share") as caught:
        load_settings(max_bad_share=2)
    assert "threads" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("threads", 0), ("threads", 257), ("batch_size", 0), ("max_bad_share", -0.1), ("max_picture_pixels", 0)],
)
def test_bounds(field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=field):
        load_settings(**{field: value})


def test_settings_stay_as_they_are() -> None:
    with pytest.raises(ValidationError):
        load_settings().threads = 3  # type: ignore[misc]
