"""What happened in a workspace: jobs, a hash-chained audit log, names given to segments; SQLite with migrations."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import disk_errors

# one entry per schema version, only ever appended to; PRAGMA user_version counts those applied
MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        progress REAL NOT NULL DEFAULT 0,
        message TEXT NOT NULL DEFAULT '',
        owner TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        cancel INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        hash TEXT NOT NULL
    );
    """,
    # a chain alone does not show that its last lines were cut off
    """
    CREATE TABLE audit_end (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seq INTEGER NOT NULL
    );
    INSERT INTO audit_end SELECT 1, coalesce(max(seq), 0) FROM audit;
    """,
    # only ever added to: an old name stays, the newest speaks. The same name twice is one, so that taking names over
    # from a file can be repeated
    """
    CREATE TABLE segment_names (
        seq INTEGER PRIMARY KEY,
        scene_id TEXT NOT NULL,
        segment_id TEXT NOT NULL,
        en TEXT NOT NULL,
        zh TEXT NOT NULL,
        given_by TEXT NOT NULL,
        given_at TEXT NOT NULL,
        UNIQUE (scene_id, segment_id, en, zh, given_by, given_at)
    );
    """,
)
GENESIS = "0" * 64
WAIT = 30  # seconds for another process to finish writing


class Entry(NamedTuple):
    """One line of the audit log."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: str
    hash: str


class NameRow(NamedTuple):
    """A name that a person gave a segment; `given_at` is UTC in ISO 8601 with microseconds."""

    segment_id: str
    en: str
    zh: str
    given_by: str
    given_at: str


@contextmanager
def catalogue(path: Path) -> Iterator[sqlite3.Connection]:
    """An open catalogue, brought to the newest schema; commits when the block ends well.

    Raises
    ------
    StoreError : damaged, or written by a newer program.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = None
    try:
        connection = sqlite3.connect(path, timeout=WAIT)
        _migrate(connection, path)
        with connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: the catalogue cannot be used ({error}); {_way_out(error)}") from error
    finally:
        if connection is not None:
            connection.close()


def start_job(connection: sqlite3.Connection, kind: str, owner: str, at: str) -> int:
    """Enter a running job; its id."""
    cursor = connection.execute(
        "INSERT INTO jobs (kind, state, owner, started_at) VALUES (?, 'running', ?, ?)", (kind, owner, at)
    )
    return int(cursor.lastrowid or 0)


def end_job(connection: sqlite3.Connection, job: int, state: str, message: str, at: str) -> None:
    """Close a job as done, failed or cancelled."""
    connection.execute(
        "UPDATE jobs SET state = ?, message = ?, ended_at = ?, progress = CASE ? WHEN 'done' THEN 1 ELSE progress END "
        "WHERE id = ?",
        (state, message, at, state, job),
    )


def audit(
    connection: sqlite3.Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any], at: str
) -> None:
    """Append a line whose hash covers the line before: nothing can be changed or cut out unseen."""
    # the write lock comes before the last line is read: no other process may add one in between
    writing(connection)
    connection.execute("UPDATE audit_end SET seq = seq + 1")
    last = connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    text = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True)
    digest = _chained(last[0] if last else GENESIS, at, actor, action, subject, text)
    connection.execute(
        "INSERT INTO audit (seq, at, actor, action, subject, detail, hash) SELECT seq, ?, ?, ?, ?, ?, ? FROM audit_end",
        (at, actor, action, subject, text, digest),
    )


def verify_audit(connection: sqlite3.Connection) -> int | None:
    """Number of the first line that is gone or does not follow from the one before; None when the chain is whole."""
    previous, expected = GENESIS, 1
    for row in connection.execute("SELECT seq, at, actor, action, subject, detail, hash FROM audit ORDER BY seq"):
        entry = Entry(*row)
        digest = _chained(previous, entry.at, entry.actor, entry.action, entry.subject, entry.detail)
        if entry.seq != expected or entry.hash != digest:
            return expected
        previous, expected = entry.hash, expected + 1
    end = connection.execute("SELECT seq FROM audit_end").fetchone()
    return None if end and end[0] == expected - 1 else expected


def names_of_segments(connection: sqlite3.Connection, scene: str) -> list[NameRow]:
    """Every name given to segments of a scene, oldest first."""
    rows = connection.execute(
        "SELECT segment_id, en, zh, given_by, given_at FROM segment_names WHERE scene_id = ? ORDER BY given_at, seq",
        (scene,),
    )
    return [NameRow(*row) for row in rows]


def add_segment_name(connection: sqlite3.Connection, scene: str, row: NameRow) -> None:
    """Append a name; the very same row again changes nothing."""
    connection.execute(
        "INSERT OR IGNORE INTO segment_names (scene_id, segment_id, en, zh, given_by, given_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (scene, *row),
    )


def writing(connection: sqlite3.Connection) -> None:
    """Take the write lock until the catalogue is closed, so that nobody changes what is read from now on."""
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")


def _chained(previous: str, *parts: str) -> str:
    return hashlib.sha256(json.dumps([previous, *parts], ensure_ascii=False).encode()).hexdigest()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == len(MIGRATIONS):
        return
    # readers do not stop a writer, nor a writer readers; the setting stays with the file
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise StoreError(f"{path}: schema {version} is newer than this program ({len(MIGRATIONS)}); update Scenefit")
    for migration in MIGRATIONS[version:]:
        for statement in filter(str.strip, migration.split(";")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.commit()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _way_out(error: sqlite3.DatabaseError) -> str:
    reasons = {
        "SQLITE_FULL": "the disk is full; free space and run again",
        "SQLITE_BUSY": "another process holds it; wait for its end and run again",
        "SQLITE_READONLY": "no permission to write; choose another --workspace or change its rights",
        "SQLITE_CANTOPEN": "no permission; choose another --workspace or change its rights",
    }
    name = getattr(error, "sqlite_errorname", "")
    # extended codes begin with the plain ones, as SQLITE_READONLY_DIRECTORY does
    found = (reason for code, reason in reasons.items() if name.startswith(code))
    return next(found, "restore it from a copy or move it away")
