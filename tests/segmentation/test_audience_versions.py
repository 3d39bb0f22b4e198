"""Stored audiences: versions that stay, live ones counted anew, differences, lineage, damage and two writers."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, NotEligible, ScenefitError, SettingsError, StoreError
from segmentation.audience import AudienceStore, Event
from segmentation.audience_files import writing
from segmentation.rules import And, InAudience, InScene, Not, Rule
from tests.segmentation.made_people import (
    SAVED_AT,
    few_people,
    lives_in,
    made_people,
    older,
    saved,
    store_of,
    younger,
)

PEOPLE = made_people()


class TestSnapshots:
    """A snapshot keeps the members it was saved with."""

    def test_what_was_saved_comes_back(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        where = And(of=(older(40), lives_in("Wuxi")))

        version = saved(store, "old-wuxi", where, origin={"kind": "hand"})
        again = store_of(tmp_path).load("old-wuxi")

        assert again.version == version
        assert (again.version.rule, again.version.at, again.version.parent) == (Rule(where=where), SAVED_AT, None)
        assert np.array_equal(again.words, store.bits(Rule(where=where)))
        members = PEOPLE.frame["customer_id"][where.mask(PEOPLE.frame)].tolist()
        assert store.members("old-wuxi").tolist() == members
        assert (again.size, again.absent) == (len(members), 0)

    def test_other_people_do_not_change_it(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path, few_people(20, 60, 70)), "old", older(60))
        # b has left, c is young again, d has come and is old
        later = few_people(20, 30, 80, ids="acd")._replace(fingerprint="tuesday")

        found = store_of(tmp_path, later).load("old")

        assert (found.size, found.absent) == (2, 1)
        assert found.words.tolist() == [0b010]
        assert store_of(tmp_path, later).members("old").tolist() == ["b", "c"]

    def test_numbers_stay_as_people_come(self, tmp_path: Path) -> None:
        first = store_of(tmp_path, few_people(60, 20, 70, ids="bdf"))
        saved(first, "old", older(60))
        # a and c come between; the ids of the first day keep their numbers
        second = store_of(tmp_path, few_people(65, 20, 20, 66, 20, ids="abcdf"))
        saved(second, "older", older(65))

        assert second.members("old").tolist() == ["b", "f"]
        assert second.members("older").tolist() == ["a", "d"]
        assert first.members("older").tolist() == ["a", "d"]
        assert len(list((tmp_path / "audiences" / "_ids").iterdir())) == 2


class TestLive:
    """A live audience is its rule."""

    def test_it_is_counted_anew_with_other_people(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path, few_people(20, 60, 70)), "old", older(60), kind="live")
        later = store_of(tmp_path, few_people(61, 62, 63, 20)._replace(fingerprint="tuesday"))

        found = later.load("old")

        assert (found.version.size, found.size) == (2, 3)
        assert later.members("old").tolist() == ["a", "b", "c"]
        assert later.list()[["size", "stale"]].values.tolist() == [[2, True]]

    def test_it_may_be_empty_today(self, tmp_path: Path) -> None:
        assert saved(store_of(tmp_path), "centenarians", older(100), kind="live").size == 0

    def test_audiences_are_conditions_of_others(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60), kind="live")
        saved(store, "wuxi", lives_in("Wuxi"))
        rule = Rule(where=And(of=(InAudience(audience="old"), Not(of=InAudience(audience="wuxi")))))

        old, wuxi = older(60).mask(PEOPLE.frame), lives_in("Wuxi").mask(PEOPLE.frame)
        assert np.array_equal(store.mask(rule), old & ~wuxi)
        saved(store, "wuxi", lives_in("Foshan"))
        assert np.array_equal(store.mask(rule), old & ~lives_in("Foshan").mask(PEOPLE.frame))

    def test_a_scenes_condition_may_read_an_audience(self, tmp_path: Path) -> None:
        scene = PEOPLE.frame[["customer_id", "age"]].iloc[::2]
        people = PEOPLE._replace(context=PEOPLE.context._replace(scenes={"travel": scene}))
        store = store_of(tmp_path, people)
        saved(store, "old", older(60), kind="live")

        found = store.mask(Rule(where=InScene(scene="travel", of=InAudience(audience="old"))))

        assert np.array_equal(found, older(60).mask(PEOPLE.frame) & (np.arange(500) % 2 == 0))

    def test_a_circle_of_live_audiences_is_refused(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "a", older(30), kind="live")
        saved(store, "b", And(of=(InAudience(audience="a"), younger(60))), kind="live")

        with pytest.raises(ContractError, match="audience 'a' reads itself: a → b → a"):
            saved(store, "a", InAudience(audience="b"), kind="live")
        assert store.history("a")["version"].tolist() == [1]
        # as a snapshot it only keeps who is in it today
        assert saved(store, "a", InAudience(audience="b")).size == store.count(Rule(where=InAudience(audience="b")))

    def test_a_circle_on_disk_is_refused_when_it_is_read(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "a", older(30), kind="live")
        file = tmp_path / "audiences" / "a" / "v0001.json"
        record = json.loads(file.read_text("utf8"))
        file.write_text(json.dumps({**record, "rule": {"where": {"kind": "in_audience", "audience": "a"}}}), "utf8")

        for read in (lambda: store.load("a"), lambda: store.count(Rule(where=InAudience(audience="a")))):
            with pytest.raises(ContractError, match="reads itself: a → a"):
                read()


class TestLists:
    """Customers without a rule, such as a look-alike expansion."""

    LABEL = {"name_en": "alike", "name_zh": "相似", "by": "mei", "at": SAVED_AT}  # noqa: RUF012 read alone

    def test_a_list_keeps_its_members(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, few_people(20, 30, 40))
        saved(store, "seeds", older(40))

        version = store.save_list("alike", ["c", "a", "a"], origin={"kind": "lookalike"}, **self.LABEL)
        again = store_of(tmp_path, few_people(20, 30, ids="ab")._replace(fingerprint="tuesday"))

        assert (version.kind, version.rule, version.size) == ("list", None, 2)
        assert again.load("alike").version == version
        assert (again.load("alike").words.tolist(), again.load("alike").absent) == ([0b01], 1)
        # c has left, but the dictionary still knows who it was
        assert again.members("alike").tolist() == ["a", "c"]
        assert again.save_list("alike", ["b", "c"], **self.LABEL).parent == 1
        assert again.overlap(["alike", "seeds"]).values.tolist() == [[2, 1], [1, 1]]
        assert again.count(Rule(where=InAudience(audience="alike"))) == 1
        assert again.lineage("alike")["event"].tolist() == ["origin", "saved", "saved"]
        assert again.diff("alike@1", "alike").sentences()[0] == "Lists have no rule"
        assert again.diff("seeds", "alike").sentences()[:2] == (
            "Removed: age at least 40", "Kind: snapshot → list",
        )  # fmt: skip

    def test_strangers_and_nobody_are_refused(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, few_people(20, 30))

        with pytest.raises(ContractError, match="2 of 3 ids belong to nobody, such as 'x', 'y'"):
            store.save_list("alike", ["a", "x", "y"], **self.LABEL)
        with pytest.raises(NotEligible, match="the list is empty"):
            store.save_list("alike", [], **self.LABEL)
        assert not (tmp_path / "audiences").exists()


class TestVersions:
    """Saving again makes the next version."""

    def test_each_has_its_parent_and_stays(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        first, second = saved(store, "old", older(60)), saved(store, "old", older(65), by="li")

        assert (second.version, second.parent) == (2, 1)
        assert store.load("old", 1).version == first
        assert store.history("old")[["version", "by"]].values.tolist() == [[1, "mei"], [2, "li"]]
        assert store.list()["version"].tolist() == [2]

    def test_saving_over_somebody_elses_version_is_refused(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60), after=0)
        saved(store, "old", older(65), after=1)

        with pytest.raises(StoreError, match="version 2 is the newest, not 1: somebody else has saved meanwhile"):
            saved(store, "old", older(70), after=1)
        assert store.history("old")["version"].tolist() == [1, 2]

    def test_a_snapshot_of_nobody_is_refused_with_the_conflict(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)

        with pytest.raises(NotEligible, match="Nobody fits both: age below 30; age at least 40"):
            saved(store, "nobody", And(of=(younger(30), older(40))))
        assert not (tmp_path / "audiences").exists()

    @pytest.mark.parametrize("audience_id", ["", "../up", "A", "a/b", ".hidden", "_ids", "-a", "a" * 64, "名"])
    def test_ids_that_are_no_plain_names_are_refused(self, tmp_path: Path, audience_id: str) -> None:
        store = store_of(tmp_path)

        for use in (store.load, store.lineage, store.history, lambda name: saved(store, name, older(30))):
            with pytest.raises(ContractError, match="lower-case letters, digits and hyphens"):
                use(audience_id)
        assert not (tmp_path / "audiences").exists()

    def test_an_audience_that_does_not_exist_is_refused_with_the_nearest(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        with pytest.raises(StoreError, match="There are: none yet"):
            store.load("old")
        saved(store, "old-wuxi", older(60))

        with pytest.raises(StoreError, match=r"Did you mean old-wuxi\?"):
            store.load("old-wux")
        with pytest.raises(StoreError, match=r"no version 3; there are \[1\]"):
            store.load("old-wuxi", 3)
        with pytest.raises(ContractError, match="write id or id@version"):
            store.diff("old-wuxi@x", "old-wuxi")

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"by": " "}, "by is ' '"),
            ({"name_zh": ""}, "name_zh is ''"),
            ({"at": pd.Timestamp("2026-07-01")}, "has no time zone"),
            ({"kind": "frozen"}, "take 'snapshot' or 'live'"),
            ({"origin": {"rank": 1}}, "has no kind"),
            ({"origin": {"kind": "subgroup", "lift": float("nan")}}, "are no JSON"),
        ],
    )
    def test_what_cannot_be_told_later_is_refused(self, tmp_path: Path, options: dict, says: str) -> None:
        with pytest.raises((SettingsError, ContractError), match=says):
            saved(store_of(tmp_path), "old", older(60), **options)


class TestDiff:
    """What changed between versions, in words."""

    def test_conditions_and_people(self, tmp_path: Path) -> None:
        store = store_of(tmp_path, few_people(20, 30, 40, 50, 60))
        saved(store, "a", And(of=(older(30), younger(60))))
        saved(store, "a", And(of=(younger(60), older(40), Not(of=older(55)))))

        found = store.diff("a@1", "a")

        assert (found.before, found.after) == ("a@1", "a@2")
        assert (found.size_before, found.size_after, found.joined, found.left) == (3, 2, 0, 1)
        assert found.sentences() == (
            "Added: not (age at least 55)",
            "Changed: age at least 30 → age at least 40",
            "Size: 3 → 2 (-1: 0 joined, 1 left)",
        )
        assert found.sentences("zh")[-1] == "人数：3 → 2（-1；新进0人，移出1人）"

    def test_the_same_in_another_order_is_no_change(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "a", And(of=(older(30), lives_in("Wuxi", "Foshan"))))
        saved(store, "b", And(of=(And(of=(lives_in("Foshan", "Wuxi"),)), older(30))), kind="live")

        found = store.diff("a", "b")

        assert (found.added, found.removed, found.changed) == ((), (), ())
        assert found.sentences() == (
            "The rule means the same", "Kind: snapshot → live", f"Size: {found.size_before} → {found.size_after} "
            "(+0: 0 joined, 0 left)",
        )  # fmt: skip

    def test_other_people_are_told(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path, few_people(60, 61)), "a", older(60))
        store = store_of(tmp_path, few_people(60, 20, 63)._replace(fingerprint="tuesday"))
        saved(store, "a", older(60))

        found = store.diff("a@1", "a@2")

        assert (found.joined, found.left, found.people_changed) == (1, 1, True)
        assert "different customer data" in found.sentences()[1]


class TestLineage:
    """From the mined rule to the export."""

    def test_every_step_in_the_order_of_time(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        mined = {"kind": "subgroup", "run_id": "20260630-a", "scene_id": "travel", "rank": 1}
        days = [SAVED_AT + pd.Timedelta(days=day) for day in range(4)]
        saved(store, "found", older(60), origin=mined)
        saved(store, "wider", InAudience(audience="found"), kind="live", at=days[1], origin={"kind": "hand"})
        saved(store, "wider", older(55), at=days[2])
        store.note("wider", Event("export", 2, "li", days[3], {"rows": 12, "sha256": "ab"}))

        found = store.lineage("wider")

        assert found[["depth", "audience_id", "event", "version"]].values.tolist() == [
            [1, "found", "origin", 1], [1, "found", "saved", 1], [0, "wider", "origin", 1], [0, "wider", "saved", 1],
            [0, "wider", "saved", 2], [0, "wider", "export", 2],
        ]  # fmt: skip
        assert json.loads(found["details"][0]) == mined
        assert json.loads(found["details"].iloc[-1]) == {"rows": 12, "sha256": "ab"}

    def test_a_look_alike_leads_to_its_seeds(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "seeds", older(70))
        saved(store, "alike", older(50), origin={"kind": "lookalike", "audience_id": "seeds", "version": 1})

        assert set(store.lineage("alike")["audience_id"]) == {"seeds", "alike"}

    def test_an_export_that_was_begun_and_never_ended_is_unfinished(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        told = [("export started", "d1"), ("export", "d1"), ("export started", "d2"), ("export started", "d3"),
                ("export failed", "d3"), ("export started", "d1"), ("export", "d4")]  # fmt: skip
        for kind, delivery in told:
            store.note("old", Event(kind, 1, "li", SAVED_AT, {"delivery_id": delivery, "target": "x.csv"}))

        found = store.lineage("old")

        said = [(e, json.loads(d).get("delivery_id")) for e, d in zip(found["event"], found["details"], strict=True)]
        assert said == [
            ("saved", None), ("export", "d1"), ("export unfinished", "d2"), ("export failed", "d3"),
            ("export unfinished", "d1"), ("export", "d4"),
        ]  # fmt: skip

    def test_sending_it_again_settles_every_attempt_to_the_same_place(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        told = [("export started", "a.example"), ("export started", "b.example"), ("export started", "a.example"),
                ("export", "a.example")]  # fmt: skip
        for kind, target in told:
            store.note("old", Event(kind, 1, "li", SAVED_AT, {"delivery_id": "d1", "target": target}))

        events = store.lineage("old")

        assert events["event"].tolist() == ["saved", "export unfinished", "export"]
        assert json.loads(events["details"][1])["target"] == "b.example"

    def test_events_of_versions_that_do_not_exist_are_refused(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))

        with pytest.raises(StoreError, match="has no version 2"):
            store.note("old", Event("export", 2, "li", SAVED_AT, {}))
        with pytest.raises(ContractError, match="are no JSON"):
            store.note("old", Event("export", 1, "li", SAVED_AT, {"rows": object()}))


class TestDamage:
    """Damaged files are told, with a way out."""

    def test_a_changed_bitmap_is_noticed(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path), "old", older(60))
        file = tmp_path / "audiences" / "old" / "v0001.roaring"
        file.write_bytes(file.read_bytes()[:-1] + b"x")

        with pytest.raises(StoreError, match=r"v0001.roaring: damaged.*bring it back from a backup, or delete v0001"):
            store_of(tmp_path).load("old")

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", '{"format": 1}', '{"format": 9}', '{"format": 1, "rule": {"where": 3}}']
    )
    def test_a_changed_record_is_noticed_and_hides_no_other(self, tmp_path: Path, content: str) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        saved(store, "new", older(50))
        (tmp_path / "audiences" / "old" / "v0001.json").write_text(content, "utf8")

        with pytest.raises(StoreError, match=r"v0001.json: .*bring it back from a backup"):
            store.load("old")
        listed = store.list().set_index("audience_id")["problem"]
        assert listed["new"] == ""
        assert "v0001.json" in listed["old"]

    def test_a_list_of_damaged_audiences_alone_can_be_shown(self, tmp_path: Path) -> None:
        (tmp_path / "audiences" / "yy").mkdir(parents=True)
        (tmp_path / "audiences" / "yy" / "v0001.json").write_text("{", "utf8")

        table = store_of(tmp_path).list()

        assert table["size"].isna().all()
        assert table["at"].isna().all()
        assert str(table["at"].dtype) == "datetime64[us, UTC]"
        assert "damaged" in table["problem"][0]

    def test_a_record_in_the_wrong_place_is_noticed(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        home = tmp_path / "audiences"
        (home / "other").mkdir()
        (home / "other" / "v0001.json").write_bytes((home / "old" / "v0001.json").read_bytes())

        with pytest.raises(StoreError, match="is the record of old version 1"):
            store.load("other")

    def test_a_bitmap_that_is_gone_is_told(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path), "old", older(60))
        (tmp_path / "audiences" / "old" / "v0001.roaring").unlink()

        with pytest.raises(StoreError, match="cannot be read"):
            store_of(tmp_path).load("old")

    def test_the_id_dictionary_is_checked(self, tmp_path: Path) -> None:
        saved(store_of(tmp_path, few_people(60)), "old", older(60))
        saved(store_of(tmp_path, few_people(60, 61)), "older", older(60))
        first, _ = sorted((tmp_path / "audiences" / "_ids").iterdir())

        content = first.read_bytes()
        first.write_bytes(content[:-1])
        with pytest.raises(StoreError, match="damaged, its digest is another one"):
            store_of(tmp_path).load("old")
        first.unlink()
        with pytest.raises(StoreError, match="the ids from number 0 to 0 are missing"):
            store_of(tmp_path).load("old")
        first.write_bytes(content)
        (first.parent / "notes.parquet").write_bytes(b"")
        with pytest.raises(StoreError, match=r"notes.parquet: is no file of the id dictionary"):
            store_of(tmp_path).load("old")

    def test_what_a_killed_writer_left_is_written_over(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        home = tmp_path / "audiences" / "old"
        (home / "v0002.roaring").write_bytes(b"half")
        (home / ".v0002.json.77").write_bytes(b"{")

        assert store.list()["version"].tolist() == [1]
        assert saved(store, "old", older(65)).version == 2
        assert store.load("old").size == store.count(Rule(where=older(65)))


class TestWriters:
    """One writer at a time."""

    def test_the_second_is_told_and_nothing_is_written(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))

        with (
            writing(store.folder),
            pytest.raises(StoreError, match="somebody else is saving an audience right now; nothing was written"),
        ):
            saved(store, "old", older(65))
        assert store.history("old")["version"].tolist() == [1]
        assert saved(store, "old", older(65)).version == 2

    def test_an_event_waits_for_the_other_writer(self, tmp_path: Path) -> None:
        store = store_of(tmp_path)
        saved(store, "old", older(60))
        event = Event("export", 1, "li", SAVED_AT, {})
        with ThreadPoolExecutor(1) as pool, writing(store.folder):
            waiting = pool.submit(store.note, "old", event, 30.0)
            with pytest.raises(StoreError, match="nothing was written"):
                store.note("old", event, 0.0)
            assert not waiting.done()
        waiting.result()
        assert store.lineage("old")["event"].tolist() == ["saved", "export"]

    def test_many_processes_leave_whole_versions(self, tmp_path: Path) -> None:
        folder = tmp_path / "audiences"
        with get_context("spawn").Pool(2) as pool:
            found = pool.map(_save_some, [(str(folder), age) for age in (30, 40)])

        store = AudienceStore(folder, PEOPLE)
        history = store.history("busy")
        assert history["version"].tolist() == list(range(1, sum(found) + 1))
        for number in history["version"]:
            version = store.load("busy", number)
            assert version.size == store.count(version.version.rule)

    def test_a_disk_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "audiences").write_text("a file")

        with pytest.raises(ScenefitError, match="a file stands where a folder must be"):
            saved(store_of(tmp_path), "old", older(60))


def _save_some(given: tuple[str, int]) -> int:
    """How many of ten versions this process could save."""
    folder, age = given
    store, done = AudienceStore(Path(folder), PEOPLE), 0
    for year in range(10):
        try:
            saved(store, "busy", older(age + year))
            done += 1
        except StoreError:
            continue
    return done
