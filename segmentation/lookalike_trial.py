"""Which rung finds seeds it has not seen: hidden fifths of the seeds, recall with intervals, paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.lifts import wilson

SHARES = (0.01, 0.05, 0.10)
# where the rung is chosen: one in twenty is what a campaign can afford
DECIDING = 0.05
DRAWS = 4000
COLUMNS = ["method", "share", "recall", "low", "high", "gain", "gain_low", "gain_high", "chosen"]


class Trial(NamedTuple):
    """Bake-off table, one row per rung and share of the population, and the rung that won."""

    report: pd.DataFrame
    chosen: str


def found_seeds(scores: np.ndarray, hidden: np.ndarray, known: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Whether each hidden seed is among the best of everybody but the known seeds: bool (shares, hidden).

    A seed that ties with the first customer outside does not count as found.

    Parameters
    ----------
    scores : (n,) of everybody, −inf for those who cannot be scored
    hidden, known : positions of seeds held back and of seeds the rung has learned from
    """
    others = np.delete(scores, known)
    outside = [len(others) - 1 - max(1, int(share * len(others))) for share in shares]
    ordered = np.partition(others, [max(at, 0) for at in outside])
    limits = np.array([ordered[at] if at >= 0 else -np.inf for at in outside])
    found: np.ndarray = scores[hidden][None, :] > limits[:, None]
    return found


def trial(methods: Sequence[str], found: np.ndarray, rng: np.random.Generator) -> Trial:
    """Recall of each rung, and the one that is shipped.

    The first rung is shipped unless another finds more at 5 % of the population and the interval of the paired
    difference lies above zero; of several the one with the highest recall. Intervals of differences are percentiles
    of a bootstrap over seeds, each rung's at 1 − 5 % / (number of rungs compared); those of recall are Wilson's, 95 %.

    Parameters
    ----------
    found : bool (methods, shares, seeds): whether each seed was found while it was hidden
    """
    tail = 0.025 / max(len(methods) - 1, 1)
    rows = []
    for m, method in enumerate(methods):
        for s, share in enumerate(SHARES):
            hits = found[m, s]
            low, high = wilson(np.array([hits.sum()]), np.array([len(hits)]))
            gain = (np.nan,) * 3 if m == 0 else paired_gain(hits, found[0, s], tail, rng)
            rows.append((method, share, float(hits.mean()), float(low[0]), float(high[0]), *gain))
    report = pd.DataFrame(rows, columns=COLUMNS[:-1])
    deciding = report[report["share"] == DECIDING].reset_index(drop=True)
    better = deciding[deciding["gain_low"] > 0]
    chosen = methods[0] if better.empty else str(better.loc[better["recall"].idxmax(), "method"])
    return Trial(report.assign(chosen=report["method"] == chosen), chosen)


def paired_gain(
    hits: np.ndarray, base: np.ndarray, tail: float, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Difference in recall on the same seeds, with a bootstrap interval that leaves out `tail` at each end."""
    n = len(hits)
    won, lost = int((hits & ~base).sum()), int((base & ~hits).sum())
    # resampling seeds draws how often one rung alone finds them
    drawn = rng.multinomial(n, [won / n, lost / n, (n - won - lost) / n], DRAWS)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, [tail, 1 - tail])
    return (won - lost) / n, float(low), float(high)
