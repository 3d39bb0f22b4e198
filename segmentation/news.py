"""Have the customers changed since the segments were found? If not, the segments carry on and are not sought anew."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.distances import content_order, nearest_two
from segmentation.drift import Band, psi
from segmentation.encoders import CustomerEncoder
from segmentation.lifecycle import REACH, SegmentModel

# least loss of mean confidence that a marketer would notice, and the standard errors that make it more than chance
LOSS = 0.02
SURE = 3.0
# times the expected share of far customers
FAR = 3.0
ROUNDS = 100


class News(NamedTuple):
    """What speaks for seeking the segments anew.

    sizes : band of the stability index of the segments' sizes, then and now
    confidence_lost : drop of the mean confidence since the fit
    far_share : share of customers unlike any member; 0.5 % were at fit
    changed : whether any of the three is more than chance and large enough to matter
    """

    sizes: Band
    confidence_lost: float
    far_share: float
    changed: bool


def news(model: SegmentModel, assigned: pd.DataFrame) -> News:
    """Whether present customers still fall into the segments as those did in whom they were found.

    Parameters
    ----------
    assigned : `model.assign(frame)` of the present customers, without `held`

    Notes
    -----
    Changed when the sizes leave the "stable" band (PSI at least 0.1 and beyond chance), or the mean confidence fell by
    at least 0.02 and three standard errors, or far customers are three times as many as expected and three
    standard errors more. Which k the sweep finds best differs between samples of the same customers; these three do
    not, and without news a new k would only move people about.
    """
    if not len(assigned):
        raise ContractError(f"segments of {model.scene_id!r}: nobody is assigned; give the present customers")
    counts = pd.Index(model.ids).get_indexer(pd.Index(assigned["segment_id"]))
    now = np.bincount(counts, minlength=len(model.ids))
    sizes = psi(model.sizes, now, ordered=False).band
    n, m = int(model.sizes.sum()), len(assigned)
    mean, spread = model.clarity
    # sorted: equal sums whatever the order of the customers
    lost = mean - float(np.sort(assigned["confidence"].to_numpy(dtype=np.float64)).mean())
    less_clear = lost >= LOSS and lost > SURE * spread * np.sqrt(1 / n + 1 / m)
    expected = 1 - REACH
    far = float(assigned["far"].mean())
    strangers = far > FAR * expected and far > expected + SURE * np.sqrt(expected * (1 - expected) * (1 / n + 1 / m))
    return News(sizes, lost, far, bool(sizes != "stable" or less_clear or strangers))


def carried_centers(
    model: SegmentModel, encoder: CustomerEncoder, frame: pd.DataFrame, as_of: pd.Timestamp | None = None
) -> np.ndarray:
    """Centres of the same segments among present customers, in the new encoder's points, in the order of the old ids.

    The customers are placed by the old model; the means of its segments in the new points start Lloyd's rounds over
    all of them (scikit-learn's KMeans). A segment in which nobody is left is refused: that is news.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    points = encoder.transform(frame, as_of)
    old = model.encoder.transform(frame, as_of)
    labels = nearest_two(old, model.centers).labels
    order = content_order(points, 0)
    sizes = np.bincount(labels, minlength=len(model.ids))
    if (sizes == 0).any():
        gone = model.ids[int(sizes.argmin())]
        raise ContractError(f"segments of {model.scene_id!r}: nobody is left in {gone!r}; find the segments anew")
    ordered = points[order].astype(np.float64)
    start = np.column_stack([np.bincount(labels[order], column, len(sizes)) for column in ordered.T]) / sizes[:, None]
    # one thread: the same bytes on any machine
    with threadpool_limits(1):
        found = KMeans(len(start), init=start, n_init=1, max_iter=ROUNDS, algorithm="lloyd", random_state=0).fit(
            ordered
        )
    centers: np.ndarray = found.cluster_centers_.astype(np.float32)
    return centers
