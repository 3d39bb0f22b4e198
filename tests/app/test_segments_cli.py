"""`scenefit segments …` over a small synthetic world: found, found again, named, assigned, compared; and refusals."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from app import segment_fits, segment_store
from app.cli import main
from app.outcome import default_parts
from app.synthetic import write_world
from feature_repo import history
from feature_repo.purposes import feature_purposes
from risk.default import DefaultModel
from scenefit.contracts.errors import ContractError, NotEligible, NotFitted, PurposeError, SettingsError, StoreError
from scenefit.runtime import models
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace
from segmentation.rules import Compare, Rule
from tests.faults.command_line import Ended, sentence_of

SMALL = """
[segments]
k_max = 4
seeds = 2
[flow]
max_scenes = 3
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,500 people with snapshots at the end of the data and eight weeks before, not segmented yet."""
    root = tmp_path_factory.mktemp("segments") / "w"
    write_world(Workspace(root), 2_500, seed=5)
    (root / "scenefit.toml").write_text(SMALL, "utf8")
    command = [sys.executable, "-m", "app.cli", "features", "build", "--at", "2026-05-06", "--at", "2026-07-01"]
    views = ["--view", "customer_daily", "--view", "customer_scene"]
    subprocess.run([*command, *views, "-w", str(root)], check=True, capture_output=True)
    return root


@pytest.fixture(scope="module")
def fitted(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with segments of eight weeks before; tests may not change it."""
    root = shutil.copytree(bare, tmp_path_factory.mktemp("fitted") / "w")
    command = [sys.executable, "-m", "app.cli", "segments", "fit", "--at", "2026-05-06", "-w", str(root)]
    subprocess.run(command, check=True, capture_output=True)
    return root


@pytest.fixture
def own(fitted: Path, tmp_path: Path) -> Path:
    """A copy to write to."""
    return shutil.copytree(fitted, tmp_path / "w")


@pytest.fixture
def own_bare(bare: Path, tmp_path: Path) -> Path:
    """A copy without segments to write to."""
    return shutil.copytree(bare, tmp_path / "w")


@pytest.fixture
def segments(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call `scenefit segments` in this process."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scenefit", "segments", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        return Ended(code, *capsys.readouterr())

    return call


def scenes_of(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended
    return json.loads(ended.out)["scenes"]


def ids(document: dict[str, Any]) -> list[str]:
    return [row["segment_id"] for row in document["segments"]]


def last_audit(root: Path) -> tuple[str, dict[str, Any]]:
    with sqlite3.connect(root / "catalogue.db") as connection:
        action, detail = connection.execute("SELECT action, detail FROM audit ORDER BY seq DESC").fetchone()
    return action, json.loads(detail)


class TestFit:
    """Found for the first time."""

    def test_each_scene_has_named_segments_that_hold_everybody(
        self, segments: Callable[..., Ended], own_bare: Path
    ) -> None:
        found = scenes_of(segments("fit", "--json", "-w", own_bare))
        assert len(found) == 3
        for scene in found:
            assert scene["version"] == 1
            assert scene["why"] == "first"
            assert sum(row["size"] for row in scene["segments"]) == scene["n"] >= 300
            assert ids(scene) == [f"{scene['scene_id']}/{i + 1}" for i in range(scene["k"])]
            assert all(row["name_zh"] and row["name_en"] for row in scene["segments"])
            assert [row["k"] for row in scene["criteria"]] == [3, 4]
            assert [row["k"] for row in scene["criteria"] if row["chosen"]] == [scene["k"]]
            assert {"silhouette", "stability", "inertia"} < set(scene["criteria"][0])
            assert scene["k"] in scene["tie_set"]
            assert {row["event"] for row in scene["events"]} == {"first"}
        action, detail = last_audit(own_bare)
        assert action == "segments fit"
        assert detail["state"] == "done"
        assert detail["versions"] == {scene["scene_id"]: 1 for scene in found}

    def test_one_scene_alone_has_the_segments_it_has_among_others(
        self, segments: Callable[..., Ended], own_bare: Path, fitted: Path
    ) -> None:
        scene = segment_store.fitted_scenes(Workspace(fitted))[0]
        scenes_of(segments("fit", "--scene", scene, "--at", "2026-05-06", "--json", "-w", own_bare))
        assert segment_store.fitted_scenes(Workspace(own_bare)) == [scene]
        alone, among = (segment_store.read_version(Workspace(root), scene) for root in (own_bare, fitted))
        pd.testing.assert_series_equal(alone.members, among.members)
        assert alone.model.centers.tobytes() == among.model.centers.tobytes()
        differ = {name for name in alone.facts if alone.facts[name] != among.facts[name]}
        assert differ == {"fitted_at"}

    def test_a_missing_snapshot_is_built_first_and_said(self, segments: Callable[..., Ended], own_bare: Path) -> None:
        shutil.rmtree(own_bare / "features")
        ended = segments("fit", "--k-max", 3, "-w", own_bare)
        assert ended.code == 0, ended
        first, *rest = ended.out.splitlines()
        assert first == "there was no snapshot within the TTL: customer_daily, customer_scene built first"
        assert " people in 3 segments, tie set 3" in rest[0]

    @pytest.mark.parametrize(
        ("words", "error", "said"),
        [
            (("--scene", "moon"), SettingsError, "scene 'moon': nobody is active in it; choose among ["),
            (("--k-max", "2"), SettingsError, "--k-max 2 is below segments.k_min, which is 3"),
            (("--at", "soon"), SettingsError, "--at 'soon' is no moment"),
        ],
    )
    def test_what_cannot_be_fitted_is_refused_and_nothing_kept(
        self, segments: Callable[..., Ended], own_bare: Path, words: tuple[str, ...],
        error: type[Exception], said: str,
    ) -> None:  # fmt: skip
        assert said in sentence_of(segments("fit", *words, "-w", own_bare), error)
        assert not (own_bare / "models").exists() or segment_store.fitted_scenes(Workspace(own_bare)) == []

    def test_too_few_people_are_no_segments(self, segments: Callable[..., Ended], own_bare: Path) -> None:
        (own_bare / "scenefit.toml").write_text("[flow]\nscene_members = 9000\n", "utf8")
        sentence = sentence_of(segments("fit", "-w", own_bare), NotEligible)
        assert "scenes: none has 9,000 active people (largest: " in sentence


class TestPurposes:
    """What a rule reads."""

    def test_a_rule_on_what_marketing_may_not_read_is_not_kept(self, fitted: Path) -> None:
        place = Workspace(fitted)
        kept = segment_store.read_version(place, segment_store.fitted_scenes(place)[0])
        version = segment_store.Version(kept, pd.DataFrame(), pd.DataFrame())
        segment_fits.require_permitted([version])
        rule = Rule(where=Compare(column="bureau_debt", op=">=", value=1000))
        row = {**kept.facts["segments"][0], "rule": rule.model_dump_json()}
        other = version._replace(kept=kept._replace(facts={**kept.facts, "segments": [row]}))
        with pytest.raises(PurposeError, match=r"rule > bureau_debt: .*bureau.total_debt.*not 'marketing'"):
            segment_fits.require_permitted([version, other])

    def test_a_fit_whose_rule_is_refused_keeps_nothing(self, own_bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        permitted = {name: kinds - {"marketing"} for name, kinds in feature_purposes().items()}
        monkeypatch.setattr(segment_fits, "feature_purposes", lambda: permitted)
        place, settings = Workspace(own_bare), read_settings(own_bare)
        found = segment_fits.chosen_scenes(segment_fits.snapshot(place, place.dataset().until), None, settings)
        with pytest.raises(PurposeError, match="not 'marketing'"):
            segment_fits.fitted(place, found, settings, pd.Timestamp("2026-07-02", tz="UTC"), k_max=3)
        assert segment_store.fitted_scenes(place) == []


class TestRefit:
    """Found again."""

    def test_without_news_everybody_s_segment_keeps_its_id(self, segments: Callable[..., Ended], own: Path) -> None:
        before = scenes_of(segments("show", "--json", "-w", own))
        after = {s["scene_id"]: s for s in scenes_of(segments("fit", "--at", "2026-05-06", "--json", "-w", own))}
        for scene in before:
            again = after[scene["scene_id"]]
            assert (again["version"], again["why"], again["matched_by"]) == (2, "carried on", "customers")
            assert set(ids(again)) == set(ids(scene))
            assert {row["event"] for row in again["events"]} == {"same"}
            assert again["kept_share"] == 1

    def test_sought_anew_on_later_features_segments_that_live_on_keep_their_ids(
        self, segments: Callable[..., Ended], own: Path
    ) -> None:
        before = {s["scene_id"]: s for s in scenes_of(segments("show", "--json", "-w", own))}
        for scene in scenes_of(segments("fit", "--anew", "--json", "-w", own)):
            assert scene["why"] in ("found anew", "first")
            same = {row["segment_id"] for row in scene["events"] if row["event"] == "same"}
            if scene["scene_id"] in before:
                assert same
                assert same <= set(ids(before[scene["scene_id"]]))
                assert scene["kept_share"] > 0.5

    def test_segments_do_not_go_back_in_time(self, segments: Callable[..., Ended], own: Path) -> None:
        scenes_of(segments("fit", "--json", "-w", own))
        sentence = sentence_of(segments("fit", "--at", "2026-05-06", "-w", own), SettingsError)
        assert "its segments are as of 2026-06-30T16:00:00+00:00, later than the features of 2026-05-05" in sentence
        assert "to begin again" in sentence

    def test_the_history_has_a_row_per_version(self, segments: Callable[..., Ended], own: Path) -> None:
        scenes_of(segments("fit", "--json", "-w", own))
        place = Workspace(own)
        for scene in segment_store.fitted_scenes(place):
            versions = segment_store.versions_of(place, scene)
            assert versions["version"].tolist() == segment_store.version_numbers(place, scene)
            assert set(segment_store.events_of(place, scene)["version"]) == set(versions["version"])

    def test_two_fits_do_not_overwrite_each_other(self, own: Path) -> None:
        place = Workspace(own)
        scene = segment_store.fitted_scenes(place)[0]
        kept = segment_store.read_version(place, scene)
        version = segment_store.Version(
            kept, segment_store.versions_of(place, scene), segment_store.events_of(place, scene)
        )
        with pytest.raises(StoreError, match="another fit kept this version meanwhile; run the fit again"):
            segment_store.save_versions(place, [version])
        assert segment_store.version_numbers(place, scene) == [1]


class TestShow:
    """In words and numbers."""

    def test_each_segment_says_what_sets_it_apart(self, segments: Callable[..., Ended], fitted: Path) -> None:
        for scene in scenes_of(segments("show", "--json", "-w", fitted)):
            assert 0 < scene["surrogate"]["baseline"] < scene["surrogate"]["fidelity"] <= 1
            assert any(row["apart"] for row in scene["segments"])
            for row in scene["segments"]:
                assert row["named_by_hand"] is False
                sure = [lift for lift in row["apart"] if None not in (lift["tgi_low"], lift["tgi_high"])]
                assert sure or not row["apart"]
                assert all(lift["tgi_low"] <= lift["tgi"] <= lift["tgi_high"] for lift in sure)

    def test_in_text_as_well(self, segments: Callable[..., Ended], fitted: Path) -> None:
        ended = segments("show", "-w", fitted)
        assert ended.code == 0
        assert "rules imitate the segments for" in ended.out
        assert "TGI" in ended.out
        assert "who hold an account" in ended.out
        assert "contacted in 90 days" in ended.out
        assert "the most valuable fifth of " in ended.out

    def test_each_segment_says_what_it_brings_and_whom_we_reach(
        self, segments: Callable[..., Ended], fitted: Path
    ) -> None:
        for scene in scenes_of(segments("show", "--json", "-w", fitted)):
            around, rows = scene["outcomes"], scene["segments"]
            assert around["as_of"] == "2026-06-30T16:00:00+00:00"
            assert around["absent"] == {}
            # nobody has run the engine here: observed, not predicted
            assert around["risk_of"] == "share 30 days late with any repayment so far"
            assert sum(row["value_share"] or 0 for row in rows) <= 1.0 + 1e-9
            for row in rows:
                assert (row["value_mean"] is None) == (row["value_known"] < 20)
                assert (row["risk"] is None) == (row["risk_known"] < 20)
                assert 0 <= row["reach_low"] <= row["reach"] <= row["reach_high"] <= 1
                assert 0 < row["reachable"] < 1
                assert 1 <= row["rfm"]["r"] <= row["rfm"]["bands"]
                mix = [part["share"] for part in around["scenes"] if part["segment_id"] == row["segment_id"]]
                assert sum(mix) == pytest.approx(1)
            curve = around["pareto"]["curve"]
            assert curve[0] == [0, 0]
            assert curve[-1] == pytest.approx([1, 1])
            assert around["pareto"]["top_fifth"] > 0.2

    def test_risk_is_by_the_model_of_the_newest_run(self, segments: Callable[..., Ended], own: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "app.cli",
            "features",
            "build",
            "--at",
            "2026-07-01",
            "--view",
            "customer_risk",
        ]
        subprocess.run([*command, "-w", str(own)], check=True, capture_output=True)
        place = Workspace(own)
        features = history.as_of(place.dataset().until, "default_v1", place, purpose="risk")
        model = DefaultModel().fit(features, np.random.default_rng(1).random(len(features)) < 0.1)
        run = own / "runs" / "r1"
        models.save(run / "models" / "default", *default_parts(model))
        (run / "manifest.json").write_text("{}")
        (own / "latest").write_text("r1")
        everybody = pd.Series(model.predict_proba(features), index=features["customer_id"].astype(object))
        for scene in scenes_of(segments("show", "--json", "-w", own)):
            assert scene["outcomes"]["risk_of"] == "probability of default, newest run"
            members = segment_store.read_version(place, scene["scene_id"]).members
            for row in scene["segments"]:
                mine = everybody.reindex(members.index[members == row["segment_id"]])
                assert row["risk"] == pytest.approx(mine.mean())
                assert row["risk_known"] == mine.notna().sum()

    def test_what_the_data_does_not_hold_is_absent_with_the_reason(
        self, segments: Callable[..., Ended], own: Path
    ) -> None:
        for name in ("accounts", "repayments"):
            shutil.rmtree(own / "raw" / name)
        shutil.rmtree(own / "features")
        for scene in scenes_of(segments("show", "--json", "-w", own)):
            absent = scene["outcomes"]["absent"]
            assert set(absent) == {"value", "risk", "scenes", "rfm"}
            assert "scenefit features build" in absent["rfm"]
            assert scene["outcomes"]["pareto"] is None
            for row in scene["segments"]:
                assert [row[name] for name in ("value_mean", "risk", "rfm", "top_scene")] == [None] * 4
        said = segments("show", "-w", own).out
        assert "  risk absent: The newest run has no default model, and no repayment" in said
        assert "reach: " in said

    def test_before_a_fit_the_way_out_is_said(self, segments: Callable[..., Ended], bare: Path) -> None:
        for command in ("show", "assign", "compare"):
            sentence = sentence_of(segments(command, "-w", bare), NotFitted)
            assert "no segments yet; find them with `scenefit segments fit`" in sentence

    def test_an_unknown_scene_is_named(self, segments: Callable[..., Ended], fitted: Path) -> None:
        for command in ("show", "assign", "compare"):
            sentence = sentence_of(segments(command, "--scene", "moon", "-w", fitted), NotFitted)
            assert sentence.startswith("scene 'moon' has no segments; fitted are ['")

    def test_a_changed_model_is_refused(self, segments: Callable[..., Ended], own: Path) -> None:
        file = next((own / "models" / "segments").glob("*/v0001/model/centers.npy"))
        file.write_bytes(file.read_bytes()[:-4] + b"oops")
        assert "centers.npy: missing or changed since it was saved" in sentence_of(
            segments("show", "-w", own), StoreError
        )


class TestRename:
    """Names that people give."""

    def test_a_name_survives_the_next_fit(self, segments: Callable[..., Ended], own: Path) -> None:
        segment = ids(scenes_of(segments("show", "--json", "-w", own))[0])[1]
        assert segments("rename", segment, "--zh", "周末出行", "--en", "Weekend flyers", "-w", own).code == 0
        assert last_audit(own)[0] == "segments rename"
        for _ in range(2):
            rows = scenes_of(segments("show", "--json", "-w", own))[0]["segments"]
            row = next(row for row in rows if row["segment_id"] == segment)
            assert (row["name_en"], row["name_zh"], row["named_by_hand"]) == ("Weekend flyers", "周末出行", True)
            assert row["sentence_en"].startswith("Weekend flyers: ")
            assert row["sentence_zh"].startswith("周末出行：")
            scenes_of(segments("fit", "--at", "2026-05-06", "--json", "-w", own))

    def test_earlier_names_are_shown(self, segments: Callable[..., Ended], own: Path) -> None:
        segment = ids(scenes_of(segments("show", "--json", "-w", own))[0])[0]
        for en, zh in (("Flyers", "飞行者"), ("Weekend flyers", "周末出行")):
            assert segments("rename", segment, "--zh", zh, "--en", en, "-w", own).code == 0
        row = scenes_of(segments("show", "--json", "-w", own))[0]["segments"][0]
        assert [name["en"] for name in row["names_given"]] == ["Flyers", "Weekend flyers"]
        assert row["name_en"] == "Weekend flyers"
        assert "called Flyers / 飞行者 by " in segments("show", "-w", own).out

    def test_two_segments_of_a_scene_have_two_names(self, segments: Callable[..., Ended], own: Path) -> None:
        first, second, *_ = ids(scenes_of(segments("show", "--json", "-w", own))[0])
        assert segments("rename", first, "--zh", "常客", "--en", "Regulars", "-w", own).code == 0
        sentence = sentence_of(segments("rename", second, "--zh", "他人", "--en", "regulars", "-w", own), ContractError)
        assert f"'{first}' is already called 'Regulars'" in sentence

    @pytest.mark.parametrize(
        ("segment", "said"),
        [("moon/1", "no scene 'moon'"), ("none", "no scene ''"), ("daily/99", "not among the present")],
    )
    def test_only_present_segments_have_names(
        self, segments: Callable[..., Ended], fitted: Path, segment: str, said: str
    ) -> None:
        assert said in sentence_of(segments("rename", segment, "--zh", "甲", "--en", "A", "-w", fitted), SettingsError)


class TestAssign:
    """People of a snapshot."""

    def test_those_it_was_fitted_on_fall_where_they_were(self, segments: Callable[..., Ended], fitted: Path) -> None:
        ended = segments("assign", "--at", "2026-05-06", "--json", "-w", fitted)
        assert ended.code == 0, ended
        counted = {row["segment_id"]: row["people"] for row in json.loads(ended.out)["segments"]}
        shown = scenes_of(segments("show", "--json", "-w", fitted))
        assert counted == {row["segment_id"]: row["size"] for scene in shown for row in scene["segments"]}

    def test_later_people_go_to_a_file_of_one_row_each(self, segments: Callable[..., Ended], own: Path) -> None:
        out, again = own / "out" / "people.parquet", own / "out" / "again.parquet"
        document = json.loads(segments("assign", "--out", out, "--json", "-w", own).out)
        people = pq.read_table(out).to_pandas()
        assert len(people) == document["people"] == sum(row["people"] for row in document["segments"])
        assert not people.duplicated(["scene_id", "customer_id"]).any()
        assert people["confidence"].between(0, 1).all()
        assert people["far"].mean() < 0.1
        note = json.loads(pq.read_schema(out).metadata[segment_store.METADATA])
        assert note["synthetic"] is True
        assert last_audit(own)[1]["rows"] == len(people)
        segments("assign", "--out", again, "-w", own)
        assert out.read_bytes() == again.read_bytes()

    def test_a_file_that_is_there_stays(self, segments: Callable[..., Ended], own: Path) -> None:
        out = own / "people.parquet"
        out.write_text("mine")
        sentence = sentence_of(segments("assign", "--out", out, "-w", own), StoreError)
        assert "exists already; choose another name or add --overwrite" in sentence
        assert out.read_text() == "mine"
        assert segments("assign", "--out", out, "--overwrite", "-w", own).code == 0


class TestCompare:
    """The newest against the one before."""

    def test_one_version_alone_has_nothing_to_compare(self, segments: Callable[..., Ended], fitted: Path) -> None:
        assert "has one version of its segments; fit again" in sentence_of(segments("compare", "-w", fitted), NotFitted)

    def test_everybody_is_counted_once_and_drift_is_told(self, segments: Callable[..., Ended], own: Path) -> None:
        scene = segment_store.fitted_scenes(Workspace(own))[0]
        scenes_of(segments("fit", "--scene", scene, "--json", "-w", own))
        [found] = scenes_of(segments("compare", "--scene", scene, "--json", "-w", own))
        before, after = (segment_store.read_version(Workspace(own), scene, number) for number in (1, 2))
        both = before.members.index.union(after.members.index)
        assert sum(row["customers"] for row in found["migration"]) == len(both)
        common = before.members.index.intersection(after.members.index)
        assert found["kept_share"] == pytest.approx((before.members[common] == after.members[common]).mean())
        assert (found["from_version"], found["to_version"]) == (1, 2)
        assert found["drift"]["absent"] is None
        assert found["drift"]["rows"] > len(after.model.ids)
        assert all(row["band"] in ("watch", "alarm") for row in found["drift"]["alerts"])
        text = segments("compare", "-w", own).out
        assert f"{scene} v1 → v2" in text
        assert "one version only" in text

    def test_without_the_old_features_drift_says_why_it_is_absent(
        self, segments: Callable[..., Ended], own: Path
    ) -> None:
        scene = segment_store.fitted_scenes(Workspace(own))[0]
        scenes_of(segments("fit", "--scene", scene, "--json", "-w", own))
        for folder in (own / "features").glob("*/dt=2026-05-05"):
            shutil.rmtree(folder)
        [found] = scenes_of(segments("compare", "--scene", scene, "--json", "-w", own))
        assert found["drift"]["alerts"] == []
        assert found["drift"]["absent"]
        assert found["migration"]


def test_a_scene_s_id_may_hold_anything(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert segment_store.version_numbers(place, "../up") == []
    folder = tmp_path / "models" / "segments" / "%2E%2E%2Fup" / "v0001"
    folder.mkdir(parents=True)
    assert segment_store.fitted_scenes(place) == ["../up"]
