"""`scenefit features …` over a small synthetic world: each command in text and JSON, its refusals, its audit lines."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from app.errors import EXIT_CODES
from app.synthetic import write_world
from feature_repo.export import receipt_of
from feature_repo.services import SERVICES
from feature_repo.views import STORED, VIEWS
from scenefit.contracts.errors import PurposeError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace
from tests.faults.command_line import Ended, sentence_of

END = "2026-06-30T16:00:00+00:00"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 people with snapshots at the end of the data and four weeks before; tests may not change it."""
    root = tmp_path_factory.mktemp("features") / "w"
    write_world(Workspace(root), 2_000, seed=3)
    command = [sys.executable, "-m", "app.cli", "features", "build", "--at", "2026-06-03", "--at", "2026-07-01"]
    subprocess.run([*command, "-w", str(root)], check=True, capture_output=True)
    return root


@pytest.fixture
def own_world(world: Path, tmp_path: Path) -> Path:
    """A copy to write to."""
    return shutil.copytree(world, tmp_path / "w")


@pytest.fixture
def features(scenefit: Callable[..., Ended]) -> Callable[..., Ended]:
    """Call `scenefit features` in this process."""
    return partial(scenefit, "features")


def document(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    return json.loads(ended.out)


def actions(root: Path) -> list[tuple[str, dict[str, Any]]]:
    with sqlite3.connect(root / "catalogue.db") as connection:
        rows = connection.execute("SELECT action, detail FROM audit ORDER BY rowid").fetchall()
    return [(action, json.loads(detail)) for action, detail in rows]


def somebody(root: Path) -> str:
    return str(pq.read_table(Workspace(root).raw / "customers")["customer_id"][0])


class TestSnapshots:
    """build, backfill, correct."""

    def test_what_was_built_is_left_alone(self, features: Callable[..., Ended], own_world: Path) -> None:
        files = {file: file.stat().st_mtime_ns for file in own_world.glob("features/*/dt=*/*")}
        found = document(features("build", "--at", "2026-06-03", "--json", "-w", own_world))
        assert found["at"] == ["2026-06-02T16:00:00+00:00"]
        assert set(found["rows"]) == {view.name for view in STORED}
        assert {file: file.stat().st_mtime_ns for file in own_world.glob("features/*/dt=*/*")} == files

    def test_the_default_is_the_end_of_the_data(self, features: Callable[..., Ended], own_world: Path) -> None:
        assert document(features("build", "--view", "product_daily", "--json", "-w", own_world))["at"] == [END]

    def test_a_span_is_filled_step_by_step(self, features: Callable[..., Ended], own_world: Path) -> None:
        words = ("--from", "2026-06-10", "--to", "2026-06-24", "--every", "7d", "--view", "product_daily", "--json")
        document(features("backfill", *words, "-w", own_world))
        days = sorted(folder.name for folder in own_world.glob("features/product_daily/dt=*"))
        assert days == ["dt=2026-06-02", "dt=2026-06-09", "dt=2026-06-16", "dt=2026-06-23", "dt=2026-06-30"]
        assert actions(own_world)[-1][0] == "features backfill"
        assert actions(own_world)[-1][1]["state"] == "done"

    def test_corrections_are_counted_by_view(self, features: Callable[..., Ended], own_world: Path) -> None:
        found = document(features("correct", "--at", "2026-06-03", "--json", "-w", own_world))
        assert found["known_at"] == END
        assert set(found["rows"]) == {view.name for view in STORED}

    @pytest.mark.parametrize("step", ["0d", "1w", "d", "-1d", "1.5h", ""])
    def test_a_step_is_days_or_hours(self, features: Callable[..., Ended], world: Path, step: str) -> None:
        ended = features("backfill", "--from", "2026-06-01", "--every", step, "-w", world)
        assert f"--every {step!r} is no step; write days or hours" in sentence_of(ended, SettingsError)

    @pytest.mark.parametrize("word", ["now", "yesterday", "2026-13-01"])
    def test_a_moment_is_a_date(self, features: Callable[..., Ended], world: Path, word: str) -> None:
        ended = features("build", "--at", word, "-w", world)
        assert f"--at {word!r} is no moment" in sentence_of(ended, SettingsError)

    def test_the_future_is_refused_and_entered_as_failed(self, features: Callable[..., Ended], own_world: Path) -> None:
        ended = features("build", "--at", "2027-01-01", "-w", own_world)
        assert "lies after the end of the data" in sentence_of(ended, SettingsError)
        action, detail = actions(own_world)[-1]
        assert (action, detail["state"]) == ("features build", "failed")

    def test_a_folder_without_data_stays_untouched(self, features: Callable[..., Ended], tmp_path: Path) -> None:
        for words in (("apply",), ("build",), ("quality",), ("materialize",), ("skew",), ("compact",)):
            assert "no data in this workspace" in sentence_of(features(*words, "-w", tmp_path), StoreError)
        assert not any(tmp_path.iterdir())


class TestOnline:
    """apply, materialize, read, skew: the commands that open Feast."""

    def test_registering_says_what_is_new_and_then_nothing(
        self, features: Callable[..., Ended], own_world: Path
    ) -> None:
        first = document(features("apply", "--json", "-w", own_world))
        assert {f"view {name}" for name in ("customer_daily", "customer_serving")} <= set(first["added"])
        stored = {f"service {service.name}" for service in SERVICES.values() if not service.on_demand}
        assert stored <= set(first["added"])
        again = document(features("apply", "--json", "-w", own_world))
        assert (again["added"], again["changed"], again["removed"]) == ([], [], [])
        assert sorted(again["unchanged"]) == sorted(first["added"])

    def test_what_is_online_is_what_the_snapshot_says(self, features: Callable[..., Ended], own_world: Path) -> None:
        done = document(features("materialize", "--json", "-w", own_world))
        assert done["views"]["customer_serving"]["written"] == 2_000
        customer = somebody(own_world)
        online = document(features("read", customer, "--json", "-w", own_world))
        offline = document(features("read", customer, "--offline", "--json", "-w", own_world))
        assert [value["feature"] for value in online["values"]] == VIEWS["customer_serving"].names
        assert online["values"] == offline["values"]
        assert online["values"][-1]["value"] > 0
        assert (online["source"], offline["source"], online["at"]) == ("online", "offline", END)
        again = document(features("materialize", "--json", "-w", own_world))
        assert again["views"]["customer_serving"]["written"] == 0

    def test_a_comparison_makes_what_it_needs_and_says_so(
        self, features: Callable[..., Ended], own_world: Path
    ) -> None:
        shutil.rmtree(own_world / "features")
        found = document(features("skew", "--json", "--customers", 300, "-w", own_world))
        assert (found["customers"], found["differences"], found["share"]) == (300, 0, 0)
        assert len(found["done_first"]) == 2
        assert [action for action, _ in actions(own_world)[-2:]] == ["features build", "features materialize"]
        again = document(features("skew", "--json", "--customers", 0, "-w", own_world))
        assert (again["done_first"], again["customers"]) == ([], 2_000)

    def test_differences_end_with_code_1_and_are_not_repaired(
        self, features: Callable[..., Ended], own_world: Path
    ) -> None:
        features("materialize", "--at", "2026-06-03", "-w", own_world)
        ended = features("skew", "-w", own_world)
        assert ended.code == 1
        assert "an older snapshot is online" in ended.out
        assert "spend_90d" in ended.out

    def test_an_unknown_customer_has_no_values(self, features: Callable[..., Ended], world: Path) -> None:
        assert "nothing within the TTL" in features("read", "nobody", "--offline", "-w", world).out

    def test_services_that_fit_no_customer_are_refused(self, features: Callable[..., Ended], world: Path) -> None:
        ended = features("read", "c1", "--offline", "--service", "segments_v1", "-w", world)
        assert "one row per customer_id, scene_id; choose one" in sentence_of(ended, SettingsError)
        ended = features("skew", "--service", "nope", "-w", world)
        assert "feature service 'nope' is unknown" in sentence_of(ended, SettingsError)


class TestQuality:
    """quality and list."""

    def test_the_report_is_kept_for_the_pages(self, features: Callable[..., Ended], own_world: Path) -> None:
        found = document(features("quality", "--json", "-w", own_world))
        assert found == json.loads((own_world / "features" / "quality.json").read_text("utf8"))
        assert found["synthetic"]
        assert {row["view"] for row in found["views"]} == {view.name for view in STORED}

    def test_text_names_the_data_and_counts_the_bands(self, features: Callable[..., Ended], own_world: Path) -> None:
        ended = features("quality", "--view", "customer_risk", "--baseline", "2026-06-03", "-w", own_world)
        assert ended.code == 0
        assert ended.out.startswith("Features as of 2026-06-30 16:00 UTC (SYNTHETIC DATA)")
        assert " watch, " in ended.out.splitlines()[-1]

    def test_the_catalogue_needs_no_data(self, features: Callable[..., Ended], tmp_path: Path) -> None:
        found = document(features("list", "--purpose", "risk", "--view", "customer_risk", "--json", "-w", tmp_path))
        assert {row["feature"] for row in found["features"]} == set(VIEWS["customer_risk"].names)
        assert found["freshness"] == {}
        assert not any(tmp_path.iterdir())

    def test_the_catalogue_says_how_fresh_views_are(self, features: Callable[..., Ended], world: Path) -> None:
        found = document(features("list", "--service", "serving_v1", "--json", "-w", world))
        assert found["freshness"]["customer_serving"]["newest"] == END
        line = features("list", "--view", "customer_risk", "-w", world).out.splitlines()[1]
        assert line.endswith("2026-06-30 16:00 UTC, 0 d old")

    def test_an_unknown_view_is_refused(self, features: Callable[..., Ended], world: Path) -> None:
        ended = features("list", "--view", "nope", "-w", world)
        assert "feature view 'nope' is unknown; choose among" in sentence_of(ended, SettingsError)


class TestExport:
    """export and compact."""

    def test_an_export_carries_its_receipt_and_is_audited(
        self, features: Callable[..., Ended], own_world: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "offers.parquet"
        words = ("--service", "offers_v1", "--purpose", "marketing", "--out", file, "--json")
        found = document(features("export", *words, "-w", own_world))
        assert receipt_of(file)._asdict() == found | {"columns": tuple(found["columns"])}
        action, detail = actions(own_world)[-1]
        assert (action, detail["receipt"]["sha256"]) == ("features export", found["sha256"])

    def test_features_outside_their_purpose_stay_inside(
        self, features: Callable[..., Ended], own_world: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "risk.parquet"
        ended = features("export", "--service", "default_v1", "--purpose", "marketing", "--out", file, "-w", own_world)
        assert "default_v1 > customer_risk > bureau_score" in sentence_of(ended, PurposeError)
        assert not file.exists()

    def test_old_files_are_removed_by_day(self, features: Callable[..., Ended], own_world: Path) -> None:
        features("build", "--view", "product_daily", "-w", own_world)
        files = len(list((own_world / "features" / "product_daily").rglob("*.parquet")))
        kept = document(features("retain", "--before", "2000-01-01", "--json", "-w", own_world))["rows"]
        assert set(kept.values()) == {0}
        gone = features("retain", "--before", "2100-01-01", "--view", "product_daily", "--json", "-w", own_world)
        assert document(gone)["rows"] == {"product_daily": files}
        ended = features("retain", "--before", "soon", "-w", own_world)
        assert "'soon' is no day" in sentence_of(ended, SettingsError)

    def test_only_streams_are_compacted(self, features: Callable[..., Ended], own_world: Path) -> None:
        assert document(features("compact", "--json", "-w", own_world))["rows"] == {"customer_live": 0}
        ended = features("compact", "--view", "customer_daily", "-w", own_world)
        assert "'customer_daily' is fed by no stream" in sentence_of(ended, SettingsError)


def test_wrong_purposes_are_wrong_options(features: Callable[..., Ended], world: Path) -> None:
    ended = features("list", "--purpose", "curiosity", "--json", "-w", world)
    assert ended.code == 2
    assert json.loads(ended.out)["exit_code"] == 2
    assert 2 not in EXIT_CODES.values()


def test_help_is_quick_and_loads_no_room() -> None:
    code = (
        "import sys\nfrom app.cli import app\n"
        "try:\n    app(['features', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'feast', 'ray', 'pandas', 'duckdb', 'streamlit', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.perf_counter() - start < 10
