"""Tables on disk: whole or not at all, checked when written and when read."""

from __future__ import annotations

import errno
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.tables import EVENTS, SCORES, SUBGROUPS
from scenefit.runtime.store import connect, raw_views, read, read_parquet, replace_raw, verify, write_table
from scenefit.runtime.workspace import Workspace
from tests.runtime import small_data
from tests.runtime.small_data import arrow, content, dataset, fill


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that holds the smallest data set."""
    place = Workspace(tmp_path / "firm's [1] workspace")
    small_data.write(place)
    return place


class TestReplacing:
    """New data takes the place of the old as a whole; whatever goes wrong leaves the old."""

    def test_what_was_written_is_read(self, workspace: Workspace) -> None:
        assert read(workspace, "events", ["event_id", "amount"]).to_pylist() == [
            {"event_id": "e1", "amount": Decimal("0.10")},
            {"event_id": "e2", "amount": Decimal("0.20")},
            {"event_id": "e3", "amount": None},
        ]
        assert workspace.dataset().rows == {"customers": 2, "events": 3, "products": 1, "scenes": 1}
        verify(workspace)

    def test_nothing_but_the_data_is_left(self, workspace: Workspace) -> None:
        assert sorted(path.name for path in workspace.root.iterdir()) == ["raw", "truth"]

    def test_equal_data_gives_equal_bytes(self, workspace: Workspace) -> None:
        before = content(workspace)

        small_data.write(workspace)

        assert content(workspace) == before

    def test_areas_the_new_data_does_not_have_are_gone(self, workspace: Workspace) -> None:
        with replace_raw(workspace, dataset("no truth")) as writer:
            fill(writer)

        assert not workspace.truth.exists()
        assert workspace.dataset().name == "no truth"

    @pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), MemoryError()])
    def test_an_error_or_ctrl_c_leaves_the_old_data(self, workspace: Workspace, error: BaseException) -> None:
        before = content(workspace)

        with pytest.raises(type(error)):
            small_data.write(workspace, "new", error=error)

        assert content(workspace) == before

    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            (errno.ENOSPC, "the disk is full; free space and run again"),
            (errno.EDQUOT, "the disk quota is used up"),
            (errno.EROFS, "the file system is read-only; choose another --workspace"),
            (errno.EACCES, "no permission; choose another --workspace or change its rights"),
        ],
    )
    def test_a_disk_that_takes_no_more_leaves_the_old_data(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
    ) -> None:
        before = content(workspace)
        written = pq.write_table

        def full(data: pa.Table, place: Path, **options: object) -> None:
            if "events" in str(place):
                Path(place).write_bytes(b"the first half")
                raise OSError(number, "it says no")
            written(data, place, **options)

        monkeypatch.setattr(pq, "write_table", full)
        with pytest.raises(StoreError, match=reason) as caught:
            small_data.write(workspace, "new")

        assert "What was there before is unchanged" in str(caught.value)
        assert content(workspace) == before

    @pytest.mark.parametrize("moment", range(8))
    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
    def test_no_step_of_the_exchange_can_leave_half_of_it(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, moment: int, error: BaseException
    ) -> None:
        before, steps, rename = content(workspace), [], Path.rename

        def interrupted(path: Path, target: Path) -> Path:
            steps.append(path)
            if len(steps) == moment + 1:
                raise error
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", interrupted)
        if moment < 4:  # truth and raw leave, truth and raw arrive
            with pytest.raises((StoreError, KeyboardInterrupt)):
                small_data.write(workspace, "new")
            assert content(workspace) == before
        else:
            small_data.write(workspace, "new")
            assert workspace.dataset().name == "new"

    def test_what_a_killed_process_left_does_not_stop_the_next(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("os.getpid", lambda: 7)
        (workspace.root / ".raw.7" / "raw").mkdir(parents=True)
        (workspace.root / ".raw.7.old").mkdir()

        small_data.write(workspace, "new")

        assert sorted(path.name for path in workspace.root.iterdir()) == ["raw", "truth"]

    def test_a_required_table_must_have_rows(self, workspace: Workspace) -> None:
        with (
            pytest.raises(ContractError, match="customers: the table is required, but it is missing or has no rows"),
            replace_raw(workspace, dataset()),
        ):
            pass

    def test_a_stream_of_bad_rows_alone_is_no_data(self, workspace: Workspace) -> None:
        late = small_data.EVENTS.assign(at=small_data.UNTIL, ingested_at=small_data.UNTIL)

        with pytest.raises(ContractError, match="events: the table is required, but all 3 rows were refused"):
            small_data.write(workspace, events=late)

    def test_bad_rows_of_a_stream_go_to_quarantine(self, workspace: Workspace) -> None:
        some_bad = small_data.EVENTS.assign(kind=["visit", "dance", "visit"], customer_id=["a", "a", None])

        small_data.write(workspace, events=some_bad)

        assert read(workspace, "events", ["event_id"])["event_id"].to_pylist() == ["e1"]
        (file,) = workspace.quarantine.rglob("*.parquet")
        assert read_parquet(file).select(["event_id", "reason"]).to_pylist() == [
            {"event_id": "e2", "reason": "kind unknown"},
            {"event_id": "e3", "reason": "customer_id missing"},
        ]

    def test_a_bad_row_of_any_other_table_stops_the_whole(self, workspace: Workspace) -> None:
        before = content(workspace)
        wrong = small_data.CUSTOMERS.assign(kind="friend")

        with (
            pytest.raises(ContractError, match=r"customers\.kind: unknown values"),
            replace_raw(workspace, dataset("new")) as writer,
        ):
            writer.add("customers", arrow(wrong))

        assert content(workspace) == before

    def test_keys_may_not_repeat_across_parts(self, workspace: Workspace) -> None:
        before = content(workspace)

        with pytest.raises(ContractError) as caught:
            small_data.write(workspace, "new", more=small_data.EVENTS.assign(event_id=["e4", "e3", "e5"]))

        assert str(caught.value) == (
            "events: rows of different parts repeat a key (event_id='e3'); there must be one row per event id. "
            "Remove the repeats"
        )
        assert content(workspace) == before

    def test_parts_of_a_table_are_read_together(self, workspace: Workspace) -> None:
        small_data.write(workspace, more=small_data.EVENTS.assign(event_id=["e4", "e5", "e6"]))

        assert read(workspace, "events").num_rows == workspace.dataset().rows["events"] == 6
        verify(workspace)

    def test_an_unknown_table_is_refused(self, workspace: Workspace) -> None:
        with (
            pytest.raises(ContractError, match="table 'people' is unknown; the contract has"),
            replace_raw(workspace, dataset()) as writer,
        ):
            writer.add("people", arrow(small_data.CUSTOMERS))


class TestDamage:
    """What happened to the files since they were written is noticed."""

    @pytest.fixture
    def events(self, workspace: Workspace) -> Path:
        """The file of the events."""
        return workspace.raw / "events" / "part-00000.parquet"

    @pytest.mark.parametrize("kept", [0, 3, 100, -1, -8])
    def test_a_file_cut_off_is_no_parquet(self, workspace: Workspace, events: Path, kept: int) -> None:
        events.write_bytes(events.read_bytes()[:kept])

        for reading in (lambda: verify(workspace), lambda: read(workspace, "events")):
            with pytest.raises(StoreError, match=r"part-00000.parquet: not a whole Parquet file \(.*\); write or copy"):
                reading()
        with connect() as connection, pytest.raises(StoreError, match=r"not a whole Parquet file .* import the data"):
            raw_views(connection, workspace)

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(where=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
    def test_a_changed_byte_anywhere_is_found(
        self, workspace: Workspace, events: Path, where: float, value: int
    ) -> None:
        whole = bytearray(events.read_bytes())
        broken = whole.copy()
        broken[int(where * len(whole))] ^= value
        events.write_bytes(broken)
        try:
            with pytest.raises((StoreError, ContractError)):
                verify(workspace)
        finally:
            events.write_bytes(whole)

    def test_other_content_that_keeps_the_contract_is_still_another_data_set(
        self, workspace: Workspace, events: Path
    ) -> None:
        pq.write_table(read_parquet(events).slice(0, 2), events)

        with pytest.raises(StoreError, match="files changed since the import, though they keep the contract"):
            verify(workspace)

    def test_other_content_that_breaks_the_contract_says_how(self, workspace: Workspace, events: Path) -> None:
        data = read_parquet(events)
        pq.write_table(pa.concat_tables([data, data.slice(0, 1)]), events)

        with pytest.raises(ContractError, match=r"events: 1 rows repeat a key \(event_id='e1'\)"):
            verify(workspace)

    def test_a_lost_required_table_is_missed(self, workspace: Workspace, events: Path) -> None:
        events.unlink()

        for reading in (lambda: verify(workspace), lambda: read(workspace, "events")):
            with pytest.raises(StoreError, match="events: the required table is not there; import the data again"):
                reading()

    def test_columns_of_another_contract_are_refused_by_the_views(self, workspace: Workspace, events: Path) -> None:
        pq.write_table(read_parquet(events).drop_columns("arm"), events)

        with connect() as connection, pytest.raises(StoreError, match=r"columns \['arm'\] are not the contract's"):
            raw_views(connection, workspace)

    def test_a_file_that_is_not_there_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="there is no such file"):
            read_parquet(tmp_path / "none.parquet")

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"until": "yesterday"}', "\x00"])
    def test_a_damaged_description_says_so(self, workspace: Workspace, text: str) -> None:
        (workspace.raw / "dataset.json").write_text(text)

        with pytest.raises(StoreError, match=r"dataset.json: damaged \(.*\); import the data again"):
            workspace.dataset()

    def test_data_of_another_contract_is_not_guessed_at(self, workspace: Workspace) -> None:
        file = workspace.raw / "dataset.json"
        file.write_text(json.dumps(json.loads(file.read_text("utf8")) | {"contract": 99}))

        with pytest.raises(StoreError, match="contract version 99, this program reads 1; import the data again"):
            workspace.dataset()


class TestReading:
    """Tables as Arrow, or as views of DuckDB."""

    def test_an_absent_optional_table_is_empty(self, workspace: Workspace) -> None:
        assert read(workspace, "consents").num_rows == 0
        assert read(workspace, "consents", ["granted"]).column_names == ["granted"]

    def test_views_hold_every_table_present_or_not(self, workspace: Workspace) -> None:
        with connect() as connection:
            raw_views(connection, workspace)

            assert connection.execute("SELECT sum(amount) FROM events").fetchone() == (Decimal("0.30"),)
            assert connection.execute("SELECT count(*) FROM bureau").fetchone() == (0,)

    def test_moments_are_utc_in_duckdb(self, workspace: Workspace) -> None:
        with connect() as connection:
            raw_views(connection, workspace)

            assert connection.execute('SELECT hour(min("at")) FROM events').fetchone() == (12,)


class TestRunTables:
    """What a run writes."""

    SCORES = pd.DataFrame({
        "customer_id": ["b", "a", "a"], "rank": [1, 2, 1], "product_id": "p1", "p_take": [0.1, 0.2, 0.3], "value": 1.0,
    })  # fmt: skip

    def test_rows_are_sorted_by_key(self, tmp_path: Path) -> None:
        write_table(tmp_path, SCORES, self.SCORES)

        rows = read_parquet(tmp_path / "scores.parquet").select(["customer_id", "rank"]).to_pylist()
        assert [(row["customer_id"], row["rank"]) for row in rows] == [("a", 1), ("a", 2), ("b", 1)]

    @pytest.mark.parametrize("order", [[2, 1, 0], [1, 2, 0]])
    def test_equal_content_gives_equal_bytes(self, tmp_path: Path, order: list[int]) -> None:
        write_table(tmp_path, SCORES, self.SCORES)
        before = (tmp_path / "scores.parquet").read_bytes()

        # neither the order of rows or columns nor the index of a frame is content
        write_table(tmp_path, SCORES, self.SCORES.iloc[order, ::-1])

        assert (tmp_path / "scores.parquet").read_bytes() == before

    def test_money_comes_back_to_the_cent(self, workspace: Workspace) -> None:
        cents = np.random.default_rng(0).integers(0, 10**12, 500)
        events = pd.concat([small_data.EVENTS.iloc[:1]] * 500).assign(
            event_id=[f"e{i:03d}" for i in range(500)], amount=cents / 100
        )
        small_data.write(workspace, events=events)

        assert [int(a * 100) for a in read(workspace, "events")["amount"].to_pylist()] == cents.tolist()
        assert read(workspace, "events").schema.field("amount").type == EVENTS.arrow.field("amount").type

    @pytest.mark.parametrize(
        ("frame", "sentence"),
        [
            (SCORES.drop(columns="rank"), "scores: column 'rank' is missing"),
            (SCORES.assign(p_take=1.5), "scores.p_take: values above 1: 1.5 in 3 rows"),
            (SCORES.assign(rank=1), "scores: 1 rows repeat a key"),
        ],
    )
    def test_what_breaks_the_contract_is_not_written(self, tmp_path: Path, frame: pd.DataFrame, sentence: str) -> None:
        with pytest.raises(ContractError, match=sentence):
            write_table(tmp_path, SCORES, frame)

        assert not any(tmp_path.iterdir())

    def test_a_table_without_rows_is_written_too(self, tmp_path: Path) -> None:
        write_table(tmp_path, SUBGROUPS, pd.DataFrame(columns=SUBGROUPS.names))

        assert read_parquet(tmp_path / "subgroups.parquet").num_rows == 0
