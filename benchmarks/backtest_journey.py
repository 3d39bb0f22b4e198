"""Past mailings of the Complete Journey, planned again from what was known before them (a grocer's, observational).

python -m benchmarks.backtest_journey --workspace FOLDER      # a workspace of `scenefit import complete-journey`
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from app.backtest_text import sentences
from app.backtests import backtest
from app.kept_case import read_case, read_plan
from benchmarks.harness import ROOT
from benchmarks.report import replace_section
from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.limits import broken
from recsys.problem import Plan, Problem
from scenefit.runtime.settings import read_settings
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace

NAME = "backtest_journey"
# mailings of the last quarter; models know nothing of the weeks that follow their first day
HELD_BACK = ("campaign-18", "campaign-19")
# a mailing holds many coupons and its arms name none: whoever redeemed one of the mailing's within the horizon took
LIST = """
    SELECT s.customer_id, s."at" AS contacted_at, (count(e."at") > 0)::INT AS took, min(e."at") AS took_at
    FROM assignments s LEFT JOIN events e ON e.customer_id = s.customer_id AND e.campaign_id = s.campaign_id
        AND e.kind = 'draw' AND e."at" >= s."at" AND e."at" < s."at" + to_days($horizon)
    WHERE s.campaign_id = $campaign GROUP BY ALL ORDER BY ALL
"""
BUDGETS = (1.0, 0.75, 0.5, 0.25)


def report(workspace: Path, campaigns: tuple[str, ...]) -> str:
    """Coupons under ever smaller budgets, then every mailing beside the list that would have been made."""
    return "\n".join([*coupons(workspace), "", *(line for name in campaigns for line in mailing(workspace, name))])


def coupons(workspace: Path) -> list[str]:
    """The newest run's plan under shares of the money it uses."""
    folder = Workspace(workspace).latest()
    case, (plan, _) = read_case(folder), read_plan(folder)
    spent = plan.usage["budget"]
    head = (
        f"{case.facts['dataset']}, as of {case.facts['as_of'][:10]}: {len(case.customers):,} households, "
        f"{len(case.offers)} coupons (grocery; take-up is observational, nothing here is randomised)."
    )
    columns = ("budget, of what the plan would spend", "coupons", "households", "expected redeemers", "value", "gap",
               "limits broken")  # fmt: skip
    rows = [head, "", "| " + " | ".join(columns) + " |", "|" + len(columns) * "---|"]
    return rows + [_row(case, share, share * spent) for share in BUDGETS]


def _row(case: Case, share: float, money: float) -> str:
    value = case_value(case)
    limits = case_limits(case, value)
    product = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
    problem = Problem(value.value, worthwhile(case, value), limits, exclusive=product)
    plan: Plan = problem.solve(totals={"budget": money})
    who = np.flatnonzero(plan.assignment >= 0)
    offer = plan.assignment[who]
    over = [name for name in (limit.name for limit, _ in broken(plan.assignment, limits)) if name != "budget"]
    failed = len(over) + (plan.usage["budget"] > money * (1 + 1e-9))
    return (
        f"| {share:.0%} ({money:,.2f}) | {len(set(offer.tolist()))} | {len(who):,} "
        f"| {case.p_take[who, offer].sum():.2f} | {plan.value:,.3f} | {plan.gap:.1e} | {failed} |"
    )


def mailing(workspace: Path, campaign: str) -> list[str]:
    """What the back-test says of one past mailing."""
    place, settings = Workspace(workspace), read_settings(workspace)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{campaign}.csv"
        with connect() as connection:
            raw_views(connection, place)
            asked = {"campaign": campaign, "horizon": settings.flow.horizon_days}
            connection.execute(LIST, asked).df().to_csv(file, index=False)
        told = backtest(place, settings, file).document
    return [f"**{campaign}**", "", *(f"- {line}" for line in sentences(told, "en")), ""]


def main() -> None:
    """Print the findings; with --page put them into docs/backtest.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest_journey", description=__doc__)
    parser.add_argument("--workspace", type=Path, required=True, help="with the imported data and a finished run")
    parser.add_argument("--campaigns", nargs="*", default=HELD_BACK)
    parser.add_argument("--page", action="store_true")
    asked = parser.parse_args()
    text = report(asked.workspace, tuple(asked.campaigns))
    print(text)
    if asked.page:
        replace_section(ROOT / "docs" / "backtest.md", NAME, text)


if __name__ == "__main__":
    main()
