"""What a plan of a whole run is worth under the true chances of the synthetic world, against lists made by hand.

A run of the engine learns chances and defaults from raw tables; its case, with text messages as the only channel, is
planned by its estimates. Every plan is judged by the world's own probabilities of take and default, at equal bad rate.

python -m benchmarks.matching_world --page     # 5 seeds × 3 difficulties × 2 tightness levels, some 30 minutes
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.plan_limits import limit_specs
from benchmarks.harness import ROOT
from benchmarks.matching_hands import Known, Room
from benchmarks.matching_truth import Truth, aligned, by_message, knowable_chances, run_case, true_chances
from benchmarks.matching_value import (
    ORACLE,
    OURS,
    SAME,
    Judged,
    Method,
    World,
    changed_offers,
    cut_off,
    judged,
    methods,
    planned,
)
from benchmarks.report import replace_section
from recsys.case import Case, case_value
from recsys.value import Value, worth
from scenefit.contracts.errors import Infeasible, NotEligible
from scenefit.runtime.settings import LimitSettings

PAGE, NAME = ROOT / "docs" / "matching.md", "matching_world"
CUSTOMERS, SEEDS, DIFFICULTIES = 20_000, 5, ("easy", "normal", "hard")
# share of the run's capacities, and of the money and expected loss that plans without totals would use
TIGHTNESS = {"half": 0.5, "quarter": 0.25}
TAKE_RATE, PER_COST = "rank by take-rate and fill", "value per cost, floors first"
KNOWABLE = "oracle but for pure chance"
GOALS = {TAKE_RATE: 1.10, PER_COST: 1.01, ORACLE: 0.90}
# shares of people that a cut-off of default may leave
LEFT = (0.8, 0.6, 0.45, 0.3)
HEADER = (
    "| world, seed | limits | method | profit | plan ÷ method | bad rate | offers | floors missed "
    "| profit at equal bad rate | plan ÷ method | bad rate | offers |\n" + 12 * "|---" + "|"
)


class Setting(NamedTuple):
    """One world at one tightness."""

    difficulty: str
    seed: int
    level: str


class Found(NamedTuple):
    """Every method under the same limits, and at the same bad rate (None: no cut-off brings it there).

    takers, default : believed ÷ true takers and bad rate of the plan; moved : share of offers changed by 1 % of noise
    """

    free: dict[str, Judged]
    equal: dict[str, Judged | None]
    takers: float
    default: float
    moved: float


def world_of(case: Case, truth: Truth, share: float) -> World:
    """A case by its estimates and by the truth, under a share of its limits.

    The oracle may also use pairs that the estimates hold to be worthwhile, so that it can keep the same floors.
    """
    believed = case_value(case)
    true = _true_value(case, truth)
    good = case.allowed & (believed.value > 0)
    group = np.unique(case.groups["segment_id"].to_numpy(str), return_inverse=True)[1].astype(np.int64)
    planner = _known(case, case.p_take.astype(np.float64), believed, good, group)
    oracle = _known(case, truth.offered, true, good | (case.allowed & (true.value > 0)), group)
    return World(planner, oracle, case.pd_given_take, truth.default, _room(case, believed, planner, share))


def _true_value(case: Case, truth: Truth) -> Value:
    loss_if_taken = truth.default[:, None] * case.lgd * case.terms.amount
    incentive = truth.offered * case.terms.incentive
    gained = worth(truth.offered, truth.without, case.terms.margin, loss_if_taken, incentive, case.contact_cost)
    return Value(gained, truth.offered * loss_if_taken, incentive)


def _known(case: Case, chance: np.ndarray, found: Value, allowed: np.ndarray, group: np.ndarray) -> Known:
    cost = case.contact_cost[None, :] + found.expected_incentive
    return Known(chance, found.value, cost, found.expected_loss, allowed, group)


def _room(case: Case, value: Value, planner: Known, share: float) -> Room:
    capacity = {str(name): float(total) for name, total in case.facts["capacity"].items()}
    specs = limit_specs(case, value, LimitSettings(), capacity)
    total = {spec.name: spec.total for spec in specs}
    held = [total.get(f"capacity {product}", np.inf) for product in case.offers["product_id"]]
    free = np.where(planner.allowed, planner.value, -np.inf)
    who = np.flatnonzero(planner.allowed.any(axis=1))
    best = free.argmax(axis=1)[who]
    budget, loss = planner.cost[who, best].sum(), planner.loss[who, best].sum()
    segments = np.unique(case.groups["segment_id"].to_numpy(str))
    return Room(
        np.floor(share * np.minimum(held, len(case.customers))),
        min(total["budget"], share * float(budget)),
        min(total.get("expected loss", np.inf), share * float(loss)),
        np.array([total.get(f"reach {segment}", 0.0) for segment in segments]),
    )


def message_case(folder: Path, size: int, seed: int, difficulty: str) -> Case:
    """The run's case by text message alone; `facts` hold the capacity of every product that has one."""
    whole = run_case(folder, size, seed, difficulty)
    capacity = {
        spec.offers["product_id"][0]: spec.total
        for spec in whole.limits
        if spec.name.startswith("capacity ") and spec.offers is not None
    }
    case = by_message(whole)
    return replace(case, facts={**case.facts, "capacity": capacity})


def found_in(case: Case, truth: Truth, knowable: Truth, share: float, seed: int) -> Found:
    """All methods on one world at one tightness."""
    one = world_of(case, truth, share)
    informed = world_of(case, knowable, share).true
    made = methods(one)
    made[KNOWABLE] = lambda highest: planned(cut_off(informed, knowable.default, highest), one.room)
    free = {name: judged(one, method(1.0)) for name, method in made.items()}
    cut = {name: stricter(one, made[name]) for name in free if name not in (ORACLE, KNOWABLE)}
    # the lowest rate that all reach; the oracles are below it by what they know
    target = max(min(plan.bad_rate for plan in (free[name], *plans)) for name, plans in cut.items())
    equal = {name: best_within([free[name], *cut.get(name, [])], target) for name in free}
    plan = planned(one.believed, one.room)
    who = np.flatnonzero(plan >= 0)
    believed, true = one.believed.chance[who, plan[who]], one.true.chance[who, plan[who]]
    default = float((believed * one.default_believed[who]).sum() / believed.sum())
    return Found(
        free, equal, float(believed.sum() / true.sum()), default / free[OURS].bad_rate, changed_offers(one, seed)
    )


def stricter(one: World, method: Method) -> list[Judged]:
    """The method's plans by ever stricter cut-offs of estimated default, as far as the floors allow."""
    default, found = np.sort(one.default_believed), []
    for left in LEFT:
        try:
            found.append(judged(one, method(float(default[int(left * (len(default) - 1))]))))
        except (Infeasible, NotEligible):
            # too strict: whom the floors ask for is cut off
            break
    return found


def best_within(plans: list[Judged], target: float) -> Judged | None:
    """The most profitable of the plans whose realised bad rate is not above the target."""
    return max((plan for plan in plans if plan.bad_rate <= target * SAME), key=lambda plan: plan.profit, default=None)


def rows(setting: Setting, found: Found) -> str:
    """One world's methods as rows of a Markdown table."""
    ours, equal = found.free[OURS].profit, found.equal[OURS]
    lines = []
    for name, one in found.free.items():
        same = found.equal[name]
        told = "not reached | | | "
        if same is not None:
            ratio = "" if equal is None else f"{equal.profit / same.profit:.3f}"
            told = f"{same.profit:,.0f} | {ratio} | {same.bad_rate:.4f} | {same.offers:,} "
        lines.append(
            f"| {setting.difficulty}, {setting.seed} | {setting.level} | {name} | {one.profit:,.0f} "
            f"| {ours / one.profit:.3f} | {one.bad_rate:.4f} | {one.offers:,} | {one.missed} | {told}|"
        )
    return "\n".join(lines)


def ratios(found: Found) -> dict[str, tuple[float, float]]:
    """Plan's profit ÷ every other method's: under the same limits, and at equal bad rate (NaN: not reached)."""
    told = {}
    for name, one in found.free.items():
        ours, same = found.equal[OURS], found.equal[name]
        equal = np.nan if ours is None or same is None else ours.profit / same.profit
        told[name] = (found.free[OURS].profit / one.profit, float(equal))
    return told


def summary(found: dict[Setting, Found]) -> str:
    """Plan's profit ÷ every other method's by difficulty and level: mean ± deviation over seeds, lowest and highest."""
    groups = list(dict.fromkeys((setting.difficulty, setting.level) for setting in found))
    others = [name for name in next(iter(found.values())).free if name != OURS]
    facts = ("believed ÷ true takers", "believed ÷ true bad rate", "offers moved by a 1 % wiggle")
    header = ("world", "limits", "compared", *(f"÷ {name}" for name in others), *facts)
    table = ["| " + " | ".join(header) + " |", "|" + len(header) * "---|"]
    for difficulty, level in groups:
        here = [one for setting, one in found.items() if (setting.difficulty, setting.level) == (difficulty, level)]
        for place, how in enumerate(("same limits", "and equal bad rate")):
            cells = [_spread([ratios(one)[name][place] for one in here]) for name in others]
            told = [_spread([getattr(one, name) for one in here]) for name in ("takers", "default", "moved")]
            table.append(
                f"| {difficulty} | {level} | {how} | " + " | ".join(cells + (told if place == 0 else [""] * 3)) + " |"
            )
    return "\n".join(table)


def goals(found: dict[Setting, Found]) -> str:
    """How the mean over all worlds and levels stands to the goals, and how many of them keep each."""
    told = []
    for name, goal in GOALS.items():
        for place, how in enumerate(("under the same limits", "at equal bad rate")):
            every = np.array([ratios(one)[name][place] for one in found.values()])
            known = every[np.isfinite(every)]
            if not len(known):
                told.append(f"- plan ÷ {name}, {how}: never both reached")
                continue
            kept = "kept" if known.mean() >= goal else "missed"
            told.append(
                f"- plan ÷ {name}, {how}: {known.mean():.3f} on average, {np.median(known):.3f} in the middle (goal ≥ "
                f"{goal:.2f}: {kept}), {int((known >= goal).sum())} of {len(known)} worlds and levels reach it"
                + (f"; {len(every) - len(known)} do not reach the bad rate" if len(known) < len(every) else "")
            )
    return "\n".join(told)


def _spread(values: list[float]) -> str:
    values = [value for value in values if np.isfinite(value)]
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else "not reached"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} ({min(values):.3f}–{max(values):.3f})"


def measured(seeds: tuple[int, ...], size: int, difficulties: tuple[str, ...], folder: Path) -> dict[Setting, Found]:
    """Every world at every tightness; worlds and their runs lie in `folder`."""
    found = {}
    for difficulty in difficulties:
        for seed in seeds:
            case = message_case(folder / f"{difficulty}-{seed}-{size}", size, seed, difficulty)
            truth = aligned(true_chances(size, seed, difficulty), case)
            knowable = aligned(knowable_chances(size, seed, difficulty), case)
            for level, share in TIGHTNESS.items():
                found[Setting(difficulty, seed, level)] = found_in(case, truth, knowable, share, seed)
            print(f"{difficulty}, seed {seed}: done", file=sys.stderr)
    return found


def report(found: dict[Setting, Found], size: int) -> str:
    """Goals, means over seeds and every single world."""
    worlds = len({(setting.difficulty, setting.seed) for setting in found})
    head = (
        f"{worlds} synthetic worlds of {size:,} people, each with a whole run of the engine; mean ± deviation "
        "(lowest–highest) over seeds."
    )
    every = [HEADER, *(rows(setting, one) for setting, one in found.items())]
    return "\n".join([head, "", goals(found), "", summary(found), "", *every])


def main() -> None:
    """Print the tables; with --page put them into docs/matching.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching_world", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(SEEDS))
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--difficulties", nargs="+", choices=DIFFICULTIES, default=DIFFICULTIES)
    parser.add_argument("--folder", type=Path, help="keep worlds and runs here and take them up again")
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        folder = asked.folder or Path(fresh)
        text = report(measured(tuple(asked.seeds), asked.customers, tuple(asked.difficulties), folder), asked.customers)
    print(text)
    if asked.page:
        replace_section(PAGE, NAME, text)


if __name__ == "__main__":
    main()
