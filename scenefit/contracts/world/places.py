"""Cities of the world with tier, centre (GCJ-02) and districts. Real place names, invented people."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class City(NamedTuple):
    """One city; `tier` runs from 1 (largest) to 6 (county level)."""

    name: str
    zh: str
    region: str
    region_zh: str
    tier: int
    weight: float
    lat: float
    lon: float
    districts: tuple[str, ...]


CITIES = (
    City("Beijing", "北京市", "Beijing", "", 1, 1.2, 39.905, 116.404, ("海淀区", "朝阳区", "丰台区", "通州区")),
    City("Shanghai", "上海市", "Shanghai", "", 1, 1.3, 31.230, 121.474, ("浦东新区", "徐汇区", "闵行区", "杨浦区")),
    City(
        "Guangzhou", "广州市", "Guangdong", "广东省", 1, 1.0, 23.129, 113.264, ("天河区", "番禺区", "白云区", "越秀区")
    ),
    City(
        "Shenzhen", "深圳市", "Guangdong", "广东省", 1, 1.0, 22.543, 114.058, ("南山区", "福田区", "龙岗区", "宝安区")
    ),
    City("Hangzhou", "杭州市", "Zhejiang", "浙江省", 2, 1.1, 30.274, 120.155, ("西湖区", "余杭区", "滨江区", "拱墅区")),
    City("Chengdu", "成都市", "Sichuan", "四川省", 2, 1.1, 30.572, 104.066, ("武侯区", "锦江区", "青羊区", "双流区")),
    City("Wuhan", "武汉市", "Hubei", "湖北省", 2, 1.0, 30.593, 114.305, ("洪山区", "江汉区", "武昌区", "汉阳区")),
    City("Nanjing", "南京市", "Jiangsu", "江苏省", 2, 0.9, 32.060, 118.797, ("鼓楼区", "江宁区", "玄武区", "建邺区")),
    City("Xi'an", "西安市", "Shaanxi", "陕西省", 2, 0.9, 34.341, 108.940, ("雁塔区", "碑林区", "未央区", "长安区")),
    City("Wuxi", "无锡市", "Jiangsu", "江苏省", 2, 0.7, 31.491, 120.312, ("梁溪区", "滨湖区", "新吴区", "锡山区")),
    City("Quanzhou", "泉州市", "Fujian", "福建省", 3, 0.9, 24.874, 118.676, ("丰泽区", "鲤城区", "洛江区", "泉港区")),
    City("Luoyang", "洛阳市", "Henan", "河南省", 3, 0.9, 34.620, 112.454, ("涧西区", "西工区", "老城区", "洛龙区")),
    City("Yantai", "烟台市", "Shandong", "山东省", 3, 0.9, 37.464, 121.448, ("芝罘区", "莱山区", "福山区", "牟平区")),
    City("Xuzhou", "徐州市", "Jiangsu", "江苏省", 3, 0.9, 34.206, 117.284, ("云龙区", "泉山区", "铜山区", "贾汪区")),
    City("Mianyang", "绵阳市", "Sichuan", "四川省", 3, 0.7, 31.468, 104.679, ("涪城区", "游仙区", "安州区")),
    City("Yichang", "宜昌市", "Hubei", "湖北省", 4, 0.8, 30.692, 111.286, ("西陵区", "伍家岗区", "点军区", "夷陵区")),
    City("Shangrao", "上饶市", "Jiangxi", "江西省", 4, 0.8, 28.455, 117.943, ("信州区", "广丰区", "广信区")),
    City(
        "Liuzhou",
        "柳州市",
        "Guangxi",
        "广西壮族自治区",
        4,
        0.8,
        24.326,
        109.428,
        ("城中区", "鱼峰区", "柳南区", "柳北区"),
    ),
    City("Xianyang", "咸阳市", "Shaanxi", "陕西省", 4, 0.7, 34.330, 108.709, ("秦都区", "渭城区")),
    City("Tongren", "铜仁市", "Guizhou", "贵州省", 5, 0.7, 27.731, 109.190, ("碧江区", "万山区")),
    City("Zhangye", "张掖市", "Gansu", "甘肃省", 5, 0.6, 38.926, 100.450, ("甘州区",)),
    City("Suihua", "绥化市", "Heilongjiang", "黑龙江省", 5, 0.7, 46.653, 126.969, ("北林区",)),
    City("Zhuji", "诸暨市", "Zhejiang", "浙江省", 6, 0.7, 29.708, 120.246, ("暨阳街道", "浣东街道", "陶朱街道")),
    City("Jianyang", "简阳市", "Sichuan", "四川省", 6, 0.7, 30.411, 104.547, ("射洪坝街道", "简城街道", "石桥街道")),
    City("Renhuai", "仁怀市", "Guizhou", "贵州省", 6, 0.6, 27.792, 106.401, ("盐津街道", "中枢街道", "苍龙街道")),
)

TIER = np.array([city.tier for city in CITIES])
CENTRE = np.array([(city.lat, city.lon) for city in CITIES])
NAMES = tuple(city.name for city in CITIES)
REGIONS = tuple(city.region for city in CITIES)


def cities_by_tier() -> np.ndarray:
    """P(city | tier), shape (6, cities)."""
    weights = np.array([city.weight for city in CITIES])
    table = np.where(TIER[None, :] == np.arange(1, 7)[:, None], weights[None, :], 0.0)
    return table / table.sum(axis=1, keepdims=True)
