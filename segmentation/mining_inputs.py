"""What a miner is given, checked at the door: one row per customer, yes or no, shares, masks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, EmptyArm
from segmentation.columns import numbers


class Customers(NamedTuple):
    """People of a scene, one row each; what is not known is None.

    frame : attributes to mine
    target : 1 or true for those with the outcome
    reached : whom marketing contacted; None: nobody
    treatment : 1 treated, 0 control, by lot
    propensity : chance in (0, 1] to be reached, or treated where there are arms
    bad : 1 where credit went bad, 0 where not, NaN where there was none
    later : true for rows of the later period, which confirms what the earlier one shows
    protected_values : attributes that are never mined and on which groups are compared for fairness
    """

    frame: pd.DataFrame
    target: np.ndarray
    reached: np.ndarray | None = None
    treatment: np.ndarray | None = None
    propensity: np.ndarray | None = None
    bad: np.ndarray | None = None
    later: np.ndarray | None = None
    protected_values: pd.DataFrame | None = None


def checked(given: Customers) -> Customers:
    """The same with truth values as bool and numbers as float64.

    Raises
    ------
    ContractError : wrong lengths, values that are neither 0 nor 1, propensities outside (0, 1], a period without rows.
    EmptyArm : treatment without two arms.
    """
    n = len(given.frame)
    names = given.frame.columns
    if not names.is_unique:
        raise ContractError(f"frame: column {names[names.duplicated()][0]!r} occurs more than once; keep one of them")
    treatment = None if given.treatment is None else _truths(given.treatment, n, "treatment")
    if treatment is not None and (n == 0 or treatment.all() or not treatment.any()):
        arm = "treated" if n and treatment.all() else "control"
        raise EmptyArm(f"treatment: all {n:,} customers are {arm}; uplift needs a treated and a control arm")
    later = None if given.later is None else _truths(given.later, n, "later")
    if later is not None and n and (later.all() or not later.any()):
        raise ContractError(
            f"later: {'all' if later.all() else 'none'} of {n:,} rows are of the later period; mark the rows that "
            "confirm, or leave it out to confirm on a half drawn by chance"
        )
    reached = None if given.reached is None else _truths(given.reached, n, "reached")
    if given.propensity is not None and reached is not None and treatment is None and not reached.any():
        raise ContractError("reached: nobody was, so that no outcome can be weighted by its propensity")
    return Customers(
        given.frame, _truths(given.target, n, "target"), reached, treatment, _propensity(given.propensity, n),
        _bad(given.bad, n), later, _protected(given.protected_values, n),
    )  # fmt: skip


def _truths(values: np.ndarray, n: int, name: str) -> np.ndarray:
    """Zeros and ones as bool, one per customer."""
    given = np.asarray(values)
    _same_length(given, n, name)
    allowed = given == (given != 0) if given.dtype.kind in "bifu" else np.zeros(n, dtype=bool)
    if not allowed.all():
        bad = given[~allowed]
        raise ContractError(
            f"{name}: {len(bad):,} values are neither 0 nor 1, such as {bad[:3].tolist()}; say yes or no per customer"
        )
    return given.astype(bool)


def _propensity(values: np.ndarray | None, n: int) -> np.ndarray | None:
    if values is None:
        return None
    given = numbers(pd.Series(values, name="propensity"))
    _same_length(given, n, "propensity")
    wrong = ~((given > 0) & (given <= 1))
    if wrong.any():
        raise ContractError(
            f"propensity: {int(wrong.sum()):,} values are outside (0, 1], such as {given[wrong][:3].tolist()}; give "
            "the chance with which each customer was reached, or leave those customers out"
        )
    return given


def _bad(values: np.ndarray | None, n: int) -> np.ndarray | None:
    if values is None:
        return None
    given = numbers(pd.Series(values, name="bad"))
    _same_length(given, n, "bad")
    wrong = ~(np.isnan(given) | (given == 0) | (given == 1))
    if wrong.any():
        raise ContractError(
            f"bad: {int(wrong.sum()):,} values are neither 0, 1 nor empty, such as {given[wrong][:3].tolist()}; give 1 "
            "where credit went bad, 0 where not, nothing where there was none"
        )
    return given


def _protected(frame: pd.DataFrame | None, n: int) -> pd.DataFrame | None:
    if frame is not None and len(frame) != n:
        raise ContractError(f"protected_values: {len(frame):,} rows for {n:,} customers; give one row per customer")
    return frame


def _same_length(given: np.ndarray, n: int, name: str) -> None:
    if given.shape != (n,):
        raise ContractError(f"{name}: shape {given.shape} for {n:,} customers; give one value per customer")
