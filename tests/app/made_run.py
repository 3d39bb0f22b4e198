"""A small finished run, made by the contract: what pages and report read, without running the engine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from scenefit.contracts.tables import RUN
from scenefit.runtime.store import replace_raw, write_table
from scenefit.runtime.workspace import Dataset, Workspace, write_text
from tests.app.made_quality import write_quality

SCENES = {
    "travel": ("Travel", "旅行出行"),
    "home": ("Home renovation", "家居装修"),
    "education": ("Education", "教育培训"),
}
PRODUCTS = {
    "P01": ("Travel instalment 12", "旅行分期 12 期", "scene instalment", "travel", 0.118),
    "P02": ("Renovation loan", "装修贷", "renovation loan", "home", 0.086),
    "P03": ("Tuition loan", "学费贷", "tuition loan", "education", 0.072),
    "P04": ("Cash line", "随借随还现金额度", "cash line", "", 0.158),
    "P05": ("Gold credit card", "金卡信用卡", "credit card", "", 0.182),
    "P06": ("Buy now, pay later", "先享后付", "pay later", "", 0.0),
}
SEGMENTS = (
    ("Frequent night shoppers, high ticket", "夜间购物频繁、客单价高"),
    ("Long silent, once active", "沉睡老客"),
    ("Weekend families, low price level", "周末家庭、价格敏感"),
    ("New and curious", "新客、浏览多"),
)
FEATURES = (
    "night_share_365d", "weekend_share_365d", "spend_365d", "mean_ticket_365d", "days_since_activity", "visits_90d",
    "scene_entropy_365d", "contacts_90d", "tenure_days", "city_tier", "income_rank", "response_rate_365d",
    "scene_activity_share_365d", "scene_trend_90d", "relative_ticket_365d",
)  # fmt: skip
UNTIL = pd.Timestamp("2026-06-30 16:00", tz="UTC")
PEOPLE = 600


def make_run(root: Path) -> Workspace:
    """A workspace with data and one finished run."""
    workspace, rng = Workspace(root), np.random.default_rng(7)
    customers = [f"c{i:07d}" for i in range(PEOPLE)]
    _raw(workspace, customers)
    tables = _tables(customers, rng)
    folder = workspace.runs / "20260701-0000-7f3a"
    folder.mkdir(parents=True)
    for name, frame in tables.items():
        write_table(folder, RUN[name], frame)
    manifest = _manifest(workspace, tables, folder.name)
    write_text(folder / "manifest.json", json.dumps(manifest, ensure_ascii=False))
    seconds = {
        "clean": 0.9,
        "features": 6.2,
        "facts": 1.4,
        "segments, subgroups, models": 12.0,
        "plan": 1.9,
        "report": 1.2,
    }
    timings = {"seconds": seconds, "total_seconds": 23.6, "cpu_seconds": 31.0, "peak_rss_mb": 1432.0,
               "backend": "local", "load": [0.8, 0.9, 1.0]}  # fmt: skip
    write_text(folder / "timings.json", json.dumps(timings))
    write_text(workspace.root / "latest", folder.name)
    write_quality(workspace)
    return workspace


def _raw(workspace: Workspace, customers: list[str]) -> None:
    day = pd.Timestamp("2025-01-01", tz="UTC")
    dataset = Dataset("made-run", UNTIL, synthetic=True, assumptions_en=("Loss given default is 60 %.",),
                      assumptions_zh=("违约损失率为 60%。",))  # fmt: skip
    scenes = pd.DataFrame({"scene_id": list(SCENES), "name_en": [n[0] for n in SCENES.values()],
                           "name_zh": [n[1] for n in SCENES.values()]})  # fmt: skip
    products = pd.DataFrame(
        [
            {"product_id": p, "version": 1, "kind": kind, "name_en": en, "name_zh": zh, "apr": apr,
             "valid_from": day, "state": "live"}
            for p, (en, zh, kind, _, apr) in PRODUCTS.items()
        ]
    )  # fmt: skip
    people = pd.DataFrame({"customer_id": customers, "kind": "customer", "registered_at": day})
    events = pd.DataFrame({"event_id": ["e1"], "customer_id": customers[:1], "at": [day], "ingested_at": [day],
                           "kind": ["visit"], "scene_id": ["travel"]})  # fmt: skip
    with replace_raw(workspace, dataset) as writer:
        for name, frame in (("scenes", scenes), ("products", products), ("customers", people), ("events", events)):
            writer.add(name, pa.Table.from_pandas(frame, preserve_index=False))


def _tables(customers: list[str], rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    segments, profiles, criteria = _segments(customers, rng)
    scores = _scores(customers, rng)
    plan = scores[scores["rank"] == 1].iloc[:420].drop(columns="rank")
    home = (
        segments.sample(frac=1, random_state=3)
        .drop_duplicates("customer_id")
        .set_index("customer_id")
        .reindex(plan["customer_id"])
    )
    plan = plan.assign(
        scene_id=home["scene_id"].to_numpy(),
        segment_id=home["segment_id"].to_numpy(),
        channel=np.resize(["push", "sms", "wechat"], len(plan)),
        expected_loss=(plan["value"] * 0.22).round(4),
        expected_cost=(plan["p_take"] * 8 + 0.05).round(4),
    ).dropna(subset=["scene_id"])
    cells = plan.groupby(["scene_id", "segment_id", "product_id"], as_index=False).agg(
        customers=("customer_id", "size"), expected_takers=("p_take", "sum"), value=("value", "sum"),
        expected_loss=("expected_loss", "sum"), expected_cost=("expected_cost", "sum"))  # fmt: skip
    return {
        "segments": segments, "segment_profiles": profiles, "segment_criteria": criteria, "subgroups": _subgroups(),
        "scores": scores, "eligibility": _eligibility(rng), "plan": plan, "plan_cells": cells,
    }  # fmt: skip


def _segments(customers: list[str], rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    members, profiles, criteria = [], [], []
    for i, scene in enumerate(SCENES):
        people = sorted(rng.choice(customers, PEOPLE - 140 * i, replace=False))
        number = rng.choice(len(SEGMENTS), len(people), p=[0.4, 0.3, 0.2, 0.1])
        ids = [f"{scene}/{s}" for s in number]
        members.append(pd.DataFrame({"scene_id": scene, "customer_id": people, "segment_id": ids,
                                     "confidence": rng.random(len(people)).round(4)}))  # fmt: skip
        z = rng.normal(0, 1.1, (len(SEGMENTS), len(FEATURES))).round(3)
        for s, (en, zh) in enumerate(SEGMENTS):
            profiles += [
                {"scene_id": scene, "segment_id": f"{scene}/{s}", "size": int((number == s).sum()), "name_en": en,
                 "name_zh": zh, "feature": f, "mean": 10 + z[s, j], "base": 10.0, "z": z[s, j],
                 "tgi": 100 + 10 * z[s, j]}
                for j, f in enumerate(FEATURES)
            ]  # fmt: skip
        criteria += [
            {"scene_id": scene, "k": k, "inertia": 9000.0 / k, "silhouette": 0.36 - 0.02 * abs(k - 4),
             "silhouette_se": 0.012, "stability": 0.95 - 0.05 * abs(k - 4), "smallest_share": 0.3 / k,
             "tied": k in (4, 5), "chosen": k == 4}
            for k in range(3, 9)
        ]  # fmt: skip
    return pd.concat(members), pd.DataFrame(profiles), pd.DataFrame(criteria)


def _subgroups() -> pd.DataFrame:
    rules = (
        (
            "city tier between 3 and 4 and age between 25 and 32",
            "城市等级在 3 到 4 之间，且年龄在 25 到 32 之间",
            210,
            180,
            2.4,
        ),
        ("occupation is government employee", "职业为公务员", 160, 120, 1.8),
        ("night share above 0.31 and income rank at most 2", "夜间占比高于 0.31，且收入等级不超过 2", 130, 60, 1.4),
    )
    return pd.DataFrame(
        [
            {"scene_id": scene, "rank": i + 1, "rule_en": en, "rule_zh": zh, "size": size, "unreached": unreached,
             "rate": 0.05 * lift, "base": 0.05, "lift": lift, "lift_low": lift * 0.75, "lift_high": lift * 1.3,
             "p": 10.0 ** (-4 + i), "q": 10.0 ** (-3 + i), "confirmed": i < 2, "confirm_rate": 0.048 * lift,
             "confirm_p": 0.004 * (i + 1)}
            for scene in ("travel", "home")
            for i, (en, zh, size, unreached, lift) in enumerate(rules)
        ]
    )  # fmt: skip


def _scores(customers: list[str], rng: np.random.Generator) -> pd.DataFrame:
    value = np.sort(rng.gamma(2.0, 30.0, (500, 3)), axis=1)[:, ::-1]
    product = np.argsort(rng.random((500, len(PRODUCTS))), axis=1)[:, :3]
    return pd.DataFrame(
        {
            "customer_id": np.repeat(customers[:500], 3),
            "rank": np.tile([1, 2, 3], 500),
            "product_id": np.array(list(PRODUCTS))[product.ravel()],
            "p_take": rng.beta(2, 30, 1500).round(4),
            "value": value.ravel().round(2),
            "expected_loss": (value.ravel() * 0.2).round(2),
        }
    )


def _eligibility(rng: np.random.Generator) -> pd.DataFrame:
    reasons = ("eligible", "not reachable", "age", "likely default", "already has it")
    counts = {product: rng.multinomial(PEOPLE, [0.62, 0.18, 0.08, 0.08, 0.04]) for product in PRODUCTS}
    return pd.DataFrame(
        [
            {"product_id": p, "reason": r, "customers": int(n)}
            for p, c in counts.items()
            for r, n in zip(reasons, c, strict=True)
        ]
    )


def _manifest(workspace: Workspace, tables: dict[str, pd.DataFrame], run_id: str) -> dict[str, object]:
    data, plan = workspace.dataset(), tables["plan"]
    sizes = tables["segments"].groupby("scene_id").size()
    value = float(plan["value"].sum())
    limits = [
        {"name": "budget", "sense": "<=", "total": 400.0, "used": 400.0, "shadow_price": 3.2},
        {"name": "expected loss", "sense": "<=", "total": 9000.0, "used": 6100.0, "shadow_price": 0.0},
        {"name": "capacity P02", "sense": "<=", "total": 60.0, "used": 60.0, "shadow_price": 21.4},
        {"name": "reach travel/3", "sense": ">=", "total": 4.0, "used": 4.0, "shadow_price": -1.9},
    ]
    effect = {"name_en": "Spring travel", "name_zh": "春季旅行", "arm": "A", "product_id": "P01", "customers": 4000,
              "control": 1000, "rate": 0.031, "rate_control": 0.02, "lift": 0.011, "low": 0.002, "high": 0.02,
              "randomised": True, "campaign_id": "k01"}  # fmt: skip
    other = {**effect, "name_en": "Renovation letter", "name_zh": "装修直邮", "product_id": "P02", "lift": -0.003,
             "low": -0.011, "high": 0.005, "rate": 0.017, "randomised": False, "campaign_id": "k02"}  # fmt: skip
    ranking = {"ndcg@10": {"model": 0.312, "popularity": 0.201}, "hit@10": {"model": 0.544, "popularity": 0.398}}
    new = {"ndcg@10": {"model": 0.118, "popularity": 0.094}, "hit@10": {"model": 0.251, "popularity": 0.209}}
    return {
        "run_id": run_id, "version": "0.1.0", "as_of": UNTIL.isoformat(), "seed": 7, "settings": {}, "packages": {},
        "services": {"segments_v1": UNTIL.isoformat(), "offers_v1": UNTIL.isoformat()},
        "dataset": {"name": data.name, "synthetic": data.synthetic, "currency": data.currency,
                    "until": data.until.isoformat(), "fingerprint": data.fingerprint,
                    "assumptions_en": list(data.assumptions_en), "assumptions_zh": list(data.assumptions_zh)},
        "metrics": {
            "behaviour": {"items": "merchant", "customers": 540, "all": ranking, "new": new},
            "offers": {"customers": 130, **ranking},
            "response": {"auc": 0.742, "ap": 0.161, "ece": 0.0071, "base_rate": 0.043, "rows": 5200,
                         "campaigns": ["k22", "k23"]},
            "default": {"absent": "The data set has no repayments, so no default model was fitted."},
            "segments": {s: {"k": 4, "tie_set": [4, 5], "members": int(sizes[s]), "silhouette": 0.36, "stability": 0.95}
                         for s in SCENES},
            "plan": {"reachable": 470, "offered": len(plan), "value": value, "upper_bound": value * 1.0004,
                     "gap": 0.0004, "greedy_value": value * 0.93, "expected_loss": float(plan["expected_loss"].sum()),
                     "expected_cost": float(plan["expected_cost"].sum()),
                     "expected_takers": float(plan["p_take"].sum()), "limits": limits},
            "reach": [{"step": s, "customers": n} for s, n in (("all", 600), ("consent", 560), ("not blocked", 548),
                      ("contact cap", 495), ("outside hold-out", 470))],
            "effects": [effect, other],
        },
    }  # fmt: skip
