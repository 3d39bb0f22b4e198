"""Why this offer: the terms of the champion, which add up to its own answer."""

import numpy as np
import pytest
from scipy import sparse

from recsys.explain import Names, contributions, reasons, typical_lean
from recsys.kept_champion import champion_parts, kept_champion
from recsys.models import AlternatingLeastSquares
from recsys.offers import Facts, NextOffer
from recsys.training import Learned
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime import models

FEATURES = ["spend_28d", "spend_90d", "age"]
PRODUCTS = ["P1", "P2", "P3", "P4"]


@pytest.fixture(scope="module")
def world():
    """Two camps of customers: each visits its own six merchants and takes its own product; P4 is never taken."""
    rng = np.random.default_rng(3)
    camp = rng.integers(2, size=600)
    visits = rng.poisson(np.where((np.arange(12) < 6)[None, :] == (camp == 0)[:, None], 1.5, 0.1))
    history = sparse.csr_matrix(visits.astype(np.float32))
    profile = np.column_stack([rng.gamma(2, 100, 600) * (1 + camp), rng.gamma(2, 300, 600), rng.integers(20, 60, 600)])
    profile[rng.random((600, 3)) < 0.15] = np.nan
    held = (rng.random((600, 4)) < 0.2).astype(np.float32)
    taken = np.where(rng.random(600) < 0.8, camp, 2)
    als = AlternatingLeastSquares(factors=4, iterations=5).fit(history)
    facts = Facts(als.fold_in(history), profile, held)
    return Learned(als, NextOffer(4, strengths=(0.3,)).fit(facts, taken)), history, facts


def names():
    said = {"m0": ("North Air", "北航"), "P1": ("Travel loan", "旅行贷")}
    return Names([f"m{i}" for i in range(12)], FEATURES, PRODUCTS, said)


def of(world, row):
    learned, history, facts = world
    return contributions(learned, history[row], facts.profile[row], facts.held[row])


def test_contributions_add_up_to_the_difference_to_the_average_offer(world):
    learned, _, facts = world
    for row in range(60):
        logs = np.log(learned.head.probabilities(Facts(*(block[[row]] for block in facts))))[0]
        found = of(world, row)
        np.testing.assert_allclose(found.total, logs - logs.mean(), atol=2e-4)
        for offer in range(4):
            assert sum(found.parts(offer).values()) == pytest.approx(found.total[offer])


def test_nobody_known_is_left_with_popularity(world):
    learned = world[0]
    found = contributions(learned, sparse.csr_matrix((1, 12), dtype=np.float32), np.full(3, np.nan), np.zeros(4))
    assert found.items.shape == (4, 0)
    assert not found.held.any()
    np.testing.assert_allclose(found.total, found.popularity + found.profile.sum(axis=1))


def test_own_visits_speak_for_the_product_of_ones_camp(world):
    _, history, _ = world
    row = int(np.argmax(np.asarray(history[:, :6].sum(axis=1)).ravel()))
    found = of(world, row)
    assert found.parts(0)["behaviour"] > 0 > found.parts(1)["behaviour"]
    told = reasons(found, 0, names(), k=3)
    assert told[0].kind == "behaviour"
    assert told == sorted(told, key=lambda reason: -reason.weight)
    weights = {reason.code: reason for reason in reasons(found, 0, names(), k=30)}
    assert "was at North Air" in weights["m0"].en
    assert "北航" in weights["m0"].zh


def test_features_of_one_family_are_one_reason_with_their_joint_weight(world):
    found = of(world, 5)
    for offer in range(4):
        told = [r for r in reasons(found, offer, names(), k=30) if r.kind == "profile"]
        assert len({r.code for r in told} & {"spend_28d", "spend_90d"}) <= 1
        for reason in told:
            if reason.code.startswith("spend"):
                assert reason.weight == pytest.approx(found.profile[offer, :2].sum())


def test_a_missing_value_is_said_to_be_missing(world):
    _, _, facts = world
    row = int(np.flatnonzero(np.isnan(facts.profile[:, 2]))[0])
    found = of(world, row)
    offer = int(np.argmax(found.profile[:, 2]))
    told = {r.code: r for r in reasons(found, offer, names(), k=30)}
    if "age" in told:
        assert told["age"].en == "age not known"
        assert told["age"].zh == "年龄未知"


def test_what_speaks_against_an_offer_is_no_reason_for_it(world):
    assert all(r.weight > 0 for offer in range(4) for r in reasons(of(world, 1), offer, names(), k=30))


def test_a_segment_leans_as_its_members_do_on_average(world):
    learned, _, facts = world
    members = Facts(*(block[:50] for block in facts))
    lean = typical_lean(learned, members)
    np.testing.assert_allclose(lean, np.mean([of(world, row).total for row in range(50)], axis=0), atol=2e-4)
    assert lean.sum() == pytest.approx(0, abs=1e-9)


def test_a_kept_champion_answers_as_before_to_the_byte(world, tmp_path):
    learned, history, facts = world
    arrays, plain = champion_parts(learned)
    models.save(tmp_path / "c", arrays, plain)
    again = kept_champion(models.load(tmp_path / "c"))
    assert again.head.probabilities(facts).tobytes() == learned.head.probabilities(facts).tobytes()
    assert again.als.fold_in(history).tobytes() == learned.als.fold_in(history).tobytes()


def test_a_champion_with_a_part_missing_is_refused(world, tmp_path):
    arrays, plain = champion_parts(world[0])
    arrays.pop("flagged")
    models.save(tmp_path / "c", arrays, plain)
    with pytest.raises(StoreError, match="flagged"):
        kept_champion(models.load(tmp_path / "c"))


def test_other_columns_than_learned_are_refused(world):
    learned, history, facts = world
    with pytest.raises(ContractError, match="the champion learned from"):
        contributions(learned, history[0], facts.profile[0][:2], facts.held[0])
    with pytest.raises(ContractError, match="the champion learned from"):
        contributions(learned, history[:2], facts.profile[0], facts.held[0])
    with pytest.raises(ContractError, match="without members"):
        typical_lean(learned, Facts(*(block[:0] for block in facts)))
