"""Do probabilities keep what they promise: reliability by bin, offer and segment; corrected where that helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

BINS = 10
LEAST_ROWS = 200  # of each half: with fewer a correction follows chance
# three corrections are tried: 98.3 % each (Bonferroni)
SURE_OF_THREE = 2.394
# spread of the log-odds by which single offers are off once all are put right together; draws rare offers to none
SHIFT_SPREAD = 0.3
SHIFT_ROUNDS = 25
LOWEST = 1e-6  # a promise of exactly 0 or 1 costs infinitely much when broken
Method = Literal["none", "temperature", "isotonic"]


class Correction(NamedTuple):
    """How probabilities are put right: nothing, a temperature and shift of the log-odds, or a step curve.

    `gain` is the log loss saved per row on held-out rows, with its interval, `before` and `after` the calibration error
    there; `x`, `y` are the points of the curve.
    """

    method: Method
    gain: float
    low: float
    high: float
    before: float = float("nan")
    after: float = float("nan")
    slope: float = 1.0
    shift: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()

    def apply(self, p: np.ndarray) -> np.ndarray:
        """Corrected probabilities, of the same shape."""
        if self.method == "temperature":
            return _sigmoid(self.slope * _logit(p) + self.shift)
        if self.method == "isotonic":
            return np.interp(p, self.x, self.y)
        return np.asarray(p, dtype=np.float64)


class OfferCorrection(NamedTuple):
    """A correction common to all offers, then a shift of the log-odds of each one, drawn to none where it is rare.

    `shifts` (m,), all 0 where single offers need none; the figures are those of held-out rows, as in `Correction`.
    """

    common: Correction
    shifts: tuple[float, ...]
    gain: float
    low: float
    high: float
    before: float = float("nan")
    after: float = float("nan")

    @property
    def needed(self) -> bool:
        """Whether anything is put right at all."""
        return self.common.method != "none" or any(self.shifts)

    def apply(self, p: np.ndarray, offers: np.ndarray) -> np.ndarray:
        """Corrected probabilities; `offers` are the index of each one's offer, −1 for none, in a shape that fits."""
        if not self.needed:
            return p
        found = self.common.apply(p)
        if not any(self.shifts):
            return found
        return _sigmoid(_logit(found) + np.append(self.shifts, 0.0)[offers])


def reliability(p: np.ndarray, y: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Promised against observed share over bins of equally many rows; equal probabilities share a bin.

    Columns: low, high (of the promises), promised (their mean), observed, rows, and the 95 % interval of the observed
    share (Wilson 1927) as observed_low, observed_high.
    """
    p, y = _checked(p, y)
    columns = ["low", "high", "promised", "observed", "rows", "observed_low", "observed_high"]
    if not len(p):
        return pd.DataFrame(columns=columns, dtype=float)
    frame = pd.DataFrame({"bin": bin_numbers(p, bins), "p": p, "y": y})
    found = frame.groupby("bin", sort=True).agg(
        low=("p", "min"), high=("p", "max"), promised=("p", "mean"), observed=("y", "mean"), rows=("y", "size"),
    ).reset_index(drop=True)  # fmt: skip
    from segmentation.evidence import share_interval

    rows = found["rows"].to_numpy()
    interval = share_interval(np.round(found["observed"].to_numpy() * rows), rows)
    return found.assign(observed_low=interval.low, observed_high=interval.high)


def calibration_error(p: np.ndarray, y: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance between promised and observed share; NaN without rows.

    >>> calibration_error(np.array([0.25] * 4), np.array([1, 0, 0, 0]))
    0.0
    """
    p, y = _checked(p, y)
    if not len(p):
        return float("nan")
    return float(np.abs(np.bincount(bin_numbers(p, bins), p - y)).sum() / len(p))


def calibration_by(p: np.ndarray, y: np.ndarray, groups: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Calibration inside each group (an offer, a segment): group, rows, promised, observed, ece; sorted by group."""
    p, y = _checked(p, y)
    if len(groups) != len(p):
        raise ContractError(f"calibrate: {len(groups):,} groups for {len(p):,} probabilities; give one each")
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    parts = [np.flatnonzero(codes == code) for code in range(len(names))]
    return pd.DataFrame(
        {
            "group": names,
            "rows": [len(part) for part in parts],
            "promised": [float(p[part].mean()) for part in parts],
            "observed": [float(y[part].mean()) for part in parts],
            "ece": [calibration_error(p[part], y[part], bins) for part in parts],
        }
    )


def lift_by_bin(p: np.ndarray, y: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """How often the most promising tenth says yes, against all: bin (1 best), rows, observed, lift, share of all yes.

    Ties share a bin, so that a bin may be empty and is left out then.
    """
    table = reliability(p, y, bins).iloc[::-1].reset_index(drop=True)
    base = float(np.mean(y)) if len(y) else float("nan")
    yes = table["observed"] * table["rows"]
    return pd.DataFrame(
        {
            "bin": np.arange(1, len(table) + 1),
            "rows": table["rows"],
            "observed": table["observed"],
            "lift": table["observed"] / base if base > 0 else np.nan,
            "captured": yes.cumsum() / yes.sum() if yes.sum() > 0 else np.nan,
        }
    )


def correction(p: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> Correction:
    """The correction that saves log loss on rows it was not learned from; none where it does not surely help.

    Learned on a random half of a window later than the model's own data, judged on the other half; the winner is then
    learned on both. Temperature with a shift after Platt (1999), steps after Zadrozny & Elkan (2002).
    """
    p, y = _checked(p, y)
    nothing = Correction("none", 0.0, 0.0, 0.0)
    half = rng.permutation(len(p)) < len(p) // 2
    if min(half.sum(), (~half).sum()) < LEAST_ROWS or y[half].min() == y[half].max():
        return nothing
    tried = [_tried(method, p, y, half) for method in ("temperature", "isotonic")]
    best = max(tried, key=lambda one: one.gain)
    # two were tried: the interval of the better one must clear zero
    if best.low <= 0:
        return nothing
    # the figures stay those of the held-out half: on rows learned from, every curve looks honest
    return _learned(best.method, p, y)._replace(
        gain=best.gain, low=best.low, high=best.high, before=best.before, after=best.after
    )


def offer_correction(
    p: np.ndarray, y: np.ndarray, offers: np.ndarray, count: int, rng: np.random.Generator
) -> OfferCorrection:
    """The correction of all offers and of each one that saves log loss on rows it was not learned from.

    As `correction`, with a third way beside the two: a temperature and, on top, a shift of each offer's log-odds under
    a normal prior of spread .3, so that an offer made rarely stays with the others.

    Parameters
    ----------
    offers : (n,) index of the offer of each row, −1 for none
    count : number of offers
    """
    p, y = _checked(p, y)
    if len(offers) != len(p) or (len(offers) and not (offers.min() >= -1 and offers.max() < count)):
        raise ContractError(f"calibrate: {len(p):,} probabilities need as many offers, each −1 to {count - 1}")
    half = rng.permutation(len(p)) < len(p) // 2
    nothing = OfferCorrection(Correction("none", 0.0, 0.0, 0.0), (0.0,) * count, 0.0, 0.0, 0.0)
    if min(half.sum(), (~half).sum()) < LEAST_ROWS or y[half].min() == y[half].max():
        return nothing
    ways: tuple[tuple[Method, bool], ...] = (("temperature", False), ("isotonic", False), ("temperature", True))
    tried = []
    for method, single in ways:
        learned = _of_offers(method, single, p[half], y[half], offers[half], count)
        put_right = learned.apply(p[~half], offers[~half])
        saved = _log_loss(p[~half], y[~half]) - _log_loss(put_right, y[~half])
        margin = SURE_OF_THREE * float(saved.std(ddof=1)) / np.sqrt(len(saved))
        mean = float(saved.mean())
        errors = [calibration_error(promised, y[~half]) for promised in (p[~half], put_right)]
        tried.append((mean, method, single, mean - margin, mean + margin, *errors))
    gain, method, single, low, high, before, after = max(tried)
    if low <= 0:
        return nothing
    whole = _of_offers(method, single, p, y, offers, count)
    return whole._replace(gain=gain, low=low, high=high, before=before, after=after)


def read_offer_correction(parts: Mapping[str, Any]) -> OfferCorrection:
    """The correction of plain values, as `OfferCorrection._asdict` and JSON leave it."""
    plain: dict[str, Any] = {name: float("nan") if value is None else value for name, value in parts.items()}
    common: dict[str, Any] = {name: float("nan") if v is None else v for name, v in parts["common"].items()}
    common |= {name: tuple(common[name]) for name in ("x", "y")}
    plain |= {"common": Correction(**common), "shifts": tuple(plain["shifts"])}
    return OfferCorrection(**plain)


def bin_numbers(p: np.ndarray, bins: int) -> np.ndarray:
    """The bin of each row by equal counts, 0 the lowest promises; ties share the bin of the first of them."""
    return np.searchsorted(np.sort(p), p, "left") * bins // len(p)


def _tried(method: Method, p: np.ndarray, y: np.ndarray, half: np.ndarray) -> Correction:
    learned = _learned(method, p[half], y[half])
    saved = _log_loss(p[~half], y[~half]) - _log_loss(learned.apply(p[~half]), y[~half])
    # two corrections are tried: 97.5 % each (Bonferroni)
    margin = 2.241 * float(saved.std(ddof=1)) / np.sqrt(len(saved))
    mean = float(saved.mean())
    errors = [calibration_error(promised, y[~half]) for promised in (p[~half], learned.apply(p[~half]))]
    return learned._replace(
        gain=mean, low=mean - margin, high=mean + margin, before=errors[0], after=errors[1]
    )  # fmt: skip


def _learned(method: Method, p: np.ndarray, y: np.ndarray) -> Correction:
    if method == "temperature":
        from scipy.optimize import minimize

        z = _logit(p)

        def loss(terms: np.ndarray) -> float:
            logits = terms[0] * z + terms[1]
            return float(np.mean(np.logaddexp(0, logits) - y * logits))

        found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
        return Correction(method, 0.0, 0.0, 0.0, slope=float(found.x[0]), shift=float(found.x[1]))
    from sklearn.isotonic import IsotonicRegression

    steps = IsotonicRegression(y_min=LOWEST, y_max=1 - LOWEST, out_of_bounds="clip").fit(p, y)
    x, heights = (tuple(map(float, side)) for side in (steps.X_thresholds_, steps.y_thresholds_))
    return Correction(method, 0.0, 0.0, 0.0, x=x, y=heights)


def _of_offers(
    method: Method, single: bool, p: np.ndarray, y: np.ndarray, offers: np.ndarray, count: int
) -> OfferCorrection:
    common = _learned(method, p, y)
    shifts = _shifts(common.apply(p), y, offers, count) if single else np.zeros(count)
    return OfferCorrection(common, tuple(shifts.tolist()), 0.0, 0.0, 0.0)


def _shifts(p: np.ndarray, y: np.ndarray, offers: np.ndarray, count: int) -> np.ndarray:
    """The most likely shift of each offer under its prior, by Newton's method; offers never made stay at 0."""
    made = offers >= 0
    z, of, taken = _logit(p[made]), offers[made], np.bincount(offers[made], y[made], minlength=count)
    shifts = np.zeros(count)
    for _ in range(SHIFT_ROUNDS):
        q = _sigmoid(z + shifts[of])
        slope = taken - np.bincount(of, q, minlength=count) - shifts / SHIFT_SPREAD**2
        curve = np.bincount(of, q * (1 - q), minlength=count) + 1 / SHIFT_SPREAD**2
        # no farther than a whole unit at once: the first steps of a rare offer would overshoot
        shifts = shifts + np.clip(slope / curve, -1.0, 1.0)
    return shifts


def _checked(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if p.shape != y.shape or p.ndim != 1:
        raise ContractError(f"calibrate: probabilities {p.shape}, outcomes {y.shape}; give one outcome each")
    if not ((p >= 0) & (p <= 1)).all():
        raise ContractError("calibrate: a probability lies outside [0, 1] or is NaN; mend the model first")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ContractError("calibrate: an outcome is neither 0 nor 1; say yes or no for each row")
    return p, y


def _log_loss(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    safe = np.clip(p, LOWEST, 1 - LOWEST)
    return -np.where(y > 0, np.log(safe), np.log1p(-safe))


def _logit(p: np.ndarray) -> np.ndarray:
    safe = np.clip(p, LOWEST, 1 - LOWEST)
    return np.log(safe) - np.log1p(-safe)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))
