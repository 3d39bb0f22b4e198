"""The work behind the tables of recommenders on public data: one function per data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEEDS = 5
RESAMPLES = 1_000
HELD_OUT = (18, 19, 20, 21, 22)


def panel(folder: Path) -> list[list[Any]]:
    """A bank's acquirers: learned from January and March, judged in April."""
    from recsys.acquisition import Holder, NextProduct, Seen, map_at, remembered
    from scenefit.sources.santander import read_santander_panel

    january, march, april = read_santander_panel(folder / "santander_acquirers" / "panel_2016_01_03_04.parquet").months
    seen = [Seen(m.customers, m.held | m.acquired, m.acquired) for m in (january, march)]
    customers = [
        # numbers are given out in order of joining: they stand for how long somebody has been a customer
        remembered(m.customers, m.held, seen[:earlier], m.customers[:, None].astype(float))
        for m, earlier in ((january, 0), (march, 1), (april, 2))
    ]
    learned = Holder(*(np.concatenate(blocks) for blocks in zip(*customers[:2], strict=True)))
    acquired = np.concatenate([january.acquired, march.acquired])
    popular = np.tile(march.acquired.mean(axis=0), (len(april.held), 1))
    each = [
        map_at(NextProduct(seed=s).fit(learned, acquired).probabilities(customers[2]), april.held, april.acquired)
        for s in range(SEEDS)
    ]
    base = map_at(popular, april.held, april.acquired)
    n = f"customers, {len(base):,}"
    return [
        ["MAP@7", "popularity of March", _interval(base), n],
        ["MAP@7", "next product", [float(one.mean()) for one in each], f"{SEEDS} seeds"],
        ["MAP@7", "next product, first seed", _interval(each[0]), n],
        ["MAP@7, difference", "next product − popularity", _interval(each[0] - base), n],
    ]


def insurer(folder: Path) -> list[list[Any]]:
    """An insurer's customers: one product hidden on a random fifth, a new fifth for every seed."""
    from recsys.holdings import hide_one, left_over, missing_product, reciprocal_ranks

    frame = pd.read_parquet(folder / "zimnat_insurance" / "customers_products.parquet")
    holdings = frame.iloc[:, 8:].to_numpy(bool)
    joined = pd.to_datetime(frame["join_date"], format="%d/%m/%Y").dt
    coded = [frame[name].astype("category").cat.codes for name in frame.columns[2:8] if name != "birth_year"]
    profile = np.column_stack([frame["birth_year"], joined.year * 12 + joined.month, joined.year, joined.month, *coded])
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(holdings))
        judged, learned = order[: len(order) // 5], order[len(order) // 5 :]
        hidden = hide_one(holdings[judged], rng)
        together = holdings[learned].T.astype(float) @ holdings[learned]
        scores = {
            "popularity": np.tile(holdings[learned].mean(axis=0), (len(judged), 1)),
            "item-item": hidden.left @ (together / (np.diag(together)[:, None] + 5)),
        }
        for name, block, codes in (
            ("holdings alone", profile[:, :0], ()),
            ("holdings and demographics", profile, tuple(range(4, profile.shape[1]))),
        ):
            facts = block.astype(float)
            model = missing_product(holdings[learned], facts[learned], codes, seed)
            scores[name] = model.probabilities(left_over(hidden.left, facts[judged]))
        for name, block in scores.items():
            found.setdefault(name, []).append(float(reciprocal_ranks(block, hidden).mean()))
    return [["MRR", name, values, f"{SEEDS} splits"] for name, values in found.items()]


def turns(folder: Path) -> list[list[Any]]:
    """A grocer's households: categories of the last four weeks, all and new to the household."""
    from recsys.ease import Ease
    from recsys.interactions import Interactions
    from recsys.models import AlternatingLeastSquares
    from recsys.turns import NextTurn
    from scenefit.sources.complete_journey import read_complete_journey

    imported = read_complete_journey(folder / "dunnhumby_complete_journey")
    until, horizon = imported.dataset.until, pd.Timedelta(days=28)
    lines = imported.tables["events"].select(["kind", "customer_id", "scene_id", "at"]).to_pandas()
    lines = lines[(lines["kind"] == "purchase") & lines["scene_id"].notna() & (lines["at"] < until)]
    (who, households), (what, scenes) = (pd.factorize(lines[c], sort=True) for c in ("customer_id", "scene_id"))
    at = lines["at"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    behaviour = Interactions(list(households), list(scenes), who, what, at, until)
    start, cut = until - 2 * horizon, until - horizon
    seen, whole, taken = behaviour.matrix(start), behaviour.matrix(cut), behaviour.matrix(until, cut)
    users = np.flatnonzero(np.diff(taken.indptr) > 0)
    known, wanted = whole[users].toarray() > 0, taken[users].toarray() > 0
    popular = np.tile(np.asarray((whole > 0).sum(axis=0)).ravel().astype(float), (len(users), 1))
    rng = np.random.default_rng(0)
    model = NextTurn(AlternatingLeastSquares(seed=0).fit(seen), Ease(strength=300.0).fit(seen.sign()), horizon)
    scores = model.fit(behaviour, start, rng).scores(behaviour, cut, users)
    rows = []
    for name, mask in (("all", np.zeros_like(known)), ("new", known)):
        ours, base = (_ndcg(s, wanted & ~mask, mask) for s in (scores, popular))
        n = f"customers, {len(base):,}"
        rows += [
            [name, "popularity", _interval(base), n], [name, "next turn", _interval(ours), n],
            [f"{name}, difference", "next turn − popularity", _interval(ours - base), n],
        ]  # fmt: skip
    own = np.where(known, whole[users].toarray(), 0) + popular / 1e6
    return [["all", "own purchase counts", _interval(_ndcg(own, wanted, np.zeros_like(known))), rows[0][3]], *rows]


def takers(folder: Path) -> list[list[Any]]:
    """A grocer's households: who redeems, learned from campaigns that ended before the judged ones began."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    from recsys.record import Offers, own_record
    from recsys.response import Offered, Response

    made = _mailed(folder / "dunnhumby_complete_journey")
    kinds = sorted(made["kind"].unique())
    code = np.searchsorted(kinds, made["kind"])
    starts, closes = made["starts"].to_numpy(float), made["closes"].to_numpy(float)
    took = made["took"].to_numpy(float, na_value=np.inf)
    record = own_record(Offers(made["who"].to_numpy(), code, starts, closes, took), np.arange(len(made)), len(kinds))
    bought = made.iloc[:, 6:].to_numpy(float)
    test = made["campaign"].isin(HELD_OUT).to_numpy()
    begin = starts[test].min()
    # of campaigns that begin with the data no purchase before is known
    train = ~test & (closes < begin) & (bought[:, 0] > 0)
    setting = np.eye(len(kinds))[code]
    none, zero = np.full(len(made), -1), np.zeros(len(made))
    rows: list[list[Any]] = []
    # facts and strength were chosen on campaigns 8 to 12 and 13 to 16, each learned from what had ended before
    sides = {"own record": (record, 0.1), "own record and purchases": (np.hstack([record, np.log1p(bought)]), 0.003)}
    for name, (facts, strength) in sides.items():
        offered = Offered(facts, setting, none, zero)
        part = [Offered(*(block[some] for block in offered)) for some in (train, test)]
        p = Response(1, c=strength).fit(part[0], np.isfinite(took[train])).probabilities(part[1])
        y, n = np.isfinite(took[test]), f"customers' letters, {test.sum():,}"
        rows += [["AUC", name, _resampled(roc_auc_score, y, p), n],
                 ["average precision", name, _resampled(average_precision_score, y, p), n]]  # fmt: skip
    return rows


def few_offers(folder: Path) -> list[list[Any]]:  # noqa: ARG001
    """Synthetic customers with one taste behind visits and offers; judged on customers whose takes were never seen."""
    from benchmarks.recsys_planted import planted

    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        for name, value in planted(seed).items():
            found.setdefault(name, []).append(value)
    return [[name, "next offer on tastes", values, f"{SEEDS} worlds"] for name, values in found.items()]


def _mailed(folder: Path) -> pd.DataFrame:
    """Letters with outcome, and what the household bought before: in all, lately, of what the coupons cover.

    Columns: campaign, who, kind, starts, closes, took (µs), then days known, spend and baskets of 28 and 84 days, lines
    with a coupon, lines, spend and coupon lines on covered products in 168 days, number of coupons and products.
    """
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        for name in ("campaign_descriptions", "campaigns", "coupons", "coupon_redemptions", "transactions"):
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM '{folder / name}.parquet'")
        made: pd.DataFrame = connection.sql(MAILED).df()
        return made


MAILED = """
    WITH c AS (SELECT campaign_id, CAST(campaign_type AS VARCHAR) AS kind, CAST(start_date AS TIMESTAMP) AS s,
                      CAST(end_date AS TIMESTAMP) AS e FROM campaign_descriptions),
    covered AS (SELECT DISTINCT campaign_id, product_id FROM coupons),
    size AS (SELECT campaign_id, count(DISTINCT coupon_upc) AS coupons, count(DISTINCT product_id) AS products
             FROM coupons GROUP BY ALL),
    red AS (SELECT household_id, campaign_id, min(CAST(redemption_date AS TIMESTAMP)) AS took
            FROM coupon_redemptions GROUP BY ALL),
    sent AS (SELECT m.household_id, c.* FROM campaigns m JOIN c USING (campaign_id)),
    lines AS (SELECT household_id, product_id, basket_id, sales_value, coupon_disc > 0 AS coupon,
                     transaction_timestamp AS moment FROM transactions),
    bought AS (
        SELECT s.household_id, s.campaign_id,
            sum(sales_value) FILTER (l.moment >= s.s - INTERVAL 28 DAY) AS spend28,
            count(DISTINCT basket_id) FILTER (l.moment >= s.s - INTERVAL 28 DAY) AS baskets28,
            sum(sales_value) FILTER (l.moment >= s.s - INTERVAL 84 DAY) AS spend84,
            count(DISTINCT basket_id) FILTER (l.moment >= s.s - INTERVAL 84 DAY) AS baskets84,
            count(*) FILTER (coupon AND l.moment >= s.s - INTERVAL 84 DAY) AS coupons84,
            count(v.product_id) FILTER (l.moment >= s.s - INTERVAL 168 DAY) AS inside,
            sum(sales_value) FILTER (v.product_id IS NOT NULL AND l.moment >= s.s - INTERVAL 168 DAY) AS inside_spend,
            count(v.product_id) FILTER (coupon AND l.moment >= s.s - INTERVAL 168 DAY) AS inside_coupons
        FROM sent s JOIN lines l ON l.household_id = s.household_id AND l.moment < s.s
        LEFT JOIN covered v ON v.campaign_id = s.campaign_id AND v.product_id = l.product_id GROUP BY ALL
    )
    SELECT CAST(CAST(s.campaign_id AS VARCHAR) AS INTEGER) AS campaign,
        CAST(CAST(s.household_id AS VARCHAR) AS INTEGER) AS who, s.kind, epoch_us(s.s) AS starts,
        epoch_us(s.e) AS closes, epoch_us(r.took) AS took,
        greatest(0, date_diff('day', (SELECT min(moment) FROM lines), s.s)) AS days,
        coalesce(spend28, 0) AS spend28, coalesce(baskets28, 0) AS baskets28, coalesce(spend84, 0) AS spend84,
        coalesce(baskets84, 0) AS baskets84, coalesce(coupons84, 0) AS coupons84, coalesce(inside, 0) AS inside,
        coalesce(inside_spend, 0) AS inside_spend, coalesce(inside_coupons, 0) AS inside_coupons, coupons, products
    FROM sent s JOIN size USING (campaign_id) LEFT JOIN bought USING (household_id, campaign_id)
    LEFT JOIN red r USING (household_id, campaign_id) ORDER BY starts, campaign, who
"""


def _ndcg(scores: np.ndarray, wanted: np.ndarray, masked: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG at k of each customer who wants something; ties to the lower item."""
    some = wanted.any(axis=1)
    order = np.argsort(-np.where(masked, -np.inf, scores)[some], axis=1, kind="stable")[:, :k]
    discount = 1 / np.log2(np.arange(k) + 2)
    gains = np.take_along_axis(wanted[some], order, axis=1) @ discount
    quality: np.ndarray = gains / discount.cumsum()[np.minimum(wanted[some].sum(axis=1), k) - 1]
    return quality


def _interval(each: np.ndarray) -> list[float]:
    """Lower end, mean and upper end of a 95 % bootstrap interval over customers."""
    rng = np.random.default_rng(0)
    means = [each[rng.integers(len(each), size=len(each))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(low), float(each.mean()), float(high)]


def _resampled(measure: Any, y: np.ndarray, p: np.ndarray) -> list[float]:
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(y), size=len(y)) for _ in range(RESAMPLES)]
    low, high = np.quantile([measure(y[rows], p[rows]) for rows in drawn], [0.025, 0.975])
    return [float(low), float(measure(y, p)), float(high)]
