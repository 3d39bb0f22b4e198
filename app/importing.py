"""Importers at work: read a source, check it against the contract, write it into a workspace."""

from __future__ import annotations

from pathlib import Path

from scenefit.runtime.settings import FILE
from scenefit.runtime.store import replace_raw
from scenefit.runtime.workspace import Dataset, Workspace, write_text
from scenefit.sources.complete_journey import Imported, read_complete_journey
from scenefit.sources.santander_tables import read_santander

# a coupon shares its mailing with some thirty others, and households differ less than borrowers do
JOURNEY_SETTINGS = """\
# Settings that suit the Complete Journey; written by the first import, yours to change.
[flow]
snapshot_days = 7      # small data: fresh features cost little
[value]
margin = 0.25          # gross margin of the spend a coupon covers; the data has none
[value.contact_cost]
mail = 0.02            # one coupon's part of a mailed booklet
"""
# one month is the finest step that the panel knows
SANTANDER_SETTINGS = """\
# Settings that suit the Santander panel; written by the first import, yours to change.
[flow]
horizon_days = 30
"""


def import_journey(workspace: Workspace, src: Path | None) -> Dataset:
    """Bring the Complete Journey into the workspace; existing settings of the workspace are left alone."""
    return _written(workspace, read_complete_journey(src), JOURNEY_SETTINGS)


def import_santander(workspace: Workspace, src: Path) -> Dataset:
    """Bring the Santander panel into the workspace; existing settings of the workspace are left alone."""
    return _written(workspace, read_santander(src), SANTANDER_SETTINGS)


def _written(workspace: Workspace, imported: Imported, settings: str) -> Dataset:
    with replace_raw(workspace, imported.dataset) as writer:
        for name, table in imported.tables.items():
            writer.add(name, table)
    if not (workspace.root / FILE).exists():
        write_text(workspace.root / FILE, settings)
    return workspace.dataset()
