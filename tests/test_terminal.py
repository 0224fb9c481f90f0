"""What the commands print: bars on a terminal, plain lines elsewhere, and text as it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from modaloom import terminal
from modaloom.data.shop import load_shop
from modaloom.files import write_json
from modaloom.shop.bundle import load_bundle
from modaloom.shop.offline import Recommender
from modaloom.shop.requests import Why
from modaloom.terminal import bars, note_pictures, print_recommendations, print_trained, read_settings, say


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gets a line every few seconds and not a line per picture."""
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr("modaloom.terminal.time.perf_counter", lambda: float(next(clock)))
    with bars() as tell:
        for done in range(5):
            tell("pictures", 10 * done, 1_000)
        tell("epoch 1: loss 0.5", 1, 0)
        tell("epoch 1: loss 0.5", 1, 2)
        tell("writing", 0, 0)
        tell("writing", 0, 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "pictures: 10 of 1,000, 3/s" or lines[0].startswith("pictures: ")
    assert 3 <= len(lines) < 8
    assert any(line.startswith("epoch 1: loss 0.5") for line in lines)
    assert any(line.startswith("writing:") for line in lines)


def test_nothing_is_said_of_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    with bars() as tell:
        tell("pictures", 1, 2)
    assert capsys.readouterr().err == ""


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "Console", lambda stderr: Console(file=screen, force_terminal=True, width=100))
    with bars() as tell:
        tell("pictures", 0, 40)
        tell("pictures", 20, 40)
        tell("choosing the blend", 0, 0)
        tell("epoch 1: loss 0.5", 1, 2)
        tell("epoch 2: loss 0.4", 2, 2)
    text = screen.getvalue()
    assert "pictures" in text
    assert "2/2" in text
    assert "epoch 2: loss 0.4" in text


def test_one_bar_at_a_time() -> None:
    progress = Progress(console=Console(file=io.StringIO()), disable=True)
    tell = terminal._Bars(progress)
    tell("pictures", 1, 40)
    tell("pictures", 40, 40)
    assert [(task.description, task.completed) for task in progress.tasks] == [("pictures", 40)]
    tell("texts", 1, 3)
    assert [task.description for task in progress.tasks] == ["texts"]
    tell("2024-01-01: ease", 1, 3)
    tell("2024-01-01: ials", 2, 3)
    assert [(task.description, task.completed) for task in progress.tasks] == [("2024-01-01: ials", 2)]


def test_brackets_are_no_markup_and_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    say("a [red]long[/red] line [/b] " + "x" * 200)
    assert capsys.readouterr().out == "a [red]long[/red] line [/b] " + "x" * 200 + "\n"


def test_titles_may_have_brackets(sample_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recommender = Recommender(load_bundle(sample_bundle), read_settings())
    shown = recommender.show(recommender.snapshot.items["item_id"][0], "en")
    reason = Why("looks like [it]", "photo", "", None, 0.5)
    card = replace(shown, title="[new] Coat [/sale]", price=9.5, why=(reason,))
    print_recommendations(recommender, [card, replace(card, item_id="M[/b]1", price=None, why=())], "en", as_json=False)
    out = capsys.readouterr().out
    for text in ("M[/b]1", "[new] Coat", "[/sale]", "looks like [it]", "9.50", "recommended for you"):
        assert text in out
    print_recommendations(recommender, [card], "en", as_json=True)
    (row,) = json.loads(capsys.readouterr().out)
    assert row["title"] == "[new] Coat [/sale]"
    assert row["why"] == [asdict(reason)]
    assert row["picture"] is None or Path(row["picture"]).is_file()


def test_what_training_found() -> None:
    screen = Console(width=120, file=io.StringIO())
    metrics = {
        "blend": {"demand": 1.0, "image": 0.25},
        "validation": {"recall@20": 0.123456, "shoppers": 71},
        "best_epoch": 1,
        "epochs": 2,
    }
    print_trained(metrics, Path("b[old]"), screen)
    assert isinstance(screen.file, io.StringIO)
    out = screen.file.getvalue()
    assert "b[old]: blend chosen on validation" in out
    assert "validation: recall@20 0.1235, shoppers 71; best epoch 1 of 2" in out
    assert out.index("demand") < out.index("image")
    assert "Next: modaloom recommend b[old] --user ID" in out
    print_trained({**metrics, "validation": {}}, Path("b"), screen)
    new = screen.file.getvalue()[len(out) :]
    assert "b: the log says too little to choose a blend: content leads" in new
    assert "recommend b --text WORDS" in new


def test_json_is_written_for_people(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "file.json", {"name": "外套"})
    assert (tmp_path / "deep" / "file.json").read_text(encoding="utf-8") == '{\n  "name": "外套"\n}\n'


@pytest.mark.parametrize(
    ("number", "line"),
    [(0, ""), (1, "note: 1 picture could not"), (1_234, "note: 1,234 pictures could not be used; 'modaloom check'")],
)
def test_broken_pictures_are_mentioned(
    number: int, line: str, sample_shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = load_shop(sample_shop)
    shop.problems.count("broken picture", number)
    note_pictures(shop)
    assert capsys.readouterr().err.startswith(line)


PRINTED = """
import sys
from modaloom.terminal import console, make_output_readable, say
make_output_readable()
from rich.table import Table
table = Table()
table.add_column("标题")
table.add_row("红色连衣裙 — dress")
console.print(table)
say("5 × ¥ … é")
"""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "gbk", "utf-8"])
def test_files_and_pipes_get_utf8(encoding: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", PRINTED], capture_output=True, env=environment, check=True)
    text = done.stdout.decode("utf-8")
    assert "红色连衣裙 — dress" in text
    assert "5 × ¥ … é" in text
    assert not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are POSIX")
def test_old_terminals_get_what_they_can_show() -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", PRINTED], stdout=theirs, stderr=subprocess.PIPE, env=environment)
    os.close(theirs)
    text = os.read(ours, 100_000).decode("ascii")
    os.close(ours)
    assert done.returncode == 0, done.stderr
    assert "????? - dress" in text
    assert "5 x CNY  ... ?" in text
