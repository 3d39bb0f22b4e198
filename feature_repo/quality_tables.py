"""The quality report as tables, and its newest version in the workspace (features/quality.json)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from feature_repo.quality_bands import Bands
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import Column, Table, check
from scenefit.runtime.workspace import Workspace, write_text

ALERTS = ("", "ok", "watch", "alert")
FORM = 1  # of quality.json; another one is refused, not guessed at

FEATURE_QUALITY = Table(
    "feature_quality",
    grain="one row per view and feature",
    key=("view", "feature"),
    columns=(
        Column("view", "str"),
        Column("feature", "str"),
        Column("kind", "str", values=("int", "float", "bool", "str")),
        Column("rows", "int", low=0),
        Column("nulls", "int", low=0, note="rows without value; NaN is one"),
        Column("null_share", "float", unit="1", nullable=True, low=0, high=1),
        Column("distinct", "int", low=0, note="different values, exact"),
        *(
            Column(name, "float", nullable=True, note="empty for texts and where no value is known")
            for name in ("mean", "std", "min", "p05", "p25", "p50", "p75", "p95", "max")
        ),
        Column("top", "str", note="texts: JSON [[level, share of rows], …]; level null: all others together"),
        Column("histogram", "str", note="others: JSON {edges (k + 1), shares (k), before (k) or null} of all rows"),
        Column("psi", "float", unit="1", nullable=True, low=0, note="empty without baseline"),
        Column("null_share_before", "float", unit="1", nullable=True, low=0, high=1),
        Column("alert", "str", values=ALERTS, note="empty: nothing to compare with"),
        Column("reason", "str", note="English sentences; empty: nothing to say"),
        Column("reason_zh", "str"),
    ),
)

VIEW_QUALITY = Table(
    "view_quality",
    grain="one row per view",
    key=("view",),
    columns=(
        Column("view", "str"),
        Column("rows", "int", low=0),
        Column("rows_before", "int", nullable=True, low=0, note="of the baseline"),
        Column("event_timestamp", "instant", nullable=True, note="instant of the newest snapshot"),
        Column("baseline", "instant", nullable=True, note="instant of the snapshot it is compared with"),
        Column("age_days", "float", unit="day", nullable=True, low=0),
        Column("ttl_days", "float", unit="day", low=0),
        Column("cadence", "str"),
        Column("files", "int", low=0, note="of all snapshots of the view"),
        Column("bytes", "int", low=0),
        Column("alert", "str", values=ALERTS),
        Column("reason", "str"),
        Column("reason_zh", "str"),
    ),
)


@dataclass(frozen=True)
class Quality:
    """How features fare at one moment: one row per feature, one per view (`FEATURE_QUALITY`, `VIEW_QUALITY`).

    `fingerprint` is that of the data set, by which a reader sees whether the report is of the present data.
    """

    as_of: pd.Timestamp
    fingerprint: str
    synthetic: bool
    bands: Bands
    features: pd.DataFrame
    views: pd.DataFrame


def checked(frame: pd.DataFrame | list[dict[str, Any]], table: Table) -> pd.DataFrame:
    """Rows in the order and types of their table, sorted as given."""
    return check(pd.DataFrame(frame, columns=table.names), table)


def save(workspace: Workspace, report: Quality) -> Path:
    """Keep the report as the workspace's newest; equal reports give equal bytes.

    Raises
    ------
    StoreError : the folder cannot be written.
    """
    bands = asdict(report.bands) | {"slack": report.bands.slack / timedelta(days=1)}
    content = {
        "form": FORM, "as_of": report.as_of.isoformat(), "fingerprint": report.fingerprint,
        "synthetic": report.synthetic, "bands": bands,
        "features": _records(report.features), "views": _records(report.views),
    }  # fmt: skip
    file = _file(workspace)
    write_text(file, json.dumps(content, ensure_ascii=False, indent=1))
    return file


def load(workspace: Workspace) -> Quality:
    """The newest quality report.

    Raises
    ------
    StoreError : there is none, or its file is damaged or of another form.
    """
    file = _file(workspace)
    again = f"make one with `scenefit features quality --workspace {workspace.root}`"
    if not file.is_file():
        raise StoreError(f"{file}: there is no quality report; {again}")
    try:
        content = json.loads(file.read_text("utf8"))
        if content["form"] != FORM:
            raise StoreError(f"{file}: has form {content['form']}, this program reads {FORM}; {again}")
        bands = Bands(**content["bands"] | {"slack": timedelta(days=content["bands"]["slack"])})
        views = pd.DataFrame(content["views"], columns=VIEW_QUALITY.names)
        for name in ("event_timestamp", "baseline"):
            views[name] = pd.to_datetime(views[name], utc=True, format="ISO8601")
        return Quality(
            pd.Timestamp(content["as_of"]), content["fingerprint"], content["synthetic"], bands,
            checked(content["features"], FEATURE_QUALITY), checked(views, VIEW_QUALITY),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, ContractError) as error:
        raise StoreError(f"{file}: damaged ({error}); {again}") from error


def _file(workspace: Workspace) -> Path:
    return workspace.features / "quality.json"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
