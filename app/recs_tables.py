"""Two plain tables of who chose what, judged by any recommender: read, coded, fitted, measured."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.evaluate import judged, quality_table, worst_to_best
from recsys.models import RECOMMENDERS
from recsys.significance import better_than
from scenefit.contracts.errors import ContractError, SettingsError, StoreError

USERS = ("user", "user_id", "customer_id")
ITEMS = ("item", "item_id", "offer_id", "product_id")
GROUPS = ("group", "segment", "scene_id")
BY_GROUP, UNKNOWN = "group_popularity", "unknown"
AT_K = ("ndcg", "recall", "hit", "coverage", "gini", "novelty")


class Columns(NamedTuple):
    """Names of the columns; None: the first known name that the table has (no weight: every pair counts 1)."""

    user: str | None = None
    item: str | None = None
    weight: str | None = None


class Asked(NamedTuple):
    """How a model is judged: places that count, seen items masked or not, columns, groups, opponents."""

    k: int = 20
    mask_seen: bool = True
    columns: Columns = Columns()
    groups: Path | None = None
    against: tuple[str, ...] = ()


class Pair(NamedTuple):
    """Train and test over the same users and items; ids behind the codes; what had to be said about them."""

    train: sparse.csr_matrix
    test: sparse.csr_matrix
    users: np.ndarray
    items: np.ndarray
    notes: tuple[str, ...]


def evaluated(train: Path, test: Path, name: str, settings: Sequence[str], asked: Asked) -> dict[str, Any]:
    """A model learned from one table and judged on another: its metrics, and what had to be said.

    Raises
    ------
    SettingsError : the model or one of its settings is unknown.
    ContractError, StoreError : a table cannot be read or does not hold users and items.
    """
    if asked.k < 1:
        raise SettingsError(f"--k {asked.k}; ask for at least one item")
    model = model_of(name, settings)
    opponents = {other: model_of(other, ()) for other in asked.against}
    pair = pair_of(train, test, asked.columns)
    groups = _known(pair) if asked.groups is None else groups_of(asked.groups, pair.users, asked.columns.user)
    if name == BY_GROUP and asked.groups is not None:
        # popularity by group is learned from the very groups that it is judged by
        model.groups = _codes(groups)
    model.fit(pair.train)
    table = quality_table(model, pair.train, pair.test, asked.k, groups, asked.mask_seen)
    document = {
        "model": name,
        "settings": _settings_of(model),
        "mask_seen": asked.mask_seen,
        "users": len(pair.users),
        "items": len(pair.items),
        **_figures(table.iloc[0], asked.k),
        "notes": list(pair.notes),
    }
    if len(table) > 2:
        document["groups"] = [{"group": row["group"], **_figures(row, asked.k)} for _, row in table.iloc[1:].iterrows()]
    if asked.groups is not None:
        ratio = {str(metric): _plain(value) for metric, value in worst_to_best(table).items()}
        document["worst_to_best"] = ratio
    if opponents:
        document["against"] = _against(model, opponents, pair, asked)
    return document


def _against(model: Any, opponents: dict[str, Any], pair: Pair, asked: Asked) -> list[dict[str, Any]]:
    """NDCG of the model minus that of each opponent, on the same users, with Holm's correction for their number."""
    ours = judged(model, pair.train, pair.test, asked.k, asked.mask_seen).each.ndcg
    others = {
        name: judged(other.fit(pair.train), pair.train, pair.test, asked.k, asked.mask_seen).each.ndcg
        for name, other in opponents.items()
    }
    # fixed: the same tables give the same intervals
    found = better_than(ours, others, np.random.default_rng(0)).rename(columns={"mean": "gain", "holm": "p_holm"})
    kept = found[["model", "gain", "low", "high", "p_holm", "verdict"]].assign(metric=f"ndcg@{asked.k}")
    return [{str(key): value for key, value in row.items()} for row in kept.to_dict("records")]


def _figures(row: pd.Series, k: int) -> dict[str, Any]:
    return {
        "customers": int(row["customers"]),
        **{f"{metric}@{k}": _plain(row[metric]) for metric in AT_K},
        "map@7": _plain(row["map"]),
        "mrr": _plain(row["mrr"]),
    }


def _plain(value: Any) -> float | None:
    """A figure for a document: what cannot be told is null."""
    return float(value) if np.isfinite(value) else None


def model_of(name: str, settings: Sequence[str]) -> Any:
    """A recommender by name with settings as typed, each NAME=VALUE.

    Raises
    ------
    SettingsError : the model or a setting is unknown, or a value is of another kind.
    """
    if name not in RECOMMENDERS:
        raise SettingsError(f"--model {name!r} is unknown; there are {', '.join(sorted(RECOMMENDERS))}")
    kind: Any = RECOMMENDERS[name]
    known = inspect.signature(kind).parameters
    given = {}
    for text in settings:
        key, _, value = text.partition("=")
        if not value or key not in known:
            raise SettingsError(
                f"--setting {text!r}: model {name!r} has the settings {', '.join(known) or '(none)'}; "
                "write one as NAME=VALUE"
            )
        given[key] = _value(key, value, known[key].default)
    return kind(**given)


def pair_of(train: Path, test: Path, columns: Columns) -> Pair:
    """Both tables over the same users and items.

    Raises
    ------
    ContractError, StoreError : a table cannot be read or does not hold users and items.
    """
    # a chosen item counts once, whatever its weight
    before, after = read_pairs(train, columns), read_pairs(test, columns._replace(weight=None))
    if before["user"].dtype != after["user"].dtype or before["item"].dtype != after["item"].dtype:
        before, after = (frame.astype({"user": str, "item": str}) for frame in (before, after))
    # sorted: the same answer whatever the order of rows
    users, items = (np.unique(np.concatenate([before[c].to_numpy(), after[c].to_numpy()])) for c in ("user", "item"))
    learned, judged_on = (_matrix(frame, users, items) for frame in (before, after))
    return Pair(learned, judged_on, users, items, _notes(learned, judged_on))


def read_pairs(path: Path, columns: Columns) -> pd.DataFrame:
    """Users, items and weights of a Parquet table; pairs that stand twice are added up later.

    Raises
    ------
    StoreError : the file cannot be read.
    ContractError : a column is missing, an id is empty, or a weight is negative or no number.
    """
    table = _table(path)
    names = table.column_names
    user, item = _column(path, names, columns.user, USERS), _column(path, names, columns.item, ITEMS)
    weight = columns.weight if columns.weight is None else _column(path, names, columns.weight, ())
    frame: pd.DataFrame = table.select([user, item] + ([weight] if weight else [])).to_pandas()
    frame.columns = pd.Index(["user", "item"] + (["weight"] if weight else []))
    if frame.empty:
        raise ContractError(f"{path}: no rows; give at least one user with an item")
    for name in ("user", "item"):
        if frame[name].isna().any():
            raise ContractError(f"{path}: {int(frame[name].isna().sum()):,} rows without {name}; leave them out")
        if frame[name].dtype == object:
            frame[name] = frame[name].astype(str)
    if weight is None:
        return frame.assign(weight=1.0)
    values = pd.to_numeric(frame["weight"], errors="coerce").to_numpy(float)
    if not (values >= 0).all() or np.isinf(values).any():
        raise ContractError(f"{path}: column {weight!r} holds gaps or negative numbers; weights are 0 or more")
    return frame.assign(weight=values)


def _known(pair: Pair) -> np.ndarray:
    """Who has a history and who has none: a model may serve one well and the other not at all."""
    return np.where(np.diff(pair.train.indptr) > 0, "known", "new")


def groups_of(path: Path, users: np.ndarray, user: str | None) -> np.ndarray:
    """Group of each user by a Parquet table of users and groups; "unknown" for those it does not hold.

    Raises
    ------
    StoreError, ContractError : the table cannot be read, lacks a column, or holds a user twice.
    """
    table = _table(path)
    who = _column(path, table.column_names, user if user in table.column_names else None, USERS)
    frame = table.select([who, _column(path, table.column_names, None, GROUPS)]).to_pandas()
    frame.columns = pd.Index(["user", "group"])
    if frame["user"].duplicated().any():
        raise ContractError(
            f"{path}: user {frame['user'][frame['user'].duplicated()].iloc[0]!r} stands twice; keep one"
        )
    named = pd.Series(frame["group"].to_numpy(), index=frame["user"].astype(str))
    return named.reindex(pd.Index(users).astype(str)).fillna(UNKNOWN).astype(str).to_numpy()


def _codes(groups: np.ndarray) -> np.ndarray:
    """A number for each group; −1 for people of no known one."""
    codes = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return np.where(groups == UNKNOWN, -1, codes)


def _matrix(frame: pd.DataFrame, users: np.ndarray, items: np.ndarray) -> sparse.csr_matrix:
    rows, columns = np.searchsorted(users, frame["user"].to_numpy()), np.searchsorted(items, frame["item"].to_numpy())
    shape = (len(users), len(items))
    matrix = sparse.csr_matrix((frame["weight"].to_numpy(np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _notes(train: sparse.csr_matrix, test: sparse.csr_matrix) -> tuple[str, ...]:
    """What a reader of the figures should know about the two tables."""
    asked = np.diff(test.indptr) > 0
    new_users = int((asked & (np.diff(train.indptr) == 0)).sum())
    unknown = np.asarray((train > 0).sum(axis=0)).ravel() == 0
    late = int(unknown[test.indices].sum())
    both = int((train > 0).multiply(test > 0).nnz)
    notes = ["the split is as given: whether it is by time, the tables do not say"]
    if new_users:
        notes.append(f"{new_users:,} judged users are not in train: ranked without a history")
    if late:
        notes.append(
            f"{late:,} test pairs are of items that are not in train: no model can know them, they count as missed"
        )
    if both:
        notes.append(f"{both:,} test pairs are in train as well: masked, they are no targets")
    return tuple(notes)


def _table(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise StoreError(f"{path}: no such file; give a Parquet table")
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{path}: no readable Parquet table ({str(error).splitlines()[0]}); write it anew") from error


def _column(path: Path, names: Sequence[str], asked: str | None, known: Sequence[str]) -> str:
    found = [name for name in ([asked] if asked else known) if name in names]
    if not found:
        wanted = repr(asked) if asked else f"any of {', '.join(known)}"
        raise ContractError(
            f"{path}: no column {wanted}; it has {', '.join(names)}. Name it with --user, --item, --weight"
        )
    return found[0]


def _value(key: str, text: str, default: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    fits = default is None or default is inspect.Parameter.empty or isinstance(value, type(default))
    # a whole number is a fine value for a setting with a point
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not fits or (isinstance(value, bool) and not isinstance(default, bool)):
        raise SettingsError(f"--setting {key}={text}: {key} is {type(default).__name__}, such as {default}")
    return value


def _settings_of(model: Any) -> dict[str, Any]:
    names = inspect.signature(type(model)).parameters
    plain = (int, float, str, bool, type(None))
    return {name: value for name in names if isinstance(value := getattr(model, name, None), plain)}
