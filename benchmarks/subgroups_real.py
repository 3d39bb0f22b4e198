"""Subgroups of two public data sets, and which of them held on customers and times they were not found on.

`python -m benchmarks.subgroups_real` prints the tables; with `--page` it puts them into docs/subgroups.md.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness import ROOT, Side, compare, python_side
from benchmarks.report import Report, Table, markdown, replace_section
from segmentation.mining_inputs import Customers

PAGE = ROOT / "docs" / "subgroups.md"
NAME = "subgroups_real"
COMMAND = "python -m benchmarks.subgroups_real"
# the earlier seven tenths are mined, the rest confirms
EARLIER = 0.7
SUPPORT, TOP = 200, 8


def bank(folder: Path) -> Customers:
    """Telephone sales of a Portuguese bank in file order, which is time; what is known before the call.

    Its length is not known then, and the economy's figures are the calendar in disguise.
    """
    calls = pd.read_parquet(folder / "uci_bank_marketing" / "bank_additional_full.parquet")
    names = ["age", "job", "default", "housing", "loan", "contact", "campaign", "previous", "poutcome"]
    frame = calls[names].astype({name: str for name in names if calls[name].dtype == "category"})
    later = np.arange(len(calls)) >= EARLIER * len(calls)
    protected = calls[["marital", "education"]].astype(str)
    return Customers(frame, (calls["y"] == "yes").to_numpy(), later=later, protected_values=protected)


def journey(folder: Path) -> Customers:
    """Households x campaigns they received: did they redeem a coupon of it; what they had bought before."""
    place = folder / "dunnhumby_complete_journey"
    sent, told = pd.read_parquet(place / "campaigns.parquet"), pd.read_parquet(place / "campaign_descriptions.parquet")
    rows = sent.merge(told, on="campaign_id").sort_values(["start_date", "campaign_id", "household_id"])
    rows = rows.reset_index(drop=True)
    used = pd.read_parquet(place / "coupon_redemptions.parquet")[["household_id", "campaign_id"]].drop_duplicates()
    redeemed = rows[["household_id", "campaign_id"]].merge(used, how="left", indicator=True)["_merge"] == "both"
    start = pd.to_datetime(rows["start_date"])
    frame = pd.DataFrame({"campaign_type": rows["campaign_type"].astype(str)}).join(_bought(place, rows, start))
    later = start >= start.iloc[int(EARLIER * len(rows))]
    return Customers(frame, redeemed.to_numpy(), later=later.to_numpy())


def _bought(place: Path, rows: pd.DataFrame, start: pd.Series) -> pd.DataFrame:
    """Purchases of the 91 days before each campaign began, by household."""
    bought = pd.read_parquet(place / "transactions.parquet")
    kinds = pd.read_parquet(place / "products.parquet", columns=["product_id", "department", "brand"])
    bought = bought.merge(kinds, on="product_id")
    bought["at"] = pd.to_datetime(bought["transaction_timestamp"])
    parts = []
    for began in sorted(start.unique()):
        window = bought[(bought["at"] < began) & (bought["at"] >= began - pd.Timedelta(days=91))]
        by = window.groupby("household_id")
        own = window[window["brand"].astype(str) != "National"].groupby("household_id")["sales_value"].sum()
        spend = by["sales_value"].sum()
        known = pd.DataFrame(
            {
                "visits": by["basket_id"].nunique(),
                "spend": spend,
                "stores": by["store_id"].nunique(),
                "coupons_used": by["coupon_disc"].agg(lambda saved: int((saved != 0).sum())),
                "own_brand_share": own.reindex(spend.index).fillna(0) / spend.where(spend > 0),
                "departments": by["department"].nunique(),
            }
        )
        mine = rows.loc[start == began, "household_id"]
        parts.append(known.reindex(mine).set_axis(mine.index))
    found = pd.concat(parts).sort_index()
    counts = ["visits", "stores", "coupons_used", "departments", "spend"]
    return found.assign(**{name: found[name].astype(float).fillna(0.0) for name in counts})


SETS = {"uci_bank_marketing": bank, "complete_journey": journey}


def measured(name: str, folder: str) -> dict[str, Any]:
    """Rules of one data set with their evidence, by time and by halves."""
    from segmentation.subgroups import SubgroupMiner

    people = SETS[name](Path(folder))
    by_time = SubgroupMiner(support=SUPPORT, top=TOP).fit(
        people.frame, people.target, later=people.later, protected_values=people.protected_values
    )
    by_halves = SubgroupMiner(support=SUPPORT, top=TOP).fit(people.frame, people.target)
    later = people.later if people.later is not None else np.zeros(len(people.target), dtype=bool)
    shown = ["rule_en", "size", "rate", "base", "lift", "q", "confirm_rate", "confirm_p", "confirm_lift"]
    shown += ["confirm_lift_low", "confirm_lift_high", "confirmed", "fairness"]
    return {
        "rows": len(people.frame),
        "columns": int(people.frame.shape[1]),
        "rates": [float(people.target[~later].mean()), float(people.target[later].mean())],
        "tried": [by_time.tried_, by_time.looks_],
        "rules": by_time.rules_[shown].to_dict("records"),
        "halves": [len(by_halves.rules_), int(by_halves.rules_["confirmed"].sum())],
    }


def report(repeats: int | None = None) -> Report:
    """Both data sets, each in a process of its own."""
    found = compare("subgroups of real customers", [side(name) for name in SETS], repeats or 1)
    answers = {name: found.of(name)[0].answer for name in found.sides}
    return Report(
        NAME,
        "subgroups of two public data sets, mined on the earlier part and confirmed on the later",
        (found,),
        tuple(table(name, answer) for name, answer in answers.items()),
        tuple(finding(name, answer) for name, answer in answers.items()),
    )


def side(name: str) -> Side:
    """One data set."""
    folder = os.environ.get("SCENEFIT_DATASETS") or os.path.relpath(ROOT.parent / "shared" / "data", ROOT)
    return python_side(name, "benchmarks.subgroups_real:measured", {"name": name, "folder": folder})


def table(name: str, answer: dict[str, Any]) -> Table:
    """The rules sent to the later part, held or not."""
    rows = [
        (
            rule["rule_en"],
            f"{rule['size']:,}",
            f"{rule['rate']:.1%}",
            f"{rule['lift']:.2f}",
            f"{rule['confirm_rate']:.1%}",
            f"{rule['confirm_lift']:.2f} ({rule['confirm_lift_low']:.2f}-{rule['confirm_lift_high']:.2f})",
            "yes" if rule["confirmed"] else "no",
        )
        for rule in answer["rules"]
    ]
    header = ("rule", "members", "rate, earlier", "lift, earlier", "rate, later", "lift, later", "confirmed")
    return Table(name, header, tuple(rows))


def finding(name: str, answer: dict[str, Any]) -> str:
    """One sentence per data set."""
    rules, halves, tried = answer["rules"], answer["halves"], answer["tried"]
    return (
        f"{name}: {answer['rows']:,} rows x {answer['columns']} columns, outcome {answer['rates'][0]:.1%} in the "
        f"earlier part and {answer['rates'][1]:.1%} in the later; {tried[0]:,} rules tried, {tried[1]:,} "
        f"further looks; {sum(rule['confirmed'] for rule in rules)} of {len(rules)} rules sent were confirmed by the "
        f"later part ({halves[1]} of {halves[0]} with halves drawn by chance)"
    )


def main() -> None:
    """Print the report; with --page into the docs."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--page", action="store_true", help="put the tables into docs/subgroups.md")
    text = markdown(report(), COMMAND)
    if parser.parse_args().page:
        replace_section(PAGE, NAME, text)
    else:
        print(text)


if __name__ == "__main__":
    main()
