"""``modaloom demo`` as a newcomer runs it: the page first, then the report; nothing is left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from modaloom.samples.write import write_sample

MOST_LINES = 25
"""On the terminal, before the page is up."""
WAIT_S = 240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("demo")
    write_sample(made / "shop", items=56, users=80)
    return made


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_page_comes_first_and_the_report_follows(folder: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "modaloom.cli", "demo", "--folder", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    lines: list[str] = []
    assert process.stdout is not None
    output = process.stdout
    reader = threading.Thread(target=lambda: lines.extend(iter(output.readline, "")), daemon=True)
    reader.start()

    def wait_for(what: str) -> int:
        end = time.monotonic() + WAIT_S
        while not any(what in line for line in lines):
            assert time.monotonic() < end, lines
            assert process.poll() is None, lines
            time.sleep(0.1)
        return next(number for number, line in enumerate(lines) if what in line)

    try:
        before = wait_for("Serving on")
        assert before < MOST_LINES, lines
        assert not (folder / "report" / "evaluation.html").exists(), "the page does not wait for it"
        address = f"http://localhost:{port}"
        steps = httpx.get(f"{address}/demo/progress.json").json()["steps"]
        assert [step["name"] for step in steps] == ["check", "lists", "measure", "trends"]
        assert 'href="/demo"' in httpx.get(address).text
        wait_for("[report 2/4]")
        answer = httpx.get(f"{address}/demo/report.html")
        assert answer.status_code == 200
        policies = answer.headers.get_list("content-security-policy")
        assert len(policies) == 1, "two would both hold, and the page's own forbids the report's styles"
        assert "style-src 'unsafe-inline'" in policies[0]
        (report,) = children_of(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
        reader.join(10)
        output.close()
    assert code == 0
    assert not is_running(report)
    assert "Traceback" not in "".join(lines)


def test_a_taken_port_is_told_before_the_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "modaloom.cli", "demo", "--folder", str(tmp_path / "new")]
        done = subprocess.run(
            [*command, "--port", str(taken.getsockname()[1])], capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "new").exists()
