"""Bad input through the command line: one sentence, a documented exit code, and the previous output stays whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from app import flow
from app.cli import main
from app.errors import EXIT_CODES
from app.synthetic import write_world
from scenefit.contracts.errors import ContractError, NotEligible, SettingsError, StoreError
from scenefit.runtime.catalogue import catalogue, verify_audit
from scenefit.runtime.settings import FILE
from scenefit.runtime.workspace import Workspace, write_text

HOME = Path(__file__).parents[2]
# what a world of 400 people needs to be run at all
SMALL = """
[flow]
scene_members = 60
label_windows = 2
[segments]
k_max = 3
seeds = 2
[subgroups]
support = 20
[recommend]
factors = 4
iterations = 2
[runtime]
backend = "local"
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 400 people, made once."""
    # a run imports it in a thread beside the first step, which a test that fails the first step would leave behind
    import_module("feature_repo.registry")
    root = tmp_path_factory.mktemp("tiny") / "w"
    write_world(Workspace(root), 400, seed=0)
    return root


@pytest.fixture
def workspace(tiny_world: Path, tmp_path: Path) -> Workspace:
    """A copy of it, with an earlier run that `latest` points at."""
    place = Workspace(shutil.copytree(tiny_world, tmp_path / "w"))
    write_text(place.root / FILE, SMALL)
    write_text(place.runs / "earlier" / "manifest.json", '{"run_id": "earlier"}')
    write_text(place.root / "latest", "earlier")
    return place


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call the command line in this process."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scenefit", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        return Ended(code, *capsys.readouterr())

    return call


def kept(place: Workspace) -> dict[str, bytes]:
    """What must survive a failed command: data, runs and the pointer to the latest, hidden files included."""
    # features are a cache, the catalogue tells of the failure
    passing = {"features", "feast", "catalogue.db", "catalogue.db-wal", "catalogue.db-shm"}
    files = (file for file in sorted(place.root.rglob("*")) if file.is_file())
    names = ((file, file.relative_to(place.root)) for file in files)
    return {str(name): file.read_bytes() for file, name in names if name.parts[0] not in passing}


def sentence_of(ended: Ended, error: type[BaseException]) -> str:
    """The one sentence on stderr, its exit code checked."""
    assert ended.code == EXIT_CODES[error], ended
    assert ended.err.startswith("scenefit: ")
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1
    return ended.err.removeprefix("scenefit: ").strip()


class TestWorkspaces:
    """Folders that are not what they should be."""

    def test_one_that_does_not_exist_is_not_made_by_asking(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        ended = command("run", "--workspace", tmp_path / "none")

        assert "no data in this workspace. Make some with `scenefit world" in sentence_of(ended, StoreError)
        assert not (tmp_path / "none").exists()

    def test_one_without_data_says_how_to_get_some(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        assert "no data in this workspace" in sentence_of(command("run", "--workspace", tmp_path), StoreError)
        assert not any(tmp_path.iterdir())

    def test_a_file_in_its_place(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        (tmp_path / "w").write_text("a file")

        for place in (tmp_path / "w", tmp_path / "w" / "deeper"):
            ended = command("world", "--customers", 400, "--workspace", place)
            assert "choose another --workspace" in sentence_of(ended, StoreError)

    def test_an_empty_one_is_sound(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        assert command("doctor", "--workspace", tmp_path).code == 0

    def test_a_damaged_one_is_not(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        (workspace.raw / "dataset.json").write_text("{")

        ended = command("doctor", "--workspace", workspace.root, "--json")

        assert ended.code == 1
        assert not json.loads(ended.out)["ok"]


class TestData:
    """Data that was damaged, or is not there."""

    @pytest.mark.parametrize("table", ["events", "bureau"])
    def test_a_truncated_file(self, command: Callable[..., Ended], workspace: Workspace, table: str) -> None:
        (file,) = (workspace.raw / table).iterdir()
        file.write_bytes(file.read_bytes()[:-100])
        before = kept(workspace)

        said = sentence_of(command("run", "--workspace", workspace.root), StoreError)

        assert f"{table}/part-00000.parquet: not a whole Parquet file" in said
        assert "write or copy it again" in said
        assert kept(workspace) == before

    def test_a_lost_table(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        shutil.rmtree(workspace.raw / "products")

        said = sentence_of(command("run", "--workspace", workspace.root), StoreError)

        assert "products: the required table is not there; import the data again" in said

    def test_content_changed_behind_our_back(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        (file,) = (workspace.raw / "products").iterdir()
        data = pq.read_table(file)
        pq.write_table(data.set_column(data.column_names.index("apr"), "apr", [[99.0] * len(data)]), file)

        said = sentence_of(command("run", "--workspace", workspace.root), ContractError)

        assert "products.apr: values above 10 1/year: 99.0 in" in said

    def test_data_of_another_contract(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        file = workspace.raw / "dataset.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf8")) | {"contract": 0}))

        assert "contract version 0" in sentence_of(command("run", "--workspace", workspace.root), StoreError)

    def test_too_few_people_for_any_scene(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        (workspace.root / FILE).unlink()
        before = kept(workspace)

        said = sentence_of(command("run", "--workspace", workspace.root), NotEligible)

        assert "none has 300 active people" in said
        assert "lower flow.scene_members or bring more data" in said
        assert kept(workspace) == before


class TestImports:
    """A source that is not there, or not what it should be."""

    def test_a_folder_that_is_not_there(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        before = kept(workspace)
        ended = command("import", "complete-journey", "--src", "nowhere", "--workspace", workspace.root)

        assert "nowhere: there is no such folder; name the one that holds" in sentence_of(ended, StoreError)
        assert kept(workspace) == before

    def test_an_empty_folder(self, command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        before = kept(workspace)

        ended = command("import", "complete-journey", "--src", tmp_path / "empty", "--workspace", workspace.root)

        assert "the table 'campaign_descriptions' is missing" in sentence_of(ended, StoreError)
        assert kept(workspace) == before

    def test_a_table_cut_off(
        self, command: Callable[..., Ended], workspace: Workspace, tmp_path: Path, datasets: Path
    ) -> None:
        source = datasets / "dunnhumby_complete_journey"
        for file in source.glob("*.*"):
            (tmp_path / file.name).symlink_to(file)
        victim = next(tmp_path.glob("coupons.*"))
        content = victim.read_bytes()
        victim.unlink()
        victim.write_bytes(content[: len(content) // 2])
        before = kept(workspace)

        ended = command("import", "complete-journey", "--src", tmp_path, "--workspace", workspace.root)

        assert ended.code in (EXIT_CODES[StoreError], EXIT_CODES[ContractError])
        assert "coupons" in ended.err
        assert "Traceback" not in ended.err
        assert kept(workspace) == before


class TestWords:
    """Commands, options and settings that do not exist or do not fit."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["fly"], "No such command 'fly'"),
            (["run", "--quickly"], "No such option: --quickly"),
            (["world", "--customers", "many"], "Invalid value for '--customers'"),
            (["world", "--customers", "0"], "Invalid value for '--customers'"),
            (["world", "--difficulty", "extreme"], "Invalid value for '--difficulty'"),
            (["run", "--backend", "spark"], "Invalid value for '--backend'"),
        ],
    )
    @pytest.mark.parametrize("as_json", [False, True])
    def test_wrong_words_end_with_2(
        self, command: Callable[..., Ended], words: list[str], said: str, as_json: bool
    ) -> None:
        ended = command(*words, *["--json"] * as_json)

        assert ended.code == 2
        assert said in ended.err
        if as_json:
            assert json.loads(ended.out)["exit_code"] == 2
            assert said in json.loads(ended.out)["error"]

    @pytest.mark.parametrize("moment", ["soon", "2026-13-01", "now", "", "NaT", "99999-01-01", "0001-01-01"])
    def test_no_moment(self, command: Callable[..., Ended], workspace: Workspace, moment: str) -> None:
        ended = command("run", "--workspace", workspace.root, "--as-of", moment)

        assert f"--as-of {moment!r} is no moment; write it like 2026-06-01" in sentence_of(ended, SettingsError)

    def test_a_moment_after_the_data(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        ended = command("run", "--workspace", workspace.root, "--as-of", "2027-01-01")

        assert sentence_of(ended, ContractError).startswith(
            "as_of 2026-12-31T16:00:00+00:00 is after the end of the data"
        )

    def test_a_moment_before_anything(self, command: Callable[..., Ended], workspace: Workspace) -> None:
        before = kept(workspace)
        ended = command("run", "--workspace", workspace.root, "--as-of", "1990-01-01")

        assert "nobody is registered before 1989-12-31T16:00:00+00:00; choose a later as_of" in sentence_of(
            ended, NotEligible
        )
        assert kept(workspace) == before

    @pytest.mark.parametrize(
        ("toml", "said"),
        [
            ("[flow", "cannot be read"),
            ("[flow]\nhorizn = 3", "flow.horizn = 3: there is no such setting"),
            ("seed = 'x'", "seed = 'x': Input should be a valid integer"),
        ],
    )
    @pytest.mark.parametrize("words", [("run",), ("world", "--customers", "400")])
    def test_broken_settings(
        self, command: Callable[..., Ended], workspace: Workspace, toml: str, said: str, words: tuple[str, ...]
    ) -> None:
        (workspace.root / FILE).write_text(toml)
        before = kept(workspace)

        assert said in sentence_of(command(*words, "--workspace", workspace.root), SettingsError)
        assert kept(workspace) == before


class TestJson:
    """With --json an error is a document on stdout and still a sentence on stderr."""

    def test_the_document_tells_sentence_and_code(self, command: Callable[..., Ended], tmp_path: Path) -> None:
        ended = command("run", "--workspace", tmp_path, "--json")

        document = json.loads(ended.out)
        assert document == {"error": sentence_of(ended, StoreError), "exit_code": ended.code}

    def test_ctrl_c_has_one_too(
        self, command: Callable[..., Ended], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(flow, "verify", interrupt)

        ended = command("run", "--workspace", workspace.root, "--json")

        assert json.loads(ended.out) == {"error": "interrupted; the previous output is unchanged", "exit_code": 130}


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
    @pytest.mark.parametrize("wait", [0.0, 1.0, 3.0, 6.0])
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
        [sys.executable, "-m", "app.cli", action, "--workspace", place.root, *words],
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
