"""The service that is attacked: one of the tests' own, on this machine's loopback; and how it bears up."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

JSON = "application/json"
PAGE, SHOP = "attack-page-key-0001", "attack-shop-key-0001"
PROBE = Path(__file__).with_name("probe.py")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A service under attack."""

    port: int
    pid: int

    def connect(self, timeout_s: float = 60) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def ask(self, method: str, path: str, body: bytes = b"", *, key: str = PAGE, kind: str = JSON) -> int:
        """The status of one answer; 0 where the connection broke."""
        try:
            line = self.connect()
        except OSError:
            return 0
        with line:
            with suppress(OSError):  # whoever is refused halfway may be told so before the connection ends
                line.sendall(head(method, path, key=key, kind=kind, length=len(body)) + body)
            return status_of(line)

    def memory_mb(self) -> float:
        """The most that the process ever held, in MB."""
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return round(int(text.split("VmHWM:")[1].split()[0]) / 1024, 1)

    @contextmanager
    def probed(self, figures: Figures, name: str = "health") -> Iterator[None]:
        """Notes how long ``/health`` took to answer meanwhile."""
        command = [sys.executable, str(PROBE), str(self.port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as probe:
            try:
                time.sleep(0.5)  # it has to start first
                yield
            finally:
                figures[name] = json.loads(probe.communicate(b"stop\n")[0])


def head(method: str, path: str, *, key: str = PAGE, kind: str = JSON, length: int | None = None) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {key}"]
    if length is not None:
        lines += [f"Content-Type: {kind}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def answer_of(line: socket.socket, *, has_body: bool = True) -> bytes:
    """The answer that comes next, as far as it comes; empty for none."""
    answer, end = b"", None
    while end is None or len(answer) < end:
        try:
            part = line.recv(65_536)
        except OSError:
            break
        if not part:
            break
        answer += part
        if end is None and (at := answer.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"\r\ncontent-length: (\d+)", answer[:at], re.IGNORECASE)
            end = at + 4 + (int(length[1]) if length and has_body else 0)
    return answer


def status_of(line: socket.socket, *, has_body: bool = True) -> int:
    """The status of the answer that comes next; 0 for none."""
    status = answer_of(line, has_body=has_body)[9:12]
    return int(status) if status.isdigit() else 0


def is_open(line: socket.socket) -> bool:
    """Whether the service still holds the connection."""
    line.setblocking(False)
    try:
        while line.recv(65_536):  # an answer, perhaps the last one
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
