"""Which merchant, partner, traffic source or scene to open next: reachable need times value, less cost, under risk."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.evidence import Z95
from segmentation.scene_people import checked_people, pairs, person_keys, positions, states
from segmentation.scene_words import opening_reason

# values and credit figures of fewer people than this would say more of a person than of a place
LEAST = 20
OPTIONS = ("kind", "option_id", "scene_id", "name_en", "name_zh", "cost_per_click", "cost_per_approval")


def opening_order(
    options: pd.DataFrame,
    active: pd.DataFrame,
    people: pd.DataFrame,
    demand: pd.DataFrame,
    *,
    pd_max: float,
    least: int = LEAST,
    currency: str = "CNY",
) -> pd.DataFrame:
    """Options worth opening, best first: by the lower end of what they may gain.

    Parameters
    ----------
    options : kind ("merchant", "partner", "source", "scene"), option_id, scene_id (whose demand counts; empty: any),
        names, cost_per_click and cost_per_approval (empty: none known, counted as zero and said so)
    active : kind, option_id, customer_id of people active there in the window; once each
    people : one row per person, columns of `scene_people.PEOPLE`
    demand : scene_id, customer_id; people who took a product of the scene in the window
    pd_max : a probability of default up to this counts as affordable
    least : options with fewer active people are left out, figures of fewer people stay empty

    Returns
    -------
    `open` people are reachable, not contacted, not held out; of them `eligible` have an offer of positive value.
    `rate` is the share of all active people with demand (95 % interval of Wilson 1927). With v the run's value of
    the eligible per expected taker, gain = eligible · (rate · (v - cost per approval) - cost per click), its ends at
    the ends of the rate; v is taken as known. Where no value is known gain is empty and the lower end of the
    reachable need, open · rate, decides. One row per option, ranked, with a reason in words.

    Raises
    ------
    ContractError : a table lacks a column or names somebody or an option that another does not know.
    """
    people, options = checked_people(people), _checked(options)
    who = positions(active["customer_id"], people, "active")
    where = _where(options, active)
    counted = _counted(options, who, where, people, _asked(options, who, where, people, demand), pd_max)
    base = demand["customer_id"].nunique() / max(len(people), 1)
    kept = counted[counted["active"] >= least].reset_index(drop=True)
    kept = _gains(kept.assign(base=_bases(kept, base)), least)
    ranked = _ranked(kept)
    rows = ranked.to_dict("records")
    return ranked.assign(
        rank=np.arange(1, len(ranked) + 1),
        reason_en=[opening_reason(row, "en", currency) for row in rows],
        reason_zh=[opening_reason(row, "zh", currency) for row in rows],
    )


def wilson(hits: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of a share (Wilson 1927, Journal of the American Statistical Association 22, 209).

    >>> low, high = wilson(np.array([5]), np.array([50]))
    >>> round(float(low[0]), 4), round(float(high[0]), 4)
    (0.0435, 0.2136)
    """
    share = hits / n
    middle = share + Z95**2 / (2 * n)
    reach = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    low, high = (middle - reach) / (1 + Z95**2 / n), (middle + reach) / (1 + Z95**2 / n)
    # rounding may pass the ends of what a share can be
    return np.clip(low, 0.0, share), np.clip(high, share, 1.0)


def _checked(options: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in OPTIONS if name not in options.columns]
    if missing:
        raise ContractError(f"options: column {missing[0]!r} is missing; they need {list(OPTIONS)}")
    twice = options.duplicated(["kind", "option_id"])
    if twice.any():
        raise ContractError(f"options: {options.loc[twice, 'option_id'].iloc[0]!r} stands twice; give it once per kind")
    return options[list(OPTIONS)].reset_index(drop=True)


def _where(options: pd.DataFrame, active: pd.DataFrame) -> np.ndarray:
    keys = ["kind", "option_id"]
    found = pairs(active["kind"], active["option_id"], options[keys])
    if len(found) and found.min() < 0:
        raise ContractError(
            f"active: {active.loc[found < 0, keys].iloc[0].tolist()} is not among the options; describe it there"
        )
    return found


def _asked(
    options: pd.DataFrame, who: np.ndarray, where: np.ndarray, people: pd.DataFrame, demand: pd.DataFrame
) -> np.ndarray:
    """Which active people showed demand in the option's scene, or anywhere for options without one."""
    known = pd.Index(demand["scene_id"].astype(object).unique())
    keys = person_keys(demand["scene_id"], demand["customer_id"], known, people)
    keys = keys[keys >= 0]
    scene = known.get_indexer(pd.Index(options["scene_id"].astype(object)))[where]
    there = np.isin(scene.astype(np.int64) * len(people) + who, keys) & (scene >= 0)
    anywhere = options["scene_id"].isna().to_numpy()[where]
    found: np.ndarray = np.where(anywhere, np.isin(who, keys % max(len(people), 1)), there)
    return found.astype(bool)


def _counted(
    options: pd.DataFrame, who: np.ndarray, where: np.ndarray, people: pd.DataFrame, asked: np.ndarray, pd_max: float
) -> pd.DataFrame:
    """What is counted and summed per option."""

    def number(rows: np.ndarray) -> np.ndarray:
        return np.bincount(where[rows], minlength=len(options))

    def total(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.bincount(where[rows], weights=values[rows], minlength=len(options))

    open_ = states(people)[who] == 1
    value, take, default = (people[name].to_numpy(dtype=float)[who] for name in ("value", "p_take", "pd"))
    eligible, known = open_ & (value > 0), np.isfinite(default)
    return options.assign(
        active=number(np.ones(len(who), dtype=bool)),
        customers=number((people["kind"] == "customer").to_numpy()[who]),
        open=number(open_), eligible=number(eligible), demand=number(asked), with_pd=number(known),
        value_sum=total(value, eligible), take_sum=total(take, eligible),
        affordable=number(known & (default <= pd_max)), pd_sum=total(default, known),
    )  # fmt: skip


def _bases(counted: pd.DataFrame, base: float) -> np.ndarray:
    """The rate an option is compared with: of its own kind and scene, else of everybody."""
    sums = counted.groupby(["kind", "scene_id"], dropna=False)[["demand", "active"]].transform("sum")
    several = counted.groupby(["kind", "scene_id"], dropna=False)["active"].transform("size") > 1
    shares: np.ndarray = np.where(several & counted["scene_id"].notna(), sums["demand"] / sums["active"], base)
    return shares


def _gains(counted: pd.DataFrame, least: int) -> pd.DataFrame:
    """Rates with intervals, value per taker, cost, gain with its ends, ability to pay."""
    hits, n = counted["demand"].to_numpy(dtype=float), counted["active"].to_numpy(dtype=float)
    low, high = wilson(hits, n)
    rate, eligible = hits / n, counted["eligible"].to_numpy(dtype=float)
    enough = (eligible >= least) & (counted["take_sum"].to_numpy() > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_taker = np.where(enough, counted["value_sum"] / counted["take_sum"], np.nan)
        known = (counted["with_pd"] >= least).to_numpy()
        affordable = np.where(known, counted["affordable"] / counted["with_pd"], np.nan)
        mean_pd = np.where(known, counted["pd_sum"] / counted["with_pd"], np.nan)
    click, approval = (counted[c].astype(float).fillna(0.0).to_numpy() for c in ("cost_per_click", "cost_per_approval"))
    worth = per_taker - approval
    ends = np.sort(np.stack([eligible * (r * worth - click) for r in (low, high)]), axis=0)
    told = counted.drop(columns=["value_sum", "take_sum", "affordable", "pd_sum"])
    return told.assign(
        rate=rate, rate_low=low, rate_high=high, value_per_taker=per_taker, expected_takers=eligible * rate,
        cost=eligible * (rate * approval + click), gain=eligible * (rate * worth - click),
        gain_low=ends[0], gain_high=ends[1], affordable_share=affordable, mean_pd=mean_pd,
    )  # fmt: skip


def _ranked(found: pd.DataFrame) -> pd.DataFrame:
    """By the lower end of the gain; where it is not known, after those, by the lower end of the reachable need."""
    by = found.assign(known=found["gain_low"].notna(), need_low=found["open"] * found["rate_low"])
    keys = ["known", "gain_low", "need_low", "kind", "option_id"]
    order = by.sort_values(keys, ascending=[False, False, False, True, True]).index
    return found.loc[order].reset_index(drop=True)
