"""A pinned champion decides in a run: the same model over the run's own items, refused where it does not fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from app.model_tables import models_folder
from app.recs_pinned import pinned_champion
from recsys import champions
from recsys.champions import Judged
from recsys.kept_champion import champion_parts, on_items
from recsys.models import AlternatingLeastSquares
from recsys.offers import Facts, NextOffer
from recsys.training import Learned
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace

AT = "2026-07-01T00:00:00+00:00"
ITEMS = np.array(["m1", "m2", "m3", "m4"], dtype=object)


@pytest.fixture(scope="module")
def learned() -> Learned:
    rng = np.random.default_rng(0)
    history = sparse.csr_matrix(rng.poisson(1.0, (200, 4)).astype(np.float32))
    als = AlternatingLeastSquares(factors=2, iterations=3).fit(history)
    facts = Facts(als.fold_in(history), rng.normal(size=(200, 1)), np.zeros((200, 2), np.float32))
    return Learned(als, NextOffer(2).fit(facts, rng.integers(0, 2, 200), np.arange(200) % 5 == 0))


def place(root: Path, learned: Learned, pinned: bool = True) -> Workspace:
    workspace = Workspace(root)
    arrays, parts = champion_parts(learned)
    facts = parts | {
        "products": ["p1", "p2"], "features": ["spend_90d"], "as_of": "2026-06-01T00:00:00+00:00",
        "registered_at": AT, "data": {"fingerprint": "f" * 64},
    }  # fmt: skip
    people = np.array([f"c{i:04d}" for i in range(200)])
    judged = Judged("june", people, np.full(200, 0.5), np.full(200, 0.4))
    champions.register(models_folder(workspace), {**arrays, "items": ITEMS.astype(str)}, facts, judged, AT, "lee")
    champions.promote(models_folder(workspace), 1, AT, "lee", np.random.default_rng(0))
    if pinned:
        champions.pin(models_folder(workspace), AT, "lee")
    return workspace


def inputs(products: tuple[str, ...] = ("p1", "p2"), feature: str = "spend_90d", end: str = "2026-06-30") -> Any:
    return SimpleNamespace(
        catalogue=SimpleNamespace(products=pd.DataFrame({"product_id": list(products)})),
        now=pd.DataFrame({feature: [1.0]}),
        edges=(pd.Timestamp("2026-05-01", tz="UTC"), pd.Timestamp(end, tz="UTC")),
    )


def test_without_a_pin_the_run_decides_by_its_own_model(tmp_path: Path, learned: Learned) -> None:
    assert pinned_champion(Workspace(tmp_path / "empty"), inputs(), ITEMS) is None
    assert pinned_champion(place(tmp_path / "w", learned, pinned=False), inputs(), ITEMS) is None


def test_a_pinned_version_answers_to_the_byte_and_is_named(tmp_path: Path, learned: Learned) -> None:
    found = pinned_champion(place(tmp_path, learned), inputs(), ITEMS)
    assert found is not None
    assert (found.facts["model"], found.facts["version"]) == ("next-offer", 1)
    history = sparse.csr_matrix(np.eye(4, dtype=np.float32))
    assert found.learned.als.fold_in(history).tobytes() == learned.als.fold_in(history).tobytes()
    assert found.learned.head.coef_.tobytes() == learned.head.coef_.tobytes()


def test_items_it_never_saw_say_nothing_and_the_order_does_not_matter(learned: Learned) -> None:
    here = np.array(["new", "m4", "m3", "m2", "m1"], dtype=object)
    moved = on_items(learned, ITEMS, here)
    old = sparse.csr_matrix(np.array([[1.0, 0.0, 2.0, 0.0]], np.float32))
    new = sparse.csr_matrix(np.array([[5.0, 0.0, 2.0, 0.0, 1.0]], np.float32))
    np.testing.assert_allclose(moved.als.fold_in(new), learned.als.fold_in(old), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"products": ("p1", "p3")}, r"knows other products .* \(different: p2, p3\)"),
        ({"products": ("p2", "p1")}, "different: their order"),
        ({"feature": "spend_28d"}, "reads other features"),
        ({"end": "2026-05-20"}, "it would know the future"),
    ],
)
def test_a_pinned_version_that_does_not_fit_is_refused_with_the_way_out(
    tmp_path: Path, learned: Learned, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        pinned_champion(place(tmp_path, learned), inputs(**changes), ITEMS)
    assert "scenefit recs unpin" in str(refused.value)
