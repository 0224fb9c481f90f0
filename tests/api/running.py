"""A service in processes of its own, as its tests know it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from pathlib import Path
from modaloom.api.workers.server import Factory, serve
from modaloom.api.settings import load_serve_settings
from modaloom.errors import ModaloomError
if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    try:
        serve(
            Factory("tests.api.tiny_shop:open_tiny", told["shop"]),
            load_serve_settings(**told["serve"]),
            on_ready=lambda url, keys: print(json.dumps({"event": "up", "url": url, "keys": keys}), flush=True),
        )
    except ModaloomError as error:
        print(json.dumps({"event": "refused", "message": str(error)}), flush=True)
        sys.exit(2)
"""


class Running:
    """A service in processes of its own."""

    def __init__(self, folder: Path, shop: dict[str, Any], serving: dict[str, Any]):
        told = {
            "shop": {"folder": str(folder), **shop},
            "serve": {
                "port": 0,
                "media_dir": str(folder / "media"),
                "exposures_flush_s": 30,
                **serving,
            },
        }
        script = folder / "serve.py"
        script.write_text(CODE, encoding="utf-8")
        self.out = folder / "out.jsonl"
        with self.out.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, str(script), json.dumps(told)],
                cwd=ROOT,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def lines(self) -> list[dict[str, Any]]:
        text = self.out.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in text if line.startswith("{") and line.endswith("}")]

    def wait_for(self, event: str, *, times: int = 1, timeout_s: float = 60) -> dict[str, Any]:
        end_s = time.monotonic() + timeout_s
        while time.monotonic() < end_s:
            told = [line for line in self.lines() if line["event"] == event]
            if len(told) >= times:
                return told[0]
            if self.process.poll() is not None and event == "up":
                break
            time.sleep(0.05)
        raise AssertionError(f"no {event!r} in: {self.out.read_text(encoding='utf-8')}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)
