"""Bad input through the command line: one sentence, a documented exit code, and the previous output stays whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.errors import EXIT_CODES
from scenefit.contracts.errors import ContractError, NotEligible, SettingsError, StoreError
from scenefit.runtime.settings import FILE
from scenefit.runtime.workspace import Workspace
from tests.faults.command_line import Ended, kept, sentence_of


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

        assert sentence_of(ended, SettingsError).startswith(
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
