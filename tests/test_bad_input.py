"""What people get wrong, through the command line: exit code 2 and one line that says what to do.

Broken pictures and unknown ids are counted and the run goes on.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from modaloom.shop.bundle import verify
from modaloom.shop.folder import reserved

Command = Callable[..., tuple[int, str, str]]
QUICK = ("--size", "small", "--epochs", "1", "--modalities", "attributes")


def refused(ran: tuple[int, str, str]) -> str:
    """The one line on standard error."""
    code, out, err = ran
    assert code == 2
    assert out == ""
    (line,) = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def edit(file: Path, pattern: str, to: str, count: int = 0) -> None:
    text, number = re.subn(pattern, to, file.read_text(encoding="utf-8"), count=count, flags=re.MULTILINE)
    assert number, "the test changes nothing"
    file.write_text(text, encoding="utf-8")


# The shop


@pytest.mark.parametrize("verb", ["check", "evaluate", "train"])
def test_no_such_shop(verb: str, command: Command) -> None:
    more = ("--out", "b") if verb == "train" else ()
    line = refused(command(verb, "nowhere", *more))
    assert line == "nowhere: no such file or folder. Give a folder with a shop.toml, or a toml file."


def test_a_folder_that_is_no_shop(tmp_path: Path, command: Command) -> None:
    line = refused(command("check", tmp_path))
    assert line == f"{tmp_path}: the folder has no shop.toml. docs/shop.md shows how to write one."


def test_an_empty_file(own_shop: Path, command: Command) -> None:
    (own_shop / "items.csv").write_text("")
    assert refused(command("check", own_shop)) == f"{own_shop}/items.csv: the file is empty. Export it again."


def test_a_file_with_nothing_but_names(own_shop: Path, command: Command) -> None:
    edit(own_shop / "items.csv", r"\n(.|\n)*", "\n")
    edit(own_shop / "events.csv", r"\n(.|\n)*", "\n")
    line = refused(command("check", own_shop))
    assert line.startswith(f"{own_shop}/")
    assert "has no items" in line or "no rows" in line


def test_a_column_that_is_not_there(own_shop: Path, command: Command) -> None:
    edit(own_shop / "items.csv", "price", "prize", 1)
    assert refused(command("check", own_shop)) == (
        f"{own_shop}/items.csv: no column 'price' (did you mean 'prize'?). Its columns are: item_id, title_zh, "
        "title_en, description_zh, description_en, category, material, season, audience, prize, released_at, sizes, "
        'stock, group_id, image. Correct the names in shop.toml, or say optional = ["price"] for this file where an '
        "export may lack them."
    )


def test_cells_between_semicolons(own_shop: Path, command: Command) -> None:
    edit(own_shop / "events.csv", ",", ";")
    assert refused(command("check", own_shop)) == (
        f"{own_shop}/events.csv: the cells are separated by ';'. Say separator = \";\" for this file in shop.toml."
    )


def test_a_table_in_another_encoding(own_shop: Path, command: Command) -> None:
    items = own_shop / "items.csv"
    text = items.read_text(encoding="utf-8")
    items.write_bytes(text.encode("gb18030"))
    assert re.fullmatch(
        rf"{items}: \d+ of 56 rows have letters that are no utf-8\. Say encoding in shop\.toml \(gb18030 for a Chinese "
        r"Excel\), save it as UTF-8, or raise max_bad_share\.",
        refused(command("check", own_shop)),
    )
    for content in (text.encode("utf-16"), b"PK\x03\x04" + bytes(1000)):
        items.write_bytes(content)
        assert refused(command("check", own_shop)) == (
            f"{items}: the first line is no text in utf-8. Save it as CSV in UTF-8, or say encoding in shop.toml "
            "(gb18030 for a Chinese Excel, or utf-16)."
        )


def test_a_toml_as_windows_saves_it(own_shop: Path, command: Command) -> None:
    toml = own_shop / "shop.toml"
    text = toml.read_text(encoding="utf-8")
    toml.write_text("\ufeff" + text, encoding="utf-8")
    assert command("check", own_shop)[0] == 0
    toml.write_bytes(text.encode("gb18030"))
    line = refused(command("check", own_shop))
    assert line.startswith(f"{toml}: this is not UTF-8: ")
    assert line.endswith(". Save it again as UTF-8.")


def test_too_many_bad_dates(own_shop: Path, command: Command) -> None:
    edit(own_shop / "events.csv", r"2025-0\d-", "2025-99-")
    assert re.fullmatch(
        rf"{own_shop}/events\.csv: [\d,]+ of [\d,]+ rows cannot be used, for example events\.csv:\d+: bad date: "
        r"timestamp = '2025-99-\d\dT[\d:]+'; events\.csv:\d+: bad date: timestamp = '2025-99-\d\dT[\d:]+'\. "
        r"Correct the file or shop\.toml \(columns, date_format, separator\), or raise max_bad_share\.",
        refused(command("check", own_shop)),
    )


def test_a_toml_that_is_none(own_shop: Path, command: Command) -> None:
    edit(own_shop / "shop.toml", r"\A", "= 3\n", 1)
    assert refused(command("check", own_shop)) == (
        f"{own_shop}/shop.toml: this is not valid TOML: Invalid statement (at line 1, column 1)."
    )


def test_a_field_that_nobody_knows(own_shop: Path, command: Command) -> None:
    edit(own_shop / "shop.toml", "^price =", "prise =", 1)
    assert refused(command("check", own_shop)) == (
        f"{own_shop}/shop.toml: items.columns.prise: unknown field, did you mean 'price'? "
        "docs/shop.md lists every field."
    )


def test_ids_without_an_item_are_counted_and_the_run_goes_on(own_shop: Path, command: Command) -> None:
    lines = (own_shop / "events.csv").read_text(encoding="utf-8").splitlines()
    lines[5:25] = [re.sub(r",M\d+,", ",GONE,", line) for line in lines[5:25]]
    number = sum(",GONE," in line for line in lines)
    (own_shop / "events.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, out, err = command("evaluate", own_shop, "--protocol", "last-out", "--models", "popularity", "-n", "5")
    assert code == 0
    assert err.splitlines()[0] == (f"note: skipped while reading: {number} x unknown item; 'modaloom check' lists them")
    assert "popularity" in out


def test_broken_and_huge_pictures_are_counted_and_the_run_goes_on(
    own_shop: Path, tmp_path: Path, command: Command
) -> None:
    photos = sorted((own_shop / "images").glob("*.jpg"))
    photos[0].write_bytes(b"no picture")
    photos[1].write_bytes(photos[1].read_bytes()[:400])
    Image.new("1", (10_000, 10_000)).save(photos[2].with_suffix(".png"))
    photos[2].with_suffix(".png").replace(photos[2])
    photos[3].write_bytes(b"")
    code, _, _ = command("check", own_shop, "--json", tmp_path / "report.json")
    assert code == 0
    report = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "10000 x 10000 pixels, more than the limit of 50,000,000" in report
    assert photos[0].name in report
    code, out, err = command("evaluate", own_shop, "--protocol", "last-out", "--models", "content-knn-image", "-n", "5")
    assert code == 0, err
    assert "content-knn-image" in out
    assert "note: 4 pictures could not be used; 'modaloom check' lists them" in err


def test_too_many_broken_pictures(own_shop: Path, tmp_path: Path, command: Command) -> None:
    for photo in (own_shop / "images").glob("*.jpg"):
        photo.write_bytes(b"no picture")
    line = refused(command("train", own_shop, "--out", tmp_path / "b", *QUICK[:-1], "image"))
    assert re.fullmatch(
        r"\d+ of \d+ pictures cannot be used, for example \S+\.jpg: broken picture: this is not a picture in a known "
        r"format\. Run 'modaloom check' to list them, mend them, or raise max_bad_share\.",
        line,
    )
    assert not (tmp_path / "b").exists()


# Names of things


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train nowhere --out b --size huge", "unknown size 'huge'. Choose from small, base, large."),
        (
            "train nowhere --out b --fusion woven",
            "unknown fusion 'woven'. Choose from attention, concat-mlp, gru, gated, cross_attention, transformer.",
        ),
        (
            "train nowhere --out b --attention deep",
            "unknown attention 'deep'. Choose from dot, scaled_dot, additive.",
        ),
        (
            "train nowhere --out b --sequence lstm",
            "unknown sequence 'lstm'. Choose from kernel, mean, gru, transformer.",
        ),
        (
            "train nowhere --out b --modalities image,smell",
            "unknown modalities 'smell'. Choose from image, text, attributes, behaviour.",
        ),
        (
            "evaluate nowhere --protocol leave-one-out",
            "unknown protocol 'leave-one-out'. Choose temporal, rolling, last-out, random, file, new-users, labels.",
        ),
        (
            "evaluate nowhere --models als,ease",
            "unknown model 'als'. Choose from modaloom, popularity, newest, repurchase, item-knn, content-knn-image, "
            "content-knn-text, content-knn-attributes, content-knn, bpr-mf, ials, ease, or all.",
        ),
        ("evaluate nowhere --seeds 1,x", "not a list of whole numbers: '1,x'. Write for example --seeds 0,1,2."),
        ("evaluate nowhere --seeds=-1", "not a list of whole numbers: '-1'. Write for example --seeds 0,1,2."),
        ("evaluate nowhere --seeds ,", "not a list of whole numbers: ','. Write for example --seeds 0,1,2."),
        ("evaluate nowhere --protocol file", "the protocol 'file' needs a file. Give --test FILE."),
        ("evaluate nowhere --protocol file --test no.csv", "no.csv: no such file. Check --test."),
    ],
)
def test_unknown_names_are_said_before_any_work(arguments: str, message: str, command: Command) -> None:
    """Before the shop is even looked for."""
    assert refused(command(*arguments.split(" "))) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "colour = 'red'",
            "settings: colour: Extra inputs are not permitted. See docs/settings.md for every field.",
        ),
        (
            "colour = = 'red'",
            "modaloom.toml: not valid TOML: Invalid value (at line 1, column 10). Mend it or move it away.",
        ),
        (
            "batch_size = 0",
            "settings: batch_size: Input should be greater than or equal to 1. See docs/settings.md for every field.",
        ),
    ],
)
def test_settings(
    content: str, message: str, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("modaloom.toml").write_text(content)
    assert refused(command("check", "nowhere")) == message
    assert refused(command("doctor")) == message


# The place for the bundle


def test_a_place_that_is_taken(sample_shop: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "me.jpg").write_bytes(b"x")
    line = refused(command("train", sample_shop, "--out", tmp_path))
    assert line == f"{tmp_path}: the folder is not empty and not a bundle. Give --out another name."
    line = refused(command("train", sample_shop, "--out", tmp_path / "me.jpg"))
    assert line == f"{tmp_path}/me.jpg: this is a file. Give --out the name of a folder."
    line = refused(command("train", sample_shop, "--out", "/"))
    assert line == "/: this is the root of the file system. Give --out the name of a folder."
    assert [path.name for path in tmp_path.iterdir()] == ["me.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="files cannot be held on Windows")
def test_two_that_learn_for_one_place(sample_shop: Path, own_bundle: Path, command: Command) -> None:
    with reserved(own_bundle):
        line = refused(command("train", sample_shop, "--out", own_bundle))
    assert line.startswith(f"{own_bundle}: process {os.getpid()} on ")
    assert line.endswith(" is at work on this bundle. Wait until it is done, or give --out another name.")
    verify(own_bundle)


DISK_FULL = """
import resource, sys
import modaloom.learning.bundle_writer as build
from modaloom.cli import main
write = build.write_bundle
def write_on_a_full_disk(folder, fill):
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
    return write(folder, fill)
build.write_bundle = write_on_a_full_disk
sys.argv = ["modaloom", *sys.argv[1:]]
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="only POSIX can limit the size of files")
def test_a_full_disk_leaves_the_old_bundle(sample_shop: Path, own_bundle: Path) -> None:
    """From the moment on that the bundle is written, no file may be larger than 4 kB."""
    done = subprocess.run(
        [sys.executable, "-c", DISK_FULL, "train", sample_shop, "--out", own_bundle, *QUICK],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 2
    assert os.strerror(errno.EFBIG) not in done.stderr
    assert re.fullmatch(
        rf"error: {own_bundle}: the disk is full \([\d,]+ MB free\)\. Nothing was written there; free some space and "
        r"run the same command with --resume\.",
        done.stderr.strip().splitlines()[-1],
    )
    assert "Traceback" not in done.stderr
    verify(own_bundle)
    beside = {path.name for path in own_bundle.parent.iterdir()}
    assert beside == {"bundle", "bundle.shoppers", "bundle.training"}, "nothing half, and what --resume needs"


# Asking


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--user U000", r"unknown user U000\. Did you mean U\d+, U\d+, U\d+\?"),
        ("--items M00003,M000", r"unknown item M000\. Did you mean M\d+, M\d+, M\d+\?"),
        ("--items ,", r"the list of items is empty\. Give ids separated by commas\."),
        ("--photo nowhere.jpg", r"nowhere\.jpg: no such picture\."),
        ("--user U00001 --text dress", r"give exactly one of --user, --items, --photo and --text\."),
        ("", r"give exactly one of --user, --items, --photo and --text\."),
        ("--text dress --lang fr", r"unknown language 'fr'\. Choose zh or en\."),
        ("--text dress -n 1001", r"n must be from 1 to 1,000, not 1001\."),
    ],
)
def test_questions_without_an_answer(arguments: str, message: str, sample_bundle: Path, command: Command) -> None:
    assert re.fullmatch(message, refused(command("recommend", sample_bundle, *arguments.split())))


def test_a_photo_that_is_none(sample_bundle: Path, tmp_path: Path, command: Command) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"no picture")
    assert refused(command("recommend", sample_bundle, "--photo", photo)) == (
        f"{photo}: this is not a picture in a known format. Use JPEG, PNG or WebP."
    )
    photo.write_bytes(b"")
    assert refused(command("recommend", sample_bundle, "--photo", photo)) == (
        f"{photo}: this is not a picture in a known format. The file is empty."
    )
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    assert refused(command("recommend", sample_bundle, "--photo", tmp_path / "huge.png")) == (
        f"{tmp_path}/huge.png: the picture has 10000 x 10000 pixels, more than the limit of 50,000,000. "
        "Make it smaller, or raise max_picture_pixels."
    )


def test_a_bundle_with_a_flipped_byte(own_bundle: Path, command: Command) -> None:
    content = bytearray((own_bundle / "tables.npz").read_bytes())
    content[1000] ^= 1
    (own_bundle / "tables.npz").write_bytes(content)
    assert refused(command("recommend", own_bundle, "--user", "U00001")) == (
        f"{own_bundle}: tables.npz was changed. Copy the bundle again, or train it again."
    )


def test_no_bundle(tmp_path: Path, command: Command) -> None:
    assert refused(command("recommend", "nowhere", "--user", "U00001")) == (
        "nowhere: no such bundle. Run 'modaloom train SHOP --out BUNDLE' first."
    )
    assert refused(command("recommend", tmp_path, "--user", "U00001")) == (
        f"{tmp_path}: the folder has no checksums.json: it is not a bundle."
    )


def test_a_folder_that_nobody_can_make(tmp_path: Path, command: Command) -> None:
    """A file stands where a folder is needed."""
    (tmp_path / "file").write_text("")
    line = refused(command("sample", tmp_path / "file" / "shop", "--items", "36", "--users", "6"))
    assert line == f"{tmp_path}/file: File exists."
