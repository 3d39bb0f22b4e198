"""Vertical scenes, the merchants in them and the partners: names, places, popularity, latent style."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scenefit.contracts.schema import money
from scenefit.contracts.world.columns import contract_table, numbered, numbers, texts
from scenefit.contracts.world.places import CENTRE, CITIES, NAMES

STYLE = 8  # dimensions of latent taste

TOP = (
    ("travel", "Travel", "旅游出行"),
    ("home", "Home renovation", "家装家居"),
    ("education", "Education", "教育培训"),
    ("digital", "Electronics", "3C数码"),
    ("medical", "Medical", "医疗健康"),
    ("daily", "Daily retail", "日常零售"),
    ("auto", "Auto", "汽车"),
    ("family", "Wedding and family", "婚庆亲子"),
)
# parent, id, names, and the noun that ends a merchant's name
CHILDREN = (
    (0, "flight", "Flights", "机票", "Air Tickets", "航旅"),
    (0, "hotel", "Hotels", "酒店", "Hotel", "酒店"),
    (0, "train", "Trains", "火车票", "Rail", "铁旅"),
    (0, "tour", "Package tours", "跟团游", "Tours", "国旅"),
    (0, "outdoor", "Outdoor", "户外露营", "Outdoor", "户外"),
    (1, "furniture", "Furniture", "家具", "Furniture", "家具"),
    (1, "appliances", "Appliances", "家电", "Appliances", "电器"),
    (1, "decoration", "Decoration", "装修设计", "Decoration", "装饰"),
    (1, "materials", "Building materials", "建材", "Materials", "建材"),
    (2, "language", "Languages", "语言培训", "Language School", "外语"),
    (2, "skills", "Job skills", "职业技能", "Skills", "职教"),
    (2, "exams", "Exams and degrees", "考证学历", "Academy", "学堂"),
    (2, "abroad", "Study abroad", "留学", "Overseas Study", "留学"),
    (3, "phones", "Phones", "手机", "Phones", "手机店"),
    (3, "computers", "Computers", "电脑", "Computers", "电脑"),
    (3, "gaming", "Gaming", "游戏电竞", "Gaming", "电竞"),
    (3, "cameras", "Cameras and wearables", "影像穿戴", "Imaging", "影像"),
    (4, "dental", "Dental", "口腔", "Dental", "口腔"),
    (4, "eye", "Eye care", "眼科", "Eye Care", "眼科"),
    (4, "checkup", "Check-ups", "体检", "Check-up", "体检"),
    (4, "aesthetic", "Aesthetic medicine", "医美", "Aesthetics", "医美"),
    (4, "maternity", "Maternity", "母婴医疗", "Maternity", "妇产"),
    (5, "supermarket", "Supermarkets", "超市", "Market", "超市"),
    (5, "fresh", "Fresh food", "生鲜", "Fresh", "生鲜"),
    (5, "fashion", "Fashion", "服饰", "Fashion", "服饰"),
    (5, "dining", "Dining", "餐饮", "Kitchen", "餐厅"),
    (5, "beauty", "Beauty", "美妆", "Beauty", "美妆"),
    (6, "newcar", "New cars", "新车", "Motors", "汽车"),
    (6, "usedcar", "Used cars", "二手车", "Used Cars", "二手车"),
    (6, "service", "Car service", "养车", "Car Service", "养车"),
    (6, "electric", "Electric cars", "新能源", "E-Mobility", "新能源"),
    (7, "wedding", "Weddings", "婚礼", "Weddings", "婚庆"),
    (7, "photo", "Photography", "婚纱摄影", "Photo Studio", "摄影"),
    (7, "baby", "Baby goods", "母婴用品", "Baby", "母婴"),
    (7, "parks", "Family outings", "亲子乐园", "Family Park", "乐园"),
)
BRANDS = (
    "Yunhe 云禾", "Xingtu 星途", "Qinglan 青岚", "Mubai 木白", "Hengyue 恒悦", "Lanting 兰汀",
    "Jiaxi 嘉禧", "Shanye 山野", "Anran 安然", "Boyuan 博远", "Chenxi 晨曦", "Danqing 丹青",
    "Enhui 恩惠", "Fengye 枫叶", "Guangnian 光年", "Haiyan 海燕", "Jinse 锦瑟", "Kaiyue 凯越",
    "Luming 鹿鸣", "Manyue 满月", "Nanfeng 南风", "Ouye 欧野", "Puhui 朴惠", "Qiming 启明",
    "Ruixiang 瑞祥", "Suyuan 溯源", "Tianyi 天一", "Weilai 蔚莱", "Xianglin 祥林", "Yaguang 雅光",
    "Zhixin 知新", "Baihe 百荷", "Chuntian 春田", "Dongli 冬梨", "Feiyu 飞屿", "Ganlu 甘露",
    "Hongda 鸿答", "Jingbo 净波", "Kongshan 空山", "Leyi 乐怡",
)  # fmt: skip
CHAINS = 8  # the first brands are chains that cooperate
TRAFFIC = (
    ("Search ads", "搜索广告", 1.80, 60),
    ("Short video feed", "短视频信息流", 0.90, 75),
    ("News feed", "资讯信息流", 0.60, 70),
    ("Map app", "地图导流", 0.75, 55),
    ("Comparison site", "比价网站", 1.20, 50),
    ("Travel portal", "旅游门户", 1.10, 45),
)
PLATFORMS = (
    ("Online mall", "线上商城"),
    ("Ride hailing", "网约车平台"),
    ("Food delivery", "外卖平台"),
    ("Tuition desk", "学费分期平台"),
)

SCENE_IDS = (*(top[0] for top in TOP), *(f"{TOP[child[0]][0]}.{child[1]}" for child in CHILDREN))
PARENT = np.array([child[0] for child in CHILDREN])
PARTNER_IDS = tuple(f"n{i:03d}" for i in range(1, len(TRAFFIC) + CHAINS + len(PLATFORMS) + 1))


class Merchants(NamedTuple):
    """All merchants, grouped by top scene; `scene` is a position in SCENE_IDS, `city` −1 for online shops."""

    scene: np.ndarray
    top: np.ndarray
    brand: np.ndarray
    city: np.ndarray
    popularity: np.ndarray  # log, heavy tail
    style: np.ndarray  # (merchants, STYLE)
    place: np.ndarray  # (merchants, 2), NaN online
    price: np.ndarray  # log factor on what people pay here


def merchants(rng: np.random.Generator, scene_style: np.ndarray) -> Merchants:
    """About twenty merchants in every child scene."""
    count = rng.integers(18, 25, len(CHILDREN))
    child = np.repeat(np.arange(len(CHILDREN)), count)
    total = len(child)
    # a brand occurs at most once in a child scene
    order = np.argsort(rng.random((len(CHILDREN), len(BRANDS))), axis=1)
    place_in_child = np.arange(total) - np.repeat(np.cumsum(count) - count, count)
    city = np.where(rng.random(total) < 0.45, -1, rng.integers(0, len(CITIES), total))
    place = np.where(city[:, None] >= 0, CENTRE[city] + rng.normal(0, 0.03, (total, 2)), np.nan)
    child_style = rng.normal(0, 0.6, (len(CHILDREN), STYLE))
    return Merchants(
        scene=child + len(TOP),
        top=PARENT[child],
        brand=order[child, place_in_child],
        city=city,
        popularity=-1.1 * np.log(1 + rng.permutation(total) % 25) + rng.normal(0, 0.3, total),
        style=scene_style[PARENT[child]] * 0.5 + child_style[child] + rng.normal(0, 0.8, (total, STYLE)),
        place=np.round(place, 6),
        price=rng.normal(0, 0.35, total),
    )


def scenes_table() -> pa.Table:
    """Eight vertical scenes and their child scenes."""
    parents = np.concatenate([np.full(len(TOP), -1), PARENT])
    return contract_table(
        "scenes",
        {
            "scene_id": list(SCENE_IDS),
            "parent_id": texts(SCENE_IDS, parents),
            "name_en": [top[1] for top in TOP] + [child[2] for child in CHILDREN],
            "name_zh": [top[2] for top in TOP] + [child[3] for child in CHILDREN],
        },
    )


def merchants_table(known: Merchants) -> pa.Table:
    """Merchants with names, places and the chain they belong to."""
    rows = [
        (BRANDS[brand].split(), CHILDREN[scene - len(TOP)], CITIES[city] if city >= 0 else None)
        for brand, scene, city in zip(known.brand, known.scene, known.city, strict=True)
    ]
    offline = known.city >= 0
    return contract_table(
        "merchants",
        {
            "merchant_id": merchant_ids(len(rows)),
            "scene_id": texts(SCENE_IDS, known.scene),
            "name_en": [f"{brand[0]} {child[4]}{' ' + city.name if city else ''}" for brand, child, city in rows],
            "name_zh": [f"{city.zh[:2] if city else ''}{brand[1]}{child[5]}" for brand, child, city in rows],
            "city": texts(NAMES, known.city),
            "lat": numbers(known.place[:, 0]),
            "lon": numbers(known.place[:, 1]),
            "datum": texts(("GCJ-02",), np.where(offline, 0, -1)),
            "partner_id": texts(PARTNER_IDS, np.where(known.brand < CHAINS, known.brand + len(TRAFFIC), -1)),
        },
    )


def partners_table() -> pa.Table:
    """Traffic sources with their cost, merchant chains, platforms."""
    chains = [BRANDS[i].split() for i in range(CHAINS)]
    none = [np.nan] * (CHAINS + len(PLATFORMS))
    return contract_table(
        "partners",
        {
            "partner_id": list(PARTNER_IDS),
            "name_en": [t[0] for t in TRAFFIC] + [f"{c[0]} Group" for c in chains] + [p[0] for p in PLATFORMS],
            "name_zh": [t[1] for t in TRAFFIC] + [f"{c[1]}集团" for c in chains] + [p[1] for p in PLATFORMS],
            "kind": ["traffic"] * len(TRAFFIC) + ["merchant chain"] * CHAINS + ["platform"] * len(PLATFORMS),
            "cost_per_click": money(np.array([t[2] for t in TRAFFIC] + none)),
            "cost_per_approval": money(np.array([float(t[3]) for t in TRAFFIC] + none)),
        },
    )


def merchant_ids(count: int) -> pa.Array:
    """m0001, m0002 …"""
    return numbered("m", np.arange(1, count + 1), 4)
