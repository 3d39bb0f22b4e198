"""Scenes, stores and coupon families of The Complete Journey, from its catalogue alone."""

from __future__ import annotations

import re

import pandas as pd
import pyarrow as pa

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import conform, frame_of
from scenefit.contracts.tables import MERCHANTS, SCENES
from scenefit.sources.journey_names import COUPON_FAMILIES, DEPARTMENTS, OTHER, WIDE_FAMILIES, Family, Names

# till entries, not shelves: a purchase in them tells nothing about what was bought
NO_SHELF = ("COUPON/MISC ITEMS", "COUPON", "COUPONS/STORE & MFG")
WIDE = 10  # categories; most coupons cover 1 to 6, the storewide ones 11 to 84
SCENE_SHARE = 0.05  # a department with fewer of a family's products is an odd item, not a scene of the offer


def product_scenes(products: pa.Table) -> pd.DataFrame:
    """The scene of every product: its category under the department that holds most of the category.

    Products without a category, or in a till category, have no scene. Gasoline is filed under a till category at
    some stores; its product type puts it back to fuel.

    Returns
    -------
    product_id, department, category, scene_id, parent_id, home; all but the first two empty where there is no scene

    Raises
    ------
    ContractError : no product has a category in a department.
    """
    shelf = frame_of(products.select(["product_id", "department", "product_category", "product_type"]))
    shelf = shelf.rename(columns={"product_category": "category"})
    gasoline = shelf["product_type"].str.startswith("GASOLINE").fillna(False).astype(bool)
    shelf.loc[gasoline, ["department", "category"]] = "FUEL"
    shelf.loc[shelf["category"].isin(NO_SHELF), "category"] = None
    if shelf[["category", "department"]].isna().any(axis=1).all():
        raise ContractError(
            "products.product_category: no product has a category and a department; scenes come from them"
        )
    sizes = shelf.groupby(["category", "department"], as_index=False).size()
    home = sizes.sort_values(["category", "size", "department"], ascending=[True, False, True])
    home = home.drop_duplicates("category").rename(columns={"department": "home"})
    shelf = shelf.merge(home[["category", "home"]], on="category", how="left")
    shelf.loc[shelf["home"].isna(), "category"] = None
    shelf["parent_id"] = shelf["home"].map(_slugs(shelf["home"]))
    shelf["scene_id"] = shelf["parent_id"] + "/" + shelf["category"].map(_slugs(shelf["category"]))
    return shelf[["product_id", "department", "category", "scene_id", "parent_id", "home"]]


def scenes(shelf: pd.DataFrame) -> pa.Table:
    """Departments as vertical scenes, categories as the scenes in them."""
    known = shelf.dropna(subset=["scene_id"])
    top = known.sort_values("home").drop_duplicates("parent_id")
    names = [DEPARTMENTS.get(home, Names(_readable(home), _readable(home))) for home in top["home"]]
    parents = pd.DataFrame({
        "scene_id": top["parent_id"], "parent_id": None,
        "name_en": [name.en for name in names], "name_zh": [name.zh for name in names],
    })  # fmt: skip
    parts = known.sort_values("category").drop_duplicates("scene_id")
    english = parts["category"].map(_readable)
    children = parts[["scene_id", "parent_id"]].assign(name_en=english, name_zh=english)
    both = pd.concat([parents.astype(object), children.astype(object)]).sort_values("scene_id", ignore_index=True)
    return conform(pa.Table.from_pandas(both, preserve_index=False), SCENES)


def merchants(stores: pd.Series) -> pa.Table:
    """The shops in which something was bought; a shop belongs to no single scene and has no place in the data."""
    number = stores.astype(str)
    frame = pd.DataFrame({
        "merchant_id": "store-" + number, "name_en": "Store " + number, "name_zh": "门店 " + number,
    }).sort_values("merchant_id", ignore_index=True)  # fmt: skip
    return conform(pa.Table.from_pandas(frame, preserve_index=False), MERCHANTS)


def coupon_families(coupons: pa.Table, shelf: pd.DataFrame) -> pd.DataFrame:
    """The family of every coupon, by the category of most products it covers.

    A coupon over more than `WIDE` categories goes to the storewide family of the department of most of its products.

    Returns
    -------
    coupon_upc, family_id, breadth (covered products): one row per coupon
    """
    covered = coupons.select(["coupon_upc", "product_id"]).to_pandas().drop_duplicates()
    breadth = covered.groupby("coupon_upc", as_index=False).size().rename(columns={"size": "breadth"})
    on_shelf = covered.merge(shelf, on="product_id").dropna(subset=["category"])
    main = _largest(on_shelf, "category").merge(_largest(on_shelf, "department"), on="coupon_upc", how="left")
    kinds = on_shelf.groupby("coupon_upc")["category"].nunique().rename("kinds")
    table = breadth.merge(main, on="coupon_upc", how="left").merge(kinds, on="coupon_upc", how="left")
    family_of = {category: family.family_id for family in COUPON_FAMILIES for category in family.categories}
    narrow = table["category"].map(family_of)
    wide = table["department"].map({name: family.family_id for name, family in WIDE_FAMILIES.items()})
    table["family_id"] = narrow.where(~(table["kinds"] > WIDE), wide.fillna(narrow)).fillna(OTHER.family_id)
    return table[["coupon_upc", "family_id", "breadth"]].sort_values("coupon_upc", ignore_index=True)


def family_scenes(coupons: pa.Table, shelf: pd.DataFrame, families: pd.DataFrame) -> pd.Series:
    """Vertical scenes of every family: departments that hold at least `SCENE_SHARE` of its covered products."""
    covered = coupons.select(["coupon_upc", "product_id"]).to_pandas().merge(families, on="coupon_upc")
    covered = covered[["family_id", "product_id"]].drop_duplicates().merge(shelf, on="product_id")
    counts = covered.dropna(subset=["parent_id"]).groupby(["family_id", "parent_id"], as_index=False).size()
    share = counts["size"] / counts.groupby("family_id")["size"].transform("sum")
    kept = counts[share >= SCENE_SHARE].sort_values(["family_id", "parent_id"])
    return kept.groupby("family_id")["parent_id"].agg(list)


def family_names() -> dict[str, Family]:
    """Every family that a coupon can belong to, by id."""
    return {family.family_id: family for family in (*COUPON_FAMILIES, *WIDE_FAMILIES.values(), OTHER)}


def _largest(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """The value of `column` with most products per coupon; the first by name when two are equal."""
    sizes = rows.groupby(["coupon_upc", column], as_index=False).size()
    order = sizes.sort_values(["coupon_upc", "size", column], ascending=[True, False, True])
    return order.drop_duplicates("coupon_upc")[["coupon_upc", column]]


def _slugs(names: pd.Series) -> dict[str, str]:
    """Ids that a person can read in a link, such as `frzn-ice` of FRZN ICE."""
    return {name: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names.dropna().unique()}


def _readable(name: str) -> str:
    return " ".join(name.split()).capitalize()
