"""The models part of Models & features without a browser: versions, figures, who is chosen, promote and roll back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import model_charts, model_response, model_tables
from app.i18n import Speech
from app.model_tables import models_folder
from app.serve import MAIN
from recsys import champions
from recsys.champions import Judged
from scenefit.runtime.catalogue import catalogue
from scenefit.runtime.workspace import Workspace

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
AT = "2026-07-01T00:00:00+00:00"


def facts(gain: float) -> dict:
    curve = [{"low": 0.01, "high": 0.02, "promised": 0.015 * i, "observed": 0.014 * i, "rows": 300,
              "observed_low": 0.01 * i, "observed_high": 0.02 * i} for i in range(1, 6)]  # fmt: skip
    lift = [{"bin": i, "rows": 300, "observed": 0.1 / i, "lift": 2.0 / i, "captured": i / 5} for i in range(1, 6)]
    segment = {"group": "travel/0", "rows": 900, "customers": 150, "promised": 0.02, "observed": 0.02, "ece": 0.004,
               "ndcg": 0.41}  # fmt: skip
    return {
        "model": "next-offer", "als": {"factors": 8, "regularization": 20.0, "alpha": 4.0, "iterations": 5, "seed": 0},
        "products": ["P01", "P02"], "features": ["spend_90d"], "service": "offers_v1", "registered_at": AT,
        "registered_by": "lee", "data": {"name": "made-run", "fingerprint": "f" * 64, "synthetic": True,
                                         "currency": "CNY"},
        "as_of": "2026-06-30T16:00:00+00:00", "edges": ["2026-05-05T16:00:00+00:00", "2026-06-02T16:00:00+00:00",
                                                        "2026-06-30T16:00:00+00:00"],
        "seed": 0, "takes": 1200, "customers": 600,
        "quality": {"customers": 400, "ece": 0.0123, "base_rate": 0.03, "curve": curve, "lift": lift,
                    "ndcg@10": {"model": 0.4 + gain, "popularity": 0.4, "difference": gain, "low": gain - 0.02,
                                "high": gain + 0.02},
                    "by_offer": [{"group": "P01", "rows": 400, "promised": 0.1, "observed": 0.12, "ece": 0.02}],
                    "by_segment": [segment],
                    "correction": {"method": "none", "gain": 0.0, "low": 0.0, "high": 0.0, "before": None,
                                   "after": None}},
    }  # fmt: skip


def add(workspace: Workspace, gain: float) -> int:
    names = np.array([f"c{i:07d}" for i in range(400)])
    people = np.random.default_rng(1).normal(0, 0.1, 400)
    judged = Judged("june", names, 0.4 + gain + people, 0.4 + people + np.tile([0.01, -0.01], 200))
    return champions.register(models_folder(workspace), {"coef": np.ones(2)}, facts(gain), judged, AT, "lee")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """The page with its models open."""

    def show(workspace: Workspace, lang: str = "en", tab: int = 1) -> AppTest:
        monkeypatch.setenv("SCENEFIT_WORKSPACE", str(workspace.root))
        page = AppTest.from_file(str(MAIN), default_timeout=60)
        for key, value in {"lang": lang, "features_tab": tab}.items():
            page.session_state[key] = value
        page.run()
        page.switch_page("views/features.py").run()
        assert not page.exception
        return page

    return show


@pytest.fixture
def two_versions(own_workspace: Workspace) -> Workspace:
    """A workspace whose first version is the champion and whose second is worse."""
    add(own_workspace, 0.1)
    add(own_workspace, 0.05)
    champions.promote(models_folder(own_workspace), 1, AT, "lee", np.random.default_rng(0))
    return own_workspace


def said(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.success, *page.error)
    return "\n".join(str(e.value) for e in elements).replace("\\", "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_workspace_without_versions_says_how_to_fit_one(
    opened: Callable[..., AppTest], run_workspace: Workspace, lang: str
) -> None:
    page = opened(run_workspace, lang)
    assert any("scenefit recs fit" in str(code.value) for code in page.code)


def test_models_are_not_read_before_their_tab_is_opened(
    opened: Callable[..., AppTest], two_versions: Workspace
) -> None:
    page = opened(two_versions, tab=0)
    assert len(page.tabs) == 2
    assert "Champion and challengers" not in [s.value for s in page.subheader]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_champion_and_challengers_stand_with_their_figures(
    opened: Callable[..., AppTest], two_versions: Workspace, lang: str
) -> None:
    page = opened(two_versions, lang)
    figures = [m.value for m in page.metric]
    assert {"v1", "1", "0.500", "0.0123", "2026-07-01"} <= set(figures)


def test_the_table_of_versions_says_who_decides_and_how_sure_the_gain_is(
    opened: Callable[..., AppTest], two_versions: Workspace
) -> None:
    table = next(d.value for d in opened(two_versions).dataframe if "State" in d.value)
    assert table["State"].tolist() == ["challenger", "champion"]
    assert table["above popularity"].tolist() == ["+0.050 [+0.030, +0.070]", "+0.100 [+0.080, +0.120]"]


def test_a_worse_challenger_is_refused_on_the_page_and_forced_only_with_a_reason(
    opened: Callable[..., AppTest], two_versions: Workspace
) -> None:
    page = opened(two_versions)
    promote = next(b for b in page.button if b.label == "Promote")
    promote.click().run()
    assert "not surely better than version 1" in said(page)
    assert champions.champion(models_folder(two_versions)) == 1

    page.checkbox(key="models_force").check()
    page.text_input(key="models_reason").input("smaller")
    next(b for b in page.button if b.label == "Promote").click().run()
    assert "v2 is the champion now" in said(page)
    assert champions.champion(models_folder(two_versions)) == 2

    page.text_input(key="models_reason").input("complaints")
    next(b for b in page.button if b.label == "Roll back").click().run()
    assert champions.champion(models_folder(two_versions)) == 1
    with catalogue(two_versions.catalogue) as connection:
        rows = connection.execute("SELECT action, detail FROM audit ORDER BY seq").fetchall()
    assert [action for action, _ in rows] == ["recs promote", "recs promote", "recs rollback"]
    assert [json.loads(detail)["state"] for _, detail in rows] == ["failed", "done", "done"]


def test_a_changed_model_file_is_said_and_the_rest_of_the_page_stands(
    opened: Callable[..., AppTest], own_workspace: Workspace
) -> None:
    add(own_workspace, 0.1)
    (models_folder(own_workspace) / "v0001" / "coef.npy").write_bytes(b"no array")
    page = opened(own_workspace)
    assert "changed since it was saved" in said(page)
    assert "Whom the plan chooses" in [s.value for s in page.subheader]


def test_the_model_card_states_data_window_settings_features_and_limits(
    opened: Callable[..., AppTest], two_versions: Workspace
) -> None:
    page = opened(two_versions)
    card = {}
    for table in page.table:
        if table.value.shape[1] == 2:
            card |= dict(table.value.itertuples(index=False))
    card = {name: value.replace("\\", "") for name, value in card.items()}
    assert card["Data"] == "made-run (synthetic)"
    assert card["Judged on"].startswith("takes from 2026-06-03 to 2026-07-01")
    assert "factors 8" in card["Settings"]
    assert "spend" in card["Features"]
    assert "not causal" in said(page)
    assert "synthetic data" in said(page)


def test_charts_are_plain_and_speak_both_languages() -> None:
    versions = [{**facts(0.1), "version": 1, "champion": True}, {**facts(-0.1), "version": 2, "champion": False}]
    rows = [{"group": "a", "people": 100, "rate": 0.5, "ratio": 1.0}, {"group": "b", "people": 50, "rate": 0.2,
                                                                     "ratio": 0.4}]  # fmt: skip
    for lang in ("en", "zh"):
        say = Speech(lang)
        quality = versions[0]["quality"]
        made = [
            model_charts.calibration_chart(quality["curve"], say),
            model_charts.lift_chart(quality["lift"], say),
            model_charts.versions_chart(versions, say),
            model_charts.selection_chart(rows, ["a", "b"], say),
        ]
        assert json.loads(json.dumps(made)) == made
    colours = [mark["itemStyle"]["color"] for mark in made[3]["series"][0]["data"]]
    assert colours[0] != colours[1]
    assert made[3]["series"][0]["markLine"]["data"][0]["xAxis"] == pytest.approx(0.4)


def test_a_run_without_figures_has_no_bars() -> None:
    assert model_tables.run_quality({"offers": {"absent": "nothing was taken"}}, Speech("en")).empty


def test_the_page_opens_without_scikit_learn_implicit_or_feast() -> None:
    code = (
        "import sys, app.model_panels\n"
        "print([m for m in ('sklearn', 'implicit', 'feast', 'ray', 'numba') if m in sys.modules])"
    )
    words = [sys.executable, "-c", code]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_correction_that_helps_is_told_with_its_held_out_error() -> None:
    quality = facts(0.1)["quality"] | {"correction": {"method": "isotonic", "before": 0.02, "after": 0.005}}
    assert "falls from 0.0200 to 0.0050" in model_tables.calibration_note(quality, Speech("en"))


def keep_response(workspace: Workspace) -> None:
    """Give the newest run a response model that was judged on held-out offers of two channels, and its case."""
    from app.kept_case import write_case
    from app.recs_response import RESPONSE
    from scenefit.runtime import models
    from tests.recsys.made_case import made_case

    rng, n = np.random.default_rng(0), 1_000
    p = rng.random(n) / 3
    held = {"who": rng.integers(0, 300, n), "product": rng.integers(0, 2, n), "channel": np.arange(n) % 2, "p": p,
            "took": rng.random(n) < p}  # fmt: skip
    none = {"method": "none", "gain": 0.0, "low": 0.0, "high": 0.0, "before": None, "after": None, "slope": 1.0,
            "shift": 0.0, "x": [], "y": []}  # fmt: skip
    facts = {"channels": ["call", "sms"], "products": ["p1", "p2"], "campaigns": ["C9"],
             "correction": {"common": none, "shifts": [0.0, 0.0], "gain": 0.0, "low": 0.0, "high": 0.0,
                            "before": None, "after": None}}  # fmt: skip
    folder = workspace.latest()
    models.save(folder / RESPONSE, {f"held_out_{name}": values for name, values in held.items()}, facts)
    write_case(folder, made_case(300))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_who_takes_when_offered_stands_with_lift_and_profit_by_channel(
    opened: Callable[..., AppTest], own_workspace: Workspace, lang: str
) -> None:
    keep_response(own_workspace)
    page = opened(own_workspace, lang)
    offers = Speech(lang).t("Offers")
    assert next(m.value for m in page.metric if m.label == offers) == "1,000"
    table = next(d.value for d in page.dataframe if Speech(lang).t("Profit of the first tenth") in d.value)
    assert len(table) == 2
    page.session_state[f"models_channel_{lang}"] = "sms"
    page.run()
    assert not page.exception
    assert next(m.value for m in page.metric if m.label == offers) == "500"


def test_a_run_without_held_out_offers_says_so(opened: Callable[..., AppTest], run_workspace: Workspace) -> None:
    assert "kept no offers of held-out campaigns" in said(opened(run_workspace))


def test_products_without_any_offer_are_told_of_as_unknown(
    opened: Callable[..., AppTest], run_workspace: Workspace
) -> None:
    page = opened(run_workspace)
    table = next(d.value for d in page.dataframe if "Rests on" in d.value)
    assert set(table["Rests on"]) <= {"nothing known", "starting evidence", "own offers"}
    assert "nothing is known from offers" in said(page)


def test_the_profit_chart_marks_the_best_depth() -> None:
    rows = [{"bin": 1, "profit": 50.0, "per_contact": 5.0, "total": 50.0, "best": True},
            {"bin": 2, "profit": -10.0, "per_contact": -1.0, "total": 40.0, "best": False}]  # fmt: skip
    chart = model_charts.profit_chart(rows, Speech("zh"))
    assert json.loads(json.dumps(chart)) == chart
    bars, line = chart["series"]
    assert bars["data"][0]["itemStyle"] != bars["data"][1]["itemStyle"]
    assert [point["symbolSize"] for point in line["data"]] == [13, 6]


def test_a_correction_that_acts_in_the_plan_is_told() -> None:
    found = {"method": "temperature", "by_offer": True, "before": 0.02, "after": 0.005}
    told = model_response.correction_note(found, Speech("en"))
    assert "a shift for each product" in told
    assert "falls from 0.0200 to 0.0050" in told
