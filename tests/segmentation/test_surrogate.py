"""Segments as rules a person can read, with honest figures of how well they fit."""

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, SettingsError
from segmentation.boxes import Question, boxes, shortened
from segmentation.rules import Between, Compare, Rule
from segmentation.surrogate import f1, surrogate


def corners(n=2000, seed=0):
    """Synthetic: segment by age and ticket, 0 the young, 1 the others with small and 2 those with large tickets."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "visits": rng.integers(0, 40, n),
            "ticket": rng.gamma(2, 100, n),
            "city": pd.Series(rng.choice(["a", "b", "c"], n), dtype="string"),
        }
    )
    labels = np.where(frame.visits < 12, 0, np.where(frame.ticket < 200, 1, 2))
    return frame, labels


def test_segments_that_are_boxes_are_found_as_such():
    found = surrogate(*corners())
    assert found.fidelity > 0.99
    assert found.held_out == 600
    assert found.rules[0].rule == Rule(where=Compare(column="visits", op="<", value=12))
    assert found.rules[0].precision == found.rules[0].recall == 1
    assert found.rules[2].rule.sentence("en") == "ticket at least 200 and visits at least 12"
    assert all(len(one.leaves) >= 1 for one in found.rules)


def test_every_rule_is_an_audience_that_can_be_stored_and_applied():
    frame, labels = corners()
    for one in surrogate(frame, labels).rules:
        mask = Rule.read(one.rule.model_dump_json()).mask(frame)
        assert f1(mask, labels == one.label) > 0.98
        together = np.logical_or.reduce([leaf.mask(frame) for leaf in one.leaves])
        assert f1(together, labels == one.label) > 0.98


def test_a_band_and_a_level_are_spoken_as_such():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"age_days": rng.integers(0, 1000, 3000), "city": rng.choice(["a", "b"], 3000)})
    labels = ((frame.age_days >= 300) & (frame.age_days < 500) & (frame.city == "b")).to_numpy().astype(int)
    rule = surrogate(frame, labels).rules[1].rule
    assert Between(column="age_days", low=300, high=500) in rule.where.of
    spoken = rule.sentence("en")
    assert "city is b" in spoken or "city is not a" in spoken


def test_labels_of_chance_have_no_fidelity_beyond_the_largest_segment():
    frame, _ = corners()
    found = surrogate(frame, np.random.default_rng(2).integers(0, 3, len(frame)))
    assert abs(found.fidelity - found.baseline) < 0.06


def test_a_rule_leaves_out_customers_whose_value_is_missing():
    frame, labels = corners()
    frame = frame.astype({"visits": float})
    frame.loc[labels == 0, "visits"] = np.where(np.arange((labels == 0).sum()) % 2, np.nan, 5.0)
    found = surrogate(frame, labels).rules[0]
    assert found.precision == 1
    assert 0.4 < found.recall < 0.6


def test_protected_columns_stand_in_no_rule():
    frame, labels = corners()
    frame = frame.rename(columns={"visits": "birth_year"})
    named = {column for one in surrogate(frame, labels).rules for column in one.rule.columns}
    assert "birth_year" not in named
    asked = surrogate(frame, labels, left_out=())
    assert asked.fidelity > 0.99


def test_shuffling_customers_changes_nothing():
    frame, labels = corners()
    order = np.random.default_rng(3).permutation(len(frame))
    one, two = surrogate(frame, labels), surrogate(frame.iloc[order], labels[order])
    assert one.fidelity == two.fidelity
    assert one.rules == two.rules


def test_conditions_that_do_not_pay_are_left_out():
    full = (Question(0, True, 1.0), Question(1, False, 2.0))
    assert shortened(full, lambda box: 0.9 if full[0] in box else 0.2) == (full[0],)
    assert shortened(full, lambda box: len(box) / 2) == full


def test_a_tighter_bound_replaces_the_looser_one():
    class Tree:
        node_count = 5
        children_left, children_right = [1, -1, 3, -1, -1], [2, -1, 4, -1, -1]
        feature, threshold = [0, -2, 0, -2, -2], [1.0, -2.0, 3.0, -2.0, -2.0]

    assert boxes(Tree())[3] == (Question(0, True, 1.0), Question(0, False, 3.0))
    assert boxes(Tree())[4] == (Question(0, True, 3.0),)


def test_a_single_segment_has_no_rule():
    frame, _ = corners(100)
    found = surrogate(frame, np.zeros(100, dtype=int))
    assert found.fidelity == 1
    assert found.rules[0].rule is None


def test_bad_input():
    frame, labels = corners(100)
    with pytest.raises(ContractError, match="100 rows but 3 labels"):
        surrogate(frame, labels[:3])
    with pytest.raises(ContractError, match=r"no column of .* varies"):
        surrogate(pd.DataFrame({"one": [1, 1]}), np.array([0, 1]))
    with pytest.raises(SettingsError, match="held_out 1"):
        surrogate(frame, labels, held_out=1)


@pytest.mark.data
def test_card_holders_segments_can_be_said_in_rules(datasets):
    from segmentation.encoders import CustomerEncoder
    from segmentation.sweep import SegmentSweep

    cards = pd.read_parquet(datasets / "cc_general" / "credit_card_usage.parquet").drop(columns=["Recnum", "CUST_ID"])
    sweep = SegmentSweep().fit(CustomerEncoder().fit_transform(cards))
    found = surrogate(cards, sweep.labels_)
    assert found.fidelity > found.baseline + 0.3
