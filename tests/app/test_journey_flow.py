"""The main job on real data: households of the Complete Journey, from its tables to a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.flow import Finished, run
from app.importing import import_journey
from scenefit.runtime.settings import read_settings
from scenefit.runtime.store import read_parquet
from scenefit.runtime.workspace import Workspace

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def finished(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    workspace = Workspace(tmp_path_factory.mktemp("journey"))
    import_journey(workspace, datasets / "dunnhumby_complete_journey")
    # monthly instead of weekly snapshots keep the quick suite quick
    return run(workspace, read_settings(workspace.root, flow={"snapshot_days": 28}), backend="local", quiet=True)


def test_habit_and_taste_rank_categories_better_than_popularity(finished):
    found = finished.manifest["metrics"]["behaviour"]
    assert found["items"] == "scene"
    for figures in (found["all"], found["new"]):
        for name in ("ndcg@10", "hit@10"):
            assert figures[name]["model"] > figures[name]["popularity"]


def test_who_redeems_is_told_on_the_campaigns_held_out(finished):
    found = finished.manifest["metrics"]["response"]
    assert found["campaigns"] == [f"campaign-{number}" for number in range(18, 23)]
    assert found["auc"] > 0.75
    assert found["ap"] > 2 * found["base_rate"]


def test_what_the_data_lacks_is_said(finished):
    metrics = finished.manifest["metrics"]
    assert "no account with repayments" in metrics["default"]["absent"]
    assert metrics["reach"][1]["step"] == "consent (not stated in the data)"
    assert metrics["effects"] == []
    assert any("Margin is taken as 25%" in sentence for sentence in finished.manifest["assumed"]["en"])
    assert not finished.manifest["dataset"]["synthetic"]


def test_the_plan_names_real_households_and_coupons(finished):
    plan = read_parquet(finished.folder / "plan.parquet").to_pandas()
    assert len(plan) == finished.manifest["metrics"]["plan"]["offered"] > 0
    assert plan["product_id"].str.startswith("coupon/").all()
    assert (plan["channel"] == "mail").all()
