"""One folder holds everything of a firm: its data, its latest run, and replacement as a whole."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace, disk_errors, fresh_folder, replace_folders, write_text


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace in which nothing was made yet."""
    return Workspace(tmp_path / "w")


def fill(target: Path, text: str, error: BaseException | None = None) -> None:
    """Replace a folder by one with one file."""
    with fresh_folder(target) as place:
        (place / "file").write_text(text)
        if error is not None:
            raise error


class TestWorkspace:
    """What it says about what is not there."""

    def test_opening_touches_nothing(self, workspace: Workspace) -> None:
        assert [workspace.raw, workspace.truth, workspace.catalogue]
        assert not workspace.root.exists()

    def test_without_data_it_says_how_to_get_some(self, workspace: Workspace) -> None:
        with pytest.raises(StoreError, match=r"no data in this workspace. Make some with `scenefit world --workspace"):
            workspace.dataset()

    def test_without_a_run_it_says_how_to_start_one(self, workspace: Workspace) -> None:
        with pytest.raises(StoreError, match=r"no finished run. Start one with `scenefit run --workspace"):
            workspace.latest()

    def test_the_latest_run_is_the_one_pointed_at(self, workspace: Workspace) -> None:
        write_text(workspace.runs / "one" / "manifest.json", "{}")
        write_text(workspace.root / "latest", "one\n")

        assert workspace.latest() == workspace.runs / "one"

    @pytest.mark.parametrize("pointer", ["gone", "", "../runs"])
    def test_a_pointer_to_no_run_says_so(self, workspace: Workspace, pointer: str) -> None:
        workspace.runs.mkdir(parents=True)
        write_text(workspace.root / "latest", pointer)

        with pytest.raises(StoreError, match=r"the run is incomplete or gone. Start one with `scenefit run"):
            workspace.latest()


class TestFreshFolder:
    """A folder is replaced whole or stays as it was."""

    def test_it_replaces_the_old_one(self, tmp_path: Path) -> None:
        fill(tmp_path / "run", "old")
        fill(tmp_path / "run", "new")

        assert [path.name for path in tmp_path.iterdir()] == ["run"]
        assert (tmp_path / "run" / "file").read_text() == "new"

    def test_parents_are_made(self, tmp_path: Path) -> None:
        fill(tmp_path / "a" / "b" / "run", "new")

        assert (tmp_path / "a" / "b" / "run" / "file").exists()

    @pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit()])
    def test_an_error_leaves_the_old_one_and_no_rubbish(self, tmp_path: Path, error: BaseException) -> None:
        fill(tmp_path / "run", "old")

        with pytest.raises(type(error)):
            fill(tmp_path / "run", "new", error)

        assert [path.name for path in tmp_path.iterdir()] == ["run"]
        assert (tmp_path / "run" / "file").read_text() == "old"

    def test_an_error_where_nothing_was_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="bug"):
            fill(tmp_path / "run", "new", ValueError("bug"))

        assert not any(tmp_path.iterdir())

    def test_a_file_in_the_way_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_text("a file")

        with pytest.raises(StoreError, match=r"a part of the path is a file|a file stands where a folder must be"):
            fill(tmp_path / "w" / "run", "new")

    def test_several_folders_change_together_or_not_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("one", "two", "new one"):
            fill(tmp_path / name, name)
        moves = {tmp_path / "one": tmp_path / "new one", tmp_path / "two": tmp_path / "not there"}

        with pytest.raises(FileNotFoundError):
            replace_folders(moves)

        assert (tmp_path / "one" / "file").read_text() == "one"
        assert (tmp_path / "two" / "file").read_text() == "two"


class TestSmallFiles:
    """Text files are replaced in one step."""

    def test_the_old_text_stays_when_the_disk_is_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "latest"
        write_text(file, "one")

        def full(path: Path, target: Path) -> None:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(StoreError, match=r"latest: cannot be written: the disk is full; free space and run again"):
            write_text(file, "two")

        assert file.read_text() == "one"
        assert list(tmp_path.iterdir()) == [file]

    def test_texts_are_utf8(self, tmp_path: Path) -> None:
        write_text(tmp_path / "name", "旅游")

        assert (tmp_path / "name").read_bytes() == "旅游".encode()


def test_errors_that_say_nothing_about_the_disk_pass(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too many open files"), disk_errors(tmp_path):
        raise OSError(errno.EMFILE, "too many open files")
