"""Home and delivery addresses as people write them: one dwelling, many spellings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scenefit.contracts.world import clock, places
from scenefit.contracts.world.columns import contract_table, instants, texts
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import People
from scenefit.contracts.world.segments import OCCUPATIONS

STREETS = (
    "人民路", "中山路", "解放大道", "建设路", "文化路", "新华街", "和平路", "友谊大道",
    "长江路", "黄河路", "学府路", "滨河路", "迎宾大道", "青年路", "朝阳街", "光明路",
    "胜利街", "园林路", "科技路", "振兴路", "东风路", "南环路", "北苑街", "锦绣路",
)  # fmt: skip
ESTATES = tuple(
    a + b
    for a in ("阳光", "翠湖", "金桂", "紫薇", "滨江", "学府", "幸福", "盛世", "东方", "碧云", "枫林", "和谐")
    for b in ("花园", "小区", "家园", "新城", "公馆", "苑")
)
BUILDING = ("号楼", "栋", "幢", "座", "-")
UNIT = ("单元", "单元", "门", "-")
ROOM = ("室", "", "号", "房")
TAILS = ("", "（放门口）", "，到了打电话", " 转交家人")
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
DIGITS = tuple(str(i) for i in range(10_000))
WIDE = tuple(digits.translate(FULL_WIDTH) for digits in DIGITS[:2_500])
LOCKER_SIZE, DORMITORY_SIZE = 30, 36
HOME, DELIVERY = 0, 1
SHARED = ("locker", "dormitory")


class Dwellings(NamedTuple):
    """Places by number: city, district, street, house, estate, building, unit, room."""

    city: np.ndarray
    district: np.ndarray
    street: np.ndarray
    house: np.ndarray
    estate: np.ndarray
    building: np.ndarray
    unit: np.ndarray
    room: np.ndarray


class Homes(NamedTuple):
    """Where everybody lives and has things sent to; `shared` names innocent sharing (−1: none)."""

    home: np.ndarray
    delivery: np.ndarray
    shared: np.ndarray
    places: Dwellings


def homes(crowd: People, rng: np.random.Generator) -> Homes:
    """A dwelling per household, a delivery place per person; lockers, dormitories and rings share one."""
    n = len(crowd)
    rings = int(crowd.ring.max(initial=-1)) + 1
    home, delivery = crowd.household.copy(), crowd.household.copy()
    elsewhere = rng.random(n) < 0.3
    delivery[elsewhere] = n + np.flatnonzero(elsewhere)
    in_ring = crowd.ring >= 0
    delivery[in_ring] = 2 * n + crowd.ring[in_ring]
    shared, city = np.full(n, -1), np.zeros(2 * n + rings + 2 * len(places.CITIES), dtype=int)
    city[home], city[delivery] = crowd.city, crowd.city
    student = crowd.occupation == OCCUPATIONS.index("student")
    for where in range(len(places.CITIES)):
        spot = 2 * n + rings + 2 * where
        city[spot : spot + 2] = where
        local = rng.permutation(np.flatnonzero((crowd.city == where) & ~in_ring))
        boarders = local[student[local]][:DORMITORY_SIZE]
        if len(boarders) > 1:  # one boarder shares with nobody
            home[boarders], shared[boarders] = spot + 1, 1
        senders = local[~student[local]][: min(LOCKER_SIZE, len(local) // 8)]
        delivery[senders], shared[senders] = spot, 0
    count = len(city)
    districts = np.array([len(c.districts) for c in places.CITIES])
    return Homes(home, delivery, shared, Dwellings(
        city=city,
        district=(rng.random(count) * districts[city]).astype(int),
        street=rng.integers(0, len(STREETS), count),
        house=rng.integers(1, 400, count),
        estate=rng.integers(0, len(ESTATES), count),
        building=rng.integers(1, 40, count),
        unit=rng.integers(1, 5, count),
        room=rng.integers(1, 25, count) * 100 + rng.integers(1, 5, count),
    ))  # fmt: skip


def addresses_table(
    ids: pa.Array, crowd: People, known: Homes, p: Parameters, rng: np.random.Generator
) -> tuple[pa.Table, np.ndarray]:
    """Addresses as written, and the number of the dwelling each one means (truth)."""
    n = len(crowd)
    lives = np.flatnonzero(rng.random(n) < np.array([0.90, 0.35, 0.0])[crowd.kind])
    wants = np.flatnonzero(rng.random(n) < np.where(crowd.ring >= 0, 1.0, np.array([0.50, 0.05, 0.0])[crowd.kind]))
    person = np.concatenate([lives, wants])
    use = np.repeat([HOME, DELIVERY], [len(lives), len(wants)])
    dwelling = np.where(use == HOME, known.home[person], known.delivery[person])
    special = np.where(dwelling >= len(known.places.city) - 2 * len(places.CITIES), known.shared[person], -1)
    text = written(known.places, dwelling, special, p.writing_noise, rng)
    at = crowd.registered[person] + ((clock.END - crowd.registered[person]) * rng.random(len(person)) * 0.9).astype(int)
    order = np.lexsort((use, person))
    table = contract_table(
        "addresses",
        {
            "customer_id": texts(ids, person[order]),
            "at": instants(at[order]),
            "use": texts(("home", "delivery"), use[order]),
            "text": text.take(pa.array(order)),
        },
    )
    return table, dwelling[order]


def written(
    spots: Dwellings, rows: np.ndarray, special: np.ndarray, noise: float, rng: np.random.Generator
) -> pa.Array:
    """The dwellings in somebody's handwriting: parts left out, other words, wide digits, remarks."""
    total = len(rows)

    def left_out(share: float) -> np.ndarray:
        return rng.random(total) < share

    def part(words: tuple[str, ...], codes: np.ndarray, dropped: np.ndarray) -> pa.Array:
        return pc.fill_null(texts(words, np.where(dropped, -1, codes)), "")

    def digits(values: np.ndarray, wide: np.ndarray) -> pa.Array:
        return texts((*DIGITS, *WIDE), np.where(wide, len(DIGITS) + np.minimum(values, len(WIDE) - 1), values))

    city, never = spots.city[rows], np.zeros(total, bool)
    offset = np.cumsum([0] + [len(c.districts) for c in places.CITIES])
    all_districts = tuple(name for c in places.CITIES for name in c.districts)
    odd, boxed = left_out(noise), special >= 0
    no_street = left_out(0.25) & ~boxed
    no_estate = left_out(0.10) & ~no_street & ~boxed
    wide = odd & left_out(0.3)
    # a locker has no flat, a dormitory's boarders seldom write the room
    no_flat = (special == 0) | ((special == 1) & left_out(0.6))
    style = np.where(odd & ~no_flat, rng.integers(0, len(BUILDING), total), 0)
    dash = style == BUILDING.index("-")
    unit_style = np.where(dash, UNIT.index("-"), np.where(odd, rng.integers(0, 3, total), 0))
    special_names = part(("智能快递柜", "大学学生公寓"), special, ~boxed)
    parts = [
        part(tuple(c.region_zh for c in places.CITIES), city, left_out(0.35)),
        part(tuple(c.zh for c in places.CITIES), city, left_out(0.08)),
        part(all_districts, offset[city] + spots.district[rows], left_out(0.06 + 0.2 * noise)),
        part(("", " "), odd.astype(int), never),
        part(STREETS, spots.street[rows], no_street),
        pc.if_else(pa.array(no_street), "", pc.binary_join_element_wise(digits(spots.house[rows], wide), "号", "")),
        part(ESTATES, spots.estate[rows], no_estate | boxed),
        special_names,
        pc.if_else(pa.array(special == 0), "", digits(spots.building[rows], wide)),
        part(BUILDING, style, special == 0),
        pc.if_else(pa.array(no_flat), "", digits(spots.unit[rows], wide)),
        part(UNIT, unit_style, no_flat),
        pc.if_else(pa.array(no_flat), "", digits(spots.room[rows], wide)),
        part(ROOM, np.where(odd, rng.integers(0, len(ROOM), total), 0), no_flat | dash),
        part(TAILS, np.where(left_out(0.15 * noise), rng.integers(1, len(TAILS), total), 0), never),
    ]
    return pc.binary_join_element_wise(*parts, "")
