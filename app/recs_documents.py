"""What is told of a judged champion: quality against popularity, calibration, lift; plain values for JSON and pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys.calibrate import calibration_by, calibration_error, correction, lift_by_bin, reliability
from recsys.judging import AT, JudgedOffers

# groups of fewer people are not shown: a figure of a few tells of persons
LEAST_PEOPLE = 20
RESAMPLES_SEED = 1


def quality_document(judged: JudgedOffers, products: list[str], homes: np.ndarray, seed: int) -> dict[str, Any]:
    """Quality of the judged customers, `homes` their segments; every figure on the last window alone."""
    n, m = judged.probabilities.shape
    p, y = judged.probabilities.ravel(), judged.taken.ravel().astype(float)
    offers, people = np.tile(np.asarray(products, dtype=object), n), np.repeat(homes, m)
    by_segment = calibration_by(p, y, people)
    by_segment = by_segment.assign(customers=by_segment["rows"] // m, ndcg=_mean_by(judged.quality, homes, by_segment))
    by_segment = by_segment[(by_segment["customers"] >= LEAST_PEOPLE) & (by_segment["group"] != "")]
    best = correction(p, y, np.random.default_rng(seed))
    return {
        "customers": n,
        f"ndcg@{AT}": _compared(judged.quality, judged.baseline),
        "ece": calibration_error(p, y),
        "base_rate": float(y.mean()),
        "curve": plain_records(reliability(p, y)),
        "by_offer": plain_records(calibration_by(p, y, offers)),
        "by_segment": plain_records(by_segment),
        "lift": plain_records(lift_by_bin(p, y)),
        "correction": {name: _plain(value) for name, value in best._asdict().items()},
    }  # fmt: skip


def _compared(quality: np.ndarray, baseline: np.ndarray) -> dict[str, float]:
    from recsys.significance import compare

    interval = compare(quality, baseline, np.random.default_rng(RESAMPLES_SEED))
    return {
        "model": float(quality.mean()), "popularity": float(baseline.mean()),
        "difference": float((quality - baseline).mean()), "low": float(interval.low), "high": float(interval.high),
    }  # fmt: skip


def _mean_by(quality: np.ndarray, homes: np.ndarray, table: pd.DataFrame) -> list[float]:
    means = pd.Series(quality).groupby(homes.astype(str)).mean()
    return [float(means[group]) for group in table["group"]]


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON can hold them."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor numpy scalars."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and np.isnan(plain) else plain
