"""The schema, as numbered SQL files that are only ever added to: which there are, and which are still to run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modaloom.errors import StoreError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    """File name without its ending: ``0001_start``."""
    sql: str
    checksum: str
    """SHA-256 of the text, the same whatever the ends of its lines are."""


def known_migrations(dialect: str, folder: Path = _HERE) -> list[Migration]:
    """All steps for ``sqlite`` or ``postgres``, in order."""
    steps = []
    for file in sorted((folder / dialect).glob("[0-9]*.sql")):
        sql = file.read_text(encoding="utf-8")  # which reads \r\n as \n
        steps.append(Migration(file.stem, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return steps


def pending_migrations(known: list[Migration], done: Mapping[str, str], *, where: str) -> list[Migration]:
    """Those that are still to run on a store whose ``done`` ones are given with their checksums.

    Raises:
        StoreError: the store has a step that is not known here, or one that has changed since it was run.
    """
    newer = sorted(set(done) - {step.name for step in known})
    if newer:
        raise StoreError(
            f"was written by a newer Modaloom: its schema has {newer[-1]}, which is not known here",
            where=where,
            hint="Install that version, or open another store",
        )
    for step in known:
        if step.name in done and done[step.name] != step.checksum:
            raise StoreError(
                f"the migration {step.name} has changed since it was run here",
                where=where,
                hint="Put back its text; a change of the schema needs a new file",
            )
    return [step for step in known if step.name not in done]
