"""Six kinds of people, and planted subgroups that marketing passes by although they need something."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

OCCUPATIONS = (
    "office", "factory", "government", "teacher", "medical staff", "driver or courier", "self-employed", "student",
    "farmer", "retired",
)  # fmt: skip
INCOMES = ("00-03k", "03-05k", "05-08k", "08-12k", "12-20k", "20k+")
MONTHLY = np.array([2200.0, 4000.0, 6300.0, 9700.0, 15500.0, 28000.0])
EDUCATIONS = ("junior high", "senior high", "college", "bachelor", "postgraduate")


class Segment(NamedTuple):
    """One kind of people: probabilities over tiers, occupations, incomes and scenes, and their habits."""

    en: str
    zh: str
    share: float
    age: tuple[float, float]
    female: float
    married: float
    owner: float
    household: float
    tiers: tuple[float, ...]
    occupations: tuple[float, ...]
    incomes: tuple[float, ...]
    educations: tuple[float, ...]
    scenes: tuple[float, ...]  # travel home education digital medical daily auto family
    activity: float
    night: float
    response: float  # log factor on what an offer adds
    risk: float  # log odds


SEGMENTS = (
    Segment("Young renters in large cities", "大城市年轻租客", 0.26, (27, 3.5), 0.50, 0.15, 0.08, 1.4,
            (0.36, 0.34, 0.15, 0.07, 0.04, 0.04), (0.56, 0.06, 0.05, 0.05, 0.05, 0.10, 0.08, 0.05, 0.0, 0.0),
            (0.03, 0.15, 0.32, 0.30, 0.15, 0.05), (0.03, 0.10, 0.27, 0.48, 0.12),
            (0.17, 0.07, 0.11, 0.24, 0.06, 0.29, 0.03, 0.03), 1.25, 0.30, 0.15, 0.20),
    Segment("Settled families", "安家家庭", 0.22, (37, 5.0), 0.52, 0.90, 0.78, 3.5,
            (0.14, 0.28, 0.28, 0.16, 0.08, 0.06), (0.40, 0.13, 0.13, 0.09, 0.07, 0.04, 0.12, 0.0, 0.02, 0.0),
            (0.03, 0.12, 0.28, 0.31, 0.19, 0.07), (0.05, 0.18, 0.30, 0.37, 0.10),
            (0.08, 0.20, 0.12, 0.07, 0.09, 0.23, 0.09, 0.12), 1.05, 0.08, 0.25, -0.35),
    Segment("Factory and service workers", "工厂与服务业员工", 0.18, (33, 8.0), 0.42, 0.58, 0.38, 2.9,
            (0.08, 0.16, 0.26, 0.24, 0.15, 0.11), (0.06, 0.42, 0.02, 0.01, 0.03, 0.24, 0.14, 0.0, 0.08, 0.0),
            (0.12, 0.36, 0.34, 0.14, 0.03, 0.01), (0.32, 0.42, 0.20, 0.06, 0.0),
            (0.07, 0.09, 0.05, 0.19, 0.07, 0.38, 0.09, 0.06), 0.95, 0.28, 0.35, 0.75),
    Segment("Affluent professionals", "高收入专业人士", 0.15, (41, 7.0), 0.45, 0.80, 0.85, 2.9,
            (0.42, 0.34, 0.14, 0.06, 0.02, 0.02), (0.52, 0.0, 0.12, 0.07, 0.11, 0.0, 0.18, 0.0, 0.0, 0.0),
            (0.0, 0.01, 0.07, 0.20, 0.38, 0.34), (0.01, 0.05, 0.16, 0.50, 0.28),
            (0.24, 0.11, 0.11, 0.10, 0.11, 0.14, 0.14, 0.05), 1.10, 0.10, -0.70, -0.85),
    Segment("Students and starters", "学生与职场新人", 0.12, (21.5, 1.8), 0.54, 0.02, 0.02, 1.6,
            (0.24, 0.34, 0.18, 0.12, 0.07, 0.05), (0.24, 0.05, 0.02, 0.02, 0.03, 0.06, 0.04, 0.54, 0.0, 0.0),
            (0.48, 0.30, 0.16, 0.05, 0.01, 0.0), (0.01, 0.12, 0.32, 0.48, 0.07),
            (0.11, 0.02, 0.25, 0.28, 0.05, 0.26, 0.01, 0.02), 1.15, 0.42, 0.05, 0.45),
    Segment("Silver savers", "银发稳健人群", 0.07, (60, 5.5), 0.55, 0.84, 0.88, 2.4,
            (0.16, 0.22, 0.24, 0.20, 0.10, 0.08), (0.05, 0.04, 0.09, 0.06, 0.05, 0.02, 0.11, 0.0, 0.10, 0.48),
            (0.12, 0.32, 0.34, 0.16, 0.05, 0.01), (0.30, 0.34, 0.22, 0.13, 0.01),
            (0.17, 0.14, 0.02, 0.04, 0.29, 0.29, 0.03, 0.02), 0.60, 0.03, -1.20, -0.60),
)  # fmt: skip

SHARE = np.array([segment.share for segment in SEGMENTS])


class Subgroup(NamedTuple):
    """People whom campaigns pass by although they need something in one scene."""

    id: str
    en: str
    zh: str
    scene: int


SUBGROUPS = (
    Subgroup("government-medical", "government employees; medical", "机关单位员工；医疗", 4),
    Subgroup("young-home-tier3", "aged 25 to 32 in tier-3 cities; home renovation", "25至32岁、三线城市；家装", 1),
    Subgroup("teacher-education", "teachers; education", "教师；教育", 2),
    Subgroup(
        "shopkeeper-auto", "self-employed in cities of tier 4 or smaller; auto", "四线及以下城市个体经营者；汽车", 6
    ),
)


def subgroup_codes(occupation: np.ndarray, age: np.ndarray, tier: np.ndarray) -> np.ndarray:
    """Position in SUBGROUPS, −1 for everybody else; the first that fits counts."""
    conditions = [
        occupation == OCCUPATIONS.index("government"),
        (age >= 25) & (age <= 32) & (tier == 3),
        occupation == OCCUPATIONS.index("teacher"),
        (occupation == OCCUPATIONS.index("self-employed")) & (tier >= 4),
    ]
    return np.select(conditions, list(range(len(SUBGROUPS))), default=-1)
