"""Every rule is found and counted right, the best ones are the best, chance is told exactly; all by brute force."""

from itertools import combinations
from math import comb

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import hypergeom

from benchmarks import subgroups, subgroups_sides
from benchmarks.environments import environment
from benchmarks.harness import Side, measure
from scenefit.contracts.errors import ContractError, ScenefitError, SettingsError
from segmentation import search, search_best, search_pool
from segmentation.bits import packed
from segmentation.search import best_rules, counts, every_rule, least_p, mid_p, permuted_hits
from segmentation.search_bounds import QUALITIES

OF_OUTCOME = [name for name, quality in QUALITIES.items() if len(quality.planes) == 1]


def drawn(seed, n, selectors, planes=1, share=0.5):
    """Masks, attributes and planes at random; neighbours share an attribute now and then."""
    rng = np.random.default_rng(seed)
    masks = rng.random((selectors, n)) < share
    return masks, np.sort(rng.integers(0, max(selectors - 1, 1), selectors)), rng.random((planes, n)) < 0.3


def brute_force(masks, attribute, planes, depth, support):
    """Selectors and counts of every rule, one Python loop at a time."""
    found = []
    for length in range(1, depth + 1):
        for rule in combinations(range(len(masks)), length):
            if len({int(attribute[s]) for s in rule}) < length:
                continue
            members = masks[list(rule)].all(axis=0)
            if members.sum() >= support:
                row = [int(members.sum()), *(int((members & plane).sum()) for plane in planes)]
                found.append((rule + (-1,) * (depth - length), row))
    selectors = np.array([rule for rule, _ in found], dtype=np.int32).reshape(len(found), depth)
    return selectors, np.array([row for _, row in found], dtype=np.int64).reshape(len(found), len(planes) + 1)


worlds = st.builds(
    drawn,
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([0, 1, 63, 64, 65, 150]),
    selectors=st.integers(0, 8),
    planes=st.integers(0, 3),
    share=st.sampled_from([0.2, 0.5, 0.9]),
)


@settings(deadline=None, max_examples=150)
@given(worlds, st.integers(1, 4), st.sampled_from([1, 2, 10, 200]))
def test_every_rule_is_counted_once_and_in_order(world, depth, support):
    masks, attribute, planes = world
    found = every_rule(packed(masks), attribute, packed(planes), depth=depth, support=support)
    selectors, counted = brute_force(masks, attribute, planes, depth, support)
    assert_array_equal(found.selectors, selectors)
    assert_array_equal(found.counts, counted)
    assert (found.selectors.dtype, found.counts.dtype, found.tried) == (np.int32, np.int64, len(selectors))


@settings(deadline=None, max_examples=60)
@given(worlds, st.integers(1, 4))
def test_the_same_rules_counted_on_other_customers(world, depth):
    masks, attribute, planes = world
    selectors, _ = brute_force(masks, attribute, planes, depth, 1)
    others, _, marked = drawn(7, 131, len(masks), planes=2)
    expected = [
        [(members := others[list(r[r >= 0])].all(axis=0)).sum(), *(members & marked).sum(axis=1)] for r in selectors
    ]
    found = counts(selectors, packed(others), packed(marked))
    assert_array_equal(found, np.array(expected, dtype=np.int64).reshape(len(selectors), 3))


def test_hopeless_rules_are_tried_but_not_listed():
    masks, attribute, planes = drawn(3, 300, 7)
    everything = every_rule(packed(masks), attribute, packed(planes), depth=3, support=5)
    # at least a third of the members must have the outcome
    testable = -(-np.arange(301) // 3)
    found = every_rule(packed(masks), attribute, packed(planes), depth=3, support=5, testable=testable)
    hopeful = everything.counts[:, 1] * 3 >= everything.counts[:, 0]
    assert 0 < hopeful.sum() < len(hopeful)
    assert_array_equal(found.selectors, everything.selectors[hopeful])
    assert_array_equal(found.counts, everything.counts[hopeful])
    assert found.tried == everything.tried == len(hopeful)


def planes_for(name, rng, n):
    outcome = rng.random(n) < 0.3
    if name == "uplift":
        treated = rng.random(n) < 0.5
        return np.stack([treated, treated & outcome, ~treated & ~outcome])
    return np.stack([outcome, rng.random(n) < 0.7])[: len(QUALITIES[name].planes)]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(sorted(QUALITIES)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 8),
    st.integers(1, 4),
    st.sampled_from([1, 5, 20]),
    st.sampled_from([1, 4, 30]),
    st.sampled_from([1, 3, 2048]),
)
def test_the_best_rules_are_those_of_all(name, seed, selectors, depth, support, top, look):
    n = 150
    masks, attribute, _ = drawn(seed, n, selectors)
    planes = planes_for(name, np.random.default_rng(seed + 1), n)
    rules, counted = brute_force(masks, attribute, planes, depth, support)
    whole = np.array([n, *planes.sum(axis=1)])
    value = QUALITIES[name].value(counted, whole, support)
    order = np.lexsort((*rules.T[::-1], -value))
    order = order[value[order] > -np.inf][:top]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_best, "FIRST_LOOK", look)
        found = best_rules(packed(masks), attribute, packed(planes), n, depth=depth, support=support, quality=name,
                           top=top)  # fmt: skip
    assert_array_equal(found.selectors, rules[order])
    assert_array_equal(found.counts, counted[order])
    assert found.tried <= len(rules)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(QUALITIES)), st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_no_part_of_a_group_exceeds_the_bound(name, seed, support):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(support, 400))
    planes = planes_for(name, rng, n)
    group = rng.random(n) < rng.random()
    part = group & (rng.random(n) < rng.random() ** 2)
    # the part that has what is wanted, and a few others
    wanted = group & ((planes[1] | planes[2]) if name == "uplift" else planes[0]) | part & (rng.random(n) < 0.2)
    whole, *rows = (
        np.array([[members.sum(), *(members & planes).sum(axis=1)]])
        for members in (np.ones(n, bool), group, part, wanted)
    )
    quality = QUALITIES[name]
    bound = quality.bound(rows[0], whole[0], support)[0]
    for row in rows:
        if row[0, 0] >= support:
            assert quality.value(row, whole[0], support)[0] <= bound + 1e-12
            assert quality.bound(row, whole[0], support)[0] <= bound + 1e-12


def test_qualities_by_hand():
    # 100 customers, 20 with the outcome; a group of 25 with 10 of them, 5 of the group not reached
    counted, whole = np.array([[25, 10, 5]]), np.array([100, 20, 60])

    def value(name):
        quality = QUALITIES[name]
        return quality.value(counted[:, : len(quality.planes) + 1], whole, 1)[0]

    assert value("wracc") == pytest.approx(0.25 * (0.4 - 0.2))
    assert value("binomial") == pytest.approx(0.5 * (0.4 - 0.2))
    assert value("lift") == pytest.approx(2)
    assert 1 < value("lower_lift") < 2
    assert value("opportunity") == pytest.approx((value("lower_lift") - 1) * 5)
    # 30 treated of whom 12 bought, 10 controls of whom 9 refused
    assert QUALITIES["uplift"].value(np.array([[40, 30, 12, 9]]), None, 10)[0] == pytest.approx(0.4 - 0.1)
    assert QUALITIES["uplift"].value(np.array([[40, 30, 12, 9]]), None, 11)[0] == -np.inf


def test_bounds_save_work_where_one_rule_is_outstanding():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (8, 20_000))
    masks = (codes[:, None] == np.arange(5)[None, :, None]).reshape(40, -1)
    planted = masks[0] & masks[6]
    outcome = planted | (rng.random(20_000) < 0.01)
    fits, attribute = packed(masks), np.repeat(np.arange(8), 5)
    everything = every_rule(fits, attribute, packed(outcome[None]), depth=3, support=50)
    found = best_rules(fits, attribute, packed(outcome), 20_000, depth=3, support=50, top=3)
    assert found.selectors[0].tolist() == [0, 6, -1]
    assert found.tried < everything.tried / 5


@pytest.mark.parametrize("call", [
    lambda fits, attribute, planes: every_rule(fits, attribute, planes, depth=4, support=3)[:2],
    lambda fits, attribute, planes: best_rules(fits, attribute, planes[0], 3000, depth=4, support=3)[:2],
    lambda fits, attribute, planes: (least_p(fits, attribute, planes, 3000, depth=3, support=3),),
])  # fmt: skip
def test_threads_pieces_and_read_only_inputs_change_nothing(call, monkeypatch):
    masks, attribute, _ = drawn(11, 3000, 12)
    rng = np.random.default_rng(5)
    outcome = rng.random(3000) < 0.2
    given_ = packed(masks), attribute, packed(np.stack([rng.permutation(outcome) for _ in range(3)]))
    before = numba.get_num_threads()
    found = []
    monkeypatch.setattr(search_pool, "THREADED_FROM", 1)
    try:
        for threads in sorted({1, before}):
            numba.set_num_threads(threads)
            found.append(call(*given_))
    finally:
        numba.set_num_threads(before)
    for array in given_:
        array.flags.writeable = False
    monkeypatch.setattr(search_pool, "CELLS", 100)
    monkeypatch.setattr(search, "CELLS", 100)
    found.append(call(*given_))
    for other in found[1:]:
        for mine, theirs in zip(found[0], other, strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_hits_and_smallest_p_of_permuted_outcomes():
    n, masks_attribute = 400, drawn(1, 400, 6)[:2]
    masks, attribute = masks_attribute
    rng = np.random.default_rng(2)
    outcome = rng.random(n) < 0.1
    permuted = np.stack([rng.permutation(outcome) for _ in range(9)])
    found = every_rule(packed(masks), attribute, packed(outcome[None]), depth=3, support=20)
    hits = permuted_hits(found, packed(masks), packed(permuted))
    assert hits.dtype == np.int32
    members = np.stack([masks[list(r[r >= 0])].all(axis=0) for r in found.selectors])
    assert_array_equal(hits, members.astype(int) @ permuted.T.astype(int))
    law = hypergeom(n, outcome.sum(), found.counts[:, :1])
    expected = law.sf(hits) + law.pmf(hits) / 2
    smallest = least_p(packed(masks), attribute, packed(permuted), n, depth=3, support=20)
    assert_allclose(smallest, expected.min(axis=0), rtol=1e-9)
    # the same function to the last bit: comparing them is fair
    same = [mid_p(hits[:, b], found.counts[:, 0], int(outcome.sum()), n).min() for b in range(9)]
    assert_array_equal(smallest, same)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_mid_p_is_exact_for_every_possible_count(data):
    rows = data.draw(st.integers(1, 60))
    positives, size = data.draw(st.integers(0, rows)), data.draw(st.integers(0, rows))
    hits = np.arange(max(0, size + positives - rows), min(size, positives) + 1)
    ways = [comb(positives, int(h)) * comb(rows - positives, size - int(h)) for h in hits]
    expected = [(sum(ways[i + 1 :]) + ways[i] / 2) / comb(rows, size) for i in range(len(hits))]
    assert_allclose(mid_p(hits, np.full(len(hits), size), positives, rows), expected, rtol=1e-12)


def test_mid_p_in_the_far_tail_and_of_large_numbers():
    law = hypergeom(1_000_000, 40_000, 5_000)
    hits = np.array([150, 200, 260, 400, 600])
    found = mid_p(hits, np.full(5, 5_000), 40_000, 1_000_000)
    assert_allclose(found, law.sf(hits) + law.pmf(hits) / 2, rtol=1e-6)
    # beyond what a float holds it stays small and above 0
    assert 0 < mid_p(np.array([5_000]), np.array([5_000]), 40_000, 1_000_000)[0] < 1e-280


def test_without_rules_there_is_nothing_to_find():
    masks, attribute, planes = drawn(0, 70, 3)
    nobody = np.zeros((2, 70), bool)
    for fits, asked in ((masks[:0], attribute[:0]), (nobody, np.arange(2))):
        found = every_rule(packed(fits), asked, packed(planes), depth=3, support=1)
        assert (found.selectors.shape, found.counts.shape, found.tried) == ((0, 3), (0, 2), 0)
        assert best_rules(packed(fits), asked, packed(planes), 70, depth=3, support=1).selectors.shape == (0, 3)
        assert least_p(packed(fits), asked, packed(planes), 70, depth=3, support=1).tolist() == [1.0]
    assert least_p(packed(masks), attribute, packed(planes[:0]), 70, depth=2, support=1).shape == (0,)
    # nobody has the outcome, and everybody: whatever is seen is what had to be seen
    for outcome in (np.zeros((2, 70), bool), np.ones((2, 70), bool)):
        assert least_p(packed(masks), attribute, packed(outcome), 70, depth=2, support=1).tolist() == [0.5, 0.5]
    assert counts(np.empty((0, 3), int), packed(masks), packed(planes)).shape == (0, 2)


def test_everybody_is_a_rule_and_an_empty_outcome_is_no_error():
    masks = np.stack([np.ones(65, bool), np.arange(65) < 10])
    found = every_rule(packed(masks), np.arange(2), packed(np.zeros((1, 65), bool)), depth=2, support=10)
    assert found.selectors.tolist() == [[0, -1], [1, -1], [0, 1]]
    assert found.counts.tolist() == [[65, 0], [10, 0], [10, 0]]
    for name in OF_OUTCOME:
        best = best_rules(
            packed(masks), np.arange(2), packed(np.zeros(65, bool)), 65, depth=2, support=10, quality=name
        )
        assert len(best.selectors) == 3


def test_selectors_of_one_attribute_never_stand_together():
    masks, _, planes = drawn(4, 100, 5)
    found = every_rule(packed(masks), np.zeros(5, int), packed(planes), depth=4, support=1)
    assert found.tried == 5
    assert (found.selectors[:, 1:] == -1).all()


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"depth": 5}, SettingsError, "depth is 5; rules have 1 to 4 conditions"),
    ({"depth": 0}, SettingsError, "depth is 0"),
    ({"support": 0}, SettingsError, "support is 0; a rule has at least 1 member"),
    ({"fits": np.ones((3, 2), bool)}, ContractError, r"fits: bool of shape \(3, 2\); give uint64 words"),
    ({"planes": np.ones((1, 9), np.uint64)}, ContractError, "fits have 2 words, planes 9; pack both over the same"),
    ({"attribute": np.arange(2)}, ContractError, r"attribute: shape \(2,\) for 3 selectors"),
    ({"testable": np.zeros(4, int)}, ContractError, "testable: 4 sizes, but a selector has"),
])  # fmt: skip
def test_what_cannot_be_searched_is_refused(change, error, message):
    masks, attribute, planes = drawn(0, 100, 3)
    asked = {"fits": packed(masks), "attribute": attribute, "planes": packed(planes), "depth": 2, "support": 1}
    with pytest.raises(error, match=message):
        every_rule(**(asked | change))


def test_a_ranking_that_cannot_be_made_is_refused():
    masks, attribute, planes = drawn(0, 100, 3)
    asked = packed(masks), attribute, packed(planes), 100
    with pytest.raises(SettingsError, match="quality 'fun' is unknown; choose one of wracc, binomial, lift"):
        best_rules(*asked, depth=2, support=1, quality="fun")
    with pytest.raises(ContractError, match="planes: 1 given, quality 'opportunity' counts 2: outcome, not reached"):
        best_rules(*asked, depth=2, support=1, quality="opportunity")
    with pytest.raises(SettingsError, match="top is 0"):
        best_rules(*asked, depth=2, support=1, top=0)


def test_rules_and_counts_that_cannot_be_are_refused():
    masks, attribute, planes = drawn(0, 100, 3)
    with pytest.raises(ContractError, match="highest 3; there are 3 selectors"):
        counts(np.array([[0, 3]]), packed(masks), packed(planes))
    with pytest.raises(ContractError, match="rule 1 has no condition; leave it out"):
        counts(np.array([[0, 1], [-1, -1]]), packed(masks), packed(planes))
    with pytest.raises(ContractError, match="rule 0: 5 hits among 4 members cannot be with 10 positives among 20"):
        mid_p(np.array([5]), np.array([4]), 10, 20)
    with pytest.raises(ContractError, match="shuffle one outcome over the same 100 customers"):
        least_p(packed(masks), attribute, packed(np.tri(2, 100, dtype=bool)), 100, depth=1, support=1)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "seed", "depth", "top"), [(5_000, 1, 3, 10), (20_000, 2, 2, 40), (3_000, 3, 4, 10)])
def test_the_best_rules_are_those_of_pysubgroup(tmp_path, rows, seed, depth, top):
    try:
        python = environment("pysubgroup", subgroups.PEER_PINS)
    except ScenefitError as error:
        pytest.skip(f"no environment for pysubgroup: {error}")
    path = tmp_path / "customers.npz"
    np.savez(path, **subgroups_sides.drawn(rows, seed)._asdict())
    code = "from benchmarks.subgroups_peer import main; main()"
    peer = measure(Side("pysubgroup", (str(python), "-c", code, str(path), str(depth), str(top)))).answer
    ours = subgroups_sides.best(str(path), depth, top)
    assert len(ours["best"]) == top
    assert subgroups.best_told(ours) == subgroups.best_told(peer)
