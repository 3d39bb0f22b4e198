"""Jobs and the audit chain of a workspace, in SQLite."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import StoreError
from scenefit.runtime import catalogue as module
from scenefit.runtime.catalogue import (
    MIGRATIONS,
    NameRow,
    add_segment_name,
    audit,
    catalogue,
    end_job,
    names_of_segments,
    start_job,
    verify_audit,
    writing,
)

NOON = "2026-06-01T12:00:00.000+00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a catalogue will be."""
    return tmp_path / "w" / "catalogue.db"


@pytest.fixture
def audited(path: Path) -> Path:
    """A catalogue with five audit lines."""
    with catalogue(path) as connection:
        for i in range(5):
            audit(connection, "lin", "run", f"job {i}", {"n": i, "scene": "旅游"}, NOON)
    return path


def change(path: Path, *statements: str) -> int | None:
    """Tamper with a catalogue; the first line that shows it."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    with catalogue(path) as opened:
        return verify_audit(opened)


def version(path: Path) -> int:
    """Schema version of a catalogue."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA user_version").fetchone()[0]
    finally:
        connection.close()


class TestSchema:
    """Every catalogue is brought to the newest schema, none is taken back."""

    def test_a_new_one_is_made(self, path: Path) -> None:
        with catalogue(path) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)

        assert version(path) == len(MIGRATIONS)

    def test_an_empty_file_is_version_0(self, path: Path) -> None:
        path.parent.mkdir()
        path.touch()

        with catalogue(path) as connection:
            start_job(connection, "run", "lin", NOON)

        assert version(path) == len(MIGRATIONS)

    @pytest.mark.parametrize("first", range(1, len(MIGRATIONS)))
    def test_an_older_one_keeps_its_rows(self, path: Path, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as old:
            old.setattr(module, "MIGRATIONS", MIGRATIONS[:first])
            with catalogue(path) as connection:
                job = start_job(connection, "run", "lin", NOON)
        assert version(path) == first

        with catalogue(path) as connection:
            assert connection.execute("SELECT kind FROM jobs WHERE id = ?", (job,)).fetchone() == ("run",)
            audit(connection, "lin", "run", "job", {}, NOON)
            assert verify_audit(connection) is None
        assert version(path) == len(MIGRATIONS)

    def test_audit_lines_of_version_1_stay_whole(self, path: Path) -> None:
        path.parent.mkdir()
        with sqlite3.connect(path) as connection:
            connection.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
            digest = module._chained(module.GENESIS, NOON, "lin", "run", "job 1", "{}")
            connection.execute("INSERT INTO audit VALUES (1, ?, 'lin', 'run', 'job 1', '{}', ?)", (NOON, digest))
        connection.close()

        with catalogue(path) as connection:
            assert verify_audit(connection) is None
            audit(connection, "lin", "run", "job 2", {}, NOON)
            assert verify_audit(connection) is None

    def test_a_newer_one_is_refused(self, path: Path) -> None:
        with catalogue(path):
            pass
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()

        with (
            pytest.raises(StoreError, match=r"schema 99 is newer than this program \(\d+\); update Scenefit"),
            catalogue(path),
        ):
            pass

    def test_a_migration_that_fails_changes_nothing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with catalogue(path):
            pass
        monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x); CREATE TABLE jobs (x);"))

        with pytest.raises(StoreError, match="table jobs already exists"), catalogue(path):
            pass

        assert version(path) == len(MIGRATIONS)
        monkeypatch.undo()
        with catalogue(path) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)

    def test_what_is_no_database_is_refused(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"not a database, but long enough to be looked at" * 50)

        with (
            pytest.raises(StoreError, match=r"cannot be used \(.*\); restore it from a copy or move it away"),
            catalogue(path),
        ):
            pass

    def test_a_full_disk_is_not_a_damaged_catalogue(self, path: Path) -> None:
        with catalogue(path):
            pass

        def fill() -> None:
            with catalogue(path) as connection:
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {pages}")
                audit(connection, "lin", "run", "job", {"text": "x" * 100_000}, NOON)

        with pytest.raises(StoreError, match="the disk is full; free space and run again"):
            fill()

    def test_a_catalogue_somebody_holds_says_so(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "WAIT", 0.01)
        with catalogue(path):
            pass
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")

        with (
            pytest.raises(StoreError, match="another process holds it; wait for its end"),
            catalogue(path) as connection,
        ):
            start_job(connection, "run", "lin", NOON)
        other.close()


class TestJobs:
    """A job runs, and ends in one of three ways."""

    @pytest.mark.parametrize(("state", "progress"), [("done", 1.0), ("failed", 0.0), ("cancelled", 0.0)])
    def test_the_life_of_a_job(self, path: Path, state: str, progress: float) -> None:
        with catalogue(path) as connection:
            job = start_job(connection, "world", "lin", NOON)
            assert connection.execute("SELECT state, ended_at FROM jobs").fetchone() == ("running", None)
            end_job(connection, job, state, "why", NOON)

        with catalogue(path) as connection:
            assert connection.execute("SELECT id, state, progress, message, ended_at FROM jobs").fetchone() == (
                job, state, progress, "why", NOON,
            )  # fmt: skip

    def test_jobs_are_numbered(self, path: Path) -> None:
        with catalogue(path) as connection:
            assert [start_job(connection, "world", "lin", NOON) for _ in range(3)] == [1, 2, 3]

    def test_there_is_no_other_state(self, path: Path) -> None:
        with pytest.raises(StoreError, match="CHECK constraint failed"), catalogue(path) as connection:
            end_job(connection, start_job(connection, "world", "lin", NOON), "perhaps", "", NOON)

    def test_a_block_that_fails_enters_nothing(self, path: Path) -> None:
        def fail() -> None:
            with catalogue(path) as connection:
                start_job(connection, "world", "lin", NOON)
                raise ValueError("bug")

        with pytest.raises(ValueError, match="bug"):
            fail()

        with catalogue(path) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


class TestAudit:
    """Nothing can be changed or cut out unseen."""

    def test_an_empty_chain_is_whole(self, path: Path) -> None:
        with catalogue(path) as connection:
            assert verify_audit(connection) is None

    def test_a_chain_is_whole_over_several_openings(self, audited: Path) -> None:
        with catalogue(audited) as connection:
            audit(connection, "wang", "export", "audience 1", {}, NOON)
            assert verify_audit(connection) is None

    @pytest.mark.parametrize("column", ["at", "actor", "action", "subject", "detail", "hash"])
    def test_a_changed_line_is_found(self, audited: Path, column: str) -> None:
        assert change(audited, f"UPDATE audit SET {column} = {column} || ' ' WHERE seq = 3") == 3

    @pytest.mark.parametrize("line", [1, 3, 5])
    def test_a_line_cut_out_is_found(self, audited: Path, line: int) -> None:
        assert change(audited, f"DELETE FROM audit WHERE seq = {line}") == line

    def test_lines_cut_off_the_end_are_found(self, audited: Path) -> None:
        assert change(audited, "DELETE FROM audit WHERE seq >= 4") == 4

    def test_a_log_emptied_is_found(self, audited: Path) -> None:
        assert change(audited, "DELETE FROM audit") == 1
        assert change(audited, "DELETE FROM audit_end") == 1

    def test_a_line_cut_out_and_the_rest_renumbered_is_found(self, audited: Path) -> None:
        statements = ("DELETE FROM audit WHERE seq = 3", "UPDATE audit SET seq = seq - 1 WHERE seq > 3")

        assert change(audited, *statements) == 3

    def test_lines_in_another_order_are_found(self, audited: Path) -> None:
        statements = (
            "UPDATE audit SET seq = 99 WHERE seq = 2",
            "UPDATE audit SET seq = 2 WHERE seq = 3",
            "UPDATE audit SET seq = 3 WHERE seq = 99",
        )

        assert change(audited, *statements) == 2

    def test_a_line_slipped_in_is_found(self, audited: Path) -> None:
        copied = "INSERT INTO audit SELECT 6, at, actor, action, subject, detail, hash FROM audit WHERE seq = 5"

        assert change(audited, copied) == 6

    @given(
        st.lists(st.text(alphabet="ab\"',[]"), min_size=2, max_size=2),
        st.lists(st.text(alphabet="ab\"',[]"), min_size=2),
    )
    def test_parts_cannot_be_moved_between_columns(self, one: list[str], two: list[str]) -> None:
        same = module._chained(*one) == module._chained(*two)

        assert same == (one == two)

    def test_two_processes_that_write_at_once_keep_one_chain(self, path: Path) -> None:
        start = multiprocessing.get_context("spawn")
        # nobody made the catalogue yet: the schema is contended for as well
        writers = [start.Process(target=write_lines, args=(path, name, 40)) for name in ("lin", "wang", "zhou")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)

        assert [writer.exitcode for writer in writers] == [0, 0, 0]
        with catalogue(path) as connection:
            assert verify_audit(connection) is None
            counts = connection.execute("SELECT actor, count(*) FROM audit GROUP BY actor ORDER BY actor").fetchall()
            assert counts == [("lin", 40), ("wang", 40), ("zhou", 40)]


class TestSegmentNames:
    """Every name that was given, oldest first."""

    def test_names_are_added_and_never_replaced(self, path: Path) -> None:
        old = NameRow("travel/1", "Flyers", "飞行者", "lin", "2026-06-01T12:00:00.000000+00:00")
        new = NameRow("travel/1", "Weekend flyers", "周末出行", "wang", "2026-06-02T12:00:00.000000+00:00")
        with catalogue(path) as connection:
            for row in (new, old, old):
                add_segment_name(connection, "travel", row)
        with catalogue(path) as connection:
            assert names_of_segments(connection, "travel") == [old, new]
            assert names_of_segments(connection, "home") == []

    def test_a_block_that_fails_names_nothing(self, path: Path) -> None:
        def fail() -> None:
            with catalogue(path) as connection:
                writing(connection)
                add_segment_name(connection, "travel", NameRow("travel/1", "A", "甲", "lin", NOON))
                raise ValueError("bug")

        with pytest.raises(ValueError, match="bug"):
            fail()
        with catalogue(path) as connection:
            assert names_of_segments(connection, "travel") == []

    def test_who_writes_keeps_others_from_writing_until_the_end(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with catalogue(path) as first:
            writing(first)
            writing(first)
            monkeypatch.setattr(module, "WAIT", 0.01)
            with pytest.raises(StoreError, match="another process holds it"), catalogue(path) as second:
                writing(second)


def write_lines(path: Path, actor: str, lines: int) -> None:
    """Write audit lines, each in a catalogue opened anew; every second one inside a job's transaction."""
    for i in range(lines):
        with catalogue(path) as connection:
            if i % 2:
                end_job(connection, start_job(connection, "run", actor, NOON), "done", "", NOON)
            audit(connection, actor, "run", f"job {i}", {"i": i}, NOON)
