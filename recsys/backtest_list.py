"""The last campaign as its list was uploaded: who was contacted when with what, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, EmptyArm

# what a column may be called in an uploaded list; the first name is ours
NAMES = {
    "customer_id": ("customer_id", "customer"),
    "contacted_at": ("contacted_at", "at"),
    "took": ("took", "approved", "took_approved"),
    "took_at": ("took_at", "approved_at", "outcome_at"),
    "went_bad": ("went_bad", "bad"),
    "product_id": ("product_id", "product"),
    "channel": ("channel",),
    "cost": ("cost",),
    "propensity": ("propensity",),
    "arm": ("arm",),
}
NEEDED = ("customer_id", "contacted_at", "took")
CONTROL = "control"
UNKNOWN_MOST = 0.2  # more people than this that nobody knows: the list is of another data set
SHOWN = 5
TRUTHS = {"1": 1.0, "true": 1.0, "yes": 1.0, "1.0": 1.0, "0": 0.0, "false": 0.0, "no": 0.0, "0.0": 0.0}


@dataclass(frozen=True)
class PastList:
    """A past campaign, one row per person.

    Parameters
    ----------
    customers : (n,) ids
    contacted_at : (n,) moments, UTC; for people of the control arm the moment of the assignment
    contacted : (n,) false for people that were held out as control
    took : (n,) whether the person took and was approved
    went_bad : (n,) 1 where a taker went bad, NaN where not stated; None where the list says nothing
    product, channel : (n,) text, "" where not stated
    cost : (n,) currency units spent on the contact; None where not stated for everybody contacted
    propensity : (n,) probability with which the person got this arm, product and, where the campaign used several,
        channel; None where not stated for everybody
    unknown : how many people of the file are not in the data, `unknown_first` the first of them
    """

    customers: np.ndarray
    contacted_at: pd.Series
    contacted: np.ndarray
    took: np.ndarray
    went_bad: np.ndarray | None
    product: np.ndarray
    channel: np.ndarray
    cost: np.ndarray | None
    propensity: np.ndarray | None
    unknown: int
    unknown_first: tuple[str, ...]

    @property
    def has_control(self) -> bool:
        return not bool(self.contacted.all())


def past_list(
    frame: pd.DataFrame, known: np.ndarray, until: pd.Timestamp, unknown_most: float = UNKNOWN_MOST
) -> PastList:
    """A list as uploaded, once it is sure what it says; people not in the data are counted and left out.

    Parameters
    ----------
    known : ids of the people in the data
    until : end of the data; nobody can have been contacted from then on
    unknown_most : share of unknown people above which the list is refused

    Raises
    ------
    EmptyArm : nobody on it, or nobody contacted.
    ContractError : a column is missing, a person stands on it twice, a date is in the future or after its outcome, a
        propensity is outside (0, 1], or too many people are unknown.
    """
    named = _named(frame)
    ids = named["customer_id"].astype("string").str.strip()
    _refuse(ids.isna() | (ids == ""), ids, "have no customer_id; give every row its customer")
    _refuse(ids.duplicated(keep=False), ids, "stand on it more than once; keep the first contact of each")
    found = np.asarray(ids.isin(pd.Index(known).astype(str)), dtype=bool)
    missing = ids[~found]
    first = tuple(str(one) for one in missing[:SHOWN])
    if len(missing) > unknown_most * len(named):
        raise ContractError(
            f"list: {len(missing):,} of {len(named):,} people are not in the data (first: {', '.join(first)}), at most "
            f"{unknown_most:.0%} may be; use the customer ids of this workspace, or a later as_of"
        )
    named, ids = named[found].reset_index(drop=True), ids[found].reset_index(drop=True)
    arm = _text(named, "arm")
    contacted = np.char.lower(arm.astype(str)) != CONTROL
    if not contacted.any():
        raise EmptyArm("list: nobody on it was contacted; rows of people who were need an arm other than 'control'")
    at = _moments(named, "contacted_at", ids)
    _refuse(at >= until, ids, f"were contacted at or after the end of the data {until.isoformat()}; correct the dates")
    took = _truth(named, "took", ids, missing=False)
    if "took_at" in named:
        took_at = _moments(named, "took_at", ids, needed=False)
        _refuse(took_at < at, ids, "took before they were contacted; correct took_at or contacted_at")
        _refuse(took_at >= until, ids, f"took at or after the end of the data {until.isoformat()}; correct took_at")
    return PastList(
        customers=ids.to_numpy(object),
        contacted_at=at,
        contacted=contacted,
        took=took == 1,
        went_bad=_bad(named, took, ids),
        product=_text(named, "product_id"),
        channel=_text(named, "channel"),
        cost=_costs(named, contacted, ids),
        propensity=_propensities(named, ids),
        unknown=len(missing),
        unknown_first=first,
    )


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that count under our names."""
    there = {str(name).strip().lower(): name for name in frame.columns}
    found = {}
    for ours, names in NAMES.items():
        given = [name for name in names if name in there]
        if given:
            found[ours] = frame[there[given[0]]].reset_index(drop=True)
    for ours in NEEDED:
        if ours not in found:
            what = "an outcome column" if ours == "took" else f"a column {ours!r}"
            raise ContractError(
                f"list: it has no {what[what.index(' ') + 1 :]} (one of {', '.join(NAMES[ours])}); it has "
                f"{', '.join(map(str, frame.columns)) or 'no columns'}. It needs {', '.join(NEEDED)}"
            )
    if frame.empty:
        raise EmptyArm("list: it has no rows; upload the people of the last campaign, one row each")
    return pd.DataFrame(found)


def _refuse(wrong: pd.Series, ids: pd.Series, what: str) -> None:
    bad = np.asarray(wrong.fillna(False), dtype=bool)
    if bad.any():
        named = list(dict.fromkeys(str(one) for one in ids[bad]))[:SHOWN]
        raise ContractError(f"list: {int(bad.sum()):,} of {len(bad):,} rows {what} (first: {', '.join(named)})")


def _moments(named: pd.DataFrame, name: str, ids: pd.Series, needed: bool = True) -> pd.Series:
    given = named[name]
    at = pd.to_datetime(given, utc=True, errors="coerce", format=None if given.dtype != object else "ISO8601")
    unreadable = at.isna() if needed else at.isna() & given.notna() & (given.astype(str).str.strip() != "")
    _refuse(unreadable, ids, f"have a {name} that is no date; write 2026-05-31 or 2026-05-31T09:00:00+08:00")
    return at.astype("datetime64[us, UTC]")


def _truth(named: pd.DataFrame, name: str, ids: pd.Series, missing: bool) -> np.ndarray:
    """1, 0, or NaN where not stated."""
    values = named[name].astype("string").str.strip().str.lower()
    empty = values.isna() | (values == "")
    read = values.map(TRUTHS).astype("Float64")
    _refuse(read.isna() & ~(empty if missing else False), ids, f"have a {name} that is neither 1 nor 0; write 1 or 0")
    truth: np.ndarray = read.to_numpy(float, na_value=np.nan)
    return truth


def _bad(named: pd.DataFrame, took: np.ndarray, ids: pd.Series) -> np.ndarray | None:
    if "went_bad" not in named:
        return None
    bad = _truth(named, "went_bad", ids, missing=True)
    _refuse(pd.Series((bad == 1) & (took != 1)), ids, "went bad without having taken; correct took or went_bad")
    bad = np.where(took == 1, bad, np.nan)
    return bad if np.isfinite(bad).any() else None


def _numbers(named: pd.DataFrame, name: str, ids: pd.Series) -> pd.Series:
    given = named[name].astype("string").str.strip()
    numbers = pd.to_numeric(given, errors="coerce")
    _refuse(numbers.isna() & given.notna() & (given != ""), ids, f"have a {name} that is no number")
    return numbers.astype("Float64")


def _costs(named: pd.DataFrame, contacted: np.ndarray, ids: pd.Series) -> np.ndarray | None:
    if "cost" not in named:
        return None
    cost = _numbers(named, "cost", ids)
    _refuse(cost < 0, ids, "have a negative cost; costs start at 0")
    found: np.ndarray = np.where(contacted, cost.to_numpy(float, na_value=np.nan), 0.0)
    return found if np.isfinite(found).all() else None


def _propensities(named: pd.DataFrame, ids: pd.Series) -> np.ndarray | None:
    if "propensity" not in named:
        return None
    propensity = _numbers(named, "propensity", ids)
    _refuse(
        (propensity <= 0) | (propensity > 1), ids,
        "have a propensity outside (0, 1]; it is the probability with which the person got this arm",
    )  # fmt: skip
    found: np.ndarray = propensity.to_numpy(float, na_value=np.nan)
    return found if np.isfinite(found).all() else None


def _text(named: pd.DataFrame, name: str) -> np.ndarray:
    if name not in named:
        return np.full(len(named), "", dtype=object)
    found: np.ndarray = named[name].astype("string").fillna("").str.strip().to_numpy(object)
    return found
