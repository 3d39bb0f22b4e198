"""The map of scenes and subgroups: who is in each, whom marketing reaches, where the need is, what it may be worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.evidence import lift_interval
from segmentation.rules import Rule
from segmentation.scene_made import MadeScene, Places, SceneDefinition, new_scene
from segmentation.scene_order import opening_order
from segmentation.scene_people import HARD, KINDS, STATES, checked_people, pairs, person_keys, positions, states

__all__ = [
    "LEAST",
    "QUADRANTS",
    "MadeScene",
    "Places",
    "SceneDefinition",
    "SceneGroups",
    "new_scene",
    "opening_order",
    "rule_members",
    "scene_map",
]  # fmt: skip

# below this, shares and means of credit facts could be traced to a person
LEAST = 20
# need above the base and reached less than it, …; "unclear" where the interval of the need holds the base
QUADRANTS = ("open", "keep", "leave", "ease", "unclear")


class SceneGroups(NamedTuple):
    """Scenes, who is active in them, the groups inside and who belongs to each.

    scenes : scene_id, name_en, name_zh, need_of ("takes" or "purchases": what counts as demand there)
    members : scene_id, customer_id; once each
    groups : scene_id, group_id, origin ("segment" or "subgroup"), name_en, name_zh
    belongs : scene_id, group_id, customer_id; once each, every one a member of the scene
    """

    scenes: pd.DataFrame
    members: pd.DataFrame
    groups: pd.DataFrame
    belongs: pd.DataFrame


def rule_members(features: Mapping[str, pd.DataFrame], rules: pd.DataFrame) -> pd.DataFrame:
    """Who fits each rule inside its scene: scene_id, group_id, customer_id.

    Parameters
    ----------
    features : scene id → customer_id and attributes of the people active in it
    rules : scene_id, group_id, rule (JSON)

    Raises
    ------
    ContractError : a rule is damaged or asks for an attribute that is not there.
    """
    parts = []
    for scene, group, text in rules[["scene_id", "group_id", "rule"]].itertuples(index=False):
        if scene not in features:
            raise ContractError(f"rule {group!r}: scene {scene!r} has no features; it is not among {sorted(features)}")
        frame = features[scene]
        fits = frame.loc[Rule.read(text).mask(frame), "customer_id"]
        parts.append(pd.DataFrame({"scene_id": scene, "group_id": group, "customer_id": fits.astype(object)}))
    empty = pd.DataFrame({"scene_id": [], "group_id": [], "customer_id": []}, dtype=object)
    return pd.concat(parts, ignore_index=True) if parts else empty


def scene_map(
    found: SceneGroups, people: pd.DataFrame, demand: pd.DataFrame, *, pd_max: float, least: int = LEAST
) -> pd.DataFrame:
    """Every scene and every group in it, by kind of person: reach, need, affordability, expected value.

    One row per scene, group and kind (customer, lead, visitor) that has anybody; the scene as a whole is the group of
    origin "scene". Kinds are never added up: leads and visitors have consents of their own and rarely a score.

    Parameters
    ----------
    people : one row per person, columns of `scene_people.PEOPLE`
    demand : scene_id, customer_id of members who showed demand there in the window; once each
    pd_max : a probability of default up to this counts as affordable
    least : figures of money and credit stay empty where they rest on fewer people, or would tell those of fewer by
        taking what is told from the whole

    Returns
    -------
    size = reached + unreached + hard + held_out. `rate` is the share with demand, `base` that of the whole scene among
    people of the same kind (for a whole scene: of all scenes with the same sort of demand), `need` their ratio with a
    95 % interval. `value` sums the best positive values of the members, `open_value` those of the unreached; a person
    active in several scenes counts in each. `absent` names figures that stay empty: need, affordability, headroom,
    value.

    Raises
    ------
    ContractError : a table lacks a column, or names somebody or a scene that another does not know.
    """
    people = checked_people(people)
    groups, belongs = _with_whole_scenes(found)
    who = positions(belongs["customer_id"], people, "groups")
    known = pd.Index(found.scenes["scene_id"].astype(object))
    keys = person_keys(belongs["scene_id"], belongs["customer_id"], known, people)
    _within_scenes(found, keys)
    cell = _codes(groups, belongs, "groups") * len(KINDS) + pd.Index(KINDS).get_indexer(pd.Index(people["kind"]))[who]
    wanted = person_keys(demand["scene_id"], demand["customer_id"], known, people)
    asked = np.isin(keys, wanted[wanted >= 0])
    made = _counts(people, who, cell, len(groups) * len(KINDS), asked, pd_max)
    cells = groups.loc[groups.index.repeat(len(KINDS))].reset_index(drop=True)
    cells = pd.concat([cells.assign(kind=list(KINDS) * len(groups)), made], axis=1)
    cells = cells[cells["size"] > 0].reset_index(drop=True)
    told = _kept_back(_needs(cells), least)
    return told.assign(quadrant=_quadrants(told), absent=_absent(told))


def _with_whole_scenes(found: SceneGroups) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Groups and who belongs, each scene as a whole being the first of its groups."""
    whole = found.scenes.assign(group_id=found.scenes["scene_id"], origin="scene")
    groups = pd.concat([whole, found.groups.assign(need_of=None)], ignore_index=True)
    need_of = dict(zip(found.scenes["scene_id"], found.scenes["need_of"], strict=True))
    groups["need_of"] = groups["scene_id"].map(need_of)
    everybody = found.members.assign(group_id=found.members["scene_id"])
    columns = ["scene_id", "group_id", "customer_id"]
    belongs = pd.concat([everybody[columns], found.belongs[columns]], ignore_index=True)
    names = ["scene_id", "group_id", "origin", "name_en", "name_zh", "need_of"]
    order = groups["scene_id"].map({scene: i for i, scene in enumerate(found.scenes["scene_id"])})
    if order.isna().any():
        lost = groups.loc[order.isna(), "scene_id"].iloc[0]
        raise ContractError(f"groups: scene {lost!r} is not among {sorted(found.scenes['scene_id'])}; add it there")
    return groups.loc[order.sort_values(kind="stable").index, names].reset_index(drop=True), belongs


def _within_scenes(found: SceneGroups, keys: np.ndarray) -> None:
    """Refuse groups with people who are not in the scene; the keys begin with those of the members."""
    members = len(found.members)
    inside = np.isin(keys[members:], keys[:members])
    if not inside.all():
        lost = found.belongs[~inside].iloc[0]
        raise ContractError(
            f"groups: {int((~inside).sum()):,} people of groups are not members of the scene, such as "
            f"{lost['customer_id']!r} in {lost['group_id']!r}; read members and groups as of the same moment"
        )


def _codes(groups: pd.DataFrame, belongs: pd.DataFrame, what: str) -> np.ndarray:
    """Which group each row belongs to."""
    keys = ["scene_id", "group_id"]
    twice = groups.duplicated(keys)
    if twice.any():
        raise ContractError(f"{what}: {groups.loc[twice, keys].iloc[0].tolist()} stands twice; give each group one id")
    found = pairs(belongs["scene_id"], belongs["group_id"], groups[keys])
    if len(found) and found.min() < 0:
        lost = belongs.loc[found < 0, keys].iloc[0].tolist()
        raise ContractError(f"{what}: members of {lost} without such a group; name every group")
    return found


def _counts(
    people: pd.DataFrame, who: np.ndarray, cell: np.ndarray, cells: int, asked: np.ndarray, pd_max: float
) -> pd.DataFrame:
    """What is counted and summed per cell."""

    def number(rows: np.ndarray) -> np.ndarray:
        return np.bincount(cell[rows], minlength=cells)

    def total(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.bincount(cell[rows], weights=values[rows], minlength=cells)

    state, hard = states(people)[who], people["hard"].to_numpy(dtype=object)[who]
    default, headroom, value = (people[name].to_numpy(dtype=float)[who] for name in ("pd", "headroom", "value"))
    known, holds, valued = np.isfinite(default), np.isfinite(headroom), value > 0
    counted = {"size": number(np.ones(len(who), dtype=bool))}
    counted |= {name.replace(" ", "_"): number(state == code) for code, name in enumerate(STATES)}
    counted |= {name.replace(" ", "_"): number((state == 2) & (hard == name)) for name in HARD}
    counted |= {"contacted": number(people["contacted"].to_numpy(dtype=bool)[who]), "demand": number(asked)}
    counted |= {"with_pd": number(known), "with_headroom": number(holds), "valued": number(valued)}
    counted |= {"open_valued": number(valued & (state == 1))}
    with np.errstate(invalid="ignore"):
        summed = {
            "affordable_share": number(known & (default <= pd_max)) / counted["with_pd"],
            "mean_pd": total(default, known) / counted["with_pd"],
            "headroom": total(headroom, holds) / counted["with_headroom"],
            "value": total(value, valued),
            "open_value": total(value, valued & (state == 1)),
        }
    return pd.DataFrame(counted | summed)


def _kept_back(cells: pd.DataFrame, least: int) -> pd.DataFrame:
    """The cells without figures that rest on few people, and without those from which such figures would follow."""
    hidden = {count: _few(cells, count, least) for count in ("with_pd", "with_headroom", "valued", "open_valued")}
    # the value of the others is the value less that of the unreached
    others = cells["valued"] - cells["open_valued"]
    hidden["open_valued"] |= hidden["valued"] | ((others > 0) & (others < least)).to_numpy()
    rests_on = {"affordable_share": "with_pd", "mean_pd": "with_pd", "headroom": "with_headroom", "value": "valued",
                "open_value": "open_valued"}  # fmt: skip
    told = {name: cells[name].mask(hidden[count]) for name, count in rests_on.items()}
    return cells.assign(**told).drop(columns="open_valued")


def _few(cells: pd.DataFrame, count: str, least: int) -> np.ndarray:
    """Where a figure resting on `count` people is kept back, bool of shape (cells,).

    It is where it rests on fewer than `least` people, or leaves fewer of the scene over. Segments share out a scene:
    of them the smallest are kept back until they are `least` people together (complementary suppression).
    """
    people, origin = cells[count].to_numpy(), cells["origin"].to_numpy(dtype=object)
    place = cells.groupby(["scene_id", "kind"], sort=False).ngroup().to_numpy()
    whole = np.zeros(place.max(initial=-1) + 1, dtype=people.dtype)
    whole[place[origin == "scene"]] = people[origin == "scene"]
    left = whole[place] - people
    hidden: np.ndarray = (people < least) | ((origin != "scene") & (left > 0) & (left < least))
    for number in np.unique(place):
        siblings = np.flatnonzero((place == number) & (origin == "segment") & (people > 0))
        for row in siblings[np.argsort(people[siblings], kind="stable")]:
            if 0 < people[siblings[hidden[siblings]]].sum() < least:
                hidden[row] = True
    return hidden


def _needs(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with rate, base, the need between them, and the shares contacted."""
    whole = cells[cells["origin"] == "scene"]
    base = whole.set_index(["scene_id", "kind"])[["size", "demand", "contacted"]]
    within = pd.DataFrame(base.reindex(pd.MultiIndex.from_frame(cells[["scene_id", "kind"]])).to_numpy(), cells.index)
    # takes and purchases are not compared with each other
    alike = ["kind", "need_of"]
    sums = whole.groupby(alike)[["size", "demand", "contacted"]].sum()
    over_all = sums.reindex(pd.MultiIndex.from_frame(cells[alike])).to_numpy()
    rows, positives, contacted = np.where((cells["origin"] == "scene").to_numpy()[:, None], over_all, within).T
    size, hits = cells["size"].to_numpy(dtype=float), cells["demand"].to_numpy(dtype=float)
    low, mid, high = _lift(hits, size, positives, rows)
    return cells.assign(
        rate=hits / size, base=positives / rows, need_low=low, need=mid, need_high=high,
        contacted_share=cells["contacted"] / size, base_contacted_share=contacted / rows,
    )  # fmt: skip


def _lift(hits: np.ndarray, size: np.ndarray, positives: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Lower end, middle and upper end of the lift; empty where nobody at all showed demand, shape (3, n)."""
    found = np.full((3, len(hits)), np.nan)
    seen = positives > 0
    found[1, seen] = (hits / size)[seen] / (positives / rows)[seen]
    some = hits > 0
    found[0, some], found[2, some] = lift_interval(hits[some], size[some], positives[some], rows[some])
    none = seen & (hits == 0)
    # the rule of three (Hanley and Lippman-Hand 1983): none of n seen, the rate is below 3 / n with 95 % confidence
    found[0, none], found[2, none] = 0.0, np.minimum(3 / size[none], 1) / (positives / rows)[none]
    everybody = seen & (size == rows)
    found[:, everybody] = 1.0
    return found


def _quadrants(cells: pd.DataFrame) -> np.ndarray:
    wanted, unwanted = cells["need_low"] > 1, cells["need_high"] < 1
    little = cells["contacted_share"] < cells["base_contacted_share"]
    chosen: np.ndarray = np.select(
        [wanted & little, wanted, unwanted & little, unwanted], QUADRANTS[:4], default=QUADRANTS[4]
    )
    return chosen


def _absent(cells: pd.DataFrame) -> list[str]:
    """Which figures stay empty, by name."""
    empty = {"need": cells["need"].isna(), "affordability": cells["affordable_share"].isna(),
             "headroom": cells["headroom"].isna(), "value": cells["value"].isna()}  # fmt: skip
    return [", ".join(name for name, gone in zip(empty, row, strict=True) if gone)
            for row in zip(*empty.values(), strict=True)]  # fmt: skip
