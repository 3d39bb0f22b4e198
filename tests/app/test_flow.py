"""The main job, end to end, on a small synthetic world."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from app.backtests import case_then
from app.flow import Finished, run
from app.kept_case import read_case, read_plan
from app.synthetic import write_world
from recsys.case import case_limits, case_value
from recsys.limits import usage
from scenefit.contracts.errors import NotEligible, SettingsError
from scenefit.contracts.reach import bucket
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import RUN
from scenefit.runtime.parallel import stop_ray
from scenefit.runtime.settings import Settings, read_settings
from scenefit.runtime.store import read, read_parquet, replace_raw
from scenefit.runtime.workspace import Workspace


def small_settings() -> Settings:
    return read_settings(
        flow={"scene_members": 100, "max_scenes": 3, "label_windows": 3},
        segments={"k_max": 4, "seeds": 2},
        recommend={"factors": 8, "iterations": 3},
    )


def bytes_of(folder: Path) -> dict[str, str]:
    """Digest of every file of a run but its timings."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "timings.json"
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("world"))
    write_world(workspace, customers=2_000, seed=3)
    return workspace


@pytest.fixture(scope="module")
def finished(world: Workspace) -> Finished:
    return run(world, small_settings(), backend="local", quiet=True)


def test_every_table_of_the_run_keeps_its_contract(finished):
    for name, table in RUN.items():
        check_arrow(read_parquet(finished.folder / f"{name}.parquet"), table)


def test_latest_points_at_the_finished_run(world, finished):
    assert world.latest() == finished.folder
    assert json.loads((finished.folder / "manifest.json").read_text("utf8")) == finished.manifest


def test_nobody_gets_an_offer_that_a_rule_forbids(world, finished):
    plan = read_parquet(finished.folder / "plan.parquet").to_pandas()
    scores = read_parquet(finished.folder / "scores.parquet").to_pandas()
    assert plan["customer_id"].is_unique
    people = pd.concat([pd.read_parquet(file) for file in (world.raw / "customers").glob("*.parquet")])
    products = pd.read_parquet(world.raw / "products").set_index("product_id")
    blocked = pd.concat([pd.read_parquet(file) for file in (world.raw / "blocklists").glob("*.parquet")])
    stands = blocked["until"].isna() | (blocked["until"] > pd.Timestamp(finished.manifest["as_of"]))
    assert not plan["customer_id"].isin(blocked.loc[stands, "customer_id"]).any()
    ages = 2026 - people.set_index("customer_id")["birth_year"].reindex(plan["customer_id"]).to_numpy(float)
    limits = products.loc[plan["product_id"], ["age_min", "age_max"]].to_numpy(float)
    assert not (ages < limits[:, 0]).any()
    assert not (ages > limits[:, 1]).any()
    assert set(products.loc[scores["product_id"].unique(), "state"]) == {"live"}


def test_nobody_is_planned_who_may_not_be_contacted_on_that_channel(world, finished):
    """Consent, objections, contact cap and hold-out, computed again from the raw tables."""
    plan = read_parquet(finished.folder / "plan.parquet").to_pandas()
    as_of = pd.Timestamp(finished.manifest["as_of"])
    tables = {name: frame_of(read(world, name)) for name in ("consents", "events", "accounts")}
    consents = tables["consents"].query("purpose == 'marketing'")
    newest = (
        consents[consents["at"] <= as_of].sort_values("at").drop_duplicates(["customer_id", "channel"], keep="last")
    )
    valid = newest[newest["granted"].astype(bool) & ~(newest["expires"] <= as_of)]
    permitted = set(zip(valid["customer_id"], valid["channel"], strict=True))
    assert set(zip(plan["customer_id"], plan["channel"], strict=True)) <= permitted
    events = tables["events"]
    complained = events.loc[events["kind"] == "complaint", ["customer_id", "at"]].merge(valid, on="customer_id")
    silenced = complained[complained["at_x"] >= complained["at_y"]]
    assert not set(zip(silenced["customer_id"], silenced["channel"], strict=True)) & set(
        zip(plan["customer_id"], plan["channel"], strict=True)
    )
    recent = events[(events["kind"] == "sent") & (events["at"] >= as_of - pd.Timedelta(days=30))]
    assert recent["customer_id"].value_counts().reindex(plan["customer_id"]).fillna(0).max() < 3
    assert (bucket(list(plan["customer_id"]), "global hold-out") >= 0.05).all()
    opened = tables["accounts"].query("status == 'open'")
    owned = set(zip(opened["customer_id"], opened["product_id"], strict=True))
    assert not owned & set(zip(plan["customer_id"], plan["product_id"], strict=True))


def test_no_offer_is_expected_to_lose(finished):
    assert (read_parquet(finished.folder / "plan.parquet").to_pandas()["value"] > 0).all()


def test_the_plan_keeps_its_limits_and_its_bound(finished):
    plan = finished.manifest["metrics"]["plan"]
    for limit in plan["limits"]:
        room = 1e-6 * max(1.0, limit["total"])
        assert (
            limit["used"] <= limit["total"] + room if limit["sense"] == "<=" else limit["used"] >= limit["total"] - room
        )
    assert plan["value"] <= plan["upper_bound"] * (1 + 1e-9)
    assert plan["value"] >= plan["greedy_value"] - 1e-6


def test_the_summary_of_cells_adds_up_to_the_plan(finished):
    plan = read_parquet(finished.folder / "plan.parquet").to_pandas()
    cells = read_parquet(finished.folder / "plan_cells.parquet").to_pandas()
    assert cells["customers"].sum() == len(plan) == finished.manifest["metrics"]["plan"]["offered"]
    assert np.isclose(cells["value"].sum(), plan["value"].sum())


def test_a_second_run_gives_the_same_bytes_even_without_the_truth(world, finished, tmp_path):
    """No model may read truth/: without it nothing changes."""
    again = Workspace(tmp_path / "copy")
    shutil.copytree(world.raw, again.raw)
    second = run(again, small_settings(), backend="local", quiet=True)
    assert bytes_of(second.folder) == bytes_of(finished.folder)


@pytest.mark.ray
def test_ray_and_local_threads_give_the_same_bytes(world, finished, tmp_path):
    again = Workspace(tmp_path / "copy")
    shutil.copytree(world.raw, again.raw)
    try:
        second = run(again, small_settings(), backend="ray", quiet=True)
    finally:
        stop_ray()
    assert bytes_of(second.folder) == bytes_of(finished.folder)


def test_the_plan_is_rebuilt_from_the_run_without_running_it(finished):
    case, (plan, specs) = read_case(finished.folder), read_plan(finished.folder)
    said = finished.manifest["metrics"]["plan"]
    value = case_value(case)
    who = np.flatnonzero(plan.assignment >= 0)
    what = plan.assignment[who]
    assert round(value.value[who, what].sum(), 2) == round(said["value"], 2) == round(plan.value, 2)
    assert round(value.expected_loss[who, what].sum(), 2) == round(said["expected_loss"], 2)
    assert case.allowed[who, what].all()
    assert specs == case.limits
    limits = case_limits(case, value)
    assert [(limit.name, limit.total) for limit in limits] == [(one["name"], one["total"]) for one in said["limits"]]
    assert [usage(limit, plan.assignment) for limit in limits] == pytest.approx([x["used"] for x in said["limits"]])
    table = read_parquet(finished.folder / "plan.parquet").to_pandas()
    assert table["customer_id"].tolist() == case.customers[who].tolist()
    offers = case.offers.iloc[what]
    assert table[["product_id", "channel"]].to_numpy().tolist() == offers[["product_id", "channel"]].to_numpy().tolist()


def test_channels_are_chosen_and_counted(finished):
    plan = read_parquet(finished.folder / "plan.parquet").to_pandas()
    assert finished.manifest["metrics"]["plan"]["offered_by_channel"] == plan["channel"].value_counts().to_dict()
    assert plan["channel"].nunique() > 1


def test_every_person_counts_once_for_every_product(finished):
    found = read_parquet(finished.folder / "eligibility.parquet").to_pandas()
    people = finished.manifest["metrics"]["reach"][0]["customers"]
    assert (found.groupby("product_id")["customers"].sum() == people).all()
    assert set(found["stage"].dropna()) == {"eligibility", "applicability", "suitability", "contact"}
    assert found.loc[found["stage"].isna(), "reason"].unique().tolist() == ["eligible"]


def test_a_case_says_terms_and_rules_of_its_offers_and_how_sure_its_models_are(world, finished):
    case = read_case(finished.folder)
    columns = ["scenes", "state", "valid_from", "valid_to", "tenor_months", "discount_rate", "pd_max", "age_min",
               "age_max", "amount", "apr", "funding_cost"]  # fmt: skip
    assert set(columns) <= set(case.offers.columns)
    assert (case.offers["state"] == "live").all()
    stated = pd.read_parquet(world.raw / "products").set_index("product_id")
    first = case.offers.drop_duplicates("product_id").set_index("product_id")
    scenes = stated["scenes"].reindex(first.index).map(lambda told: "" if told is None else ",".join(told))
    assert first["scenes"].tolist() == scenes.tolist()
    for name, errors in (("response", case.logit_error), ("default", case.pd_error)):
        learned = "absent" not in finished.manifest["metrics"][name]
        assert ((errors > 0) == learned).all()


@pytest.fixture(scope="module")
def without_campaigns(world, tmp_path_factory) -> Workspace:
    """The small world as of a firm that never ran a campaign."""
    workspace = Workspace(tmp_path_factory.mktemp("quiet"))
    left = {name for name in world.dataset().rows if name not in {"campaigns", "arms", "assignments"}}
    with replace_raw(workspace, world.dataset()) as writer:
        for name in sorted(left):
            table = read(world, name)
            if name == "events":
                table = table.filter(pc.is_null(table["campaign_id"]))
            writer.add(name, table)
    return workspace


def test_data_without_campaigns_gets_a_plan(without_campaigns):
    found = run(without_campaigns, small_settings(), backend="local", quiet=True)
    figures = found.manifest["metrics"]
    assert "absent" in figures["response"]
    assert figures["effects"] == []
    assert figures["plan"]["offered"] > 0
    assert (read_case(found.folder).logit_error == 0).all()


@pytest.mark.slow
def test_a_moment_of_the_past_is_decided_without_the_pin(world, monkeypatch):
    """A champion pinned since may have learned from what came after."""

    def refused(*_args: object) -> None:
        raise SettingsError("champions: version 1, which is pinned, learned until later")

    monkeypatch.setattr("app.flow.pinned_champion", refused)
    moment = world.dataset().until - pd.Timedelta(days=28)
    assert case_then(world, small_settings(), moment).allowed.any()


def test_an_interrupted_run_leaves_the_previous_one(world, finished, monkeypatch):
    before = bytes_of(finished.folder)

    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("app.outcome.write_models", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(world, small_settings(), backend="local", quiet=True)
    assert world.latest() == finished.folder
    assert bytes_of(finished.folder) == before
    assert [entry.name for entry in world.runs.iterdir()] == [finished.folder.name]


def test_a_moment_after_the_data_is_refused(world):
    with pytest.raises(SettingsError, match=r"after the end of the data .* choose an earlier one"):
        run(world, small_settings(), as_of=pd.Timestamp("2030-01-01", tz="UTC"), backend="local", quiet=True)


def test_scenes_without_enough_people_are_named(world):
    with pytest.raises(NotEligible, match=r"none has 1,000,000 active people .* lower flow.scene_members"):
        run(world, read_settings(flow={"scene_members": 1_000_000}), backend="local", quiet=True)
