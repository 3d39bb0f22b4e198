"""Segments over time: versions of a scene's segments, and who belongs where between one fit and the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import Column, Table
from segmentation.distances import NearestTwo, nearest_two
from segmentation.encoders import CustomerEncoder, read_encoder
from segmentation.identity import EVENT_COLUMNS, LEAST_COMMON, Succession, first_ids, overlap_table, succession

# share of a segment's own customers who lie within its reach; who lies further is "far"
REACH = 0.995
# a customer moves when another centre is nearer by this share; less is the noise of a border
HOLD = 0.05
# standard errors by which the present number of segments may be worse before everybody is moved
STEADY = 2.0

SEGMENT_VERSIONS = Table(
    "segment_versions",
    grain="one row per scene and version of its segments",
    key=("scene_id", "version"),
    columns=(
        Column("scene_id", "str"),
        Column("version", "int", low=1),
        Column("fitted_at", "instant"),
        Column("as_of", "instant", note="moment of the features"),
        Column("customers", "int", low=0),
        Column("k", "int", low=1),
        Column("tie_set", "str", note="every k not clearly worse, such as 4, 5"),
        Column("stability", "float", nullable=True, note="mean adjusted Rand index between seeds, at k"),
        Column("matched_by", "str", values=("first", "customers", "centres")),
        Column("kept_share", "float", unit="1", nullable=True, low=0, high=1,
               note="customers in both versions who kept their segment"),
    ),
)  # fmt: skip

SEGMENT_EVENTS = Table(
    "segment_events",
    grain="one row per version and what became of a segment in it",
    key=("scene_id", "version", "segment_id", "event", "other_id"),
    columns=(
        Column("scene_id", "str"),
        Column("version", "int", low=1),
        Column("segment_id", "str"),
        Column("event", "str", values=("first", "same", "split", "merge", "new", "dead")),
        Column("other_id", "str", note="same, split: where it came from; merge: where it went; else empty"),
        Column("overlap", "float", unit="1", nullable=True, low=0, high=1, note="Jaccard of common customers"),
    ),
)


class Assignment(NamedTuple):
    """Where one customer belongs: the nearest segment, how clearly, and whether the customer is unlike its members."""

    segment_id: str
    confidence: float
    far: bool


@dataclass(frozen=True)
class SegmentModel:
    """The segments of a scene as fitted once: enough to place any customer, and to find them again next time.

    ids : id of each segment, in the order of `centers`
    centers : (k, d) in the encoder's points
    reach : (k,) distance from the centre within which 99.5 % of the members lay at fit
    sizes : (k,) members at fit
    clarity : mean and standard deviation of the members' confidence at fit
    last : highest number given to any segment of the scene so far
    """

    scene_id: str
    version: int
    encoder: CustomerEncoder
    ids: tuple[str, ...]
    centers: np.ndarray
    reach: np.ndarray
    sizes: np.ndarray
    clarity: tuple[float, float]
    last: int

    def assign(
        self, frame: pd.DataFrame, as_of: pd.Timestamp | None = None, held: pd.Series | None = None
    ) -> pd.DataFrame:
        """Segment of each customer: `segment_id`, `confidence` and `far`, in the frame's order and index.

        Parameters
        ----------
        held : segment id each customer has now, by the frame's index; gaps and ids that are no more have none. A
            customer stays while the nearest centre is not clearly nearer (5 %), so that those at a border do not
            change sides with every refit; their confidence is 0

        Notes
        -----
        The nearest segment is given to everybody else; `far` marks those further from their centre than 99.5 % of the
        segment's members were at fit, who are like nobody the segments were found in. A table of other columns,
        infinities and moments after `as_of` are refused.
        """
        points = self.encoder.transform(frame, as_of)
        near = nearest_two(points, self.centers)
        labels, distance, confidence = near.labels.astype(np.intp), near.distance.copy(), near.confidence.copy()
        if held is not None:
            place = pd.Index(self.ids).get_indexer(pd.Index(held.reindex(frame.index)))
            away = np.flatnonzero((place >= 0) & (place != labels))
            steps = points[away].astype(np.float64) - self.centers[place[away]]
            there = np.sqrt((steps**2).sum(axis=1))
            stays = distance[away] >= (1 - HOLD) * there
            away, there = away[stays], there[stays]
            labels[away], distance[away], confidence[away] = place[away], there, 0.0
        return pd.DataFrame(
            {
                "segment_id": np.asarray(self.ids, dtype=object)[labels],
                "confidence": confidence,
                "far": distance > self.reach[labels],
            },
            index=frame.index,
        )

    def assign_one(self, customer: Mapping[str, Any], as_of: pd.Timestamp | None = None) -> Assignment:
        """Segment of one customer, given as column → value; the same as in a batch."""
        row = self.assign(pd.DataFrame([dict(customer)]), as_of).iloc[0]
        return Assignment(str(row["segment_id"]), float(row["confidence"]), bool(row["far"]))

    def facts(self) -> dict[str, Any]:
        """The model but its arrays, as plain JSON values; `read_model` reads it back."""
        return {
            "scene_id": self.scene_id,
            "version": self.version,
            "ids": list(self.ids),
            "last": self.last,
            "clarity": list(self.clarity),
            "encoder": self.encoder.facts(),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays to store beside the facts."""
        return {"centers": self.centers, "reach": self.reach, "sizes": self.sizes}


class Refit(NamedTuple):
    """A new version of a scene's segments and how it continues the one before."""

    model: SegmentModel
    succession: Succession


def read_model(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> SegmentModel:
    """The model whose `facts()` and `arrays()` these are."""
    try:
        return SegmentModel(
            str(facts["scene_id"]), int(facts["version"]), read_encoder(facts["encoder"]), tuple(facts["ids"]),
            arrays["centers"], arrays["reach"], arrays["sizes"], tuple(facts["clarity"]), int(facts["last"]),
        )  # fmt: skip
    except KeyError as error:
        raise ContractError(f"stored segments: {error} is missing; restore the model or fit again") from error


def first_model(scene_id: str, encoder: CustomerEncoder, points: np.ndarray, centers: np.ndarray) -> SegmentModel:
    """The first version of a scene's segments.

    Parameters
    ----------
    points : the encoded customers the centres were found in, shape (n, d)
    centers : shape (k, d), such as `SegmentSweep.centers_`; label 0 becomes number 1
    """
    if centers.ndim != 2 or len(centers) < 2 or points.shape[1:] != centers.shape[1:]:
        raise ContractError(
            f"segments of {scene_id!r}: points of shape {points.shape} and centres of shape {centers.shape}; give at "
            "least two centres in the points' columns"
        )
    ids = first_ids(scene_id, len(centers))
    near = nearest_two(points, centers)
    # sorted: equal sums whatever the order of the customers
    confidence = np.sort(near.confidence)
    clarity = float(confidence.mean()), float(confidence.std())
    sizes = np.bincount(near.labels, minlength=len(ids))
    return SegmentModel(scene_id, 1, encoder, ids, centers, _reach(near, len(ids)), sizes, clarity, len(ids))


def next_model(
    previous: SegmentModel,
    encoder: CustomerEncoder,
    frame: pd.DataFrame,
    centers: np.ndarray,
    customers: Sequence[str],
    members: Mapping[str, str] | pd.Series,
    as_of: pd.Timestamp | None = None,
) -> Refit:
    """The next version, in which a segment that lives on keeps its id.

    Parameters
    ----------
    frame, customers : the newly segmented customers before encoding, and their ids
    centers : new centres, in the points of the new `encoder`
    members : customer id → segment id in the previous version

    Notes
    -----
    Ids follow common customers. Where fewer than 50 are common, the means of the new segments in the old encoder's
    points are compared with the old centres (see `identity.succession`).
    """
    if len(frame) != len(customers):
        raise ContractError(f"segments of {previous.scene_id!r}: {len(frame):,} rows, {len(customers):,} customer ids")
    points = encoder.transform(frame, as_of)
    model = first_model(previous.scene_id, encoder, points, centers)
    labels = nearest_two(points, centers).labels
    before = pd.Series(members if isinstance(members, pd.Series) else dict(members), dtype=object)
    place = pd.Index(previous.ids).get_indexer(pd.Index(before.reindex(pd.Index(customers))))
    both = place >= 0
    common = overlap_table(place[both], labels[both], len(previous.ids), len(centers))
    centres = None
    if common.sum() < LEAST_COMMON:
        means = _means(previous.encoder.transform(frame, as_of), labels, len(centers))
        centres = (previous.centers, means)
    moved = succession(previous.scene_id, previous.ids, previous.last, common, centres)
    return Refit(replace(model, version=previous.version + 1, ids=moved.ids, last=moved.last), moved)


def steady_k(previous: SegmentModel, report: pd.DataFrame) -> int:
    """The number of segments for a refit: the present one while it is not clearly worse, else the least of the tie set.

    Parameters
    ----------
    report : `SegmentSweep.report_`, of which k, silhouette, silhouette_se and tied are read

    Notes
    -----
    A tie set of 4 and 5 may come out as 4 this month and 5 the next; that is no news about customers, but everybody's
    segment would change. So the present k stays while it is tied, or its silhouette lies within two standard errors
    of the difference to the best (about 95 %), where one is enough to be tied.
    """
    table = report.set_index("k")
    if table.empty or not table["tied"].any():
        raise ContractError(f"segments of {previous.scene_id!r}: no k is tied; give the report of a fitted sweep")
    k = len(previous.ids)
    if k in table.index:
        best = table["silhouette"].idxmax()
        errors = table["silhouette_se"].fillna(0.0)
        margin = STEADY * np.hypot(errors[k], errors[best])
        if table["tied"][k] or table["silhouette"][k] >= table["silhouette"][best] - margin:
            return k
    return int(table.index[table["tied"]].min())


def version_row(
    model: SegmentModel,
    fitted_at: pd.Timestamp,
    as_of: pd.Timestamp,
    customers: int,
    tie_set: Sequence[int],
    stability: float,
    matched_by: str = "first",
    kept_share: float = float("nan"),
) -> pd.DataFrame:
    """One row of the version history, in the columns of SEGMENT_VERSIONS."""
    row = (model.scene_id, model.version, fitted_at, as_of, customers, len(model.ids),
           ", ".join(map(str, tie_set)), stability, matched_by, kept_share)  # fmt: skip
    return pd.DataFrame([row], columns=SEGMENT_VERSIONS.names)


def event_rows(model: SegmentModel, moved: Succession | None = None) -> pd.DataFrame:
    """What became of each segment in this version, in the columns of SEGMENT_EVENTS; None: the first version."""
    events = pd.DataFrame(
        [(segment, "first", None, np.nan) for segment in model.ids], columns=EVENT_COLUMNS
    ) if moved is None else moved.events.copy()  # fmt: skip
    events.insert(0, "version", model.version)
    events.insert(0, "scene_id", model.scene_id)
    # part of the key: a text, never a gap
    return events.assign(other_id=events["other_id"].fillna(""))


def _reach(near: NearestTwo, k: int) -> np.ndarray:
    parts = [near.distance[near.labels == label] for label in range(k)]
    return np.asarray([np.quantile(part, REACH, method="higher") if len(part) else 0.0 for part in parts])


def _means(points: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Mean point of each segment, columns summed in sorted order."""
    sizes = np.maximum(np.bincount(labels, minlength=k), 1)
    wide = points.astype(np.float64)
    orders = [np.argsort(column, kind="stable") for column in wide.T]
    sums = [np.bincount(labels[order], column[order], k) for order, column in zip(orders, wide.T, strict=True)]
    return np.column_stack(sums) / sizes[:, None]
