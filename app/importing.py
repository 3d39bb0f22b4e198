"""Importers at work: read a source, check it against the contract, write it into a workspace."""

from __future__ import annotations

from pathlib import Path

from scenefit.runtime.settings import FILE
from scenefit.runtime.store import replace_raw
from scenefit.runtime.workspace import Dataset, Workspace, write_text
from scenefit.sources.complete_journey import read_complete_journey

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


def import_journey(workspace: Workspace, src: Path | None) -> Dataset:
    """Bring the Complete Journey into the workspace; existing settings of the workspace are left alone."""
    imported = read_complete_journey(src)
    with replace_raw(workspace, imported.dataset) as writer:
        for name, table in imported.tables.items():
            writer.add(name, table)
    if not (workspace.root / FILE).exists():
        write_text(workspace.root / FILE, JOURNEY_SETTINGS)
    return workspace.dataset()
