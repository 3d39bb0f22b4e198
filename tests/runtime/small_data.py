"""The smallest data set that keeps the contract: two people, one scene, one product, three events."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from scenefit.runtime.store import RawWriter, replace_raw
from scenefit.runtime.workspace import Dataset, Workspace

UNTIL = pd.Timestamp("2026-06-30T16:00Z")
NOON = pd.Timestamp("2026-06-01T12:00Z")

CUSTOMERS = pd.DataFrame({"customer_id": ["a", "b"], "kind": "customer", "registered_at": NOON})
SCENES = pd.DataFrame({"scene_id": ["travel"], "name_en": ["Travel"], "name_zh": ["旅游"]})
PRODUCTS = pd.DataFrame({
    "product_id": ["p1"], "version": [1], "kind": ["card"], "name_en": ["Card"], "name_zh": ["卡"],
    "valid_from": [NOON], "state": ["live"],
})  # fmt: skip
EVENTS = pd.DataFrame({
    "event_id": ["e1", "e2", "e3"], "customer_id": ["a", "a", "b"], "at": NOON, "ingested_at": NOON, "kind": "visit",
    "amount": [0.1, 0.2, None],
})  # fmt: skip


def dataset(name: str = "two people") -> Dataset:
    """What is known about the data set."""
    return Dataset(name=name, until=UNTIL, synthetic=True)


def arrow(frame: pd.DataFrame) -> pa.Table:
    """The frame as a part to add."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def fill(writer: RawWriter, events: pd.DataFrame = EVENTS) -> None:
    """Add all required tables."""
    for name, frame in (("customers", CUSTOMERS), ("scenes", SCENES), ("products", PRODUCTS), ("events", events)):
        writer.add(name, arrow(frame))


def write(
    workspace: Workspace,
    name: str = "two people",
    events: pd.DataFrame = EVENTS,
    more: pd.DataFrame | None = None,
    error: BaseException | None = None,
) -> None:
    """Make the data set a workspace's data, with planted truth; `more` events as a second part; `error` at the end."""
    with replace_raw(workspace, dataset(name)) as writer:
        fill(writer, events)
        if more is not None:
            writer.add("events", arrow(more))
        if error is not None:
            raise error
        writer.add_truth("segments", pa.table({"customer_id": ["a", "b"], "segment": [0, 1]}))


def content(workspace: Workspace) -> dict[str, bytes]:
    """Every file of a workspace by its path, hidden ones included."""
    return {
        str(file.relative_to(workspace.root)): file.read_bytes() if file.is_file() else b""
        for file in sorted(workspace.root.rglob("*"))
    }
