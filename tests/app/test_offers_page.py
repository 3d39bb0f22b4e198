"""The page of offers over a small run with a kept case, in both languages, without a browser."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import offer_what_if_panel
from app.kept_case import write_case, write_plan
from app.offer_facts import exclusive_groups
from app.offer_what_if import Question
from app.offer_what_if_panel import KEY
from recsys.case import Case
from recsys.what_if import problem_of
from scenefit.runtime.workspace import Workspace
from tests.app.made_run import make_run
from tests.recsys.made_case import made_case

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FIGURES = 6
PEOPLE = 240


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished run that kept its case; tests may not change it."""
    workspace = make_run(tmp_path_factory.mktemp("kept"))
    case = case_of(PEOPLE)
    write_case(workspace.latest(), case)
    plan = problem_of(case, exclusive=exclusive_groups(case)).solve()
    write_plan(workspace.latest(), plan, case.limits)
    return workspace


def case_of(n: int) -> Case:
    return made_case(n, customers=np.array([f"c{i:07d}" for i in range(n)], object))


def texts(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.subheader, *page.success, *page.error)
    return "\n".join(str(e.value) for e in elements).replace("\\", "")


def press(page: AppTest, key: str) -> AppTest:
    button = next(b for b in page.button if key in (b.key or "") or key == b.label)
    button.click().run()
    assert not page.exception
    return page


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_four_tabs_stand_on_the_kept_case(shown, kept_run: Workspace, lang: str) -> None:
    page = shown(kept_run, "offers", lang)
    assert not page.error
    assert len(page.tabs) == 4
    assert len(page.metric) == FIGURES
    assert page.success[0].value.endswith("checks hold." if lang == "en" else "项检查全部通过。")
    assert texts(page).count(kept_run.latest().name) >= 2


def test_limits_are_sentences_with_prices(shown, kept_run: Workspace) -> None:
    assert "more budget earns" in texts(shown(kept_run, "offers", "en"))
    assert "预算每增加" in texts(shown(kept_run, "offers", "zh"))


def test_groups_are_compared_with_a_ratio(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")
    assert "is served at" in texts(page)
    served = next(box for box in page.selectbox if box.label == "Compare by")
    served.select("gender").run()
    assert not page.exception
    assert "compared by and never steered by" in texts(page)


def test_one_customer_is_found_by_id_and_shown_masked(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")
    page.text_input[0].input("c0000042").run()
    assert "c0•••042" in texts(page)
    assert "c0000042" not in texts(page)
    page.text_input[0].input("nobody-1").run()
    assert not page.exception
    assert "does not know the id" in texts(page)


def test_a_ringing_channel_is_quiet_at_night(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")
    stages = next(frame.value for frame in page.dataframe if "Stage" in frame.value)
    assert "offered" in set(stages["Stage"])
    next(s for s in page.slider if s.label == "Hour").set_value(23).run()
    stages = next(frame.value for frame in page.dataframe if "Stage" in frame.value)
    assert "people are left in peace at this hour" in set(stages["Why"])


def test_a_lever_moves_the_order_and_a_switch_takes_it_back(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")

    def order() -> list[str]:
        return next(frame.value for frame in page.dataframe if "Ranks by" in frame.value)["Offer"].tolist()

    before = order()
    last = before[-1].split(" · ")[0]
    names = {"Travel": "p1", "Digital": "p2", "Daily": "p3"}
    next(box for box in page.selectbox if box.label == "L: product").select(names[last]).run()
    next(n for n in page.number_input if n.label == "L: weight").set_value(10.0).run()
    assert order()[0].startswith(last)
    next(g for g in page.button_group if "lever" in str(g.options).lower()).set_value(["P", "C", "V"]).run()
    assert order() == before


def test_a_re_plan_says_before_and_after(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")
    next(s for s in page.slider if s.label == "Budget, % of now").set_value(130)
    press(page, "Plan again")
    assert len(page.metric) == 2 * FIGURES
    assert "Asked: Budget → ¥12" in texts(page).replace("*", "")
    assert "people get another offer" in texts(page)


def test_limits_that_conflict_are_said_with_a_way_out(shown, kept_run: Workspace) -> None:
    page = shown(kept_run, "offers")
    floor = replace(case_of(PEOPLE).limits[-1], total=10_000.0)
    assert floor.name.startswith("reach")
    page.session_state[KEY] = Question(((floor.name, floor.total),))
    page.run()
    assert not page.exception
    assert "cannot be met together" in page.error[0].value
    assert "lower" in texts(page)


def test_the_frontier_waits_for_its_button(shown, kept_run: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_what_if_panel, "SHARES", (1.0, 1.5))
    page = shown(kept_run, "offers")
    assert "nothing is computed until the button is pressed" in texts(page)
    press(page, "frontier_")
    table = next(frame.value for frame in page.dataframe if "One more unit earns" in frame.value)
    assert len(table) == 2


def test_subgroups_are_read_by_group_and_by_product(shown, kept_run: Workspace) -> None:
    page = press(shown(kept_run, "offers"), "subgroups_")
    table = next(frame.value for frame in page.dataframe if "Most are kept by" in frame.value)
    assert table["Product"].iloc[0] in ("Travel", "Digital", "Daily")
    next(box for box in page.selectbox if box.label == "Look at").select("product p2").run()
    table = next(frame.value for frame in page.dataframe if "Most are kept by" in frame.value)
    assert len(table) == 2


def test_an_older_run_says_what_it_lacks(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "offers")
    assert "This run kept no case" in texts(page)
    assert len(page.tabs) == 0
    assert len(page.metric) == FIGURES


def test_a_damaged_case_gives_one_sentence(shown, kept_run: Workspace, tmp_path: Path) -> None:
    broken = Workspace(shutil.copytree(kept_run.root, tmp_path / "w"))
    for file in (broken.latest() / "models" / "case").iterdir():
        file.write_bytes(b"x")
    assert len(shown(broken, "offers").error) == 1
