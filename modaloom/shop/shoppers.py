"""Pasts and facts of the shoppers whom a bundle learned from: beside the bundle, never in it, and erasable.

::

    BUNDLE.shoppers/     for its owner's eyes alone
        <key>.zip        users.parquet and interactions.parquet, for the bundle whose configuration names the key
        erased.json      hashes of the ids that were erased here

A bundle holds no personal data, so that it can be copied to where it answers; the folder beside it goes along only
where pasts are wanted: to fill a new store, and for ``modaloom recommend --user``.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from modaloom.errors import BundleError
from modaloom.files import write_bytes
from modaloom.privacy import ErasureList, is_anonymous
from modaloom.shop.folder import CHECKSUMS
from modaloom.shop.locks import held
from modaloom.types import INTERACTION_COLUMNS

SUFFIX = ".shoppers"
ERASED = "erased.json"
USERS, INTERACTIONS = "users.parquet", "interactions.parquet"


@dataclass(frozen=True)
class Pasts:
    """Table of shoppers and log, under a bundle's numbers of items."""

    users: pl.DataFrame
    interactions: pl.DataFrame

    @classmethod
    def none(cls) -> Pasts:
        """Nobody's."""
        return cls(pl.DataFrame(schema={"user_id": pl.String()}), pl.DataFrame(schema=INTERACTION_COLUMNS))

    def without(self, erased: Sequence[ErasureList]) -> Pasts:
        """Those of all who are on none of the lists."""
        if not any(one.hashes for one in erased):
            return self
        return self.of([one for one in self.users["user_id"] if not any(one in gone for gone in erased)])

    def of(self, user_ids: Collection[str]) -> Pasts:
        """Those of some shoppers, who are numbered anew; the same object where they are all."""
        wanted, ids = set(user_ids), self.users["user_id"].to_list()
        kept = [num for num, user_id in enumerate(ids) if user_id in wanted]
        if len(kept) == len(ids):
            return self
        numbers = pl.DataFrame(
            {"user_num": kept, "new": range(len(kept))}, schema=dict.fromkeys(("user_num", "new"), pl.UInt32())
        )
        log = self.interactions.join(numbers, on="user_num", how="inner", maintain_order="left")
        log = log.with_columns(user_num=pl.col("new")).drop("new")
        return Pasts(self.users[kept], log)


def shoppers_folder(bundle: Path) -> Path:
    """Where the pasts of a bundle's shoppers lie."""
    place = bundle.resolve()
    return place.with_name(place.name + SUFFIX)


@contextmanager
def pasts_written(bundle: Path, pasts: Pasts) -> Iterator[str]:
    """Keeps pasts for a bundle that is written meanwhile; gives the key that its configuration must name.

    Before the new bundle has its place its pasts are there, and those of the one before go after that. Who is among
    them is taken off the folder's list of the erased: they came back.

    Raises:
        OSError: they cannot be written.
    """
    folder, content = shoppers_folder(bundle), _packed(pasts)
    key = hashlib.sha256(content).hexdigest()[:16]
    file = folder / f"{key}.zip"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with held(folder, wait=True):
        new = not file.exists()
        write_bytes(file, content, durable=True, private=True)
        if (erased := _read_list(folder)).hashes:
            _write_list(folder, erased.taken_off(pasts.users["user_id"]))
    try:
        yield key
    except BaseException:
        if new:
            file.unlink(missing_ok=True)
            _remove_if_empty(folder)
        raise
    for other in folder.glob("*.zip"):
        if other != file:
            other.unlink(missing_ok=True)


def read_pasts(bundle: Path, key: str) -> Pasts:
    """What is kept for a bundle; nobody's where nothing is, or where it is another bundle's.

    Raises:
        BundleError: the file is damaged.
    """
    file = shoppers_folder(bundle) / f"{key}.zip"
    if not key or not file.is_file():
        return Pasts.none()
    return _unpacked(file).without(erasure_lists(file.parent))


def erasure_lists(folder: Path) -> list[ErasureList]:
    """Who was erased from a folder of shoppers, or from any that lies in this folder."""
    files = [folder / ERASED, *sorted(folder.glob(f"*{SUFFIX}/{ERASED}"))]
    return [_read_list(file.parent) for file in files if file.is_file()]


def erase_pasts(bundle: Path, user_ids: Collection[str]) -> int:
    """Erases shoppers from everything that is kept for a bundle, for good; how many of them were there.

    The file is written anew and takes the old one's place at once. What was learned from many stays in the weights.
    Who is anonymous and not there is not put on the list: no file of a shop has them, and anybody can make many.

    Raises:
        BundleError: a file is damaged.
        OSError: it cannot be written.
    """
    folder = shoppers_folder(bundle)
    if not folder.is_dir():
        return 0
    with held(folder, wait=True):
        for left in folder.glob(".*.tmp"):
            left.unlink(missing_ok=True)  # of a killed writer
        there = {file: set(_ids_in(file)) & set(user_ids) for file in folder.glob("*.zip")}
        found = set[str]().union(*there.values())
        if not (found or [user_id for user_id in user_ids if not is_anonymous(user_id)]):
            return 0
        gone = _read_list(folder).added(user_ids)
        _write_list(folder, gone)  # first: whatever reads from now on leaves them out
        for file, some in there.items():
            if some:
                write_bytes(file, _packed(_unpacked(file).without([gone])), durable=True, private=True)
    return len(found)


def bundles_under(folder: Path) -> list[Path]:
    """Every bundle in a folder, and every place beside which shoppers are kept, in order."""
    found = {file.parent for file in folder.rglob(CHECKSUMS) if (file.parent / "config.json").is_file()}
    found |= {one.with_name(one.name.removesuffix(SUFFIX)) for one in folder.rglob(f"*{SUFFIX}") if one.is_dir()}
    return sorted(found)


def erase_under(folder: Path, user_id: str) -> list[str]:
    """Erases a shopper from what is kept beside every bundle under a folder; says what was done, and what is left.

    Raises:
        BundleError: there is no bundle, or an older one that has the shopper inside.
        OSError: a file cannot be written.
    """
    places = bundles_under(folder)
    if not places:
        raise BundleError("no bundle lies under this folder", where=folder, hint="Check --under")
    lines, old = list[str](), list[Path]()
    for bundle in places:
        number = erase_pasts(bundle, [user_id])
        lines.append(f"{bundle}: {'erased' if number else 'not there'}; the list of the erased has them")
        if (bundle / INTERACTIONS).is_file():  # as Modaloom wrote them before pasts lay beside a bundle
            old.append(bundle)
    if old:
        what = f"{len(old)} bundles of an older Modaloom have pasts inside, {old[0].name} among them"
        raise BundleError(what, where=folder, hint="Delete them, or train them again, and run this once more")
    lines.append("Left are the weights, learned from many shoppers together: train or retrain for new ones.")
    lines.append("A store erases by itself, and its bundles with it: DELETE /v1/users/{user_id}.")
    return lines


def _packed(pasts: Pasts) -> bytes:
    """One file; the same bytes for the same content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, table in ((USERS, pasts.users), (INTERACTIONS, pasts.interactions)):
            part = io.BytesIO()
            table.write_parquet(part)
            archive.writestr(zipfile.ZipInfo(name), part.getvalue())
    return stream.getvalue()


def _unpacked(file: Path) -> Pasts:
    users, log = _tables(file, USERS, INTERACTIONS)
    return Pasts(users, log)


def _ids_in(file: Path) -> list[str]:
    (users,) = _tables(file, USERS)
    return users["user_id"].to_list()


def _tables(file: Path, *names: str) -> list[pl.DataFrame]:
    try:
        with zipfile.ZipFile(file) as archive:
            return [pl.read_parquet(io.BytesIO(archive.read(name))) for name in names]
    except (zipfile.BadZipFile, KeyError, pl.exceptions.PolarsError) as error:
        hint = "Remove the file, and the bundle knows no pasts; or train the bundle again"
        raise BundleError(f"the shoppers' pasts cannot be read ({error})", where=file, hint=hint) from error


def _read_list(folder: Path) -> ErasureList:
    try:
        return ErasureList(**json.loads((folder / ERASED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ErasureList.new()
    except (ValueError, TypeError) as error:
        hint = "Put it back from a backup: without it, shoppers who were erased could come back"
        raise BundleError("the list of the erased is damaged", where=folder / ERASED, hint=hint) from error


def _write_list(folder: Path, erased: ErasureList) -> None:
    content = json.dumps({"salt": erased.salt, "hashes": sorted(erased.hashes)}).encode()
    write_bytes(folder / ERASED, content, durable=True, private=True)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
