"""What sets segments apart, and what they are called."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import check
from scenefit.contracts.tables import SEGMENT_PROFILES
from segmentation.encoders import CustomerEncoder
from segmentation.phrases import PHRASES, phrase
from segmentation.profile import SegmentName, profiles, segment_ids
from segmentation.sweep import SegmentSweep


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "night_share_365d": [0.8, 0.8, 0.0, 0.0, 0.0, 0.0],
            "mean_ticket_365d": [300.0, 500.0, 100.0, np.nan, 100.0, 100.0],
            "visits_28d": [9, 5, 1, 1, 1, 1],
            "visits_90d": [20, 11, 2, 2, 2, 2],
            "occupation": ["nurse", "nurse", "driver", "driver", "nurse", None],
        }
    )


LABELS = np.array([1, 1, 0, 0, 0, 0])


def test_means_base_and_tgi_by_hand(frame):
    table = profiles(frame, LABELS, "travel").set_index(["segment_id", "feature"])
    night = table.loc[("travel/2", "night_share_365d")]
    assert_allclose([night["mean"], night["base"], night["tgi"]], [0.8, 1.6 / 6, 300])
    assert_allclose(night["z"], (0.8 - 1.6 / 6) / np.std(frame.night_share_365d))
    ticket = table.loc[("travel/1", "mean_ticket_365d")]
    assert_allclose([ticket["mean"], ticket["base"]], [100, 1100 / 5])  # the gap is left out
    nurse = table.loc[("travel/2", "occupation=nurse")]
    assert_allclose([nurse["mean"], nurse["base"]], [1, 3 / 5])
    assert table.loc[("travel/1", "occupation=driver"), "mean"] == pytest.approx(2 / 3)
    assert table.loc["travel/1", "size"].unique().tolist() == [4]


def test_profiles_keep_their_contract(frame):
    stored = check(profiles(frame, LABELS, "travel"), SEGMENT_PROFILES)
    assert stored.groupby("segment_id").size().tolist() == [5, 5]


def test_names_say_what_is_distinctive_once_per_family(frame):
    table = profiles(frame, LABELS, "travel").groupby("segment_id")[["name_en", "name_zh"]].first()
    assert table.loc["travel/2", "name_en"] == "Night shoppers, many visits lately"
    assert table.loc["travel/2", "name_zh"] == "夜间消费、近期到访多"
    assert table.loc["travel/1", "name_en"] == "Low ticket, daytime shoppers"


def test_names_are_unique_within_a_scene():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    frame = pd.DataFrame({"spend_28d": labels * 10.0, "mood": rng.normal(size=200)})
    names = profiles(frame, labels, "travel").groupby("segment_id")[["name_en", "name_zh"]].first()
    assert names.name_en.is_unique
    assert names.name_zh.is_unique


def test_segments_without_a_feature_of_their_own_are_typical():
    frame = pd.DataFrame({"spend_28d": [1.0, 2.0, 1.0, 2.0]})
    names = profiles(frame, np.array([0, 0, 1, 1]), "travel").name_en.unique().tolist()
    assert names == ["Typical customers", "Typical customers 2"]


def test_a_name_that_a_person_gave_stays(frame):
    table = profiles(frame, LABELS, "travel", names={0: SegmentName("Night owls", "夜猫子")})
    assert table.loc[table.segment_id == "travel/1", "name_zh"].unique().tolist() == ["夜猫子"]


def test_ids_that_outlived_a_refit_are_kept(frame):
    table = profiles(frame, LABELS, "travel", ids=["travel/7", "travel/3"])
    assert table.groupby("segment_id")["size"].first().to_dict() == {"travel/3": 2, "travel/7": 4}
    with pytest.raises(ContractError, match="2 segments but 1 ids"):
        profiles(frame, LABELS, "travel", ids=["travel/7"])


def test_no_automatic_name_repeats_one_that_a_person_gave(frame):
    automatic = (
        profiles(frame, LABELS, "travel").set_index("segment_id").loc["travel/2", ["name_en", "name_zh"]].iloc[0]
    )
    names = profiles(frame, LABELS, "travel", names={0: SegmentName(*automatic)}).groupby("segment_id").name_en.first()
    assert names["travel/1"] == "Night shoppers, many visits lately"
    assert names["travel/2"] != names["travel/1"]


def test_constant_and_empty_columns_have_no_z():
    frame = pd.DataFrame({"one": [1, 1], "none": [np.nan, np.nan], "gap": pd.Series([None, None], dtype=object)})
    table = profiles(frame, np.array([0, 1]), "travel")
    assert table.z.isna().all()
    assert check(table, SEGMENT_PROFILES).shape[0] == 6


def test_unknown_features_go_by_their_own_name():
    assert phrase("pets_owned").en == "pets owned"
    assert phrase("region").high_zh == "地区偏高"


def test_no_two_features_of_a_family_are_said_alike():
    for side in ("low_en", "high_en", "low_zh", "high_zh"):
        said = pd.Series([getattr(words, side) for words in PHRASES.values() if words.low_en])
        assert said[said.duplicated()].tolist() == []


def test_labels_and_rows_must_match(frame):
    with pytest.raises(ContractError, match="6 rows but 2 labels"):
        profiles(frame, np.array([0, 1]), "travel")


def test_segment_ids_start_at_one():
    assert segment_ids("3c", np.array([1, 0])).tolist() == ["3c/2", "3c/1"]


@pytest.mark.data
def test_card_holders_fall_into_stable_segments_with_names_of_their_own(datasets):
    cards = pd.read_parquet(datasets / "cc_general" / "credit_card_usage.parquet").drop(columns=["Recnum", "CUST_ID"])
    sweep = SegmentSweep().fit(CustomerEncoder().fit_transform(cards))
    assert sweep.report_.set_index("k").stability[sweep.k_] > 0.8
    table = profiles(cards, sweep.labels_, "cards")
    assert table.groupby("segment_id").name_en.first().is_unique
    assert (table.groupby("segment_id").z.apply(lambda z: z.abs().max()) > 0.5).all()
