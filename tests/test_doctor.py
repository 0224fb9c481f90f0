"""The doctor finds what is missing, says what to do, and never falls ill himself."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from modaloom.config import Settings
from modaloom.doctor import Finding, State, diagnose, print_findings


def finding(findings: list[Finding], about: str) -> Finding:
    (found,) = [one for one in findings if one.about == about]
    return found


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """What is found here, with an empty cache."""
    return diagnose(Settings(cache_dir=tmp_path_factory.mktemp("cache"), threads=1))


def quick(folder: Path) -> Settings:
    """Encoders that are not tried, so that a test takes no time."""
    return Settings(cache_dir=folder / "cache", threads=1, image_encoder="timm:none", text_encoder="timm:none")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same without torch, which takes seconds to ask."""
    monkeypatch.setitem(sys.modules, "torch", None)
    return quick(tmp_path)


def test_here_everything_required_works(healthy: list[Finding]) -> None:
    assert not [one for one in healthy if one.state is State.BROKEN]
    assert {"python", "cores", "memory", "cache", "disk", "numpy", "polars", "torch", "terminal", "fonts"} <= {
        one.about for one in healthy
    }


def test_the_encoders_are_really_tried(healthy: list[Finding]) -> None:
    for modality in ("image", "text"):
        found = finding(healthy, f"{modality} encoder")
        assert found.state is State.OK
        assert found.what.endswith(" ms")


def test_weights_and_torch_are_found(healthy: list[Finding]) -> None:
    assert finding(healthy, "weights use-multilingual").what.endswith("MB, in use")
    assert " on " in finding(healthy, "torch works").what


def test_what_was_prepared_is_listed(settings: Settings) -> None:
    (settings.cache_dir / "encoders").mkdir(parents=True)
    (settings.cache_dir / "encoders" / "some.onnx").write_bytes(b"x" * 2_000_000)
    assert finding(diagnose(settings), "prepared").what == "some.onnx, 2 MB, in the cache"


def test_missing_and_old_packages_are_named_with_their_command(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "modaloom-9.dist-info"
    info.mkdir()
    needs = ["no-such-thing>=2.1", "numpy>=999", "no-such-torch>=2; extra == 'train'", "no-such-linter; extra == 'dev'"]
    lines = ["Metadata-Version: 2.1", "Name: modaloom", "Version: 9", *(f"Requires-Dist: {need}" for need in needs)]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    findings = diagnose(settings)
    required = finding(findings, "no-such-thing")
    assert (required.state, required.hint) == (State.BROKEN, "Run: pip install 'no-such-thing>=2.1'")
    assert "999 or newer is needed" in finding(findings, "numpy").what
    optional = finding(findings, "no-such-torch")
    assert (optional.state, optional.hint) == (State.NOTE, "Run: pip install 'modaloom[train]'")
    assert "no-such-linter" not in {one.about for one in findings}


def test_without_torch_the_picture_encoder_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    findings = diagnose(Settings(cache_dir=tmp_path / "cache", threads=1))
    assert "torch works" not in {one.about for one in findings}
    found = finding(findings, "image encoder")
    assert (found.state, found.hint) == (State.NOTE, "Run: pip install 'modaloom[train]'")


def test_a_torch_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libsomething.so is missing')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = finding(diagnose(quick(tmp_path)), "torch works")
    assert found.state is State.NOTE
    assert "libsomething.so is missing" in found.what


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    findings = diagnose(Settings(cache_dir=tmp_path / "file", threads=1, text_encoder="timm:none"))
    assert finding(findings, "cache").state is State.BROKEN
    assert "MODALOOM_CACHE_DIR" in finding(findings, "cache").hint
    assert finding(findings, "image encoder").state is State.OK, "the encoder itself is well"


def test_an_encoder_of_the_wrong_kind_is_broken(settings: Settings) -> None:
    wrong = settings.model_copy(update={"image_encoder": "use-multilingual"})
    found = finding(diagnose(wrong), "image encoder")
    assert found.state is State.BROKEN
    assert "EncoderError" in found.what


def test_others_encoders_are_not_downloaded(settings: Settings) -> None:
    assert "not tried" in finding(diagnose(settings), "image encoder").what


def test_too_many_threads(settings: Settings) -> None:
    found = finding(diagnose(settings.model_copy(update={"threads": 256})), "cores")
    assert found.state is State.NOTE
    assert "MODALOOM_THREADS" in found.hint


def test_a_terminal_without_chinese(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    found = finding(diagnose(settings), "terminal")
    assert found.state is State.NOTE
    assert "PYTHONIOENCODING" in found.hint


@pytest.mark.parametrize(
    ("state", "code", "verdict"),
    [
        (State.OK, 0, "Everything that is required works; 0 notes."),
        (State.NOTE, 0, "Everything that is required works; 1 note."),
        (State.BROKEN, 1, "1 broken; 0 notes."),
    ],
)
def test_the_exit_code(state: State, code: int, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("python", State.OK, "3.11"), Finding("a[b]", state, "what [is] it", "Do [this]")]
    assert print_findings(findings) == code
    said = capsys.readouterr().out
    assert verdict in said
    assert "a[b]" in said
    assert "what [is] it" in said
    assert "Do [this]" in said
