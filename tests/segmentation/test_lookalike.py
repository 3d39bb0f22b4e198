"""More people like these: honest trials, nothing worse than the centroid, and what an expansion brings along."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, NotEligible, NotFitted, SettingsError
from segmentation import lookalike_scores
from segmentation.lookalike import LookalikeExpander
from segmentation.lookalike_scores import best


def planted(
    n: int = 4000, seeds: int = 300, groups: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of strangers all around and of buyers in `groups` tight groups far apart; some buyers are seeds."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 12)).astype(np.float32)
    buyers = rng.permutation(n)[: 2 * seeds]
    # opposite directions: their mean says nothing
    centres = np.concatenate([np.eye(12)[: max(1, groups // 2)], -np.eye(12)[: groups // 2]])
    vectors[buyers] = 4 * centres[rng.integers(0, len(centres), len(buyers))] + 0.7 * vectors[buyers]
    return vectors, buyers[:seeds], buyers[seeds:]


@pytest.fixture(scope="module")
def one_group() -> tuple[LookalikeExpander, np.ndarray]:
    """A fitted expander and the buyers it was not told of."""
    vectors, seeds, hidden = planted()
    bad = np.where(np.arange(len(vectors)) % 2, 0.1, np.nan)
    groups = pd.DataFrame({"gender": np.where(np.arange(len(vectors)) % 4 == 0, "female", "male")})
    return LookalikeExpander().fit(vectors, seeds, bad=bad, protected=groups), hidden


class TestLadder:
    """Each rung is tried on seeds it has not seen."""

    def test_planted_buyers_are_found(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, hidden = one_group

        assert np.isin(hidden, expander.expand(size=300)).mean() > 0.9

    def test_where_the_centroid_is_right_it_is_shipped(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        assert one_group[0].method_ == "centroid"

    def test_where_seeds_are_of_several_kinds_it_is_beaten(self) -> None:
        vectors, seeds, hidden = planted(groups=4)
        expander = LookalikeExpander().fit(vectors, seeds)
        report = expander.report_.set_index(["method", "share"])

        assert expander.method_ in ("prototypes", "landmarks")
        assert report.loc[(expander.method_, 0.05), "gain_low"] > 0
        assert np.isin(hidden, expander.expand(share=0.1)).mean() > 2 * report.loc[("centroid", 0.10), "recall"]

    def test_the_report_says_how_sure_each_figure_is(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        report = one_group[0].report_

        assert report["method"].unique().tolist() == ["centroid", "prototypes", "positive-unlabelled", "landmarks"]
        assert (report["low"] <= report["recall"]).all()
        assert (report["recall"] <= report["high"]).all()
        others = report[report["method"] != "centroid"]
        assert (others["gain_low"] <= others["gain"]).all()
        assert (others["gain"] <= others["gain_high"]).all()
        assert report.loc[report["chosen"], "method"].unique().tolist() == [one_group[0].method_]

    def test_seeds_drawn_at_random_are_found_no_better_than_at_random(self) -> None:
        rng = np.random.default_rng(3)
        vectors = rng.normal(size=(5000, 12)).astype(np.float32)
        expander = LookalikeExpander().fit(vectors, rng.choice(5000, 400, replace=False))

        assert expander.method_ == "centroid"
        deciding = expander.report_[expander.report_["share"] == 0.05]
        assert (deciding["low"] <= 0.05).all()
        assert (deciding["high"] >= 0.03).all()


class TestSameSeedSameScores:
    """Threads, order and repetition of seeds change nothing."""

    @pytest.fixture(autouse=True)
    def small_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Several blocks of few customers."""
        monkeypatch.setattr(lookalike_scores, "BLOCK", 512)

    @staticmethod
    def fingerprint(cores: int, turn: int, size: float = 1.0) -> str:
        vectors, seeds, _ = planted(3000, 120, groups=2)
        expander = LookalikeExpander(seed=5, cores=cores).fit(vectors * np.float32(size), np.roll(seeds, turn))
        return hashlib.sha256(expander.scores_.tobytes() + expander.report_.to_csv().encode()).hexdigest()

    def test_on_any_number_of_threads(self) -> None:
        assert self.fingerprint(1, 0) == self.fingerprint(3, 7)

    def test_only_directions_count(self) -> None:
        # a power of two changes no digit
        assert self.fingerprint(1, 0) == self.fingerprint(1, 0, 4.0)

    def test_a_seed_named_twice_counts_once(self) -> None:
        vectors, seeds, _ = planted()

        twice = LookalikeExpander().fit(vectors, np.concatenate([seeds, seeds]))

        assert len(twice.seeds_) == len(seeds)


class TestExpansion:
    """The customers most like the seeds, and what they bring along."""

    def test_seeds_are_not_expanded_to(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, _ = one_group
        positions = expander.expand(size=2000)

        assert len(set(positions)) == 2000
        assert not np.isin(positions, expander.seeds_).any()
        assert (np.diff(expander.scores_[positions]) <= 0).all()

    def test_a_smaller_expansion_begins_the_larger_one(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, _ = one_group

        assert expander.expand(share=0.01).tolist() == expander.expand(size=400)[:40].tolist()

    def test_customers_nothing_is_known_of_are_never_picked(self) -> None:
        vectors, seeds, hidden = planted()
        vectors[hidden[:50]] = 0
        vectors[seeds[:10]] = 0
        expander = LookalikeExpander().fit(vectors, seeds)

        assert sorted(expander.unusable_) == sorted(seeds[:10])
        assert not np.isin(hidden[:50], expander.expand(size=3650)).any()
        with pytest.raises(SettingsError, match="3,651 customers asked for; there are 1 to 3,650 besides the seeds"):
            expander.expand(size=3651)

    def test_risk_is_the_mean_of_known_ones(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, _ = one_group

        shown = expander.shown(expander.expand(size=400))
        few = expander.shown(expander.expand(size=15))

        assert (shown.bad_expansion, shown.bad_seeds, shown.bad_everybody) == pytest.approx((0.1, 0.1, 0.1))
        assert np.isnan(few.bad_expansion)

    def test_seeds_found_is_a_share_of_seeds(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, _ = one_group

        # 300 seeds and 300 hidden buyers look alike: among the 600 best nearly all seeds, among 300 half of them
        assert expander.shown(expander.expand(size=600)).seeds_found > 0.9
        assert 0.35 < expander.shown(expander.expand(size=300)).seeds_found < 0.65

    def test_fairness_by_hand(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        expander, _ = one_group

        # of 1,000 women 20, of 3,000 men 120
        women, men = np.arange(0, 80, 4), np.setdiff1d(np.arange(160), np.arange(0, 160, 4))
        table = expander.shown(np.concatenate([women, men])).fairness.set_index("group")

        assert table["people"].to_dict() == {"female": 1000, "male": 3000}
        assert table["selected"].to_dict() == {"female": 20, "male": 120}
        assert table["rate"].to_dict() == pytest.approx({"female": 0.02, "male": 0.04})
        assert table["ratio"].to_dict() == pytest.approx({"female": 0.5, "male": 1.0})

    def test_groups_of_a_few_people_are_not_told_about(self) -> None:
        vectors, seeds, _ = planted()
        rare = pd.DataFrame({"education": ["none"] * 19 + ["school"] * (len(vectors) - 19)})
        expander = LookalikeExpander().fit(vectors, seeds, protected=rare)

        row = expander.shown(expander.expand(size=500)).fairness.set_index("group").loc["none"]

        assert row[["selected", "rate", "ratio"]].isna().all()

    @pytest.mark.parametrize("asked", [{}, {"size": 3, "share": 0.1}])
    def test_either_a_size_or_a_share(self, one_group: tuple[LookalikeExpander, np.ndarray], asked: dict) -> None:
        with pytest.raises(SettingsError, match="give either a size or a share"):
            one_group[0].expand(**asked)


class TestPeopleLikeThisOne:
    """One customer's nearest, by cosine."""

    def test_they_are_those_of_a_naive_search(self, one_group: tuple[LookalikeExpander, np.ndarray]) -> None:
        vectors, _, _ = planted()
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = unit @ unit[7]
        cosines[7] = -1

        found = one_group[0].like(7, top=10)

        assert found.positions.tolist() == np.argsort(-cosines)[:10].tolist()
        assert found.likeness == pytest.approx(np.sort(cosines)[::-1][:10], abs=1e-5)

    def test_not_itself_and_by_id(self) -> None:
        vectors, seeds, _ = planted()
        ids = [f"c{i}" for i in range(len(vectors))]
        expander = LookalikeExpander().fit(vectors, [ids[at] for at in seeds], ids)

        assert (
            expander.like("c7").positions.tolist() == LookalikeExpander().fit(vectors, seeds).like(7).positions.tolist()
        )
        assert 7 not in expander.like("c7", top=50).positions

    def test_of_nobody_unknown(self) -> None:
        vectors, seeds, hidden = planted()
        vectors[hidden[0]] = 0

        with pytest.raises(ContractError, match="nothing is known of customer"):
            LookalikeExpander().fit(vectors, seeds).like(int(hidden[0]))


VECTORS, SEEDS, HIDDEN = planted(2000, 120)


def damaged(value: float) -> np.ndarray:
    found = VECTORS.copy()
    found[17, 3] = value
    return found


@pytest.mark.parametrize(
    ("vectors", "seeds", "error", "message"),
    [
        (damaged(np.nan), SEEDS, ContractError, "1 vectors hold gaps or infinities, first at position 17"),
        (damaged(np.inf), SEEDS, ContractError, "1 vectors hold gaps or infinities, first at position 17"),
        (np.zeros_like(VECTORS), SEEDS, ContractError, "all vectors are zero"),
        (np.ones_like(VECTORS), SEEDS, ContractError, "all vectors point the same way"),
        (VECTORS[:, :0], SEEDS, ContractError, "give numbers, one row per customer"),
        (VECTORS[0], SEEDS, ContractError, "give numbers, one row per customer"),
        (VECTORS.astype(str), SEEDS, ContractError, "give numbers, one row per customer"),
        (VECTORS, SEEDS[:99], NotEligible, "99 usable seeds; at least 100 are needed"),
        (VECTORS, [], NotEligible, "0 usable seeds; at least 100 are needed"),
        (VECTORS, np.arange(2000), NotEligible, "nobody is left to find"),
        (VECTORS, [*SEEDS, 2000], ContractError, "there is no position 2000; customers are 0 to 1999"),
        (VECTORS, [*SEEDS, -1], ContractError, "there is no position -1"),
        (VECTORS, ["c1", "c2"], ContractError, "seeds are positions"),
        (VECTORS, VECTORS[:, 0] > 0, ContractError, "seeds are positions"),
    ],
)
def test_bad_input(vectors: np.ndarray, seeds: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LookalikeExpander().fit(vectors, seeds)


def test_unknown_and_repeated_ids_are_named() -> None:
    ids = [f"c{i}" for i in range(2000)]

    with pytest.raises(ContractError, match=r"2 ids are unknown, such as \['x', 'y'\]"):
        LookalikeExpander().fit(VECTORS, ["c1", "x", "y"], ids)
    with pytest.raises(ContractError, match="2,000 ids, of which 1,999 different, for 2,000 vectors"):
        LookalikeExpander().fit(VECTORS, ["c1"], [*ids[:-1], "c1"])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"bad": np.zeros(3)}, "risks for 2,000 customers"),
        ({"bad": np.full(2000, 1.5)}, "risk 1.5 is no share"),
        ({"protected": pd.DataFrame({"gender": ["f"]})}, "1 rows of protected columns for 2,000 customers"),
    ],
)
def test_tables_that_do_not_fit(tables: dict, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        LookalikeExpander().fit(VECTORS, SEEDS, **tables)


def test_before_fit_and_too_low_a_minimum() -> None:
    with pytest.raises(NotFitted, match="call fit first"):
        LookalikeExpander().expand(size=1)
    with pytest.raises(SettingsError, match="each of 5 folds needs two seeds at least"):
        LookalikeExpander(minimum=5).fit(VECTORS, SEEDS)


def test_the_best_of_equal_scores_are_the_first() -> None:
    assert best(np.array([1, 2, 2, 2, 0], dtype=np.float32), 2).tolist() == [1, 2]
    assert best(np.zeros(3, dtype=np.float32), 0).tolist() == []
