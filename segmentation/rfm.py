"""Recency, frequency, money: who bought lately, often and much, in bands of equal size."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError
from segmentation.names import SegmentName

BANDS = 5
# from recency band and the mean of the other two, best first; the first that fits is the customer's
GROUPS: tuple[tuple[float, float, SegmentName], ...] = (
    (0.8, 0.8, SegmentName("Champions", "核心客户")),
    (0.6, 0.6, SegmentName("Loyal", "忠诚客户")),
    (0.8, 0.0, SegmentName("Recent, still small", "新近客户")),
    (0.0, 0.6, SegmentName("Good customers leaving", "流失中的优质客户")),
    (0.4, 0.4, SegmentName("Need attention", "需要关注")),
    (0.4, 0.0, SegmentName("Occasional", "偶尔购买")),
    (0.0, 0.0, SegmentName("Asleep", "沉睡客户")),
)


def rfm_scores(recency: np.ndarray, frequency: np.ndarray, money: np.ndarray, bands: int = BANDS) -> pd.DataFrame:
    """Scores 1 (worst) to `bands` (best) for recency, frequency and money, and the group they make.

    Columns: `r`, `f`, `m` (Int64, empty where the value is), `rfm` (such as "545"), `group_en`, `group_zh`.

    Parameters
    ----------
    recency : days since the last purchase, fewer is better
    frequency, money : purchases and spend of a window, more is better

    Notes
    -----
    Quantile bands: score = 1 + whole part of bands · share of customers who did strictly worse. Customers who did
    the same get the same score, the lowest band of their tie, so that a band may be larger than the others or empty:
    where half of all bought once, their frequency is 1 and the next one scores 3 of 5. Groups by r and (f + m) / 2
    as shares of the number of bands.

    >>> rfm_scores(np.array([1, 30, 90]), np.array([9, 1, 1]), np.array([80.0, 20.0, 10.0]), bands=3)["rfm"].tolist()
    ['333', '212', '111']
    """
    columns = [np.asarray(values, dtype=np.float64) for values in (recency, frequency, money)]
    if len({len(values) for values in columns}) > 1:
        raise ContractError(f"rfm: {[len(values) for values in columns]} values; give one each per customer")
    if not 2 <= bands <= 9:
        raise SettingsError(f"rfm: {bands} bands; give 2 to 9")
    for name, values in zip(("recency", "frequency", "money"), columns, strict=True):
        if np.isinf(values).any():
            raise ContractError(f"rfm: {name} is infinite in row {int(np.isinf(values).argmax())}; leave it empty")
    r, f, m = (_bands(values, bands) for values in (-columns[0], columns[1], columns[2]))
    known = ~(np.isnan(r) | np.isnan(f) | np.isnan(m))
    code = np.where(known, 100 * np.nan_to_num(r) + 10 * np.nan_to_num(f) + np.nan_to_num(m), 0).astype(np.int64)
    english, chinese = _groups(r / bands, (f + m) / 2 / bands, known)
    return pd.DataFrame(
        {
            "r": pd.array(r, dtype="Int64"),
            "f": pd.array(f, dtype="Int64"),
            "m": pd.array(m, dtype="Int64"),
            "rfm": pd.Series(code.astype(str), dtype=object).mask(~known),
            "group_en": english,
            "group_zh": chinese,
        }
    )


def _bands(values: np.ndarray, bands: int) -> np.ndarray:
    known = ~np.isnan(values)
    seen = np.sort(values[known])
    # whole numbers: 3 of 15 is a fifth, whatever floats say
    worse = np.searchsorted(seen, values, side="left")
    scores: np.ndarray = 1.0 + bands * worse // max(len(seen), 1)
    scores[~known] = np.nan
    return scores


def _groups(r: np.ndarray, fm: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    small = 1e-9
    fits = [known & (r >= least_r - small) & (fm >= least_fm - small) for least_r, least_fm, _ in GROUPS]
    found = np.select(fits, range(len(GROUPS)), default=-1)
    english = np.asarray([*(name.en for _, _, name in GROUPS), None], dtype=object)
    chinese = np.asarray([*(name.zh for _, _, name in GROUPS), None], dtype=object)
    return english[found], chinese[found]
