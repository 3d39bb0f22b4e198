"""One customer's offers: ranked as in the newest run, why each, and why not the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from app import facts
from app.contactable import channels, contactable
from app.default_scores import default_probabilities
from app.eligibility import applied_rules, by_product
from app.eligibility_facts import read_background
from app.material import Inputs, numeric_columns, read_inputs, windows
from app.model_tables import MODEL, models_folder
from app.planning import offer_table
from app.recs_models import home_segments, scene_and_segment
from app.run_case import open_channels
from recsys import champions
from recsys.coarse import coarse
from recsys.cold import ShrunkenRates, blended, read_rates
from recsys.eligible import stage_grid
from recsys.explain import LEAST, Contributions, Names, contributions, reasons, typical_lean
from recsys.interactions import Interactions, Takes
from recsys.kept_champion import kept_champion
from recsys.offers import Facts
from recsys.training import Learned
from recsys.why_not import why_not
from risk.policy import Decision
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import PLAN, SCORES
from scenefit.runtime.models import Saved
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, read, read_parquet
from scenefit.runtime.workspace import Workspace

# of a segment's members, enough for a mean; the first by id
MEMBERS = 500
LEAST_PEOPLE = 20


class Pinned(NamedTuple):
    """A registered version, rebuilt, with the names of its columns; `cold` answers for who did nothing yet."""

    number: int
    learned: Learned
    cold: ShrunkenRates
    items: np.ndarray
    products: list[str]


class Known(NamedTuple):
    """What is known at the newest run's moment, with the champion's columns in the champion's order."""

    run: Path
    end: pd.Timestamp
    inputs: Inputs
    behaviour: Interactions
    takes: Takes
    decision: Decision
    row: int


def explained(
    workspace: Workspace, settings: Settings, customer: str, version: int | None = None, k: int = 3
) -> dict[str, Any]:
    """Every product for a customer, the ranked ones first: probabilities, value, reasons, and why it is not offered.

    Parameters
    ----------
    version : the registered version that speaks; default: the champion, else the newest one
    k : reasons for each product

    Raises
    ------
    StoreError : no version or no run yet.
    ContractError : nobody of that id, or the products are not those that the version learned.
    """
    pinned = pinned_version(workspace, version)
    known = _known(workspace, settings, customer)
    here = known.inputs.catalogue.products["product_id"].astype(str).tolist()
    if pinned.products != here or pinned.learned.head.standard_.mean_.shape != known.inputs.profile.shape[1:]:
        raise ContractError(
            f"recs explain: version {pinned.number} was fitted on other products or features than the newest run has; "
            "fit one anew with `scenefit recs fit`"
        )
    homes = home_segments(workspace, known.inputs.catalogue.customers)
    of_all = _facts(pinned, known, homes)
    own = Facts(*(block[:1] for block in of_all))
    history = _history(pinned, known, np.array([known.row]))
    found = contributions(pinned.learned, history, own.profile[0], own.held[0])
    # the first row is the customer, the others members of the home segment
    members = Facts(*(block[1:] for block in of_all))
    lean = typical_lean(pinned.learned, members) if len(members.profile) >= LEAST_PEOPLE else None
    p = pinned.learned.head.probabilities(own)
    if history.nnz == 0:
        p = blended(p, _prior(pinned, homes[[known.row]]), np.zeros(1))
    return {
        "customer_id": customer, "version": pinned.number, "model": MODEL, "run_id": known.run.name,
        "as_of": known.end.isoformat(), "segment_id": str(homes[known.row]), "behaviour": int(history.sum()),
        "cold": history.nnz == 0,
        "offers": _offers(known, found, _names(workspace, pinned, known), p[0], lean, k),
    }  # fmt: skip


def pinned_version(workspace: Workspace, version: int | None) -> Pinned:
    """A registered version to predict from: the one asked for, else the champion, else the newest.

    Raises
    ------
    StoreError : none is registered, or not this one.
    """
    folder = models_folder(workspace)
    numbers = champions.version_numbers(folder)
    if version is None and not numbers:
        raise StoreError(f"{folder}: no version yet; fit one with `scenefit recs fit --workspace {workspace.root}`")
    number = version or champions.champion(folder) or numbers[-1]
    saved: Saved = champions.read_version(folder, number)
    return Pinned(
        number, kept_champion(saved), read_rates(saved.facts["cold"]), saved.arrays["items"].astype(object),
        list(saved.facts["products"]),
    )  # fmt: skip


def _prior(pinned: Pinned, home: np.ndarray) -> np.ndarray:
    rates = pinned.cold.probabilities(scene_and_segment(home))
    share: np.ndarray = rates / rates.sum(axis=1, keepdims=True)
    return share


def _known(workspace: Workspace, settings: Settings, customer: str) -> Known:
    run = workspace.latest()
    dataset = workspace.dataset()
    end = pd.Timestamp(json.loads((run / "manifest.json").read_text("utf8"))["as_of"])
    edges = windows(dataset, end, settings)
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        inputs = read_inputs(connection, workspace, dataset, edges, settings)
        customers, products = inputs.catalogue.customers, inputs.catalogue.products
        row = int(pd.Index(customers).get_indexer(pd.Index([customer]))[0])
        if row < 0:
            raise ContractError(
                f"customer {customer!r}: nobody of that id at {end.isoformat()}; ids look like {customers[0]!r}"
            )
        behaviour = facts.read_behaviour(
            connection, inputs.catalogue, dataset.behaviour, end, settings.recommend.items, edges[-2]
        )
        takes = facts.read_takes(connection, end)
        reach = contactable(connection, workspace, dataset, customers, end, settings)
        chances = default_probabilities(workspace, end)
        pd_now = np.full(len(customers), np.nan) if chances is None else chances.reindex(customers).to_numpy(float)
        background = read_background(connection, workspace, inputs, reach, pd_now, settings).of(np.array([row]))
        amounts = facts.read_amounts(connection, end, products)
    names = open_channels(reach, settings)
    offers = offer_table(products, names, amounts)
    rules = applied_rules(
        background, products, amounts, offers, end.tz_convert(dataset.timezone).year, settings.limits,
        channels(settings),
    )  # fmt: skip
    grid = stage_grid(rules, 1, len(offers), end)
    # a product stands by the channel on which it gets furthest
    reason = by_product(grid.reason, offers, products["product_id"].tolist())
    decision = Decision(reason == 0, reason, grid.reasons)
    return Known(run, end, inputs, behaviour, takes, decision, row)


def _history(pinned: Pinned, known: Known, rows: np.ndarray) -> sparse.csr_matrix:
    """Behaviour of some customers in the columns of the version; items that it did not learn are left out."""
    here = known.behaviour.matrix(known.end, rows=rows).tocoo()
    places = pd.Index(pinned.items).get_indexer(pd.Index(known.behaviour.items))
    column = places[here.col]
    kept = column >= 0
    shape = (len(rows), len(pinned.items))
    return sparse.csr_matrix((here.data[kept], (here.row[kept], column[kept])), shape=shape)


def _facts(pinned: Pinned, known: Known, homes: np.ndarray) -> Facts:
    """Facts of the customer, then of members of the same home segment."""
    customers = known.inputs.catalogue.customers
    same = np.flatnonzero((homes == homes[known.row]) & (homes != ""))
    rows = np.concatenate([[known.row], same[same != known.row][:MEMBERS]]).astype(np.int64)
    tastes = pinned.learned.als.fold_in(_history(pinned, known, rows))
    held = known.takes.held(known.end, rows, len(customers), len(pinned.products))
    return Facts(tastes, known.inputs.profile[rows], held)


def _offers(
    known: Known, found: Contributions, names: Names, p: np.ndarray, lean: np.ndarray | None, k: int,
) -> list[dict[str, Any]]:  # fmt: skip
    customer = str(known.inputs.catalogue.customers[known.row])
    ranked = _rows_of(known.run, "scores", customer).set_index("product_id")
    given = _rows_of(known.run, "plan", customer)["product_id"].tolist()
    value = ranked["value"].reindex(list(names.products)).to_numpy(float)
    assignment = np.array([names.products.index(given[0]) if given else -1])
    removed = why_not(known.decision, value[None, :], assignment, 0)
    typical = ranked["value"] / ranked["p_take"]
    order = sorted(range(len(p)), key=lambda j: (_rank(ranked, names.products[j]), -p[j], j))
    return [
        {
            "product_id": names.products[j], "name_en": names.both(names.products[j])[0],
            "name_zh": names.both(names.products[j])[1], "rank": _number(ranked, names.products[j], "rank"),
            "probability": float(p[j]), "p_take": _told(ranked, names.products[j], "p_take"),
            "value": _told(ranked, names.products[j], "value"), "difference": float(found.total[j]),
            "parts": found.parts(j), "segment_lean": None if lean is None else float(lean[j]),
            "reasons": [reason._asdict() for reason in reasons(found, j, names, k)],
            "facts": [*_product_fact(typical, names.products[j]), *_segment_fact(lean, j)],
            "why_not": {"stage": removed[j].stage, "rule": removed[j].rule, "en": removed[j].en, "zh": removed[j].zh},
        }
        for j in order
    ]  # fmt: skip


def _product_fact(per_take: pd.Series, product: str) -> list[dict[str, Any]]:
    """That a take of this product is worth more than one of the other ranked ones; the rank is by value."""
    if product not in per_take.index or len(per_take) < 2:
        return []
    own, others = float(per_take[product]), float(per_take.drop(product).mean())
    if own <= others:
        return []
    return [{"kind": "product", "value": own, "en": f"a take is worth {own:,.0f}, of the others ranked {others:,.0f}",
             "zh": f"每笔提用价值约 {own:,.0f}，其余入榜产品约 {others:,.0f}"}]  # fmt: skip


def _segment_fact(lean: np.ndarray | None, offer: int) -> list[dict[str, Any]]:
    """That people of the same segment lean to it as well."""
    if lean is None or lean[offer] < LEAST:
        return []
    return [{"kind": "segment", "value": float(lean[offer]), "en": "people of the same segment lean to it too",
             "zh": "同客群的人也偏好该产品"}]  # fmt: skip


def _names(workspace: Workspace, pinned: Pinned, known: Known) -> Names:
    said: dict[str, tuple[str, str]] = {}
    tables = ("merchants", "merchant_id") if known.inputs.dataset.behaviour == "merchant" else ("scenes", "scene_id")
    for name, key in (tables, ("products", "product_id")):
        try:
            frame = frame_of(read(workspace, name, [key, "name_en", "name_zh"]))
        except StoreError:
            # an optional table that was never given; ids speak then
            continue
        said |= {
            str(code): (str(en), str(zh))
            for code, en, zh in zip(frame[key], frame["name_en"], frame["name_zh"], strict=True)
            if isinstance(en, str) and isinstance(zh, str)
        }
    return Names(pinned.items.tolist(), numeric_columns(known.inputs.now), pinned.products, said)


def _rows_of(run: Path, name: str, customer: str) -> pd.DataFrame:
    contract = {"scores": SCORES, "plan": PLAN}[name]
    table = frame_of(check_arrow(read_parquet(run / f"{name}.parquet"), contract))
    return table[table["customer_id"] == customer]


def _rank(ranked: pd.DataFrame, product: str) -> float:
    return float(ranked["rank"].get(product, np.inf))


def _told(ranked: pd.DataFrame, product: str, column: str) -> Any:
    """A figure of one person as a page may tell it."""
    found = _number(ranked, product, column)
    return None if found is None else coarse(float(found))


def _number(ranked: pd.DataFrame, product: str, column: str) -> float | int | None:
    if product not in ranked.index:
        return None
    value = float(ranked[column][product])
    return int(value) if column == "rank" else value
