"""What the map of scenes reads: who is hard to reach and why, whose demand counts where, what could be opened."""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from app import scene_facts, scene_plots, scene_tables
from app.finished_run import read_finished_run
from app.i18n import Speech
from app.scene_maps import with_made
from app.scene_needs import takes_by_scene, with_purchases
from app.scene_store import UserScene, save_user_scene, user_scenes
from app.scene_supply import read_supply
from app.subgroup_panels import audience_draft
from app.subgroup_store import newest_mined, present_subgroups, save_mined
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.settings import Settings, read_settings
from scenefit.runtime.store import connect, raw_views, replace_raw
from scenefit.runtime.workspace import Dataset, Workspace, write_text
from segmentation.rules import Compare, InScene, Rule
from segmentation.scene_made import MadeScene, SceneDefinition, SceneFigures

NOW = pd.Timestamp("2026-07-01", tz="UTC")
DAY = pd.Timedelta(days=1)
PEOPLE = {"ann": "customer", "bob": "customer", "cat": "lead", "dan": "visitor", "eve": "customer", "fay": "customer"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Six people, two scenes with a part each, two shops, a chain, two sources."""
    workspace = Workspace(tmp_path_factory.mktemp("scenes"))
    with replace_raw(workspace, Dataset("six people", NOW, synthetic=True)) as writer:
        for name, frame in tables().items():
            writer.add(name, pa.Table.from_pandas(frame, preserve_index=False))
    return workspace


def tables() -> dict[str, pd.DataFrame]:
    day = NOW - 400 * DAY
    consent = {"purpose": "marketing", "channel": "sms", "granted": True, "at": day}
    scenes = ("travel", "travel.camping", "home", "home.sofas")
    return {
        "scenes": pd.DataFrame({"scene_id": scenes, "parent_id": [None, "travel", None, "home"],
                                "name_en": scenes, "name_zh": scenes}),
        "merchants": pd.DataFrame({"merchant_id": ["m1", "m2"], "scene_id": ["travel.camping", "home.sofas"],
                                   "name_en": ["Tents", "Sofas"], "name_zh": ["帐篷", "沙发"],
                                   "partner_id": ["chain", None]}),
        "partners": pd.DataFrame({"partner_id": ["chain", "ads"], "name_en": ["Chain", "Ads"],
                                  "name_zh": ["连锁", "广告"], "kind": ["merchant chain", "traffic"],
                                  "cost_per_click": [None, 0.5], "cost_per_approval": [30.0, None]}),
        "products": pd.DataFrame({"product_id": ["P1", "P2"], "version": 1, "kind": "pay later", "name_en": "x",
                                  "name_zh": "x", "scenes": [["travel"], []], "valid_from": day, "state": "live"}),
        "customers": pd.DataFrame({"customer_id": list(PEOPLE), "kind": list(PEOPLE.values()), "registered_at": day}),
        "consents": pd.DataFrame([{"customer_id": who, **consent} for who in PEOPLE if who != "dan"]),
        "blocklists": pd.DataFrame({"customer_id": ["eve"], "list": "court", "source": "court", "listed_at": day}),
        "accounts": pd.DataFrame({"account_id": ["a1", "a2"], "customer_id": ["ann", "ann"], "product_id": "P1",
                                  "opened_at": [day, NOW - 3 * DAY], "limit": [100.0, 50.0],
                                  "balance": [40.0, 80.0], "status": "open"}),
        "events": events(),
    }  # fmt: skip


def events() -> pd.DataFrame:
    rows = [
        ("ann", 5, "visit", "travel.camping", "m1", "ads", None, None),
        ("ann", 4, "visit", None, "m1", None, None, None),
        ("bob", 6, "purchase", "home.sofas", "m2", "web", None, None),
        ("cat", 7, "browse", "travel", None, None, None, None),
        # bob: five messages, none answered; fay: three within the month
        *(("bob", 40 + i, "sent", None, None, None, None, "k") for i in range(5)),
        *(("fay", 1 + i, "sent", None, None, None, None, "k") for i in range(3)),
        # ann: as many, but she answered the last one
        *(("ann", 50 + i, "sent", None, None, None, None, "k") for i in range(5)),
        ("ann", 45, "click", None, None, None, None, "k"),
        ("cat", 2, "draw", None, None, None, "P2", None),
        ("fay", 200, "draw", None, None, None, "P1", None),
    ]
    names = ["customer_id", "days", "kind", "scene_id", "merchant_id", "source", "product_id", "campaign_id"]
    frame = pd.DataFrame(rows, columns=names)
    at = NOW - pd.to_timedelta(frame["days"], unit="D")
    return frame.drop(columns="days").assign(event_id=[f"e{i}" for i in range(len(rows))], at=at, ingested_at=at)


@pytest.fixture
def raw(place: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        raw_views(connection, place)
        yield connection


@pytest.fixture
def settings() -> Settings:
    return read_settings(limits={"hold_out": 0.0, "contacts": 3}, subgroups={"reach_days": 30})


def test_people_are_hard_to_reach_for_the_first_reason_that_holds(place, raw, settings):
    scores = pd.DataFrame({"customer_id": ["ann", "ann", "bob"], "rank": [1, 2, 1], "value": [9.0, 5.0, -1.0],
                           "p_take": [0.1, 0.1, 0.1]})  # fmt: skip
    people = scene_facts.read_people(raw, place, NOW, scores, settings).set_index("customer_id")
    assert people["hard"].to_dict() == {
        "ann": "", "bob": "silent", "cat": "", "dan": "no channel", "eve": "blocked", "fay": "contact cap",
    }  # fmt: skip
    assert people["kind"].to_dict() == PEOPLE
    # bob's messages are older than the reach window
    assert people.index[people["contacted"]].tolist() == ["fay"]
    # an overdrawn account has no room, and takes none from the other
    assert people.loc["ann", "headroom"] == 60.0
    assert people["headroom"].isna().sum() == 5
    # an offer below zero is none; without a model nobody's ability to pay is known
    assert people["value"].dropna().to_dict() == {"ann": 9.0}
    assert people["pd"].isna().all()


def test_takes_count_in_the_scenes_their_product_is_made_for(raw):
    takes = scene_facts.read_takes(raw, NOW - 100 * DAY, NOW)
    assert takes["customer_id"].tolist() == ["ann", "cat"]
    assert takes["scene_id"].fillna("any").tolist() == ["travel", "any"]
    # half-open: a take at the end of the window is not in it
    assert len(scene_facts.read_takes(raw, NOW - 100 * DAY, NOW - 3 * DAY)) == 0
    assert scene_facts.read_takes(raw, NOW - 200 * DAY, NOW - 199 * DAY)["customer_id"].tolist() == ["fay"]


def test_a_made_scene_is_answered_by_the_products_of_where_it_stands(raw):
    takes = pd.DataFrame({"scene_id": ["travel", "home", None], "customer_id": ["ann", "bob", "cat"]})

    def takers(**parts: tuple[str, ...]) -> list[str]:
        found = takes_by_scene(raw, takes, [SceneDefinition("mine", "x", "x", **parts)])
        return found.loc[found["scene_id"] == "mine", "customer_id"].tolist()

    assert takers(merchants=("m1",)) == ["ann"]
    assert takers(categories=("home.sofas",)) == ["bob"]
    assert takers(sources=("ads",)) == ["ann", "bob"]
    bought = {"home": pd.DataFrame({"customer_id": ["bob", "eve"], "scene_purchases_90d": [1.0, np.nan]})}
    assert with_purchases(takes.iloc[:1], bought)["customer_id"].tolist() == ["ann", "bob"]


def test_everything_that_could_be_opened_is_named_with_its_people_and_cost(raw):
    supply = read_supply(raw, NOW)
    options = supply.options.set_index(["kind", "option_id"])
    assert options.index.tolist() == [("merchant", "m1"), ("merchant", "m2"), ("partner", "chain"),
                                      ("scene", "home.sofas"), ("scene", "travel.camping"), ("source", "ads"),
                                      ("source", "web")]  # fmt: skip
    assert options.loc[("merchant", "m1"), "scene_id"] == "travel"
    assert options.loc[("merchant", "m1"), "cost_per_approval"] == 30.0
    assert options.loc[("source", "ads"), "cost_per_click"] == 0.5
    active = supply.active.groupby(["kind", "option_id"])["customer_id"].apply(list).to_dict()
    assert active == {("merchant", "m1"): ["ann"], ("merchant", "m2"): ["bob"], ("partner", "chain"): ["ann"],
                      ("scene", "home.sofas"): ["bob"], ("scene", "travel.camping"): ["ann"],
                      ("source", "ads"): ["ann"], ("source", "web"): ["bob"]}  # fmt: skip


def test_made_scenes_are_kept_once_and_read_back(tmp_path):
    workspace = Workspace(tmp_path)
    scene = UserScene(scene_id="camping", name_en="Camping", name_zh="露营", merchants=("m1",), made_by="kim",
                      made_at=NOW.to_pydatetime(), as_of=NOW.to_pydatetime(), fingerprint="f",
                      figures={"customers": 3.0, "mean_ticket": None})  # fmt: skip
    assert user_scenes(workspace) == []
    file = save_user_scene(workspace, scene)
    assert user_scenes(workspace) == [scene]
    assert scene.definition == SceneDefinition("camping", "Camping", "露营", ("m1",))
    with pytest.raises(StoreError, match="scene 'camping' was made already; choose another id"):
        save_user_scene(workspace, scene)
    write_text(file, json.dumps({"scene_id": "camping"}))
    with pytest.raises(StoreError, match=r"damaged .*restore or remove it"):
        user_scenes(workspace)


def test_a_made_scene_is_an_option_of_its_own(raw):
    supply = read_supply(raw, NOW)
    scene = pd.DataFrame({"scene_id": ["mine"], "parent_id": [None], "name_en": ["Mine"], "name_zh": ["我的"]})
    members = pd.DataFrame({"customer_id": ["ann", "bob"], "kind": "customer"})
    one = MadeScene(SceneDefinition("mine", "Mine", "我的"), scene, members, SceneFigures(2, 0, 0, 2, 0, 0, 0.0, 0.0))
    both = with_made(supply, [one])
    assert both.options.iloc[-1][["kind", "option_id", "scene_id", "name_zh"]].tolist() == [
        "scene",
        "mine",
        "mine",
        "我的",
    ]
    assert both.active.iloc[-2:]["customer_id"].tolist() == ["ann", "bob"]
    assert with_made(supply, []) is supply


def rules(scene: str, size: int) -> pd.DataFrame:
    rule = Rule(where=Compare(column="scene_visits_90d", op=">=", value=2))
    return pd.DataFrame([{"scene_id": scene, "rank": 1, "rule_en": rule.sentence("en"), "rule_zh": rule.sentence("zh"),
                          "size": size, "unreached": 5, "rate": 0.1, "base": 0.05, "lift": 2.0, "lift_low": 1.5,
                          "lift_high": 2.5, "p": 0.001, "q": 0.01, "confirmed": True,
                          "rule": rule.model_dump_json()}])  # fmt: skip


def manifest(workspace: Workspace, *scenes: str) -> dict[str, object]:
    return {"as_of": NOW.isoformat(), "scenes": list(scenes), "fingerprint": workspace.dataset().fingerprint}


def test_rules_mined_anew_go_before_those_of_the_run_while_the_data_is_the_same(own_workspace):
    before = present_subgroups(own_workspace).rules
    assert set(before["origin"]) == {own_workspace.latest().name}
    kept = save_mined(own_workspace, rules("travel", 77), manifest(own_workspace, "travel"))
    after = present_subgroups(own_workspace).rules
    assert after.loc[after["scene_id"] == "travel", ["size", "origin"]].to_numpy().tolist() == [[77, kept.mined_id]]
    assert len(after[after["scene_id"] == "home"]) == 3
    # the same question gives the same folder
    assert save_mined(own_workspace, rules("travel", 77), manifest(own_workspace, "travel")).mined_id == kept.mined_id
    # a scene mined without result has none, whatever the run says
    save_mined(own_workspace, rules("travel", 77).iloc[:0], manifest(own_workspace, "travel", "home"))
    assert present_subgroups(own_workspace).rules.empty
    file = own_workspace.raw / "dataset.json"
    write_text(file, json.dumps(json.loads(file.read_text("utf8")) | {"fingerprint": "other"}))
    assert len(present_subgroups(own_workspace).rules) == len(before)


def test_damaged_mined_rules_are_named(own_workspace):
    assert newest_mined(own_workspace) is None
    save_mined(own_workspace, rules("travel", 7), manifest(own_workspace, "travel"))
    folder = own_workspace.root / "subgroups" / (own_workspace.root / "subgroups" / "latest").read_text("utf8")
    (folder / "manifest.json").write_text("{", "utf8")
    with pytest.raises(StoreError, match="mine again with `scenefit subgroups mine`"):
        newest_mined(own_workspace)


def test_a_rule_becomes_the_draft_of_an_audience_read_in_its_scene(run_workspace):
    run = read_finished_run(run_workspace.latest(), run_workspace)
    row = rules("travel", 7).assign(origin="m-1").to_dict("records")[0]
    draft = audience_draft(run, "travel", row)
    where = Rule.read(draft["rule"]).where
    assert where == InScene(scene="travel", of=Compare(column="scene_visits_90d", op=">=", value=2))
    assert draft["name_en"].startswith("Travel: ")
    assert draft["name_zh"].startswith("旅行出行：")
    known = {"kind": "subgroup", "mined": "m-1", "scene_id": "travel", "rank": 1}
    assert {name: draft["origin"][name] for name in known} == known


def panel(root: str, scene: str, lang: str) -> None:
    from pathlib import Path

    from app.finished_run import read_finished_run
    from app.i18n import Speech
    from app.subgroup_panels import scene_map_panel, subgroups_panel
    from scenefit.runtime.workspace import Workspace

    place = Workspace(Path(root))
    run = read_finished_run(place.latest(), place)
    subgroups_panel(run, scene, Speech(lang))
    scene_map_panel(place, run, Speech(lang))


def shown(workspace: Workspace, scene: str, lang: str = "en") -> AppTest:
    page = AppTest.from_function(panel, default_timeout=60, args=(str(workspace.root), scene, lang)).run()
    assert not page.exception
    return page


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_panel_shows_each_rule_with_its_evidence(run_workspace, lang):
    page = shown(run_workspace, "travel", lang)
    badges = [m.value for m in page.markdown if "badge" in m.value]
    assert [("green-badge" in text) for text in badges] == [True, True, False]
    # a run of an older version kept no rules that can be applied
    assert [button.disabled for button in page.button] == [True, True, True]
    assert "2.40" in page.caption[0].value.replace("\\", "")
    # an audience made of a rule counts people of today
    assert any("mining moment" in c.value or "挖掘时点" in c.value for c in page.caption)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_rule_that_can_be_applied_can_be_made_an_audience(own_workspace):
    save_mined(own_workspace, rules("travel", 77), manifest(own_workspace, "travel"))
    page = shown(own_workspace, "travel")
    assert [button.disabled for button in page.button] == [False]
    assert "77" in page.caption[0].value
    assert not shown(own_workspace, "education").button


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_map_says_what_it_lacks(run_workspace):
    page = shown(run_workspace, "travel")
    page.toggle[0].set_value(True).run()
    assert not page.exception
    assert any("snapshot" in text.value or "features" in text.value for text in page.info)


@pytest.fixture
def cells() -> pd.DataFrame:
    row = {"scene_id": "travel", "group_id": "travel", "origin": "scene", "name_en": "Travel", "name_zh": "出行",
           "kind": "customer", "size": 100, "reached": 20, "unreached": 70, "hard": 6, "held_out": 4, "no_channel": 5,
           "blocked": 1, "contact_cap": 0, "silent": 0, "contacted_share": 0.2, "base_contacted_share": 0.4,
           "need": 1.5, "need_low": 1.2, "need_high": 1.8, "quadrant": "open", "affordable_share": 0.9,
           "headroom": np.nan, "value": 1234.0, "open_value": 1000.0}  # fmt: skip
    unknown = {**row, "group_id": "travel/1", "origin": "segment", "need": np.nan, "quadrant": "unclear"}
    return pd.DataFrame([row, unknown])


def test_the_quadrant_chart_crosses_at_the_base_and_leaves_out_what_is_not_known(cells):
    chart = scene_plots.quadrant_chart(cells, Speech("en"))
    points = [point for series in chart["series"] for point in series["data"]]
    assert [point["value"] for point in points] == [[0.5, 1.5]]
    assert chart["series"][0]["markLine"]["data"] == [{"yAxis": 1}, {"xAxis": 1}]
    assert points[0]["name"].startswith("Travel: 100 people, 70 not reached, need 1.50 (1.20 – 1.80)")
    empty = scene_plots.quadrant_chart(cells.iloc[1:], Speech("zh"))
    assert [series["data"] for series in empty["series"]] == [[]]
    assert json.dumps(chart)


def test_the_bars_say_why_people_are_hard_to_reach(cells):
    chart = scene_plots.reach_bars(cells.iloc[:1], Speech("en"))
    assert [series["data"][0]["value"] for series in chart["series"]] == [20, 70, 6, 4]
    assert chart["series"][2]["data"][0]["name"].endswith(": 6 (no permitted channel 5, blocked 1)")


def test_the_table_writes_a_dash_where_nothing_is_known(cells):
    table = scene_tables.map_table(cells, Speech("en"))
    assert table["Need with interval"].tolist() == ["1.50 (1.20\u00a0–\u00a01.80)", "–"]
    assert table["Mean free limit"].tolist() == ["–", "–"]
    assert table["Default within limits"].tolist() == ["90%", "90%"]


def test_evidence_tells_only_what_the_run_carries():
    row = rules("travel", 7).to_dict("records")[0]
    assert [name for name, _ in scene_tables.evidence(row, Speech("en"))] == [
        "People", "Not reached", "Rate", "Lift with interval", "q",
    ]  # fmt: skip
    more = {**row, "bad_rate": 0.02, "bad_low": 0.01, "bad_high": 0.03, "fairness": 0.7, "proof": "unproven",
            "fairness_by": '{"gender": 0.9, "education": 0.7}'}  # fmt: skip
    told = dict(scene_tables.evidence(more, Speech("en")))
    assert told["Bad rate"] == "2.0% (1.0% – 3.0%)"
    assert told["Fairness ratio"] == "0.70 (education)"
    assert told["Proof"] == "unproven: reach was selective"


def test_miner_options_are_checked_before_anything_is_read():
    from app.subgroup_mining import miner_settings

    assert miner_settings(read_settings(), {"top": 9}).subgroups.top == 9
    with pytest.raises(SettingsError, match=r"subgroups: depth = 99: .*; choose another"):
        miner_settings(read_settings(), {"depth": 99})
