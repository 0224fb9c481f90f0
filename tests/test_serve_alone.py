"""Serving where there is neither torch nor onnx: with both blocked, and in a new environment that never had them."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from modaloom.shop.folder import CHECKSUMS, checksum

ROOT = Path(__file__).parents[1]
LEARNING = ("torch", "onnx", "onnxscript")
BLOCKER = f"""
import importlib.abc, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LEARNING}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocked())
"""
KEY = "k" * 20


@dataclass(frozen=True)
class Interpreter:
    """A Python without torch, and the variables that it is started with."""

    python: Path
    env: dict[str, str]

    def modaloom(self, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        command = [str(self.python), "-m", "modaloom.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=self.env, cwd=folder, timeout=300)

    def loads(self, module: str) -> bool:
        """Whether a module can be imported there."""
        return (
            subprocess.run([self.python, "-c", f"import {module}"], capture_output=True, env=self.env).returncode == 0
        )


def environment(cache: Path, **more: str) -> dict[str, str]:
    """This process's variables, with an empty cache."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return plain | {
        "MODALOOM_CACHE_DIR": str(cache),
        "MODALOOM_SERVE_ADMIN_KEYS": json.dumps([KEY]),
        "OMP_NUM_THREADS": "1",
        **more,
    }


@pytest.fixture
def blocked(tmp_path: Path) -> Interpreter:
    """This very Python with torch and onnx blocked, in every process that it starts, too."""
    (tmp_path / "blocker").mkdir()
    (tmp_path / "blocker" / "sitecustomize.py").write_text(BLOCKER, encoding="utf-8")
    path = os.pathsep.join((str(tmp_path / "blocker"), str(ROOT)))
    return Interpreter(Path(sys.executable), environment(tmp_path / "cache", PYTHONPATH=path))


@pytest.fixture
def new_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interpreter]:
    """A new virtual environment that the wheel was installed into with its extra ``serve`` alone."""
    folder = tmp_path_factory.mktemp("new-environment")  # more than a gigabyte, so it goes when the test ends
    python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    try:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=120)
        pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
        (wheel,) = folder.glob("modaloom-*.whl")
        pip("--python", str(python), "install", "--no-compile", f"{wheel}[serve]")
        yield Interpreter(python, environment(folder / "cache"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def pip(*arguments: str) -> None:
    """Runs pip; where it cannot reach an index, the test is skipped, but never in CI."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        said = done.stderr.strip()
        if not os.environ.get("CI") and unreachable(said):
            pytest.skip(f"pip reaches no package index here: {said.splitlines()[-1]}")
        pytest.fail(f"pip {' '.join(arguments)}:\n{said[-3_000:]}")


def unreachable(said: str) -> bool:
    """Whether pip says that there is no index, rather than that something is wrong with what was asked for."""
    signs = ("Connection", "connection", "Temporary failure in name resolution", "Network is unreachable", "timed out")
    return any(sign in said for sign in signs) or "(from versions: none)" in said


@dataclass(frozen=True)
class Service:
    """A service that runs, and what it wrote."""

    client: httpx.Client
    log: Path

    def photo_search(self, picture: bytes, n: int = 3) -> list[str]:
        """Ids of what looks like a picture, the most alike first."""
        asked = self.client.post("/v1/search/photo", data={"n": n}, files={"file": ("photo", picture)})
        assert asked.status_code == 200, asked.text
        return [card["item_id"] for card in asked.json()["items"]]


def picture(seed: int) -> bytes:
    """A PNG of coloured squares that is like no garment."""
    squares = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(squares).resize((240, 360), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


@contextmanager
def serving(where: Interpreter, bundle: Path, folder: Path) -> Iterator[Service]:
    """``modaloom serve BUNDLE`` with two workers, stopped at the end."""
    log, store = folder / "service.log", f"sqlite:///{folder / 'shop.db'}"
    command = [where.python, "-m", "modaloom.cli", "serve", bundle, "--store", store, "--port", 0, "--workers", 2]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            list(map(str, command)), stdout=stream, stderr=subprocess.STDOUT, env=where.env, cwd=folder
        )
    try:
        address = address_in(log, process)
        with httpx.Client(base_url=address, headers={"X-API-Key": KEY}, timeout=60) as client:
            yield Service(client, log)
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait(timeout=60)


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the service answers, once it does."""
    end_s = time.monotonic() + 180
    while time.monotonic() < end_s and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if line.startswith("Serving on "):
                return line.split()[2]
        time.sleep(0.05)
    raise AssertionError(log.read_text(encoding="utf-8"))


def send_new_item(service: Service) -> None:
    """An item with a picture, as a shop sends it."""
    item = {"item_id": "new", "title": "Patchwork coat", "attributes": {"category": "coat"}, "price": 9.5, "stock": 3}
    assert service.client.put("/v1/items", json={"items": [item]}).status_code == 200
    sent = service.client.put("/v1/items/new/picture", files={"file": ("picture", picture(0))})
    assert sent.status_code == 200, sent.text


def every_worker_finds_it(service: Service) -> None:
    """Searches by photo, on connections that either worker may take, until all of them list the new item first."""
    assert len(service.photo_search(picture(0))) == 3
    in_a_row, end_s = 0, time.monotonic() + 60
    while in_a_row < 8 and time.monotonic() < end_s:
        with httpx.Client(base_url=service.client.base_url, headers={"X-API-Key": KEY}, timeout=60) as client:
            in_a_row = in_a_row + 1 if Service(client, service.log).photo_search(picture(0))[0] == "new" else 0
    assert in_a_row == 8, service.log.read_text(encoding="utf-8")


def faults_in(service: Service) -> list[str]:
    """Lines of the log that tell of an error."""
    said = service.log.read_text(encoding="utf-8")
    return [line for line in said.splitlines() if "error" in line.lower() or "Traceback" in line]


def test_workers_serve_with_torch_and_onnx_blocked(blocked: Interpreter, sample_bundle: Path, tmp_path: Path) -> None:
    assert not any(blocked.loads(module) for module in LEARNING)
    with serving(blocked, sample_bundle, tmp_path) as service:
        send_new_item(service)
        every_worker_finds_it(service)
    assert not faults_in(service)
    # the trend board looks at the pictures, too; the service makes it by this very command's code
    trends = blocked.modaloom(tmp_path, "trends", f"sqlite:///{tmp_path / 'shop.db'}")
    assert trends.returncode == 0, trends.stderr
    assert not (tmp_path / "cache" / "encoders").exists(), "nothing was exported: the bundle had it"


def test_a_bundle_without_the_encoder_is_served_all_the_same(
    blocked: Interpreter, own_bundle: Path, tmp_path: Path
) -> None:
    """Words are answered, a photo is refused in words, and new items come in without their pictures."""
    (own_bundle / "efficientnet-lite0.1.onnx").unlink()
    config = json.loads((own_bundle / "config.json").read_text(encoding="utf-8"))
    (own_bundle / "config.json").write_text(json.dumps(config), encoding="utf-8")
    sums = {file.name: checksum(file) for file in own_bundle.iterdir() if file.name != CHECKSUMS}
    (own_bundle / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
    with serving(blocked, own_bundle, tmp_path) as service:
        refused = service.client.post("/v1/search/photo", files={"file": ("photo", picture(0))})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "no_encoder"
        send_new_item(service)
        end_s, found = time.monotonic() + 60, None
        while found != "new" and time.monotonic() < end_s:
            asked = service.client.get("/v1/search", params={"text": "patchwork coat", "n": 1}).json()
            found = asked["items"][0]["item_id"]
        assert found == "new"
        said = service.log.read_text(encoding="utf-8")
        assert "pip install 'modaloom[train]'" in said, "the log says what would bring it"


def test_learning_without_torch_is_one_line(blocked: Interpreter, sample_shop: Path, tmp_path: Path) -> None:
    done = blocked.modaloom(tmp_path, "train", sample_shop, "--out", "bundle")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: 'modaloom train' needs the package 'torch', which is not installed. "
        "Run: pip install 'modaloom[train]'.\n"
    )
    assert not (tmp_path / "bundle").exists()


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip")
def test_the_wheel_with_its_extra_serve_alone(
    new_environment: Interpreter, sample_bundle: Path, sample_shop: Path, tmp_path: Path
) -> None:
    """Two workers in an environment that never had torch take in a new item with its picture and find it by photo."""
    assert not any(new_environment.loads(module) for module in LEARNING)
    with serving(new_environment, sample_bundle, tmp_path) as service:
        send_new_item(service)
        every_worker_finds_it(service)
    assert not faults_in(service)
    learning = new_environment.modaloom(tmp_path, "train", sample_shop, "--out", "bundle")
    assert learning.returncode == 2
    assert learning.stderr.endswith(
        "needs the package 'torch', which is not installed. Run: pip install 'modaloom[train]'.\n"
    )
    assert learning.stderr.count("\n") == 1
