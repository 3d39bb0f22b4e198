"""A full disk, too little memory, Ctrl-C in the middle: the previous output stays whole."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from app import flow
from scenefit.contracts.errors import StoreError
from scenefit.runtime.catalogue import catalogue, verify_audit
from scenefit.runtime.settings import FILE
from scenefit.runtime.workspace import Workspace, write_text
from tests.faults.command_line import HOME, SMALL, Ended, kept, sentence_of


def interrupt(*_: object, **options: object) -> None:
    """Ctrl-C at this place."""
    raise KeyboardInterrupt


class TestDisk:
    """A disk that takes no more."""

    REASONS = (
        (errno.ENOSPC, "the disk is full; free space and run again"),
        (errno.EROFS, "the file system is read-only; choose another --workspace"),
        (errno.EACCES, "no permission; choose another --workspace or change its rights"),
    )

    @pytest.mark.parametrize(("number", "reason"), REASONS)
    @pytest.mark.parametrize("words", [("world", "--customers", "400", "--seed", "1"), ("run",)])
    def test_what_was_there_stays(
        self,
        command: Callable[..., Ended],
        workspace: Workspace,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        reason: str,
        words: tuple[str, ...],
    ) -> None:
        before = kept(workspace)

        def refuse(data: object, place: Any, **options: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(pq, "write_table", refuse)

        assert reason in sentence_of(command(*words, "--workspace", workspace.root), StoreError)
        assert kept(workspace) == before

    def test_too_little_memory_for_a_query(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        write_text(workspace.root / FILE, SMALL + 'memory_limit = "1MB"\n')
        before = kept(workspace)

        said = sentence_of(command("run", "--workspace", workspace.root), StoreError)

        assert said.startswith("DuckDB: Out of Memory")
        assert "raise runtime.memory_limit" in said
        assert kept(workspace) == before


class TestCtrlC:
    """Ctrl-C at any step."""

    def test_json_says_so_in_a_document(
        self, command: Callable[..., Ended], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flow, "verify", interrupt)

        ended = command("run", "--workspace", workspace.root, "--json")

        assert json.loads(ended.out) == {"error": "interrupted; the previous output is unchanged", "exit_code": 130}

    @pytest.mark.parametrize("step", ["verify", "snapshot_days", "read_inputs"])
    def test_a_run_leaves_the_previous_one(
        self, command: Callable[..., Ended], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        before = kept(workspace)
        monkeypatch.setattr(flow, step, interrupt)

        ended = command("run", "--workspace", workspace.root)

        assert sentence_of(ended, KeyboardInterrupt) == "interrupted; the previous output is unchanged"
        assert kept(workspace) == before
        assert last_job(workspace) == ("run", "cancelled")

    def test_a_run_interrupted_inside_a_query_is_cancelled_too(
        self, command: Callable[..., Ended], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object, **options: object) -> None:
            raise RuntimeError("Query interrupted")

        monkeypatch.setattr(flow, "read_inputs", interrupted)

        sentence_of(command("run", "--workspace", workspace.root), KeyboardInterrupt)
        assert last_job(workspace) == ("run", "cancelled")

    @pytest.mark.parametrize("part", [1, 5, 20, 40])
    def test_a_world_leaves_the_previous_one(
        self, command: Callable[..., Ended], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, part: int
    ) -> None:
        before, written, write = kept(workspace), [], pq.write_table

        def interrupted(data: object, place: Any, **options: object) -> None:
            written.append(place)
            if len(written) == part:
                raise KeyboardInterrupt
            write(data, place, **options)

        monkeypatch.setattr(pq, "write_table", interrupted)
        ended = command("world", "--customers", 400, "--seed", 1, "--workspace", workspace.root)

        if len(written) >= part:
            sentence_of(ended, KeyboardInterrupt)
            assert kept(workspace) == before
            assert last_job(workspace) == ("world", "cancelled")

    def test_the_real_signal_ends_a_world(self, workspace: Workspace) -> None:
        before = kept(workspace)

        ended = interrupted_after_entering("world", workspace, "--customers", "20000")

        sentence_of(ended, KeyboardInterrupt)
        assert kept(workspace) == before
        assert last_job(workspace) == ("world", "cancelled")

    @pytest.mark.slow
    @pytest.mark.parametrize("wait", [0.0, 1.0, 2.0, 4.0])
    def test_the_real_signal_ends_a_run(self, workspace: Workspace, wait: float) -> None:
        before = kept(workspace)

        ended = interrupted_after_entering("run", workspace, wait=wait)

        sentence_of(ended, KeyboardInterrupt)
        assert kept(workspace) == before
        assert last_job(workspace) == ("run", "cancelled")

    @pytest.mark.slow
    def test_after_a_failure_the_next_run_is_as_if_nothing_had_been(self, workspace: Workspace) -> None:
        interrupted_after_entering("run", workspace, wait=2.0)

        finished = subprocess.run(
            [sys.executable, "-m", "app.cli", "run", "--workspace", workspace.root, "--json"],
            cwd=HOME, capture_output=True, text=True, check=True,
        )  # fmt: skip

        assert workspace.latest() == Path(json.loads(finished.stdout)["run"])
        assert (workspace.runs / "earlier" / "manifest.json").exists()
        assert last_job(workspace) == ("run", "done")
        with catalogue(workspace.catalogue) as connection:
            assert verify_audit(connection) is None


def last_job(place: Workspace) -> tuple[str, str]:
    """Kind and state of the newest job; the audit chain must be whole."""
    with catalogue(place.catalogue) as connection:
        assert verify_audit(connection) is None
        return connection.execute("SELECT kind, state FROM jobs ORDER BY id DESC LIMIT 1").fetchone()


def interrupted_after_entering(action: str, place: Workspace, *words: str, wait: float = 0.0) -> Ended:
    """Start a command in a process of its own, and send it the signal of Ctrl-C once its job is entered."""
    with catalogue(place.catalogue) as connection:
        before = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
    process = subprocess.Popen(
        # what libraries warn of on so few people is another test's matter
        [sys.executable, "-W", "ignore", "-m", "app.cli", action, "--workspace", place.root, *words],
        cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with catalogue(place.catalogue) as connection:
            if connection.execute("SELECT count(*) FROM jobs").fetchone()[0] > before:
                break
        time.sleep(0.05)
    time.sleep(wait)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)
