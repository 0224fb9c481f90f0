"""What the commands print: progress bars, tables, and a plain line where there is no terminal."""

from __future__ import annotations

import codecs
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from modaloom.config import Settings, load_settings
from modaloom.data.shop import Shop, load_shop
from modaloom.types import Tell

if TYPE_CHECKING:
    from modaloom.shop.offline import Recommender
    from modaloom.shop.requests import Card

console = Console()
PLAIN_LINE_EVERY_S = 5.0


_PLAIN = {
    "—": "-", "–": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "×": "x", "█": "#", "•": "*",
    "¥": "CNY ", "￥": "CNY ", "€": "EUR ", "£": "GBP ", "，": ",", "。": ".", "：": ":", "；": ";",
    "（": "(", "）": ")",
}  # fmt: skip
"""What stands for letters that a terminal cannot show."""


def _shown_plainly(error: UnicodeError) -> tuple[str, int]:
    """The nearest that an old terminal has for letters that it cannot show; ``?`` for all others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    text = "".join(_PLAIN.get(letter, "?") for letter in letters)
    return "".join(letter if letter.isascii() else "?" for letter in text), error.end


def make_output_readable() -> None:
    """Lets everything be printed: files and pipes get UTF-8, an old terminal gets what it can show.

    Windows redirects in the code page of the country, in which there is no Chinese, and a C locale knows ASCII alone.
    """
    codecs.register_error("modaloom.plain", _shown_plainly)
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper) or codecs.lookup(stream.encoding or "ascii").name == "utf-8":
            continue
        if stream.isatty():
            stream.reconfigure(errors="modaloom.plain")
        else:
            stream.reconfigure(encoding="utf-8")


def read_settings() -> Settings:
    """The settings of this run.

    Raises:
        SettingsError: a field is unknown or wrong, or ``modaloom.toml`` is no TOML.
    """
    return load_settings()


def open_shop(shop: Path, root: Path | None) -> tuple[Settings, Shop]:
    """Settings and shop; what was skipped while reading is said on standard error."""
    settings = read_settings()
    opened = load_shop(shop, root=root, settings=settings)
    if opened.problems.total:
        kinds = ", ".join(f"{number:,} x {kind}" for kind, number in opened.problems.counts.most_common(4))
        print(f"note: skipped while reading: {kinds}; 'modaloom check' lists them", file=sys.stderr)
    return settings, opened


def note_pictures(shop: Shop) -> None:
    """Says on standard error how many pictures turned out to be broken when they were needed."""
    number = shop.problems.counts["broken picture"]
    if number:
        what = "1 picture" if number == 1 else f"{number:,} pictures"
        print(f"note: {what} could not be used; 'modaloom check' lists them", file=sys.stderr)


@contextmanager
def bars(*, every_s: float = PLAIN_LINE_EVERY_S) -> Iterator[Tell]:
    """Progress as ``tell(what, done, total)``: bars with items per second on a terminal, plain lines elsewhere.

    ``every_s`` is how many seconds lie between two plain lines at least.
    """
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield _PlainLines(every_s)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar at a time; a new kind of work starts a new one."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self._task: TaskID | None = None
        self._kind = ""
        self._started = time.perf_counter()

    def __call__(self, what: str, done: int, total: int) -> None:
        kind = what.split(":")[0] if total <= 0 else what if ":" not in what else ""
        if self._task is None or kind != self._kind:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task, self._kind = self._progress.add_task(what, total=total or None, rate=""), kind
            self._started = time.perf_counter()
        rate = done / max(time.perf_counter() - self._started, 1e-3)
        self._progress.update(
            self._task,
            description=what,
            completed=done,
            total=total or None,
            rate=f"{rate:,.0f}/s" if done and rate >= 2 else "",
        )


class _PlainLines:
    """A line every few seconds, for logs."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last = time.perf_counter()
        self._started: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.perf_counter()
        started = self._started.setdefault(what, now)
        if now - self._last < self._every_s:
            return
        self._last = now
        rate = f", {done / (now - started):,.0f}/s" if done and now - started > 1 and ":" not in what else ""
        count = f" {done:,} of {total:,}" if total else ""
        print(f"{what}:{count}{rate}" if ":" not in what else f"{what}{count}", file=sys.stderr, flush=True)


def say(line: str, screen: Console = console) -> None:
    """Prints a line as it is: neither broken, nor are brackets in it taken for markup."""
    screen.print(line, markup=False, highlight=False, soft_wrap=True)


def print_trained(metrics: Mapping[str, object], bundle: Path, screen: Console) -> None:
    """Prints what training found: the blend, and how it did on validation."""
    weights = metrics["blend"]
    assert isinstance(weights, dict)
    figures = metrics["validation"]
    assert isinstance(figures, dict)
    how = "blend chosen on validation" if figures else "the log says too little to choose a blend: content leads"
    say(f"{bundle}: {how}", screen)
    table = Table(header_style="bold")
    table.add_column("part")
    table.add_column("weight", justify="right")
    table.add_column("")
    for name, weight in sorted(weights.items(), key=lambda pair: -pair[1]):
        table.add_row(name, f"{weight:.2f}", "█" * round(weight * 20))
    screen.print(table)
    if figures:
        reached = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        say(f"validation: {reached}; best epoch {metrics['best_epoch']} of {metrics['epochs']}", screen)
        say(f"Next: modaloom recommend {bundle} --user ID", screen)
    else:
        say("validation: too few shoppers for any. 'modaloom retrain' learns from what happens while it serves", screen)
        say(f"Next: modaloom serve {bundle}, or modaloom recommend {bundle} --text WORDS", screen)


def print_recommendations(recommender: Recommender, cards: Sequence[Card], language: str, *, as_json: bool) -> None:
    """Prints a table with a reason per line, or JSON."""
    if as_json:
        rows = [_plain_card(recommender, card) for card in cards]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(header_style="bold", title=escape(recommender.heading(language)), title_justify="left")
    for heading in recommender.column_names(language):
        table.add_column(heading, overflow="fold")
    for number, card in enumerate(cards, start=1):
        price = "" if card.price is None else f"{card.price:,.2f}"
        cells = (card.item_id, card.title, price, "; ".join(reason.text for reason in card.why))
        table.add_row(str(number), *(escape(cell) for cell in cells))  # a title may say [new]
    console.print(table)


def _plain_card(recommender: Recommender, card: Card) -> dict[str, object]:
    """A card as JSON holds it, with the file of its picture."""
    picture = recommender.picture(card.item_id)
    return asdict(card) | {"picture": str(picture) if picture else None}


def print_verdict(verdict: str, winner: str | None, screen: Console = console) -> None:
    """Prints how a challenger did against the bundle that answers, and what follows."""
    screen.print(verdict, soft_wrap=True)
    if winner is None:
        screen.print("The challenger is not surely better: everything stays as it is.")
    else:
        screen.print(f"[bold]{winner}[/bold] answers now; services on this store take notice within a second.")
