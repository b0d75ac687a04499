"""What lies in the cache, how large it is and when it was last used: one SQLite file.

Shared by the server processes of a host. The index always knows at least what lies on the disk: a
row is written before its file appears and deleted after its file is gone. A row without a file,
left by a crash, only counts too much until it is used or evicted. An index deleted while it is open
begins anew, as a lost one does at the start.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

# Seconds to wait for another process' transaction, which takes a millisecond.
_PATIENCE = 10.0
# The schema's; a file without it is new or not ours.
_VERSION = 1

_SCHEMA = """
CREATE TABLE variants (
    name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_use ON variants (used);
-- Kept by triggers, because a sum over a hundred thousand rows takes too long for each commit.
CREATE TABLE total (bytes INTEGER NOT NULL);
INSERT INTO total VALUES (0);
CREATE TRIGGER added AFTER INSERT ON variants BEGIN
    UPDATE total SET bytes = bytes + new.bytes;
END;
CREATE TRIGGER removed AFTER DELETE ON variants BEGIN
    UPDATE total SET bytes = bytes - old.bytes;
END;
PRAGMA user_version = 1;
"""


class Index:
    """The open index; lives in one thread."""

    def __init__(self, path: Path, clear: Callable[[], None]) -> None:
        """Open, or create.

        Args:
            path: of the file.
            clear: deletes all variants; called when there is no index that knows them.

        Raises:
            sqlite3.Error: the file cannot be used.
        """
        self._path = path
        self._clear = clear
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def total(self) -> int:
        """Bytes of all variants."""
        return int(self._database.execute("SELECT bytes FROM total").fetchone()[0])

    def reserve(
        self, name: str, size: int, budget: int, now: float, unlink: Callable[[str], None]
    ) -> None:
        """Make room for a variant and enter it, though its file does not exist yet.

        Args:
            name: of the variant.
            size: bytes.
            budget: bytes that all variants together may have, at least `size`.
            now: unix seconds.
            unlink: deletes the file of a variant, if there is one.
        """
        with self._transaction() as database:
            # A row without a file, or another process making the same.
            database.execute("DELETE FROM variants WHERE name = ?", (name,))
            while self.total() + size > budget:
                oldest = database.execute("SELECT name FROM variants ORDER BY used LIMIT 1")
                victim = oldest.fetchone()[0]
                unlink(victim)
                database.execute("DELETE FROM variants WHERE name = ?", (victim,))
            database.execute("INSERT INTO variants VALUES (?, ?, ?)", (name, size, now))

    @contextmanager
    def holding(self, name: str) -> Iterator[bool]:
        """While this lasts nobody evicts anything; gives whether the variant is still entered."""
        with self._transaction() as database:
            row = database.execute("SELECT 1 FROM variants WHERE name = ?", (name,)).fetchone()
            yield row is not None

    def touch(self, used: Mapping[str, float]) -> None:
        """Note when variants were last used."""
        rows: Iterable[tuple[float, str]] = ((when, name) for name, when in used.items())
        with self._transaction() as database:
            database.executemany("UPDATE variants SET used = max(used, ?) WHERE name = ?", rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if _identity(self._path) != self._identity:
            # Other processes would never see what is written into a file without a name.
            self._database.close()
            self._open()
        with _writing(self._database):
            yield self._database

    def _open(self) -> None:
        try:
            self._database = _opened(self._path, self._clear)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                # The disk or the rights are at fault, not the content.
                raise
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._database = _opened(self._path, self._clear)
        self._identity = _identity(self._path)


def _identity(path: Path) -> tuple[int, int] | None:
    """Tells the file of this name from any that took its place."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _opened(path: Path, clear: Callable[[], None]) -> sqlite3.Connection:
    # SQLite would ask the umask; its other files follow this one.
    path.touch(mode=0o600)
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A crash of the system may lose the last entries, never the order among them.
        database.execute("PRAGMA synchronous = NORMAL")
        with _writing(database):
            # Under the lock, so that of several processes one creates it.
            if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                clear()
                _create(database)
    except BaseException:
        database.close()
        raise
    return database


def _create(database: sqlite3.Connection) -> None:
    """Statement by statement: `executescript` would commit first and give up the lock."""
    statement = ""
    for line in _SCHEMA.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""


@contextmanager
def _writing(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")
