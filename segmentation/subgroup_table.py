"""Mined rules as a table: sentences, sizes, evidence of both halves, bad debt and fairness."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segmentation.confirmation import Confirmed, confirmed
from segmentation.fairness import bad_rates, fairness, levels
from segmentation.mined_rules import Sent
from segmentation.mining_inputs import Customers
from segmentation.proofs import proofs
from segmentation.qualities import Quality, lift, rate
from segmentation.rules import And, Rule
from segmentation.selectors import Selector, fits


def subgroup_table(found: Sent, people: Customers, q: float, quality: Quality) -> pd.DataFrame:
    """One row per rule sent to confirmation, best first: the columns of the table subgroups without scene_id."""
    mined, halves, frame = found.mined, found.halves, people.frame
    parts = [_conditions(halves.conditions, selectors, frame) for selectors in mined.rules]
    rules = [Rule(where=part[0] if len(part) == 1 else And(of=tuple(part))) for part in parts]
    again = confirmed(mined.rules, halves.confirming)
    columns = {
        "rank": np.arange(1, len(rules) + 1),
        "rule_en": _texts([rule.sentence("en") for rule in rules]),
        "rule_zh": _texts([rule.sentence("zh") for rule in rules]),
        **_mining_evidence(found, again),
        "confirmed": again.p <= q,
        "confirm_rate": again.rate,
        "confirm_p": again.p,
        "rule": _texts([rule.model_dump_json() for rule in rules]),
        "quality": _texts([quality] * len(rules)),
        "worth": mined.worth,
        "reached_share": 1 - mined.unreached / np.maximum(mined.tally.size + again.tally.size, 1),
        "confirm_lift": again.lift,
        "confirm_lift_low": again.lift_ends.low,
        "confirm_lift_high": again.lift_ends.high,
        "difference": again.difference,
        "difference_low": again.difference_ends.low,
        "difference_high": again.difference_ends.high,
        "uplift": again.uplift,
        "uplift_low": again.uplift_ends.low,
        "uplift_high": again.uplift_ends.high,
        "proof": _texts(
            list(
                proofs(
                    mined.rules,
                    halves.confirming,
                    propensity=people.propensity is not None,
                    contacts=people.reached is not None,
                )
            )
        ),
        **_risk(parts, people),
    }
    return pd.DataFrame(columns)


def _mining_evidence(found: Sent, again: Confirmed) -> dict[str, np.ndarray]:
    mined, half = found.mined, found.halves.mining
    ratio, ends = lift(mined.tally, half.whole, half.design)
    base = float(np.nan_to_num(rate(half.whole, half.design).rate[0]))
    return {
        "size": mined.tally.size + again.tally.size,
        "unreached": mined.unreached,
        "rate": np.nan_to_num(rate(mined.tally, half.design).rate),
        "base": np.full(len(mined.p), base),
        "lift": ratio,
        "lift_low": ends.low,
        "lift_high": ends.high,
        "p": mined.p,
        "q": mined.q,
    }


def _risk(rules: list[list[Selector]], people: Customers) -> dict[str, np.ndarray]:
    """Bad debt and fairness of each rule, over all of its members."""
    frame = people.frame
    members = [np.logical_and.reduce([fits(frame[part.column], [part])[0] for part in rule]) for rule in rules]
    bad = bad_rates(members, people.bad)
    protected = {} if people.protected_values is None else levels(people.protected_values)
    ratios = [fairness(mask, protected) for mask in members]
    return {
        "bad_rate": bad.rate,
        "bad_low": bad.interval.low,
        "bad_high": bad.interval.high,
        "bad_known": bad.known,
        "fairness": np.array([ratio.least for ratio in ratios], dtype=np.float64),
        "fairness_by": _texts([ratio.by_attribute for ratio in ratios]),
    }


def _conditions(conditions: tuple[Selector, ...], selectors: np.ndarray, frame: pd.DataFrame) -> list[Selector]:
    """The conditions of a rule in the order of the columns."""
    order = {name: i for i, name in enumerate(frame.columns)}
    return sorted((conditions[i] for i in selectors if i >= 0), key=lambda condition: order[condition.column])


def _texts(values: list[str]) -> np.ndarray:
    return np.asarray(values, dtype=object)
