"""Overlap of stored audiences, and everybody counted once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from scenefit.contracts.errors import ContractError, StoreError
from segmentation.audience import AudienceStore
from segmentation.audience_overlap import deduplicated_bitmaps, overlap_counts
from segmentation.rules import Rule
from tests.segmentation.made_people import few_people, lives_in, made_people, older, saved, store_of, younger

SETS = st.lists(st.sets(st.integers(0, 200)), min_size=1, max_size=6)


@pytest.fixture
def store(tmp_path: Path) -> AudienceStore:
    """Three audiences of 500 people."""
    store = store_of(tmp_path)
    saved(store, "old", older(50))
    saved(store, "wuxi", lives_in("Wuxi"), kind="live")
    saved(store, "young", younger(50))
    return store


@given(SETS)
@settings(deadline=None)
def test_overlap_is_that_of_sets(sets: list[set[int]]) -> None:
    found = overlap_counts([BitMap(one) for one in sets])

    assert found.tolist() == [[len(one & other) for other in sets] for one in sets]


@given(SETS)
@settings(deadline=None)
def test_everybody_is_left_to_the_first_that_has_them(sets: list[set[int]]) -> None:
    kept = deduplicated_bitmaps({str(place): BitMap(one) for place, one in enumerate(sets)})

    taken: set[int] = set()
    for one, left in zip(sets, kept.values(), strict=True):
        assert set(left) == one - taken
        taken |= one


def test_the_matrix_by_id(store: AudienceStore) -> None:
    found = store.overlap(["young", "wuxi", "old"])

    assert found.loc["young", "old"] == 0
    assert found.loc["old", "old"] == store.count(Rule(where=older(50)))
    both = older(50).mask(made_people().frame) & lives_in("Wuxi").mask(made_people().frame)
    assert found.loc["old", "wuxi"] == found.loc["wuxi", "old"] == both.sum()


def test_a_live_audience_counts_with_the_people_at_hand(tmp_path: Path) -> None:
    first = store_of(tmp_path, few_people(60, 61, 20))
    saved(first, "old", older(60), kind="live")
    saved(first, "kept", older(60))
    # a is young now, z has come and is not in the id dictionary yet
    later = store_of(tmp_path, few_people(20, 61, 70, ids="abz")._replace(fingerprint="tuesday"))

    assert later.overlap(["old", "kept"]).values.tolist() == [[2, 1], [1, 2]]
    once = later.deduplicated(["kept", "old"])
    assert once.table.values.tolist() == [["kept", 2, 2, 0], ["old", 2, 1, 1]]
    assert {name: ids.tolist() for name, ids in once.members.items()} == {"kept": ["a", "b"], "old": ["z"]}


def test_priority_decides_and_nobody_is_lost(store: AudienceStore) -> None:
    one, other = store.deduplicated(["old", "wuxi"]), store.deduplicated(["wuxi", "old"])

    assert one.table["kept"].sum() == other.table["kept"].sum()
    assert (one.table["kept"] + one.table["taken"]).tolist() == one.table["size"].tolist()
    assert other.table["taken"].tolist()[0] == 0
    assert not np.intersect1d(one.members["old"], one.members["wuxi"]).size


def test_ids_twice_none_and_unknown_are_refused(store: AudienceStore) -> None:
    with pytest.raises(ContractError, match=r"\['old'\] given; name each audience once"):
        store.overlap(["old", "old"])
    with pytest.raises(ContractError, match="none given"):
        store.deduplicated([])
    with pytest.raises(StoreError, match="Did you mean young"):
        store.overlap(["old", "younger"])
