"""The documents say what is: every setting, every link, every command, every decision in its form."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from modaloom.config import Folder, Settings, load_settings
from modaloom.errors import SettingsError
from modaloom.evaluation.protocol import PROTOCOLS, RANKING

ROOT = Path(__file__).parents[1]
DOCS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "benchmarks" / "LOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FIELDS = ["- Date", "- Choice", "- Rejected", "- Why"]
OURS = re.compile(r"(?:modaloom|tests|docs|examples|benchmarks)/[\w./*-]+")


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def settings_rows() -> dict[str, list[str]]:
    """Cells of the settings table by field."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in read("settings.md").splitlines()]
    return {row[0].strip("`"): row for row in rows if len(row) == 5 and row[0].startswith("`")}


def test_every_setting_is_documented_and_no_other() -> None:
    assert list(settings_rows()) == list(Settings.model_fields)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_is_documented_rightly(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, variable, _, _, default = settings_rows()[field]
    assert variable == f"`MODALOOM_{field.upper()}`"
    declared = Settings.model_fields[field]
    if declared.default_factory is None:
        value = str(declared.default)
        assert default == f"`{value.lower() if isinstance(declared.default, bool) else value}`"
    monkeypatch.setenv(variable.strip("`"), "nonsense")
    if declared.annotation in (str, Path, Folder | None):
        assert str(getattr(load_settings(), field)) == "nonsense"
    else:
        with pytest.raises(SettingsError, match=field):
            load_settings()


def test_the_settings_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```toml\n(.*?)```", read("settings.md"), re.DOTALL)
    assert found
    (tmp_path / "modaloom.toml").write_text(found[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert {name: getattr(settings, name) for name in tomllib.loads(found[1])} == tomllib.loads(found[1])


def test_every_protocol_and_metric_is_documented() -> None:
    text = read("evaluation.md")
    cells = {found[1] for found in re.finditer(r"^\| `([\w-]+)` \|", text, re.MULTILINE)}
    assert set(PROTOCOLS) | set(RANKING) <= cells


def test_decisions_keep_their_form() -> None:
    """Entries stand by room, newest last; one that no longer holds names the later entry that takes its place."""
    groups = re.split(r"^## ", read("decisions.md"), flags=re.MULTILINE)[1:]
    dates: dict[str, str] = {}
    superseded: dict[str, str] = {}
    for group in groups:
        first, *entries = re.split(r"^### ", group, flags=re.MULTILINE)
        assert entries, first
        for entry in entries:
            title, *lines = entry.strip().splitlines()
            fields = [line.split(":")[0] for line in lines]
            assert fields in (FIELDS, [*FIELDS, "- Superseded by"]), title
            assert re.fullmatch(r"- Date: \d{4}-\d\d-\d\d", lines[0]), title
            assert title not in dates, f"two entries are called {title}"
            dates[title] = lines[0]
            if len(lines) > len(FIELDS):
                superseded[title] = lines[-1].removeprefix("- Superseded by: ")
        own = [dates[entry.splitlines()[0]] for entry in entries]
        assert own == sorted(own), f"newest last in {first}"
    assert superseded
    for old, new in superseded.items():
        assert new in dates, f"{old} is superseded by {new}, which is no entry"
        assert dates[new] >= dates[old], old


def test_the_unreleased_changes_fit_on_a_page() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r"^## [^\n]*\(unreleased\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found
    assert len(found[1].strip().splitlines()) <= 40, "sum up, or release"


def test_the_readme_has_at_most_three_tables() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\|(?: *:?-+:? *\|)+$", text, re.MULTILINE)) <= 3, "tables belong into docs/results.md"


def test_every_entry_of_the_log_is_in_its_contents() -> None:
    text = (ROOT / "benchmarks" / "LOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\d{4}-\d\d-\d\d: .*)$", text, re.MULTILINE)
    links = re.findall(r"^- \[(.*)\]\(#([^)]*)\)$", text, re.MULTILINE)
    assert [name for name, _ in links] == headings
    assert [target for _, target in links] == [anchor(name) for name in headings]


def anchor(heading: str) -> str:
    """How GitHub names a heading: lower case, punctuation dropped, blanks as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_hooks_before_a_commit_do_what_ci_does() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("lint", "types"):
        found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
        assert found
        for command in found[1].strip().splitlines():
            assert f"entry: {command.strip().replace('$(BIN)', '.venv/bin')}\n" in hooks


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_links_lead_somewhere(file: Path) -> None:
    """To a file that there is, and to one of its headings."""
    text = file.read_text(encoding="utf-8")
    targets = [found[1] for found in re.finditer(r"\]\(([^)\s]+)[^)]*\)", text)]
    for target in targets:
        if re.match(r"https?:|mailto:", target):
            continue
        name, _, fragment = target.partition("#")
        place = file.parent / name if name else file
        assert place.exists(), target
        if fragment and place.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in [anchor(heading) for heading in headings], target


@pytest.mark.parametrize("file", DOCS, ids=lambda file: file.name)
def test_files_in_backticks_exist(file: Path) -> None:
    """Words in backticks that look like a path of ours, patterns included; decisions also name what was rejected."""
    text = "\n".join(line for line in file.read_text(encoding="utf-8").splitlines() if "- Rejected" not in line)
    named = [found[1] for found in re.finditer(r"`([^`\s]+)`", text) if OURS.fullmatch(found[1])]
    assert not [name for name in named if "*" not in name and "NAME" not in name and not (ROOT / name).exists()]


def test_commands_in_the_documents_exist() -> None:
    from typer.main import get_command

    from modaloom.cli import app

    known = set(getattr(get_command(app), "commands", {}))
    for file in DOCS:
        for found in re.finditer(r"(?:`|^\$ )modaloom ([a-z][a-z-]*)", file.read_text(encoding="utf-8"), re.MULTILINE):
            assert found[1] in known, f"{file.name} speaks of 'modaloom {found[1]}'"


def test_options_in_the_documents_exist() -> None:
    """In every command, on a line of its own or in backticks, comments left out."""
    from typer.main import get_command

    from modaloom.cli import app

    commands = getattr(get_command(app), "commands", {})
    known = {name: {word for one in made.params for word in one.opts} for name, made in commands.items()}
    seen = 0
    for file in DOCS:
        text = file.read_text(encoding="utf-8")
        for found in re.finditer(r"(?:`|^\$ |^)modaloom ([a-z][a-z-]*)([^`#\n]*(?:\\\n[^`#\n]*)*)", text, re.MULTILINE):
            options = re.findall(r"(?<![\w-])--[a-z][a-z-]*", found[2])
            seen += len(options)
            unknown = [word for word in options if word not in known.get(found[1], {"--help"})]
            assert not unknown, f"{file.name} gives 'modaloom {found[1]}' {', '.join(unknown)}"
    assert seen > 20
