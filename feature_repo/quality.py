"""The health of features at one moment: spread, gaps, freshness, volume, and drift against a baseline.

One query per view reads the snapshot and one its baseline; each column is then sorted once, and every figure of it
comes from the sorted values. All figures are exact and the same on any number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa

from feature_repo import distribution, quality_bands
from feature_repo.definition import Feature, View
from feature_repo.manifest import Manifest, folder_of, read_manifest, rows_sql, stale
from feature_repo.quality_bands import Bands, Finding
from feature_repo.quality_tables import FEATURE_QUALITY, VIEW_QUALITY, Quality, checked, load, save
from feature_repo.views import STORED, VIEWS
from feature_repo.writer import damage_named, partitions, spill_folder
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.store import connect
from scenefit.runtime.workspace import Workspace

__all__ = ["Bands", "Quality", "load", "quality", "save"]

# values read at once, of the snapshot and again of its baseline: 128 MiB each
CELLS = 2**24
DAY = pd.Timedelta(days=1)


class Snapshot(NamedTuple):
    """A snapshot of a view as it was known at the moment of the report, as a relation for DuckDB."""

    instant: pd.Timestamp
    relation: str
    rows: int


class Asked(NamedTuple):
    """What a report is asked about, and the open connection that reads it."""

    workspace: Workspace
    manifest: Manifest
    time: pd.Timestamp
    bands: Bands
    connection: duckdb.DuckDBPyConnection


def quality(
    workspace: Workspace,
    time: pd.Timestamp,
    *,
    baseline: pd.Timestamp | None = None,
    views: Sequence[str] | None = None,
    bands: Bands | None = None,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> Quality:
    """How the features fare at `time`: the newest snapshot of each view against a baseline.

    Parameters
    ----------
    baseline : compare with the newest snapshot at or before this moment; None: with the one before the newest
    views : names; None: every view with snapshots of its own (a narrow view shows a wide one's values)

    Raises
    ------
    SettingsError : a moment has no time zone, the baseline is later than `time`, a view is unknown or has no snapshots.
    StoreError : a snapshot file is damaged.
    """
    asked_views = _views(views)
    moment = _moment(time, "quality as of")
    compared = None if baseline is None else _moment(baseline, "quality against the baseline")
    if compared is not None and compared > moment:
        raise SettingsError(
            f"quality: the baseline {compared.isoformat()} is later than {moment.isoformat()}; choose an earlier one"
        )
    dataset = workspace.dataset()
    features: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    with (
        spill_folder(workspace.features) as spill,
        damage_named(workspace.features),
        connect(memory_limit, threads, spill) as connection,
    ):
        asked = Asked(workspace, read_manifest(workspace, dataset), moment, bands or Bands(), connection)
        for view in asked_views:
            now = _snapshot(asked, view, moment)
            before = _before(asked, view, now, compared)
            features += [] if now is None else _feature_lines(asked, view, now, before)
            lines.append(_view_line(asked, view, now, before))
    return Quality(
        moment, dataset.fingerprint, dataset.synthetic, bands or Bands(),
        checked(features, FEATURE_QUALITY), checked(lines, VIEW_QUALITY),
    )  # fmt: skip


def feature_line(
    feature: Feature, now: pa.ChunkedArray, before: pa.ChunkedArray | None, bands: Bands, people: bool = True
) -> dict[str, Any]:
    """One feature's row of the report, from its values now and in the baseline.

    `people`: each row is another person (or thing), so that a level with enough rows may be shown by name.
    """
    if feature.kind == "str":
        line, findings = _text_line(now, before, bands, people)
    else:
        line, findings = _number_line(now, before, bands)
    rows, gap_before = line["rows"], line["null_share_before"]
    if rows and gap_before is not None and before is not None:
        nulls_before = round(gap_before * len(before))
        findings.append(quality_bands.missing((line["nulls"], rows), (nulls_before, len(before)), bands))
    line["null_share"] = line["nulls"] / rows if rows else None
    return {"feature": feature.name, "kind": feature.kind} | line | _said(findings)


def _number_line(
    now: pa.ChunkedArray, before: pa.ChunkedArray | None, bands: Bands
) -> tuple[dict[str, Any], list[Finding]]:
    data = distribution.numbers(now)
    base = None if before is None else distribution.numbers(before)
    spread, edges = distribution.spread(data), distribution.bin_edges(base or data, data)
    counts = distribution.bin_counts(data, edges)
    counts_before = None if base is None else distribution.bin_counts(base, edges)
    findings = quality_bands.unbounded(data.infinite)
    psi, gap_before, distinct_before = None, None, None
    if base is not None and counts_before is not None and data.rows and base.rows:
        bins = [*counts, data.rows - counts.sum()], [*counts_before, base.rows - counts_before.sum()]
        psi, gap_before = distribution.stability_index(*bins), base.nulls / base.rows
        findings.append(quality_bands.drift(psi, data.rows, base.rows, len(bins[0]), bands))
        distinct_before = distribution.spread(base).distinct
    findings += quality_bands.sameness(spread.distinct, data.nulls, data.rows, distinct_before)
    histogram = {
        "edges": edges.tolist(),
        "shares": (counts / max(data.rows, 1)).tolist(),
        "before": None if base is None or counts_before is None else (counts_before / max(base.rows, 1)).tolist(),
    }
    line = {"rows": data.rows, "nulls": data.nulls, "psi": psi, "null_share_before": gap_before,
            "top": "[]", "histogram": json.dumps(histogram)} | spread._asdict()  # fmt: skip
    return line, findings


def _text_line(
    now: pa.ChunkedArray, before: pa.ChunkedArray | None, bands: Bands, people: bool
) -> tuple[dict[str, Any], list[Finding]]:
    data = distribution.levels(now)
    base = None if before is None else distribution.levels(before)
    findings: list[Finding] = []
    psi, gap_before, distinct_before = None, None, None
    if base is not None and data.rows and base.rows:
        names = list(base.counts)[: bands.levels]
        bins = distribution.level_counts(data, names), distribution.level_counts(base, names)
        psi, gap_before = distribution.stability_index(*bins), base.nulls / base.rows
        findings.append(quality_bands.drift(psi, data.rows, base.rows, len(bins[0]), bands))
        findings += quality_bands.level_changes(
            [name for name, count in data.counts.items() if name not in base.counts and count >= bands.fewest],
            [name for name, count in base.counts.items() if name not in data.counts and count >= bands.fewest],
            people,
        )
        distinct_before = len(base.counts)
    findings += quality_bands.sameness(len(data.counts), data.nulls, data.rows, distinct_before)
    top = distribution.shown_levels(data, bands.levels, bands.fewest) if people else []
    line = {"rows": data.rows, "nulls": data.nulls, "distinct": len(data.counts), "psi": psi,
            "null_share_before": gap_before, "top": json.dumps(top, ensure_ascii=False), "histogram": ""}  # fmt: skip
    return line, findings


def _feature_lines(asked: Asked, view: View, now: Snapshot, before: Snapshot | None) -> list[dict[str, Any]]:
    lines = []
    for group in _groups(view, now.rows):
        values = _values(asked, group, now)
        values_before = None if before is None else _values(asked, group, before)
        for feature in group:
            old = None if values_before is None else values_before[feature.name]
            # in a view of several keys, twenty rows may be one person's
            line = feature_line(feature, values[feature.name], old, asked.bands, people=len(view.keys) == 1)
            lines.append({"view": view.name} | line)
    return lines


def _view_line(asked: Asked, view: View, now: Snapshot | None, before: Snapshot | None) -> dict[str, Any]:
    files = [partition.file for partition in partitions(folder_of(asked.workspace, view))]
    findings = quality_bands.unusable(len(stale(asked.workspace, view, asked.manifest)))
    line: dict[str, Any] = {
        "view": view.name, "rows": 0, "ttl_days": view.ttl / DAY, "cadence": view.cadence,
        "files": len(files), "bytes": sum(file.stat().st_size for file in files),
    }  # fmt: skip
    if now is None:
        return line | _said([*findings, quality_bands.absent()])
    old, rows_before = asked.time - now.instant, None if before is None else before.rows
    findings.append(quality_bands.age(old, view.cadence, view.ttl, asked.bands))
    findings.append(quality_bands.volume(now.rows, rows_before, asked.bands))
    line |= {"rows": now.rows, "rows_before": rows_before, "event_timestamp": now.instant, "age_days": old / DAY}
    return line | {"baseline": None if before is None else before.instant} | _said(findings)


def _snapshot(asked: Asked, view: View, until: pd.Timestamp, inclusive: bool = True) -> Snapshot | None:
    """The newest snapshot of the present data at (or before) `until`, corrections known at the report's time applied.

    Its age does not matter: what is past its TTL is reported, not hidden.
    """
    usable = [
        partition
        for partition in partitions(folder_of(asked.workspace, view))
        if partition.created <= asked.time
        and partition.digest == asked.manifest.digest(view, partition.created)
        and (partition.instant <= until if inclusive else partition.instant < until)
    ]
    if not usable:
        return None
    instant = usable[-1].instant
    files = [partition.file for partition in usable if partition.instant == instant]
    relation = f"({rows_sql(view, files)}) WHERE {view.present}"
    rows = asked.connection.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0]
    return Snapshot(instant, relation, int(rows))


def _before(asked: Asked, view: View, now: Snapshot | None, baseline: pd.Timestamp | None) -> Snapshot | None:
    if now is None:
        return None
    if baseline is None:
        return _snapshot(asked, view, now.instant, inclusive=False)
    return _snapshot(asked, view, baseline)


def _values(asked: Asked, features: Sequence[Feature], snapshot: Snapshot) -> pa.Table:
    columns = ", ".join(f'"{feature.name}"' for feature in features)
    return asked.connection.sql(f"SELECT {columns} FROM {snapshot.relation}").to_arrow_table()


def _groups(view: View, rows: int) -> Iterator[Sequence[Feature]]:
    width = max(1, CELLS // max(rows, 1))
    for first in range(0, len(view.features), width):
        yield view.features[first : first + width]


def _said(findings: Sequence[Finding]) -> dict[str, str]:
    english = [finding.en for finding in findings if finding.en]
    chinese = [finding.zh for finding in findings if finding.zh]
    return {"alert": quality_bands.worst(findings), "reason": "; ".join(english), "reason_zh": "；".join(chinese)}


def _views(names: Sequence[str] | None) -> list[View]:
    if names is None:
        return list(STORED)
    with_files = {view.name for view in STORED}
    for name in names:
        if name not in VIEWS or VIEWS[name].source not in with_files:
            known = sorted(view.name for view in VIEWS.values() if view.source in with_files)
            raise SettingsError(f"quality: view {name!r} has no snapshots; choose of {known}")
    return [VIEWS[name] for name in dict.fromkeys(names)]


def _moment(time: pd.Timestamp, what: str) -> pd.Timestamp:
    if pd.isna(time) or time.tz is None:
        raise SettingsError(f"{what} {time}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
    return time.tz_convert("UTC").as_unit("us")
