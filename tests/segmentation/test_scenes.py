"""The map of scenes and the order of opening: counts by hand, reach, need, privacy, reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError
from segmentation.rules import Compare, Rule
from segmentation.scene_order import wilson
from segmentation.scene_people import HARD, hard_to_reach
from segmentation.scenes import SceneGroups, opening_order, rule_members, scene_map


def people(n: int, **columns: object) -> pd.DataFrame:
    """Customers c0, c1, … whom nothing is known of; columns as given."""
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "kind": "customer",
            "contacted": False,
            "hard": "",
            "held_out": False,
            "value": np.nan,
            "p_take": np.nan,
            "pd": np.nan,
            "headroom": np.nan,
        }
    )
    return frame.assign(**columns)


def one_scene(n: int, group: range | None = None) -> SceneGroups:
    """Everybody active in travel; a group of some of them."""
    ids = [f"c{i}" for i in range(n)]
    some = [] if group is None else [f"c{i}" for i in group]
    return SceneGroups(
        scenes=pd.DataFrame({"scene_id": ["travel"], "name_en": ["Travel"], "name_zh": ["出行"], "need_of": ["takes"]}),
        members=pd.DataFrame({"scene_id": "travel", "customer_id": ids}),
        groups=pd.DataFrame({"scene_id": ["travel"], "group_id": ["travel/1"], "origin": ["segment"],
                             "name_en": ["Some"], "name_zh": ["部分"]}).iloc[: 0 if group is None else 1],
        belongs=pd.DataFrame({"scene_id": "travel", "group_id": "travel/1", "customer_id": some}),
    )  # fmt: skip


def takers(*positions: int) -> pd.DataFrame:
    return pd.DataFrame({"scene_id": "travel", "customer_id": [f"c{i}" for i in positions]}, dtype=object)


def test_the_first_reason_makes_a_person_hard_to_reach():
    yes, no = np.array([True] * 5), np.array([False] * 5)
    reasons = hard_to_reach(
        np.array([True, False, True, True, True]), np.array([False, True, True, False, False]),
        np.array([0, 9, 9, 3, 2]), np.array([0, 9, 9, 9, 5]), cap=3, silent_after=5,
    )  # fmt: skip
    assert reasons.tolist() == ["", "no channel", "blocked", "contact cap", "silent"]
    assert hard_to_reach(yes, no, np.zeros(5), np.zeros(5), cap=1, silent_after=1).tolist() == [""] * 5


def test_a_cell_adds_up_by_hand():
    # 10 members; c0-c3 in the group: c0 reached, c1 not, c2 silent, c3 held out though contacted
    base = people(10, contacted=[True, False, True, True] + [False] * 6, held_out=[False] * 3 + [True] + [False] * 6)
    everyone = base.assign(
        hard=["", "", "silent"] + [""] * 7,
        value=[5.0, 7.0, 11.0, np.nan, -3.0] + [np.nan] * 5,
    )
    cells = scene_map(one_scene(10, range(4)), everyone, takers(0, 1, 8), pd_max=0.2, least=1)
    group = cells[cells["group_id"] == "travel/1"].iloc[0]
    assert group[["size", "reached", "unreached", "hard", "held_out", "silent", "contacted", "demand"]].tolist() == [
        4, 1, 1, 1, 1, 1, 3, 2,
    ]  # fmt: skip
    assert group["rate"] == 0.5
    assert group["base"] == 0.3
    assert group["need"] == pytest.approx(5 / 3)
    assert group["need_low"] < group["need"] < group["need_high"]
    # a value below zero is no offer; the open value is that of the unreached alone
    assert (group["value"], group["valued"], group["open_value"]) == (23.0, 3, 7.0)
    assert group["contacted_share"] == 0.75
    assert group["base_contacted_share"] == 0.3
    assert group["absent"] == "affordability, headroom"


def test_leads_and_visitors_are_shown_apart():
    everyone = people(6, kind=["customer"] * 3 + ["lead"] * 2 + ["visitor"])
    cells = scene_map(one_scene(6), everyone, takers(0, 3), pd_max=0.2)
    assert cells[["kind", "size", "demand"]].to_numpy().tolist() == [
        ["customer", 3, 1],
        ["lead", 2, 1],
        ["visitor", 1, 0],
    ]
    # nobody of the visitors took anything: their need is not known, it is not zero
    assert np.isnan(cells["need"].iloc[2])
    assert "need" in cells["absent"].iloc[2]


def test_credit_figures_of_fewer_than_twenty_people_stay_empty():
    known = np.where(np.arange(40) < 20, 0.1, np.nan)
    everyone = people(40, pd=known, headroom=np.where(np.arange(40) < 19, 500.0, np.nan))
    cells = scene_map(one_scene(40, range(1, 21)), everyone, takers(0), pd_max=0.2).set_index("group_id")
    assert cells.loc["travel", ["with_pd", "affordable_share", "mean_pd"]].tolist() == [20, 1.0, pytest.approx(0.1)]
    assert cells.loc["travel/1", "with_pd"] == 19
    assert np.isnan(cells.loc["travel/1", "affordable_share"])
    assert np.isnan(cells.loc["travel/1", "mean_pd"])
    assert cells["headroom"].isna().all()


def in_segments(*sizes: int) -> SceneGroups:
    """A scene shared out into segments of these sizes."""
    ids = [f"c{i}" for i in range(sum(sizes))]
    names = [f"travel/{number}" for number in range(1, len(sizes) + 1)]
    whole = one_scene(len(ids))
    return whole._replace(
        groups=pd.DataFrame({"scene_id": "travel", "group_id": names, "origin": "segment", "name_en": names,
                             "name_zh": names}),
        belongs=pd.DataFrame({"scene_id": "travel", "group_id": np.repeat(names, sizes), "customer_id": ids}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((30, 40, 50), [1, 1, 1, 1]),
        # what the others leave of the whole would be the figure of twelve people
        ((12, 40, 50), [1, 0, 0, 1]),
        ((12, 40), [1, 0, 0]),
        # twelve and fifteen together are many enough
        ((12, 15, 50), [1, 0, 0, 1]),
        ((5, 6, 50, 40), [1, 0, 0, 1, 0]),
    ],
)
def test_figures_of_few_people_do_not_follow_from_those_of_their_siblings(sizes, told):
    n = sum(sizes)
    everyone = people(n, pd=0.1, headroom=500.0, value=7.0)
    cells = scene_map(in_segments(*sizes), everyone, takers(0), pd_max=0.2)
    for name in ("mean_pd", "affordable_share", "headroom", "value", "open_value"):
        assert cells[name].notna().astype(int).tolist() == told, name
        # no difference of told figures rests on fewer than twenty people
        assert cells["size"][1:][cells[name][1:].isna()].sum() not in range(1, 20)


def test_the_value_of_the_reached_does_not_follow_from_that_of_the_unreached():
    # 25 unreached and 5 reached people with a value each
    everyone = people(30, contacted=np.arange(30) >= 25, value=2.0)
    cells = scene_map(one_scene(30), everyone, takers(0), pd_max=0.2)
    assert cells["value"].tolist() == [60.0]
    assert cells["open_value"].isna().all()
    assert "open_valued" not in cells


def test_need_above_the_base_and_less_reach_is_what_to_open():
    # 400 members; the first 100 take four times as often and nobody contacted them
    everyone = people(400, contacted=np.arange(400) >= 200)
    found = one_scene(400, range(100))
    cells = scene_map(found, everyone, takers(*range(40), *range(100, 130)), pd_max=0.2).set_index("group_id")
    assert cells.loc["travel/1", "need_low"] > 1
    assert cells.loc["travel/1", "quadrant"] == "open"
    reached = scene_map(found, everyone.assign(contacted=np.arange(400) < 200), takers(*range(40), 300), pd_max=0.2)
    assert reached.set_index("group_id").loc["travel/1", "quadrant"] == "keep"
    seldom = scene_map(found, everyone, takers(*range(100, 200)), pd_max=0.2).set_index("group_id")
    # none of 100 took anything: the rule of three bounds what that can mean
    assert seldom.loc["travel/1", ["need", "need_low"]].tolist() == [0.0, 0.0]
    assert seldom.loc["travel/1", "need_high"] == pytest.approx((3 / 100) / (100 / 400))
    assert seldom.loc["travel/1", "quadrant"] == "leave"


@given(st.lists(st.tuples(st.sampled_from(["customer", "lead"]), st.booleans(), st.sampled_from(["", *HARD]),
                          st.booleans()), min_size=1, max_size=40))  # fmt: skip
def test_every_member_is_counted_once(rows):
    kind, contacted, hard, held_out = zip(*rows, strict=True)
    everyone = people(len(rows), kind=list(kind), contacted=list(contacted), hard=list(hard), held_out=list(held_out))
    cells = scene_map(one_scene(len(rows), range(len(rows) // 2)), everyone, takers(0), pd_max=0.2)
    parts = cells[["reached", "unreached", "hard", "held_out"]].sum(axis=1)
    assert (parts == cells["size"]).all()
    assert (cells[["no_channel", "blocked", "contact_cap", "silent"]].sum(axis=1) == cells["hard"]).all()
    assert cells.loc[cells["origin"] == "scene", "size"].sum() == len(rows)


def test_whole_scenes_are_compared_over_all_scenes_with_the_same_sort_of_demand():
    two = pd.DataFrame({"scene_id": ["a", "b", "c"], "name_en": "x", "name_zh": "x",
                        "need_of": ["takes", "takes", "purchases"]})  # fmt: skip
    members = pd.DataFrame({"scene_id": list("aaaabbbbcccc"), "customer_id": ["c0", "c1", "c2", "c3"] * 3})
    none = one_scene(0)
    found = SceneGroups(two, members, none.groups, none.belongs)
    demand = pd.DataFrame({"scene_id": list("aabccc"), "customer_id": ["c0", "c1", "c0", "c0", "c1", "c2"]})
    cells = scene_map(found, people(4), demand, pd_max=0.2).set_index("group_id")
    assert cells["rate"].tolist() == [0.5, 0.25, 0.75]
    assert cells["base"].tolist() == [0.375, 0.375, 0.75]
    assert cells.loc["c", "need"] == 1.0


def test_a_rule_finds_its_members_in_its_own_scene():
    rule = Rule(where=Compare(column="scene_visits_90d", op=">=", value=2)).model_dump_json()
    features = {
        "travel": pd.DataFrame({"customer_id": ["c0", "c1", "c2"], "scene_visits_90d": [2.0, np.nan, 1.0]}),
        "home": pd.DataFrame({"customer_id": ["c1"], "scene_visits_90d": [9.0]}),
    }
    rules = pd.DataFrame({"scene_id": ["travel", "home"], "group_id": ["t#1", "h#1"], "rule": [rule, rule]})
    found = rule_members(features, rules)
    assert found.to_numpy().tolist() == [["travel", "t#1", "c0"], ["home", "h#1", "c1"]]
    assert rule_members(features, rules.iloc[:0]).columns.tolist() == ["scene_id", "group_id", "customer_id"]
    with pytest.raises(ContractError, match=r"scene 'daily' has no features.*\['home', 'travel'\]"):
        rule_members(features, rules.assign(scene_id="daily"))


def test_tables_that_do_not_fit_together_are_refused():
    everyone = people(3)
    with pytest.raises(ContractError, match=r"people: column 'pd' is missing"):
        scene_map(one_scene(3), everyone.drop(columns="pd"), takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match="people: 1 ids stand twice, such as 'c0'"):
        scene_map(one_scene(3), everyone.assign(customer_id=["c0", "c0", "c2"]), takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match=r"people.kind: 3 values such as 'ghost' are unknown"):
        scene_map(one_scene(3), everyone.assign(kind="ghost"), takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match="1 ids are not among the people, such as 'c3'"):
        scene_map(one_scene(4), everyone, takers(0), pd_max=0.2)
    found = one_scene(3, range(2))
    with pytest.raises(ContractError, match="1 people of groups are not members of the scene, such as 'c1'"):
        scene_map(found._replace(members=found.members[found.members["customer_id"] != "c1"]), everyone, takers(0),
                  pd_max=0.2)  # fmt: skip
    with pytest.raises(ContractError, match="scene 'moon' is not among"):
        scene_map(found._replace(groups=found.groups.assign(scene_id="moon")), everyone, takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match="without such a group"):
        scene_map(found._replace(belongs=found.belongs.assign(group_id="travel/9")), everyone, takers(0), pd_max=0.2)


def options(*rows: tuple[str, str, str | None, float, float]) -> pd.DataFrame:
    names = ["kind", "option_id", "scene_id", "cost_per_click", "cost_per_approval"]
    return pd.DataFrame(list(rows), columns=names).assign(name_en="Shop", name_zh="店")


def active(**who: range) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"kind": "merchant", "option_id": k, "customer_id": [f"c{i}" for i in r]}) for k, r in who.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_gain_is_people_times_rate_times_value_less_cost():
    everyone = people(200, value=np.where(np.arange(200) < 40, 30.0, np.nan),
                      p_take=np.where(np.arange(200) < 40, 0.05, np.nan), contacted=np.arange(200) >= 150)  # fmt: skip
    shops = options(("merchant", "m1", "travel", 0.5, 50.0))
    row = opening_order(shops, active(m1=range(100)), everyone, takers(*range(10)), pd_max=0.2).iloc[0]
    assert (row["active"], row["open"], row["eligible"], row["demand"]) == (100, 100, 40, 10)
    # 40 people, one in ten takes, 600 each taker, less 50 per approval, less half a yuan a click
    assert row["value_per_taker"] == pytest.approx(600)
    assert row["gain"] == pytest.approx(40 * (0.1 * (600 - 50) - 0.5))
    assert row["cost"] == pytest.approx(40 * (0.1 * 50 + 0.5))
    low, high = wilson(np.array([10.0]), np.array([100.0]))
    assert row["gain_low"] == pytest.approx(40 * (float(low[0]) * 550 - 0.5))
    assert row["gain_high"] == pytest.approx(40 * (float(high[0]) * 550 - 0.5))
    assert "100 people reachable and not contacted; 10.0% (" in row["reason_en"]
    assert row["reason_zh"].startswith("100人可触达且未触达；活跃者中10.0%")


def test_a_taker_who_costs_more_than_he_brings_turns_the_interval_round():
    everyone = people(100, value=1.0, p_take=0.5)
    shops = options(("merchant", "m1", "travel", 0.0, 50.0))
    row = opening_order(shops, active(m1=range(100)), everyone, takers(*range(10)), pd_max=0.2).iloc[0]
    assert row["gain_low"] < row["gain"] < row["gain_high"] < 0


def test_a_lucky_few_do_not_go_before_many():
    everyone = people(1000, value=10.0, p_take=0.1)
    shops = options(("merchant", "few", "travel", np.nan, np.nan), ("merchant", "many", "travel", np.nan, np.nan))
    found = opening_order(shops, active(few=range(20), many=range(100, 1000)), everyone,
                          takers(*range(8), *range(100, 280)), pd_max=0.2)  # fmt: skip
    assert found["option_id"].tolist() == ["many", "few"]
    assert found["rank"].tolist() == [1, 2]
    assert found.loc[1, "rate"] > found.loc[0, "rate"]
    # both stand in one scene: the base is that of all its merchants
    assert found["base"].nunique() == 1


def test_without_any_value_the_reachable_need_decides_and_the_reason_says_so():
    shops = options(("merchant", "m1", "travel", np.nan, np.nan), ("merchant", "m2", None, np.nan, np.nan))
    found = opening_order(shops, active(m1=range(50), m2=range(50, 150)), people(150), takers(*range(60)), pd_max=0.2)
    assert found["gain"].isna().all()
    assert found["option_id"].tolist() == ["m1", "m2"]
    assert found["reason_en"].str.contains("value not known").all()
    assert found["reason_zh"].str.contains("价值未知").all()


def test_places_with_few_people_are_left_out_and_unknown_ones_refused():
    shops = options(("merchant", "m1", "travel", np.nan, np.nan))
    assert opening_order(shops, active(m1=range(19)), people(30), takers(0), pd_max=0.2).empty
    with pytest.raises(ContractError, match=r"active: \['merchant', 'm9'\] is not among the options"):
        opening_order(shops, active(m9=range(2)), people(30), takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match="options: 'm1' stands twice"):
        opening_order(pd.concat([shops, shops]), active(m1=range(2)), people(30), takers(0), pd_max=0.2)
    with pytest.raises(ContractError, match="options: column 'name_zh' is missing"):
        opening_order(shops.drop(columns="name_zh"), active(m1=range(2)), people(30), takers(0), pd_max=0.2)


def test_the_interval_of_a_share_holds_its_ends():
    low, high = wilson(np.array([0.0, 10.0]), np.array([10.0, 10.0]))
    assert low[0] == 0.0
    assert high[0] == pytest.approx(0.2775, abs=1e-4)
    assert (low[1], high[1]) == (pytest.approx(0.7225, abs=1e-4), 1.0)
