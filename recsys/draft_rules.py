"""Which rules hold whom back from a draft: those of the product it is similar to, but for what only that product means.

A case keeps the first rule that said no. Where that was the similar product's own rule, the offer of the same channel
that gets furthest through the rules speaks for what comes after it.
"""

from __future__ import annotations

import numpy as np

from recsys.case import Case
from scenefit.contracts.errors import ContractError

AGE, OUTSIDE, RISKY = "age limits", "not active in its scenes", "likely default"
# holding, or having just been offered, the similar product says nothing about the draft; the draft has its own scenes
OF_THE_SIMILAR = ("already has it", "cooling-off", OUTSIDE)


def draft_reason(
    case: Case,
    like: np.ndarray,
    scenes: tuple[str, ...],
    ages: tuple[float | None, float | None],
    pd_max: float | None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The first rule against each offer of a draft, (n, offers) uint8, and all codes.

    A debt burden is judged by the similar product's instalment: incomes are not in a case.

    Parameters
    ----------
    like : offers of the similar product, one for each offer of the draft
    ages : youngest and oldest, None for no limit; both None: the limits of the similar product

    Raises
    ------
    ContractError : ages are limited, but the case knows none.
    """
    own_ages = any(age is not None for age in ages)
    codes = [*OF_THE_SIMILAR, AGE] if own_ages else list(OF_THE_SIMILAR)
    own = [case.reasons.index(code) for code in codes if code in case.reasons]
    reason = case.reason[:, like].copy()
    channels = case.offers["channel"].to_numpy(object)
    for place, offer in enumerate(like):
        open_to = furthest_reason(case.reason[:, channels == channels[offer]])
        reason[:, place] = np.where(np.isin(reason[:, place], own), open_to, reason[:, place])
    forbidden: list[tuple[str, np.ndarray]] = []
    if own_ages:
        forbidden.append((AGE, ~band_within(_bands(case), *ages)))
    if scenes:
        forbidden.append((OUTSIDE, ~case.groups["scene_id"].isin(scenes).to_numpy(bool)))
    if pd_max is not None:
        forbidden.append((RISKY, case.pd_given_take > pd_max))
    reasons = case.reasons
    for code, who in forbidden:
        reasons = reasons if code in reasons else (*reasons, code)
        reason[who[:, None] & (reason == 0)] = reasons.index(code)
    return reason, reasons


def furthest_reason(reason: np.ndarray) -> np.ndarray:
    """The reason of the offer that gets furthest through the rules, 0 where one passes them all; (n,) uint8."""
    # eligible is beyond the last rule; 0 wraps around to the largest number
    found: np.ndarray = (reason - np.uint8(1)).max(axis=1) + np.uint8(1)
    return found


def band_within(bands: np.ndarray, youngest: float | None, oldest: float | None) -> np.ndarray:
    """Whether everybody of an age band such as "30-39" is surely within the limits; unknown ages are not.

    A band counts the birthday of the year as had: its youngest may be a year younger.

    >>> band_within(np.array(["20-29", "30-39", ""], object), 21, 39).tolist()
    [False, True, False]
    """
    values, place = np.unique(bands.astype(str), return_inverse=True)
    inside = np.array([_inside(value, youngest, oldest) for value in values.tolist()], bool)
    found: np.ndarray = inside[place]
    return found


def _inside(band: str, youngest: float | None, oldest: float | None) -> bool:
    low, dash, high = band.partition("-")
    if not (dash and low.isdigit() and high.isdigit()):
        return False
    return (youngest is None or int(low) - 1 >= youngest) and (oldest is None or int(high) <= oldest)


def _bands(case: Case) -> np.ndarray:
    if "age_band" not in case.protected.columns:
        raise ContractError(
            "draft: it limits ages, but the case has no column 'age_band' among its protected attributes; leave "
            "age_min and age_max empty, or run on data with birth years"
        )
    bands: np.ndarray = case.protected["age_band"].to_numpy(object)
    return bands
