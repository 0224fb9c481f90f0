"""A service is told to stop while it is asked, over kept connections and over new ones: who gets no answer?"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter

from benchmarks.attacks.target import SHOP, Figures, Target, answer_of, head

REQUEST = head("GET", "/v1/recommendations?user_id=u1", key=SHOP)
KEPT = 8
"""Lines that ask again and again over one connection; as many ask over a new one each time."""


def attack(target: Target, *, seconds: float = 2) -> Figures:
    """Asks from sixteen threads, sends SIGTERM meanwhile, and counts what became of every request."""
    counted: Counter[str] = Counter()
    stop = threading.Event()
    askers = [threading.Thread(target=ask_on, args=(target, counted, stop, kept)) for kept in [True, False] * KEPT]
    for asker in askers:
        asker.start()
    time.sleep(seconds)
    os.kill(target.pid, signal.SIGTERM)
    time.sleep(seconds)
    stop.set()
    for asker in askers:
        asker.join(20)
    return dict(sorted(counted.items()))


def ask_on(target: Target, counted: Counter[str], stop: threading.Event, kept: bool) -> None:
    """Asks until nobody listens any more."""
    line: socket.socket | None = None
    while not stop.is_set():
        try:
            line = line or target.connect(timeout_s=15)
        except OSError:
            counted["connections refused: nobody listens"] += 1
            return
        try:
            line.sendall(REQUEST)
            answer = answer_of(line)
        except OSError:
            answer = b""
        if answer.startswith(b"HTTP/1.1 200"):
            counted["answered"] += 1
        else:
            what = answer[9:12].decode() if answer else "no answer"
            counted[f"{'kept' if kept else 'new'} connection: {what}"] += 1
        if not kept or not answer or b"\r\nconnection: close" in answer:
            line.close()
            line = None
