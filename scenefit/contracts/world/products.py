"""Credit products of the world: terms as a product team writes them, and how fast each is decided and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scenefit.contracts.schema import money
from scenefit.contracts.world.clock import DAY, DAYS, END, START
from scenefit.contracts.world.columns import contract_table, instants, numbers, whole_numbers
from scenefit.contracts.world.scenes import STYLE, TOP


class Terms(NamedTuple):
    """One product. `age` is days on sale at the end of the data, `days` the usual days from approval to drawing."""

    id: str
    kind: str
    en: str
    zh: str
    apr: float
    funding: float
    amounts: tuple[int, int]
    tenors: tuple[int, int]
    scenes: tuple[str, ...]
    incentive: float
    capacity: float  # share of all people who may take it in one plan
    ages: tuple[int, int]
    pd_max: float
    age: int
    days: float
    state: str = "live"
    ended: int = 0  # days before the end at which it was retired


S, C, K, T = "scene instalment", "cash line", "credit card", "tuition loan"
R, M, A, B, P = "renovation loan", "medical instalment", "auto loan", "balance transfer", "pay later"

PRODUCTS = (
    Terms("P01", S, "Journey instalment", "畅游分期",
          0.118, 0.032, (2000, 30000), (3, 12), ("travel",), 20, 0.04, (20, 60), 0.14, 1400, 0.4),
    Terms("P02", S, "Home goods instalment", "家居分期",
          0.108, 0.031, (3000, 60000), (6, 24), ("home",), 30, 0.04, (22, 62), 0.14, 1300, 1.5),
    Terms("P03", S, "Digital instalment", "数码分期",
          0.135, 0.033, (1000, 20000), (3, 24), ("digital",), 15, 0.06, (18, 55), 0.17, 1500, 0.3),
    Terms("P04", S, "Car care instalment", "养车分期",
          0.126, 0.032, (1000, 15000), (3, 12), ("auto",), 15, 0.03, (20, 65), 0.15, 900, 0.6),
    Terms("P05", S, "Wedding instalment", "喜宴分期",
          0.112, 0.032, (5000, 80000), (6, 36), ("family",), 50, 0.03, (22, 50), 0.13, 1000, 2.5),
    Terms("P06", S, "Everyday instalment", "日用分期",
          0.150, 0.034, (300, 5000), (3, 12), ("daily",), 5, 0.06, (18, 65), 0.18, 1400, 0.2),
    Terms("P07", C, "Ready cash line", "随借额度",
          0.180, 0.035, (1000, 50000), (3, 12), (), 20, 0.06, (20, 58), 0.15, 1460, 0.3),
    Terms("P08", C, "Select cash line", "优选额度",
          0.120, 0.031, (10000, 150000), (6, 24), (), 40, 0.03, (24, 60), 0.08, 1200, 0.5),
    Terms("P09", C, "Small cash line", "小额备用金",
          0.235, 0.036, (500, 5000), (3, 6), (), 5, 0.06, (20, 50), 0.20, 800, 0.2),
    Terms("P10", C, "Shop owner line", "店主周转金",
          0.144, 0.033, (10000, 200000), (6, 24), (), 60, 0.02, (24, 62), 0.12, 700, 2.0),
    Terms("P11", K, "Classic card", "经典信用卡",
          0.165, 0.030, (3000, 30000), (6, 12), (), 50, 0.05, (20, 65), 0.13, 1460, 5.0),
    Terms("P12", K, "Travel card", "旅行信用卡",
          0.158, 0.030, (5000, 60000), (6, 12), ("travel",), 80, 0.03, (22, 62), 0.10, 1200, 6.0),
    Terms("P13", K, "Shopping card", "购物信用卡",
          0.170, 0.030, (3000, 30000), (6, 12), ("daily", "digital"), 40, 0.05, (18, 60), 0.14, 1300, 4.0),
    Terms("P14", K, "Car owner card", "车主信用卡",
          0.160, 0.030, (5000, 50000), (6, 12), ("auto",), 60, 0.03, (22, 65), 0.11, 1000, 6.0),
    Terms("P15", K, "Family card", "亲子信用卡",
          0.155, 0.030, (5000, 50000), (6, 12), ("family", "education"), 60, 0.03, (24, 55), 0.11, 420, 5.0),
    Terms("P16", T, "Skills loan", "技能贷",
          0.098, 0.032, (2000, 30000), (6, 24), ("education",), 0, 0.03, (18, 45), 0.15, 1100, 2.0),
    Terms("P17", T, "Degree loan", "学历提升贷",
          0.090, 0.031, (5000, 60000), (12, 36), ("education",), 0, 0.03, (20, 50), 0.12, 1000, 4.0),
    Terms("P18", T, "Study abroad loan", "留学贷",
          0.076, 0.030, (20000, 300000), (12, 36), ("education",), 100, 0.02, (20, 55), 0.07, 800, 8.0),
    Terms("P19", R, "Renovation loan", "装修贷",
          0.072, 0.030, (20000, 300000), (12, 36), ("home",), 100, 0.03, (24, 60), 0.08, 1400, 8.0),
    Terms("P20", R, "Kitchen and bath loan", "厨卫焕新贷",
          0.088, 0.031, (8000, 80000), (6, 24), ("home",), 50, 0.03, (24, 62), 0.11, 900, 5.0),
    Terms("P21", R, "Rental refresh loan", "租房焕新贷",
          0.116, 0.033, (3000, 30000), (6, 18), ("home",), 20, 0.03, (22, 45), 0.15, 45, 2.0),
    Terms("P22", M, "Dental instalment", "口腔分期",
          0.086, 0.032, (2000, 60000), (3, 24), ("medical",), 20, 0.04, (20, 68), 0.14, 1100, 1.0),
    Terms("P23", M, "Eye care instalment", "眼科分期",
          0.082, 0.032, (3000, 40000), (3, 18), ("medical",), 20, 0.03, (18, 60), 0.14, 900, 1.5),
    Terms("P24", M, "Mother and child instalment", "母婴医疗分期",
          0.080, 0.031, (5000, 80000), (6, 24), ("medical", "family"), 40, 0.03, (22, 48), 0.11, 700, 2.0),
    Terms("P25", A, "New car loan", "新车贷",
          0.062, 0.029, (40000, 300000), (12, 36), ("auto",), 200, 0.02, (22, 62), 0.06, 1400, 9.0),
    Terms("P26", A, "Used car loan", "二手车贷",
          0.108, 0.032, (20000, 150000), (12, 36), ("auto",), 100, 0.02, (22, 60), 0.11, 1200, 7.0),
    Terms("P27", A, "Electric car loan", "新能源车贷",
          0.060, 0.029, (40000, 250000), (12, 36), ("auto",), 200, 0.02, (22, 58), 0.07, 300, 8.0),
    Terms("P28", B, "Balance transfer", "账单转移",
          0.102, 0.031, (3000, 60000), (6, 24), (), 30, 0.04, (22, 60), 0.12, 1000, 1.5),
    Terms("P29", B, "Debt tidy-up", "债务整合",
          0.128, 0.032, (10000, 120000), (12, 36), (), 50, 0.02, (24, 60), 0.14, 500, 3.0),
    Terms("P30", P, "Pay next month", "下月付",
          0.060, 0.030, (200, 3000), (3, 3), ("daily",), 3, 0.06, (18, 65), 0.20, 1200, 0.2),
    Terms("P31", P, "Pay in three", "三期免息付",
          0.060, 0.031, (500, 8000), (3, 3), ("digital", "daily"), 5, 0.06, (18, 60), 0.18, 1000, 0.2),
    Terms("P32", P, "Ticket pay later", "票券后付",
          0.072, 0.031, (300, 6000), (3, 3), ("travel", "family"), 5, 0.05, (18, 60), 0.18, 30, 0.2),
    Terms("P33", S, "Outdoor instalment", "户外装备分期",
          0.122, 0.033, (1000, 15000), (3, 12), ("travel",), 15, 0.03, (18, 55), 0.15, 40, 0.5, "draft"),
    Terms("P34", C, "Holiday line", "假日额度",
          0.210, 0.035, (1000, 20000), (3, 6), (), 10, 0.04, (20, 55), 0.16, 1400, 0.4, "retired", 120),
)  # fmt: skip


KINDS = tuple(dict.fromkeys(terms.kind for terms in PRODUCTS))
KIND = np.array([KINDS.index(terms.kind) for terms in PRODUCTS])
IDS = tuple(terms.id for terms in PRODUCTS)
SERVES = np.array([[top[0] in terms.scenes for top in TOP] for terms in PRODUCTS])  # no scene named: serves all
ANYWHERE = SERVES.sum(axis=1) == 0
MAIN_SCENE = np.where(ANYWHERE, len(TOP), SERVES.argmax(axis=1))  # len(TOP): no scene of its own
APR = np.array([terms.apr for terms in PRODUCTS])
AMOUNTS = np.array([terms.amounts for terms in PRODUCTS], dtype=float)
TENORS = np.array([terms.tenors for terms in PRODUCTS])
AGES = np.array([terms.ages for terms in PRODUCTS])
PD_MAX = np.array([terms.pd_max for terms in PRODUCTS])
SPEED = np.array([terms.days for terms in PRODUCTS])
FIRST_SALE = END - np.array([terms.age for terms in PRODUCTS]) * DAY
LAST_SALE = END - np.array([terms.ended for terms in PRODUCTS]) * DAY
LIVE = np.array([terms.state == "live" for terms in PRODUCTS])
SOLD = np.array([terms.state != "draft" for terms in PRODUCTS])
# sale within the year of events, in days of that year
FROM_DAY = np.clip((FIRST_SALE - START) / DAY, 0, DAYS)
TO_DAY = np.where(SOLD, np.clip((LAST_SALE - START) / DAY, 0, DAYS), FROM_DAY)


@dataclass(frozen=True)
class Appeal:
    """Latent pull of the products: who likes them, and how much in general."""

    style: np.ndarray  # (products, STYLE), unit length
    popularity: np.ndarray  # (products,), log
    kinds: np.ndarray  # (segments, kinds), log


def appeal(rng: np.random.Generator, segments: int, scene_style: np.ndarray, spread: float, kinds: float) -> Appeal:
    """Styles near those of the scenes served, popularity and the segments' liking for kinds."""
    serves = np.where(ANYWHERE[:, None], 1.0, SERVES) / np.where(ANYWHERE, len(TOP), SERVES.sum(axis=1))[:, None]
    centre = (serves[:, :, None] * scene_style[None, :, :]).sum(axis=1)
    style = 0.5 * centre + rng.normal(0, 0.8, (len(PRODUCTS), STYLE))
    length = np.sqrt((style * style).sum(axis=1, keepdims=True))
    return Appeal(
        style=style / length,
        popularity=rng.normal(0, spread, len(PRODUCTS)),
        kinds=rng.normal(0, kinds, (segments, len(KINDS))),
    )


def products_table(n_customers: int) -> pa.Table:
    """Products with terms; capacity follows the number of customers, margin is left to APR and funding cost."""
    never = ~(np.array([terms.state for terms in PRODUCTS]) == "retired")
    return contract_table(
        "products",
        {
            "product_id": list(IDS),
            "version": whole_numbers(np.ones(len(PRODUCTS))),
            "kind": [terms.kind for terms in PRODUCTS],
            "name_en": [terms.en for terms in PRODUCTS],
            "name_zh": [terms.zh for terms in PRODUCTS],
            "apr": numbers(APR),
            "amount_min": money(AMOUNTS[:, 0]),
            "amount_max": money(AMOUNTS[:, 1]),
            "tenor_min": whole_numbers(TENORS[:, 0]),
            "tenor_max": whole_numbers(TENORS[:, 1]),
            "scenes": pa.array([list(terms.scenes) or None for terms in PRODUCTS], pa.list_(pa.string())),
            "funding_cost": numbers(np.array([terms.funding for terms in PRODUCTS])),
            "incentive": money(np.array([terms.incentive for terms in PRODUCTS])),
            "capacity": [max(1, round(terms.capacity * n_customers)) for terms in PRODUCTS],
            "age_min": whole_numbers(AGES[:, 0]),
            "age_max": whole_numbers(AGES[:, 1]),
            "pd_max": numbers(PD_MAX),
            "valid_from": instants(FIRST_SALE),
            "valid_to": instants(LAST_SALE, missing=never),
            "state": [terms.state for terms in PRODUCTS],
        },
    )
