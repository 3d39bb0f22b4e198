"""Synthetic worlds of known groups: who keeps the segment over a refit, false alarms, and what skew costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

SHARES = np.array([0.30, 0.25, 0.20, 0.15, 0.10])
WORLDS = 5
SEEDS = 5
DRAWS = 400


def measured() -> dict[str, Any]:
    """All figures of the synthetic worlds."""
    settings = [(apart, n) for apart in (1.0, 1.5, 2.0, 3.0) for n in (4000, 20_000)]
    return {
        "identity": [identity(apart, n) for apart, n in settings],
        "psi": false_alarms(),
        "skew": skew(),
        "coverage": coverage(),
    }


def world(n: int, seed: int, apart: float, columns: int = 8) -> pd.DataFrame:
    """Customers in five groups of 30 to 10 % around fixed centres, one column a skewed amount.

    `apart` is the standard deviation of the centres' coordinates, in standard deviations within a group.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(len(SHARES), columns)) * apart
    values = centres[rng.choice(len(SHARES), n, p=SHARES)] + rng.normal(size=(n, columns))
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(columns)])
    return frame.assign(f0=np.exp(frame["f0"]))


def identity(apart: float, n: int) -> dict[str, Any]:
    """Two fits on samples without a common customer; a third sample is placed by both."""
    from segmentation.encoders import CustomerEncoder
    from segmentation.lifecycle import first_model, next_model, steady_k
    from segmentation.news import carried_centers, news
    from segmentation.sweep import SegmentSweep

    swept_anew, free, held, ks, alarms = [], [], [], [], 0
    for seed in range(WORLDS):
        first, second, third = (world(n, 1000 * seed + part, apart) for part in range(3))
        encoder, again = CustomerEncoder(), CustomerEncoder()
        points, fresh = encoder.fit_transform(first), again.fit_transform(second)
        sweep, swept = SegmentSweep(seed=seed).fit(points), SegmentSweep(seed=seed + 100).fit(fresh)
        before = first_model("world", encoder, points, sweep.centers_)
        k = steady_k(before, swept.report_)
        centers = swept.centers_ if k == swept.k_ else SegmentSweep(k_range=[k], seed=seed + 100).fit(fresh).centers_
        strangers = [f"new-{i}" for i in range(n)]
        was = before.assign(third)["segment_id"]
        anew = next_model(before, again, second, centers, strangers, {}).model
        after = next_model(before, again, second, carried_centers(before, again, second), strangers, {}).model
        swept_anew.append(float((anew.assign(third)["segment_id"] == was).mean()))
        free.append(float((after.assign(third)["segment_id"] == was).mean()))
        held.append(float((after.assign(third, held=was)["segment_id"] == was).mean()))
        ks.append(f"{sweep.k_}→{k}")
        alarms += news(before, before.assign(second)).changed
    told = ", ".join(f"{one} ({ks.count(one)})" for one in sorted(set(ks)))
    return {"apart": apart, "n": n, "k": told, "swept": _summary(swept_anew), "free": _summary(free),
            "held": _summary(held), "worst": min(held), "news": f"{alarms} of {WORLDS}"}  # fmt: skip


def false_alarms() -> list[dict[str, Any]]:
    """How often counts of the same distribution exceed the chance level, and how often a table holds any alarm."""
    from segmentation.drift import drift, psi

    found = []
    for n, m, bins in ((200, 200, 10), (1000, 300, 10), (20_000, 5000, 10), (5000, 5000, 3)):
        rates = []
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            drawn = [
                psi(rng.multinomial(n, p), rng.multinomial(m, p)) for p in rng.dirichlet(np.full(bins, 2.0), DRAWS)
            ]
            rates.append(float(np.mean([one.psi > one.chance for one in drawn])))
        what = f"{n:,} and {m:,} customers, {bins} bins"
        found.append({"what": what, "draws": DRAWS, "alarms": _summary(rates), "most": max(rates)})
    rates, tables = [], 100
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        worlds = [[world(1000, int(rng.integers(2**31)), 1.0) for _ in range(2)] for _ in range(tables)]
        found_tables = [drift(before, after, _groups(rng)) for before, after in worlds]
        rates.append(float(np.mean([(one["psi"] > one["chance"]).any() for one in found_tables])))
    what = "any row of a whole table: 8 features, 3 segments, 1,000 customers"
    return [*found, {"what": what, "draws": tables, "alarms": _summary(rates), "most": max(rates)}]


def _groups(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Segments that have nothing to do with the features, before and after."""
    before, after = (rng.choice(["t/1", "t/2", "t/3"], 1000, p=[0.6, 0.3, 0.1]) for _ in range(2))
    return before, after


def coverage() -> list[dict[str, Any]]:
    """How often the 95 % interval of a lift holds the true one: a tenth of the customers, a feature of each kind."""
    from segmentation.lifts import lifts

    share, tail = 0.1, float(np.exp(1.5**2 / 2))
    base = 1 - share
    truth = {
        "gamma amount, 1.5 times": 150 / (share * 1.5 + base),
        "share of 8 % against 3 %": 8 / (share * 0.08 + base * 0.03),
        "lognormal amount (σ 1.5), 1.6 times": 100 * np.exp(0.5) * tail / (share * np.exp(0.5) * tail + base * tail),
    }
    found = []
    for n in (1000, 20_000):
        held: dict[str, list[float]] = {name: [] for name in truth}
        for seed in range(SEEDS):
            rng = np.random.default_rng(seed)
            tables = [lifts(*_lifted(n, share, list(truth), rng)) for _ in range(DRAWS // 2)]
            for name, value in truth.items():
                rows = [one[(one["label"] == 1) & (one["feature"] == name)].iloc[0] for one in tables]
                held[name].append(float(np.mean([row["tgi_low"] <= value <= row["tgi_high"] for row in rows])))
        found += [{"what": name, "n": n, "held": _summary(rates)} for name, rates in held.items()]
    return found


def _lifted(n: int, share: float, names: list[str], rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    labels = (rng.random(n) < share).astype(np.int64)
    inside = labels == 1
    columns = (
        rng.gamma(2, 2, n) * np.where(inside, 1.5, 1.0),
        rng.random(n) < np.where(inside, 0.08, 0.03),
        rng.lognormal(np.where(inside, 0.5, 0.0), 1.5),
    )
    return pd.DataFrame(dict(zip(names, columns, strict=True))), labels


def skew() -> dict[str, tuple[float, float]]:
    """Agreement with planted groups whose columns are exponentials of normal ones, by what the encoder does."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.preprocessing import StandardScaler

    from segmentation.encoders import CustomerEncoder

    found: dict[str, list[float]] = {"log": [], "quantile": [], "raw": []}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(len(SHARES), 8)) * 1.5
        truth = rng.choice(len(SHARES), 4000, p=SHARES)
        frame = pd.DataFrame(np.exp(3 + centres[truth] + rng.normal(size=(4000, 8))))
        points = {
            "log": CustomerEncoder().fit_transform(frame),
            "quantile": CustomerEncoder(skew="quantile").fit_transform(frame),
            "raw": StandardScaler().fit_transform(frame),
        }
        for kind, encoded in points.items():
            labels = KMeans(len(SHARES), n_init=5, random_state=seed).fit_predict(encoded)
            found[kind].append(float(adjusted_rand_score(truth, labels)))
    return {kind: _summary(values) for kind, values in found.items()}


def _summary(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values))
