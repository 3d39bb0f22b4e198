"""More people like an audience: the champion's taste vectors, the audience as seeds, the expansion kept as a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from app.audiences import Desk, stored
from app.audited import audited, person
from app.default_scores import default_probabilities
from scenefit.contracts.errors import NotFitted, StoreError
from scenefit.contracts.schema import frame_of
from scenefit.runtime import models
from scenefit.runtime.store import read
from segmentation.audience_versions import Event
from segmentation.bits import unpacked
from segmentation.columns import protected_names
from segmentation.lookalike import LookalikeExpander
from segmentation.lookalike import alike as nearest
from segmentation.lookalike_facts import Expansion


@dataclass(frozen=True)
class Lookalikes:
    """An expansion of an audience: whom it adds, how well each rung finds hidden seeds, what it brings along."""

    reference: str
    run_id: str
    method: str
    report: pd.DataFrame
    customers: np.ndarray
    expansion: Expansion
    seeds: int
    unusable: int


def tastes(found: Desk) -> tuple[str, np.ndarray]:
    """Run id and taste vectors (n, factors) of everybody at the desk; zeros for those the run did not know.

    Raises
    ------
    NotFitted : there is no run, or one of an older version that kept no vectors.
    """
    try:
        folder = found.workspace.latest()
        saved = models.load(folder / "models" / "tastes")
    except StoreError as error:
        raise NotFitted(f"look-alikes need the taste vectors of a finished run: {error}") from error
    position = pd.Index(saved.arrays["customers"]).get_indexer(pd.Index(found.frame["customer_id"].astype(str)))
    vectors = np.zeros((len(position), saved.arrays["vectors"].shape[1]), dtype=np.float32)
    vectors[position >= 0] = saved.arrays["vectors"][position[position >= 0]]
    return folder.name, vectors


def expander(found: Desk, reference: str) -> tuple[LookalikeExpander, str, str]:
    """The look-alike ladder tried on an audience; with the run and the audience version it stands on."""
    run_id, vectors = tastes(found)
    _, words, label = stored(found, reference)
    seeds = np.flatnonzero(unpacked(words, len(found.frame)))
    cores = found.settings.runtime.cores
    fitted = LookalikeExpander(seed=found.settings.seed, cores=cores).fit(
        vectors, seeds, bad=risks(found), protected=protected_values(found)
    )
    return fitted, run_id, label


def lookalikes(found: Desk, reference: str, size: int | None = None, share: float | None = None) -> Lookalikes:
    """More people like an audience, with the proof.

    Raises
    ------
    NotFitted : no run with vectors.
    NotEligible : too few seeds.
    """
    fitted, run_id, label = expander(found, reference)
    positions = fitted.expand(size, share)
    customers = found.frame["customer_id"].to_numpy(object)[positions]
    return Lookalikes(
        label, run_id, fitted.method_, fitted.report_, customers, fitted.shown(positions), len(fitted.seeds_),
        len(fitted.unusable_),
    )  # fmt: skip


def alike(found: Desk, customer: str, top: int = 20) -> pd.DataFrame:
    """The customers most like one by the tastes of the latest run: customer_id, likeness (cosine); best first.

    Raises
    ------
    NotFitted : no run with vectors.
    ContractError : no such customer, or the run knows nothing of him.
    """
    _, vectors = tastes(found)
    customers = found.frame["customer_id"].to_numpy(object)
    positions, likeness = nearest(vectors, customers, customer, top)
    return pd.DataFrame({"customer_id": customers[positions], "likeness": likeness})


def keep(found: Desk, grown: Lookalikes, audience_id: str, name_en: str, name_zh: str, with_seeds: bool = True) -> str:
    """Keep an expansion as an audience of its own; `id@version` of it. The seeds' lineage says so too."""
    name, _, number = grown.reference.partition("@")
    members = grown.customers
    if with_seeds:
        members = np.concatenate([members, found.store.members(name, int(number))])
    at = pd.Timestamp.now("UTC").floor("us")
    details = {"method": grown.method, "run_id": grown.run_id, "added": len(grown.customers), "seeds": grown.seeds}
    with audited(found.workspace, "audience lookalike", {"audience": audience_id, "seeds": grown.reference, **details}):
        version = found.store.save_list(
            audience_id, np.unique(members), name_en=name_en, name_zh=name_zh, by=person(), at=at,
            origin={"kind": "lookalike", "audience_id": name, "version": int(number), **details},
        )  # fmt: skip
        label = f"{audience_id}@{version.version}"
        found.store.note(name, Event("lookalike", int(number), person(), at, {"audience_id": label, **details}))
    return label


def risks(found: Desk) -> np.ndarray | None:
    """Everybody's probability of default, NaN where unknown; shown as a mean over at least 20 people."""
    known = default_probabilities(found.workspace, found.at)
    return None if known is None else known.reindex(found.frame["customer_id"]).to_numpy(float)


def protected_values(found: Desk) -> pd.DataFrame | None:
    """Protected attributes of everybody, shown for fairness and never learned from; None where none is stated."""
    names = sorted(protected_names() - {"birth_year"})
    rows = frame_of(read(found.workspace, "customers", ["customer_id", "birth_year", *names]))
    rows = rows.set_index("customer_id").reindex(found.frame["customer_id"])
    year = found.at.year
    ages = pd.cut(year - rows["birth_year"].astype("Float64"), [0, 25, 35, 45, 55, 65, 200], right=False)
    table = rows[names].assign(age=ages.astype(str).where(ages.notna())).reset_index(drop=True)
    known = [name for name in table.columns if table[name].notna().any()]
    return table[known] if known else None
