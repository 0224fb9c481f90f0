"""Every verb, from the command line to what it writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modaloom import cli
from modaloom.cli import app
from modaloom.shop.bundle import verify

Command = Callable[..., tuple[int, str, str]]
VERBS = ("sample", "check", "train", "evaluate", "recommend", "trends", "demo", "doctor")
FIGURES = {"recall", "precision", "f1", "ndcg", "hit_rate", "fit_s", "recommend_s", "warm", "cold", "intervals"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_without_a_verb_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert all(verb in shown.output for verb in VERBS)


@pytest.mark.parametrize(
    "arguments", ["bogus", "train shop", "recommend b --user u -n 0", "evaluate s --windows none", "sample d --items 3"]
)
def test_what_makes_no_command_exits_with_two(arguments: str, command: Command) -> None:
    code, _, err = command(*arguments.split())
    assert code == 2
    assert "Error" in err


def test_sample_writes_a_shop_and_says_what_is_next(tmp_path: Path, command: Command) -> None:
    shop = tmp_path / "[shop]"
    code, out, _ = command("sample", shop, "--items", "36", "--users", "6", "--seed", "1")
    assert code == 0
    assert out == f"{shop}: a shop with 36 garments and 6 shoppers. Next: modaloom check {shop}\n"
    assert (shop / "shop.toml").is_file()


def test_check_writes_figures_and_a_page(sample_shop: Path, tmp_path: Path, command: Command) -> None:
    code, out, _ = command(
        "check", sample_shop, "--json", tmp_path / "a" / "r.json", "--html", tmp_path / "b" / "r.html"
    )
    assert code == 0
    assert "Modaloom sample" in out
    assert json.loads((tmp_path / "a" / "r.json").read_text(encoding="utf-8"))
    assert "<html" in (tmp_path / "b" / "r.html").read_text(encoding="utf-8")


def test_check_finds_data_elsewhere(sample_shop: Path, tmp_path: Path, command: Command) -> None:
    shutil.copy(sample_shop / "shop.toml", tmp_path / "my.toml")
    assert command("check", tmp_path / "my.toml", "--root", sample_shop)[0] == 0
    assert command("check", tmp_path / "my.toml")[0] == 2


def test_train(sample_shop: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--out .`` means the folder one is in. The towers, which take longest to write, are tested elsewhere."""
    monkeypatch.setattr("modaloom.learning.bundle_writer.export_towers", lambda model, folder: None)
    home = tmp_path / "bundle"
    home.mkdir()
    monkeypatch.chdir(home)
    code, out, err = command(
        "train", sample_shop, "--out", ".", "--size", "small", "--epochs", "1", "--modalities", "attributes,behaviour"
    )
    assert code == 0, err
    assert "blend chosen on validation" in out
    assert "Next: modaloom recommend . --user ID" in out
    monkeypatch.chdir(tmp_path)
    verify(home)
    config = json.loads((home / "config.json").read_text(encoding="utf-8"))
    assert config["options"]["epochs"] == 1
    assert set(config["modalities"]) <= {"attributes", "behaviour"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "bundle.shoppers"]


@pytest.mark.parametrize(("models", "windows"), [("popularity,newest", "2"), ("all", "1")])
def test_evaluate(models: str, windows: str, sample_shop: Path, tmp_path: Path, command: Command) -> None:
    code, out, err = command(
        "evaluate", sample_shop, "--protocol", "rolling", "--windows", windows, "--window-days", "30", "-n", "5",
        "--models", models, "--seeds", "0,0", "--size", "small", "--epochs", "1",
        "--json", tmp_path / "f.json", "--html", tmp_path / "f.html",
    )  # fmt: skip
    assert code == 0, err
    assert f"Modaloom sample: rolling, {windows} windows of 30 days, top 5; 95 % intervals over shoppers" in " ".join(
        out.split()
    )
    figures = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))
    known = set(models.split(",")) if models != "all" else {"modaloom", "popularity", "ease", "content-knn"}
    assert known <= set(figures)
    for row in figures.values():
        assert set(row) >= FIGURES
        assert set(row["warm"]) >= {"recall", "precision", "f1", "ndcg", "hit_rate"} <= set(row["cold"])
    page = (tmp_path / "f.html").read_text(encoding="utf-8")
    assert ("Recall @ 5 by window" in page) == (windows == "2")
    assert not re.search(r"https?://|src=|href=", page)


def test_evaluate_names_what_cannot_work(own_shop: Path, command: Command) -> None:
    """A shop without release dates has no newest items: an error where it was named, a line where all were."""
    toml = own_shop / "shop.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace('released_at = "released_at"\n', ""), encoding="utf-8")
    code, out, err = command("evaluate", own_shop, "--protocol", "last-out", "--models", "newest")
    assert (code, out) == (2, "")
    assert err == "error: the shop has no release dates. Map released_at or release_rank in shop.toml.\n"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_recommend_in_both_languages(language: str, sample_bundle: Path, command: Command) -> None:
    code, out, _ = command("recommend", sample_bundle, "--items", "M00003, M00004,,", "-n", "4", "--lang", language)
    assert code == 0
    assert bool(re.search(r"[\u4e00-\u9fff]", out)) == (language == "zh")
    assert len(set(re.findall(r"M\d{5}", out))) >= 4


@pytest.mark.parametrize("ask", [("--user", "U00002"), ("--items", "M00003"), ("--text", "summer dress"), ("--photo",)])
def test_recommend_as_json(ask: tuple[str, ...], sample_bundle: Path, sample_shop: Path, command: Command) -> None:
    ask = (*ask, str(next((sample_shop / "images").glob("*.jpg")))) if ask == ("--photo",) else ask
    code, out, _ = command("recommend", sample_bundle, *ask, "-n", "3", "--json")
    assert code == 0
    rows = json.loads(out)
    assert len(rows) == 3
    for row in rows:
        assert row.keys() >= {"item_id", "title", "price", "picture", "score", "why", "swatches"}
        assert row["why"]
        assert all(reason.keys() >= {"text", "kind", "subject", "contribution"} for reason in row["why"])


def test_doctor_says_how_things_stand(command: Command) -> None:
    code, out, _ = command("doctor")
    assert code in (0, 1, 2)
    assert "python" in out.lower()


def test_an_interrupt_is_no_crash(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("modaloom.shop.bundle.load_bundle", stop)
    code, _, err = command("recommend", "b", "--user", "u")
    assert code == 130
    assert "Traceback" not in err


def test_what_the_system_refuses_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise OSError("no\nreason")

    monkeypatch.setattr("modaloom.shop.bundle.load_bundle", refuse)
    assert command("recommend", "b", "--user", "u") == (2, "", "error: file system: no reason.\n")


def test_the_program_can_be_run_as_a_module() -> None:
    assert callable(cli.main)


def test_evaluate_on_a_file(sample_shop: Path, tmp_path: Path, command: Command) -> None:
    later = tmp_path / "later.csv"
    names = "user_id,item_id,event,value,timestamp,query,session_id"
    rows = [f"U0000{num},M0000{num},purchase,1,2026-01-05T10:00:00,," for num in range(1, 8)]
    later.write_text("\n".join([names, *rows]) + "\n")
    code, out, err = command(
        "evaluate", sample_shop, "--protocol", "file", "--test", later, "--models", "popularity", "-n", "5"
    )
    assert code == 0, err
    assert "Modaloom sample: file, top 5" in out


WITHOUT_EXTRAS = """
import importlib.abc, sys
from modaloom.errors import EXTRA_OF
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRA_OF:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from modaloom.cli import main
for line in sys.stdin:
    sys.argv = ["modaloom", *line.split()]
    try:
        main()
    except SystemExit as stop:
        print(stop.code, file=sys.stderr)
"""


def test_a_verb_whose_extra_is_missing_says_which() -> None:
    """With the plain package alone; what needs no extra goes on to what is wrong with its arguments."""
    wanted = {
        "train nope --out bundle": "'modaloom train' needs the package 'torch'.*'modaloom\\[train\\]'",
        "evaluate nope": "'modaloom evaluate' needs the package 'torch'.*'modaloom\\[train\\]'",
        "evaluate nope --protocol labels": "'modaloom evaluate' needs the package 'torch'.*'modaloom\\[train\\]'",
        "retrain --store sqlite:///x --out y": "'modaloom retrain' needs the package 'torch'.*'modaloom\\[train\\]'",
        "demo --folder nope": "'modaloom demo' needs the package '.*'modaloom\\[all\\]'",
        "serve nope": "'modaloom serve' needs the package '.*'modaloom\\[serve\\]'",
        "renew-key page --store sqlite:///x": "'modaloom renew-key' needs the package '.*'modaloom\\[serve\\]'",
        "migrate --store postgresql://u@127.0.0.1:1/x": "needs the package 'psycopg'.*'modaloom\\[postgres\\]'",
        "check nope": "nope: no such file or folder",
        "trends nope": "nope: no such file or folder",
        "forecast nope": "nope: no such file",
        "recommend nope --text dress": "nope: no such bundle",
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], input="\n".join(wanted), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[1::2] == ["2"] * len(wanted), done.stderr
    for line, pattern in zip(lines[::2], wanted.values(), strict=True):
        assert re.match(f"error: .*{pattern}", line), line


def test_a_missing_module_that_no_extra_brings_is_no_users_fault(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise ModuleNotFoundError("No module named 'nothing'", name="nothing")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        command("doctor")
