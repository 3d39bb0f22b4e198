"""The champion of a workspace as the model that decides in a run, where the workspace pins it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from app.material import Inputs, numeric_columns
from app.model_tables import MODEL, models_folder
from recsys import champions
from recsys.kept_champion import kept_champion, on_items
from recsys.training import Learned
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace


@dataclass(frozen=True)
class Deciding:
    """The version that decides: its model over the run's own items, and what the manifest says of it."""

    learned: Learned
    facts: dict[str, Any]


def pinned_champion(workspace: Workspace, inputs: Inputs, items: np.ndarray) -> Deciding | None:
    """The pinned version, ready for the people of a run; None where the run decides by its own model.

    Parameters
    ----------
    items : ids of the items in which the run counts behaviour

    Raises
    ------
    SettingsError : the version knows other products or features than the data has now, or learned from after the run.
    StoreError : its files are gone or changed.
    """
    folder = models_folder(workspace)
    number = champions.pinned(folder)
    if number is None:
        return None
    saved = champions.read_version(folder, number)
    _check(number, saved.facts, inputs)
    learned = on_items(kept_champion(saved), saved.arrays["items"].astype(object), items.astype(str).astype(object))
    said = {
        "model": MODEL, "version": number, "as_of": saved.facts["as_of"],
        "registered_at": saved.facts["registered_at"], "fingerprint": saved.facts["data"]["fingerprint"],
    }  # fmt: skip
    return Deciding(learned, said)


def _check(number: int, facts: dict[str, Any], inputs: Inputs) -> None:
    way_out = "fit and promote a version anew, or let runs decide by their own model with `scenefit recs unpin`"
    here = inputs.catalogue.products["product_id"].astype(str).tolist()
    if facts["products"] != here:
        differ = sorted(set(facts["products"]) ^ set(here)) or ["their order"]
        raise SettingsError(
            f"champions: version {number}, which is pinned, knows other products than the data has at "
            f"{inputs.edges[-1].isoformat()} (different: {', '.join(differ[:5])}); {way_out}"
        )
    if facts["features"] != numeric_columns(inputs.now):
        raise SettingsError(
            f"champions: version {number}, which is pinned, reads other features than the data has now; {way_out}"
        )
    if pd.Timestamp(facts["as_of"]) > inputs.edges[-1]:
        raise SettingsError(
            f"champions: version {number}, which is pinned, learned until {facts['as_of']}, after the moment of this "
            f"run ({inputs.edges[-1].isoformat()}): it would know the future. Run as of a later moment, or {way_out}"
        )
