"""`scenefit recs evaluate` on plain Parquet tables: known answers, groups, opponents, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from app.recs_cli import app as recs
from app.recs_tables import Columns, pair_of
from recsys.splits import by_time
from scenefit.contracts.errors import ContractError, SettingsError, StoreError

Told = Callable[..., dict[str, Any]]


@pytest.fixture
def told() -> Told:
    """Call `recs evaluate …`; the JSON document, or the error it ends with."""
    app = typer.Typer()
    app.add_typer(recs, name="recs")

    def call(*words: object, as_json: bool = True) -> Any:
        asked = ["recs", "evaluate", *map(str, words), *(["--json"] if as_json else [])]
        ended = CliRunner().invoke(app, asked)
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise ended.exception
        assert ended.exit_code == 0, ended.output
        return json.loads(ended.stdout) if as_json else ended.stdout

    return call


def written(folder: Path, name: str, **columns: Any) -> Path:
    path = folder / f"{name}.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Item 1 is known to three users, item 2 to two, item 3 to one; user 4 and item 9 come in the test alone."""
    train = written(tmp_path, "train", user=[1, 1, 2, 2, 3, 3], item=[1, 2, 1, 3, 1, 2])
    return train, written(tmp_path, "test", user=[1, 2, 3, 4], item=[3, 2, 9, 1])


def test_popularity_by_hand(told: Told, tables: tuple[Path, Path]) -> None:
    found = told("--train", tables[0], "--test", tables[1], "--model", "popularity", "--k", 1)
    # user 1: item 3 comes first of 3 and 9; 2: item 2; 3: item 9 comes after item 3; 4: item 1
    assert (found["recall@1"], found["ndcg@1"], found["hit@1"]) == (0.75, 0.75, 0.75)
    assert found["mrr"] == pytest.approx((1 + 1 + 1 / 2 + 1) / 4)
    assert (found["customers"], found["users"], found["items"]) == (4, 4, 4)
    assert any("1 judged users are not in train" in note for note in found["notes"])
    by_group = {row["group"]: row for row in found["groups"]}
    assert (by_group["known"]["customers"], by_group["new"]["recall@1"]) == (3, 1.0)
    assert any("1 test pairs are of items that are not in train" in note for note in found["notes"])


def test_without_the_mask_known_items_are_ranked_too(told: Told, tables: tuple[Path, Path]) -> None:
    found = told("--train", tables[0], "--test", tables[1], "--model", "popularity", "--k", 1, "--no-mask-seen")
    assert found["recall@1"] == 0.25


def test_ids_of_any_kind_and_other_names(told: Told, tmp_path: Path, tables: tuple[Path, Path]) -> None:
    train = written(tmp_path, "t", who=list("aabbcc"), what=["1", "2", "1", "3", "1", "2"], n=[1.0, 2, 1, 1, 1, 0.5])
    test = written(tmp_path, "u", who=list("abcd"), what=[3, 2, 9, 1])
    words = ("--user", "who", "--item", "what", "--model", "popularity", "--k", 1)
    found = told("--train", train, "--test", test, "--weight", "n", *words)
    assert found["recall@1"] == 0.75


def test_settings_are_those_of_the_model(told: Told, tables: tuple[Path, Path]) -> None:
    found = told(
        "--train", tables[0], "--test", tables[1], "--model", "als", "--setting", "factors=2",
        "--setting", "regularization=1", "--setting", "iterations=3",
    )  # fmt: skip
    assert (found["settings"]["factors"], found["settings"]["regularization"]) == (2, 1.0)


def test_groups_and_opponents(told: Told, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parity = [(u, i) for u in range(120) for i in range(30) if (u + i) % 2 == 0]
    late = rng.random(len(parity)) < 0.3
    train, test = (
        written(tmp_path, name, user=[p[0] for p, k in zip(parity, kept, strict=True) if k],
                item=[p[1] for p, k in zip(parity, kept, strict=True) if k])
        for name, kept in (("train", ~late), ("test", late))
    )  # fmt: skip
    groups = written(tmp_path, "groups", user=list(range(100)), group=["even", "odd"] * 50)
    asked = ("--train", train, "--test", test, "--groups", groups, "--against", "popularity", "--k", 5)
    found = told(*asked, "--model", "als", "--setting", "factors=2", "--setting", "regularization=1")
    assert [row["group"] for row in found["groups"]] == ["even", "odd", "unknown"]
    assert sum(row["customers"] for row in found["groups"]) == found["customers"]
    assert found["worst_to_best"]["ndcg"] > 0.9
    against = found["against"][0]
    assert (against["model"], against["verdict"]) == ("popularity", "better")
    assert 0 < against["low"] <= against["gain"] <= against["high"]
    text = told(*asked, "--model", "als", "--setting", "factors=2", "--setting", "regularization=1", as_json=False)
    assert "ndcg@5 against popularity: +" in text
    assert "worst ÷ best group, ndcg" in text


def test_the_order_of_rows_and_doubled_pairs_change_nothing(tables: tuple[Path, Path], tmp_path: Path) -> None:
    train = pd.read_parquet(tables[0])
    doubled = tmp_path / "doubled.parquet"
    pd.concat([train.iloc[::-1], train.iloc[:1]]).to_parquet(doubled)
    one, other = pair_of(*tables, Columns()), pair_of(doubled, tables[1], Columns())
    assert ((one.train > 0) != (other.train > 0)).nnz == 0
    assert other.train.max() == 2


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--model", "oracle"], SettingsError, "--model 'oracle' is unknown; there are .*als.*popularity"),
        (["--setting", "depth=3"], SettingsError, "has the settings factors"),
        (["--setting", "factors"], SettingsError, "write one as NAME=VALUE"),
        (["--setting", "factors=many"], SettingsError, "factors is int, such as"),
        (["--user", "person"], ContractError, "no column 'person'; it has user, item"),
        (["--weight", "n"], ContractError, "no column 'n'"),
    ],
)
def test_wrong_words_say_the_way_out(
    told: Told, tables: tuple[Path, Path], words: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        told("--train", tables[0], "--test", tables[1], *words)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user": [], "item": []}, "no rows"),
        ({"user": [1, None], "item": [1, 2]}, "1 rows without user"),
        ({"user": [1], "item": [1], "n": [-1.0]}, "gaps or negative numbers"),
        ({"user": [1], "item": [1], "n": [float("nan")]}, "gaps or negative numbers"),
        ({"person": [1], "item": [1]}, "no column any of user, user_id, customer_id; it has person, item"),
    ],
)
def test_broken_tables_are_refused(
    told: Told, tmp_path: Path, tables: tuple[Path, Path], columns: dict[str, Any], message: str
) -> None:
    broken = written(tmp_path, "broken", **columns)
    weight = ["--weight", "n"] if "n" in columns else []
    with pytest.raises(ContractError, match=message):
        told("--train", broken, "--test", tables[1], "--model", "popularity", *weight)


def test_files_that_cannot_be_read(told: Told, tmp_path: Path, tables: tuple[Path, Path]) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("user,item")
    with pytest.raises(StoreError, match="no such file"):
        told("--train", tmp_path / "none.parquet", "--test", tables[1])
    with pytest.raises(StoreError, match="no readable Parquet table"):
        told("--train", text, "--test", tables[1])


@pytest.mark.data
def test_popularity_on_the_public_split_of_movielens(told: Told, datasets: Path) -> None:
    folder = datasets / "ml1m_ultragcn_split"
    found = told("--train", folder / "train.parquet", "--test", folder / "test.parquet", "--model", "popularity")
    assert found["recall@20"] == pytest.approx(0.1161, abs=5e-5)
    assert found["ndcg@20"] == pytest.approx(0.1176, abs=5e-5)
    assert found["customers"] == 6_022


@pytest.mark.data
def test_a_gain_among_a_hundred_people_is_not_told_apart_from_chance(
    told: Told, datasets: Path, tmp_path: Path
) -> None:
    """MovieLens 100K cut in time: only 109 of the people known before come back."""
    seen = pd.read_parquet(datasets / "ml100k" / "inter.parquet")
    at = pd.to_datetime(seen["timestamp"].astype(float), unit="s", utc=True)
    split = by_time(at, at.quantile(0.8))
    known = split.test & seen["user_id"].isin(seen.loc[split.train, "user_id"]).to_numpy()
    for name, rows in (("train", split.train), ("test", known)):
        seen.loc[rows].to_parquet(tmp_path / f"{name}.parquet")
    settings = ("factors=32", "regularization=50", "alpha=4", "iterations=15")
    found = told(
        "--train", tmp_path / "train.parquet", "--test", tmp_path / "test.parquet", "--model", "als", "--k", 10,
        *(word for setting in settings for word in ("--setting", setting)), "--against", "popularity",
    )  # fmt: skip
    against = found["against"][0]
    assert found["customers"] == 109
    assert against["gain"] > 0.01
    assert against["low"] < 0 < against["high"]
    assert against["verdict"] == "not told apart"
    assert "groups" not in found


def test_popularity_by_group_is_learned_from_the_given_groups(told: Told, tmp_path: Path) -> None:
    """Two groups that want the opposite: only popularity by group can serve both."""
    users = np.arange(400)
    group = np.where(users % 3 > 0, "a", "b")
    liked = np.where(group == "a", "x", "y")
    pd.DataFrame({"user": users, "group": group}).to_parquet(tmp_path / "groups.parquet")
    taught = users < 300
    pd.DataFrame({"user": users[taught], "item": liked[taught]}).to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"user": users[~taught], "item": liked[~taught]}).to_parquet(tmp_path / "test.parquet")
    words = ("--train", tmp_path / "train.parquet", "--test", tmp_path / "test.parquet", "--k", 1)
    found = told(*words, "--model", "group_popularity", "--groups", tmp_path / "groups.parquet")
    assert found["hit@1"] == 1
    assert told(*words, "--model", "group_popularity")["hit@1"] == pytest.approx(2 / 3, abs=0.02)


def test_every_promised_key_stands_in_the_document(told: Told, tmp_path: Path) -> None:
    pd.DataFrame({"user": [1, 1, 2], "item": ["x", "y", "x"]}).to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"user": [2], "item": ["y"]}).to_parquet(tmp_path / "test.parquet")
    found = told("--train", tmp_path / "train.parquet", "--test", tmp_path / "test.parquet", "--model", "popularity")
    keys = {f"{name}@20" for name in ("ndcg", "recall", "hit", "coverage", "gini", "novelty")} | {"map@7", "mrr"}
    assert keys <= set(found)
