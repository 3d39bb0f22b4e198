"""Segments over time: ids that stay, splits and mergers told as such, and nobody placed silently."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import check
from segmentation.encoders import CustomerEncoder
from segmentation.identity import first_ids, overlap_table, succession
from segmentation.lifecycle import (
    SEGMENT_EVENTS,
    SEGMENT_VERSIONS,
    event_rows,
    first_model,
    next_model,
    read_model,
    steady_k,
    version_row,
)
from segmentation.migration import ENTRANTS, LEAVERS, kept_share, matrix, migration
from segmentation.news import carried_centers, news
from segmentation.sweep import SegmentSweep

OLD = ("travel/1", "travel/2", "travel/3")


def world(n, seed, apart=2.0, k=5, columns=8):
    """Synthetic: k groups of 30 to 10 % around fixed centres, one column a skewed amount."""
    centres = np.random.default_rng(7).normal(size=(k, columns)) * apart
    rng = np.random.default_rng(seed)
    group = rng.choice(
        k, n, p=np.array([0.30, 0.25, 0.20, 0.15, 0.10])[:k] / np.sum([0.30, 0.25, 0.20, 0.15, 0.10][:k])
    )
    values = centres[group] + rng.normal(size=(n, columns))
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(columns)]).assign(f0=lambda f: np.exp(f.f0))


def fitted(frame, seed=0, k=None):
    encoder = CustomerEncoder()
    points = encoder.fit_transform(frame)
    sweep = SegmentSweep(seed=seed) if k is None else SegmentSweep(k_range=[k], seed=seed)
    return encoder, points, sweep.fit(points)


@pytest.fixture(scope="module")
def model():
    encoder, points, sweep = fitted(world(3000, 1))
    return first_model("travel", encoder, points, sweep.centers_)


def events_of(found):
    return sorted((e.segment_id, e.event, e.other_id) for e in found.events.itertuples())


def test_ids_follow_the_customers_whatever_the_order_of_the_labels():
    common = np.array([[0, 0, 90], [80, 5, 0], [2, 70, 0]])
    found = succession("travel", OLD, 3, common)
    assert found.ids == ("travel/2", "travel/3", "travel/1")
    assert (found.by, found.last) == ("customers", 3)
    assert found.events.event.tolist() == ["same"] * 3
    assert_allclose(found.events.overlap[0], 1)


def test_a_split_keeps_the_id_with_the_larger_part():
    found = succession("travel", OLD, 3, np.array([[60, 0, 0, 40], [0, 90, 0, 0], [0, 0, 80, 0]]))
    assert found.ids == ("travel/1", "travel/2", "travel/3", "travel/4")
    assert ("travel/4", "split", "travel/1") in events_of(found)
    assert found.last == 4


def test_a_merger_keeps_the_id_of_the_larger_part():
    found = succession("travel", OLD, 3, np.array([[100, 0], [60, 0], [0, 80]]))
    assert found.ids == ("travel/1", "travel/3")
    assert ("travel/2", "merge", "travel/1") in events_of(found)


def test_a_segment_of_nobody_known_is_new_and_one_that_dissolved_is_dead():
    # the second dissolves over the others; the last new one draws a few from everywhere
    found = succession("travel", OLD, 5, np.array([[90, 0, 10], [30, 35, 15], [0, 90, 10]]))
    assert found.ids == ("travel/1", "travel/3", "travel/6")
    assert ("travel/2", "dead", None) in events_of(found)
    assert ("travel/6", "new", None) in events_of(found)


def test_numbers_are_never_used_again():
    dead = succession("travel", OLD, 3, np.array([[90, 0], [0, 0], [0, 90]]))
    reborn = succession("travel", dead.ids, dead.last, np.array([[90, 0, 0], [0, 90, 0]]))
    assert reborn.ids == ("travel/1", "travel/3", "travel/4")


def test_too_little_in_common_for_the_hungarian_match_is_no_match():
    found = succession("travel", OLD[:2], 2, np.array([[30, 35], [35, 30]]) * 1)
    assert found.ids == ("travel/2", "travel/1")  # 35 of 95: .37
    found = succession(
        "travel",
        OLD[:2],
        2,
        np.array(
            [
                [25, 25],
                [25, 25],
            ]
        )
        * 1,
    )
    assert found.ids == ("travel/1", "travel/2")  # 25 of 75: .33
    spread = succession("travel", OLD, 3, np.full((3, 3), 20))
    assert spread.ids == ("travel/4", "travel/5", "travel/6")  # 20 of 100


def test_without_common_customers_the_centres_decide():
    old = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 8.0]])
    new = np.array([[4.2, 0.1], [0.3, 0.0], [9.0, 9.0]])
    found = succession("travel", OLD, 3, np.zeros((3, 3)), (old, new))
    assert found.ids == ("travel/2", "travel/1", "travel/4")
    assert found.by == "centres"
    assert ("travel/3", "dead", None) in events_of(found)
    with pytest.raises(ContractError, match=r"only 0 customers are common .* no centres were given"):
        succession("travel", OLD, 3, np.zeros((3, 3)))
    with pytest.raises(ContractError, match="centres of 2 and 3 columns"):
        succession("travel", OLD, 3, np.zeros((3, 3)), (old, np.zeros((3, 3))))


def test_overlap_counts_common_customers():
    assert_array_equal(overlap_table(np.array([0, 0, 1]), np.array([1, 1, 0]), 2, 3), [[0, 2, 0], [1, 0, 0]])
    assert first_ids("3c", 2) == ("3c/1", "3c/2")


def test_migration_with_entrants_and_leavers_by_hand():
    before = pd.Series({"a": "t/1", "b": "t/1", "c": "t/2", "d": "t/2"})
    after = pd.Series({"e": "t/2", "d": "t/2", "b": "t/2", "a": "t/1"})
    table = migration(before, after)
    assert table[["from_id", "to_id", "customers"]].to_numpy().tolist() == [
        [ENTRANTS, "t/2", 1], ["t/1", "t/1", 1], ["t/1", "t/2", 1], ["t/2", LEAVERS, 1], ["t/2", "t/2", 1],
    ]  # fmt: skip
    assert table.share_of_from.tolist() == [1, 0.5, 0.5, 0.5, 0.5]
    assert_allclose(table.groupby("to_id").share_of_to.sum(), 1)
    assert kept_share(table) == 2 / 3
    wide = matrix(table)
    assert wide.index.tolist() == ["t/1", "t/2", ENTRANTS]
    assert wide.columns.tolist() == ["t/1", "t/2", LEAVERS]
    assert wide.to_numpy().sum() == 5


def test_a_customer_has_one_segment():
    with pytest.raises(ContractError, match="'a' occurs twice"):
        migration(pd.Series(["t/1", "t/2"], index=["a", "a"]), pd.Series({"a": "t/1"}))
    with pytest.raises(ContractError, match="'b' has no segment"):
        migration(pd.Series({"b": None}), pd.Series({"a": "t/1"}))
    assert np.isnan(kept_share(migration(pd.Series({"a": "t/1"}), pd.Series({"b": "t/1"}))))


def test_one_customer_is_placed_like_in_a_batch(model):
    frame = world(200, 9)
    batch = model.assign(frame)
    assert set(batch.segment_id) <= set(model.ids)
    for i in range(0, 200, 40):
        one = model.assign_one(frame.iloc[i].to_dict())
        assert tuple(one) == tuple(batch.iloc[i])


def test_about_one_in_two_hundred_of_the_same_kind_is_far_and_strangers_are(model):
    assert model.assign(world(20_000, 10)).far.mean() == pytest.approx(0.005, abs=0.005)
    strangers = world(100, 11) * [1, -1, 1, -1, 1, -1, 1, -1] * 3
    assert model.assign(strangers).far.mean() > 0.9


def test_customers_at_a_border_stay_where_they_are(model):
    frame = world(2000, 12)
    free = model.assign(frame)
    # everybody is said to be in the second segment: only those who are nearly as close to it stay
    held = model.assign(frame, held=pd.Series(model.ids[1], index=frame.index))
    stayed = (held.segment_id == model.ids[1]) & (free.segment_id != model.ids[1])
    assert 0 < stayed.sum() < 40
    assert (held.confidence[stayed] == 0).all()
    assert (held.segment_id == free.segment_id)[~stayed].all()
    pd.testing.assert_frame_equal(model.assign(frame, held=free.segment_id), free)
    pd.testing.assert_frame_equal(model.assign(frame, held=pd.Series("travel/99", index=frame.index)), free)


def test_bad_rows_are_refused_and_not_placed(model):
    row = world(1, 1).iloc[0].to_dict()
    with pytest.raises(ContractError, match="'f3' is missing"):
        model.assign_one({name: value for name, value in row.items() if name != "f3"})
    with pytest.raises(ContractError, match="'f3': 1 of 1 values are infinite"):
        model.assign_one(row | {"f3": np.inf})
    with pytest.raises(ContractError, match="'mood' was not there at fit"):
        model.assign_one(row | {"mood": 1})


def test_a_stored_model_places_alike(model):
    again = read_model(json.loads(json.dumps(model.facts())), model.arrays())
    pd.testing.assert_frame_equal(again.assign(world(100, 5)), model.assign(world(100, 5)))
    with pytest.raises(ContractError, match="'ids' is missing"):
        read_model({k: v for k, v in model.facts().items() if k != "ids"}, model.arrays())


def test_the_same_customers_refitted_keep_ids_and_names_by_customers(model):
    frame = world(3000, 1)
    customers = [f"c{i}" for i in range(3000)]
    members = pd.Series(model.assign(frame).segment_id.to_numpy(), index=customers)
    encoder, _, sweep = fitted(frame.iloc[::-1], seed=5, k=len(model.ids))
    refit = next_model(model, encoder, frame.iloc[::-1], sweep.centers_, customers[::-1], members)
    assert refit.succession.by == "customers"
    assert refit.model.version == 2
    after = pd.Series(refit.model.assign(frame).segment_id.to_numpy(), index=customers)
    assert kept_share(migration(members, after)) > 0.995


def test_history_keeps_its_contract(model):
    moved = succession("travel", model.ids, model.last, np.diag([90] * len(model.ids)))
    at = pd.Timestamp("2026-02-01", tz="UTC")
    row = version_row(model, at, at, 3000, (4, 5), 0.93, moved.by, 0.99)
    assert check(row, SEGMENT_VERSIONS).tie_set.tolist() == ["4, 5"]
    assert len(check(event_rows(model, moved), SEGMENT_EVENTS)) == len(model.ids)
    assert check(event_rows(model), SEGMENT_EVENTS).event.tolist() == ["first"] * len(model.ids)


def test_a_tie_is_no_reason_for_another_number_of_segments(model):
    k = len(model.ids)
    report = pd.DataFrame({"k": [k - 1, k, k + 1], "silhouette": [0.30, 0.40, 0.41]})
    report = report.assign(silhouette_se=[0.01, 0.005, 0.0], tied=[False, True, True])
    assert steady_k(model, report) == k
    # a little worse than one standard error, but not than two
    assert steady_k(model, report.assign(tied=[False, False, True])) == k
    # clearly worse
    assert steady_k(model, report.assign(silhouette_se=0.001, tied=[False, False, True])) == k + 1
    assert steady_k(model, report[report.k != k]) == k + 1
    with pytest.raises(ContractError, match="no k is tied"):
        steady_k(model, report.assign(tied=False))


def test_another_feature_version_without_common_customers_is_refused(model):
    frame = world(1000, 3).rename(columns={"f5": "g5"})
    encoder, _, sweep = fitted(frame, k=5)
    with pytest.raises(ContractError, match="'f5' is missing"):
        next_model(model, encoder, frame, sweep.centers_, [f"n{i}" for i in range(1000)], {})


def test_centres_must_fit_the_points(model):
    with pytest.raises(ContractError, match="at least two centres"):
        first_model("travel", model.encoder, np.zeros((5, 3)), np.zeros((1, 3)))


def test_a_fresh_sample_of_the_same_distribution_leaves_everybody_in_their_segment():
    """Two fits on customers of whom none is common; a third sample placed by both. Mean and spread over five worlds."""
    free, held = [], []
    for seed in range(5):
        first, second, third = (world(4000, 100 * seed + i) for i in range(3))
        encoder, points, sweep = fitted(first, seed)
        before = first_model("travel", encoder, points, sweep.centers_)
        assert not news(before, before.assign(second)).changed
        again = CustomerEncoder().fit(second)
        centers = carried_centers(before, again, second)
        after = next_model(before, again, second, centers, [f"n{i}" for i in range(4000)], {}).model
        assert after.ids == before.ids
        was = before.assign(third).segment_id
        free.append(float((after.assign(third).segment_id == was).mean()))
        held.append(float((after.assign(third, held=was).segment_id == was).mean()))
    assert np.mean(free) >= 0.99, (np.mean(free), np.std(free))
    assert min(held) >= 0.99, (np.mean(held), np.std(held))


def test_customers_who_changed_are_news(model):
    fresh = world(3000, 20)
    assert not news(model, model.assign(fresh)).changed
    fewer = fresh[(model.assign(fresh).segment_id != model.ids[0]) | (np.arange(3000) % 4 == 0)]
    assert news(model, model.assign(fewer)).sizes != "stable"
    blurred = fresh + np.random.default_rng(0).normal(0, 1.0, fresh.shape)
    assert news(model, model.assign(blurred.clip(lower=0.0))).confidence_lost > 0.02
    stranger = fresh.copy()
    stranger.iloc[:200] *= -2.0
    assert news(model, model.assign(stranger)).far_share > 0.02
    for changed in (fewer, blurred.clip(lower=0.0), stranger):
        assert news(model, model.assign(changed)).changed
    with pytest.raises(ContractError, match="nobody is assigned"):
        news(model, model.assign(fresh).iloc[:0])


def test_a_segment_without_anybody_cannot_be_carried_on(model):
    fresh = world(500, 21)
    rest = fresh[model.assign(fresh).segment_id != model.ids[1]]
    with pytest.raises(ContractError, match=f"nobody is left in '{model.ids[1]}'"):
        carried_centers(model, CustomerEncoder().fit(rest), rest)


def test_centres_carried_on_do_not_depend_on_the_order_of_customers(model):
    fresh = world(800, 22)
    encoder = CustomerEncoder().fit(fresh)
    order = np.random.default_rng(0).permutation(800)
    assert_array_equal(carried_centers(model, encoder, fresh), carried_centers(model, encoder, fresh.iloc[order]))
