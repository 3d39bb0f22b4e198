"""A re-planned list on a real randomised credit offer, judged by its own arms.

`python -m benchmarks.backtest_real` prints the table. Areas were randomised, so splits and intervals go by area.
The features are what a lender could know beforehand: the area before the offer, and facts of the household that a loan
hardly moves; the data set measures the latter at the first endline.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.report import Report, Table, markdown
from campaign.offpolicy import gain
from campaign.offpolicy_list import bad_rate_of

NAME = "backtest_real"
COMMAND = "python -m benchmarks.backtest_real"
SPLITS = 6
CONTACTED = 0.5  # share of households that both lists contact
BEFORE = (
    "old_biz", "any_old_biz", "area_pop_base", "area_debt_total_base", "area_business_total_base",
    "area_exp_pc_mean_base", "area_literate_head_base", "area_literate_base", "hhsize_1", "adults_1", "children_1",
    "male_head_1", "head_age_1", "head_noeduc_1", "women1845_1", "anychild1318_1", "spouse_literate_1",
    "spouse_works_wage_1", "ownland_hyderabad_1", "ownland_village_1",
)  # fmt: skip
LISTS = ("by extra takers", "by takers")


class Judged(NamedTuple):
    """One list on one half of the areas, per 1,000 households, against contacting as many at random."""

    split: int
    list_name: str
    households: int
    effective: float
    takers: tuple[float, float, float]
    performing: tuple[float, float, float]
    bad_rate: float
    random_bad_rate: float


def report(repeats: int | None = None) -> Report:
    """All splits and lists."""
    rows = judged(households(), repeats or SPLITS)
    return Report(
        NAME, "the last list, planned again, on a randomised credit offer", (), (table(rows),), findings(rows)
    )


def households() -> pd.DataFrame:
    """Households seen at the first endline whose loan is known."""
    folder = Path(os.environ.get("SCENEFIT_DATASETS", Path(__file__).parents[2] / "shared" / "data"))
    frame = pd.read_parquet(folder / "cmf_microcredit_rct" / "endlines1and2.parquet")
    return frame[frame["spandana_1"].notna() & frame["everlate_1"].notna()].reset_index(drop=True)


def judged(frame: pd.DataFrame, splits: int) -> list[Judged]:
    """Each list on each half of the areas that it did not learn from."""
    return [row for split in range(splits) for row in judged_split(frame, split)]


def judged_split(frame: pd.DataFrame, split: int) -> list[Judged]:
    """Learn on half of the areas of each arm, judge on the other half."""
    rng = np.random.default_rng(split)
    areas = frame.drop_duplicates("areaid")[["areaid", "treatment"]].sort_values("areaid")
    learnt = [rng.permutation(group["areaid"].to_numpy())[: len(group) // 2] for _, group in areas.groupby("treatment")]
    inside = frame["areaid"].isin(np.concatenate(learnt)).to_numpy(bool)
    shown = frame["treatment"].to_numpy(int)
    took = frame["spandana_1"].to_numpy(float)
    bad = frame["everlate_1"].to_numpy(float)
    scores = ranked_by(frame[list(BEFORE)].to_numpy(float), shown, took, inside, split)
    past = [part[~inside] for part in (shown, took, bad, frame["areaid"].to_numpy())]
    return [_judged(split, name, scores[name][~inside], *past) for name in LISTS]


def ranked_by(
    x: np.ndarray, shown: np.ndarray, took: np.ndarray, inside: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Chance to take when offered, and its difference to the chance without an offer, learned on some households."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    chance = {}
    for arm in (0, 1):
        rows = inside & (shown == arm)
        model = HistGradientBoostingClassifier(
            max_iter=60,
            learning_rate=0.05,
            min_samples_leaf=60,
            max_leaf_nodes=8,
            l2_regularization=5,
            random_state=seed,
        )
        chance[arm] = model.fit(x[rows], took[rows]).predict_proba(x)[:, 1]
    return {"by extra takers": chance[1] - chance[0], "by takers": chance[1]}


def _judged(
    split: int, name: str, score: np.ndarray, shown: np.ndarray, took: np.ndarray, bad: np.ndarray, area: np.ndarray
) -> Judged:
    chosen = np.zeros(len(score), bool)
    chosen[np.argsort(-score, kind="stable")[: round(CONTACTED * len(score))]] = True
    policy = np.column_stack([~chosen, chosen]).astype(float)
    half = np.full(len(score), 0.5)
    found = {
        outcome: gain(reward, shown, half, policy, clusters=area)
        for outcome, reward in {"takers": took, "performing": took * (1 - bad)}.items()
    }
    weight = policy[np.arange(len(score)), shown] / half
    ours, random = (bad_rate_of(took == 1, bad, one) for one in (weight, np.ones(len(score))))
    takers, performing = (
        (1000 * found[one].value, 1000 * found[one].low, 1000 * found[one].high) for one in ("takers", "performing")
    )
    return Judged(
        split, name, len(score), found["takers"].effective, takers, performing,
        float("nan") if ours is None else ours.share, float("nan") if random is None else random.share,
    )  # fmt: skip


def table(rows: list[Judged]) -> Table:
    """Every split and list, none left out."""
    return Table(
        "Against as many households contacted at random, per 1,000 households; areas the list did not learn from",
        ("split", "list", "households", "effective", "extra borrowers (95 %)", "extra never late (95 %)",
         "late of borrowers", "late, random"),
        tuple(
            (str(r.split), r.list_name, f"{r.households:,}", f"{r.effective:,.0f}", _interval(r.takers),
             _interval(r.performing), f"{r.bad_rate:.1%}", f"{r.random_bad_rate:.1%}")
            for r in rows
        ),
    )  # fmt: skip


def findings(rows: list[Judged]) -> tuple[str, ...]:
    """What the splits say together."""
    told = []
    for name in LISTS:
        own = np.array([r.takers for r in rows if r.list_name == name])
        sure = int((own[:, 1] > 0).sum())
        told.append(
            f"Contacting half of the households {name}: {own[:, 0].mean():+.1f} borrowers per 1,000 households against "
            f"as many at random (splits {own[:, 0].min():+.1f} to {own[:, 0].max():+.1f}; interval above 0 "
            f"in {sure} of {len(own)})."
        )
    return tuple(told)


def _interval(found: tuple[float, float, float]) -> str:
    value, low, high = found
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    print(markdown(report(), COMMAND))
