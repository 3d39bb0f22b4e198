"""The desk at which audiences are built: people, store and reach of a workspace, and what is said of an audience.

Command line and page ask here, so that both show the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app import facts
from app.audience_names import Names, RawNames, raw_names, require_known, scene_columns
from app.audience_people import PURPOSE, RunFigures, best_offers, people, require_marketing
from app.contactable import channels, contactable
from app.scene_store import made_ids
from app.subgroup_store import present_subgroups
from scenefit.contracts.errors import NotFitted, SettingsError, StoreError
from scenefit.contracts.reach import Reach
from scenefit.runtime.settings import Settings, read_settings
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace
from segmentation.audience import AudienceStore
from segmentation.audience_files import audience_ids
from segmentation.bits import unpacked
from segmentation.lifts import lifts
from segmentation.rules import And, Rule

# what the firm did to a person, and the ids, do not tell one audience from another
NOT_CONTRASTED = ("customer_id", "contacts_30d", "contacts_90d", "contacts_365d", "days_since_contact")
# fewer people than this are not described: a profile of three names persons
FEWEST = 20


@dataclass(frozen=True)
class Desk:
    """One workspace as of one moment: its audiences, everybody who can be in one, and who may be contacted."""

    workspace: Workspace
    settings: Settings
    at: pd.Timestamp
    store: AudienceStore
    reach: Reach

    @property
    def frame(self) -> pd.DataFrame:
        """Attributes of everybody, one row per customer."""
        return self.store.people.frame

    @property
    def columns(self) -> list[str]:
        """Attributes that rules may read, in the order of the frame."""
        return [name for name in self.frame.columns if name != "customer_id"]

    @property
    def channels(self) -> list[str]:
        """Channels, the cheapest first."""
        return channels(self.settings)

    @cached_property
    def raw_names(self) -> RawNames:
        """Scenes, products and merchants of the data; read when the first rule asks."""
        return raw_names(self.workspace)

    @cached_property
    def figures(self) -> RunFigures:
        """What the latest run expects of everybody, where it is a run of this moment and data."""
        return best_offers(self.workspace, self.frame["customer_id"].to_numpy(object), self.at)

    @property
    def names(self) -> Names:
        """Everything a rule may name."""
        context = self.store.people.context
        segments = frozenset() if context.segments is None else frozenset(context.segments["segment_id"].dropna())
        audiences = {*audience_ids(self.store.folder), *context.audiences}
        made = made_ids(self.workspace)
        return Names(self.columns, scene_columns(), self.raw_names, made, segments, audiences)


class Expected(NamedTuple):
    """What the latest run expects of offering everybody their best product; None where it says nothing.

    approvals : people who take it and are approved; profit and loss in the currency of the data
    why_en, why_zh : why it says nothing, else empty
    """

    approvals: float | None
    profit: float | None
    loss: float | None
    why_en: str = ""
    why_zh: str = ""


def audiences_folder(workspace: Workspace) -> Path:
    """Where a workspace keeps its audiences."""
    return workspace.root / "audiences"


def desk(workspace: Workspace, at: pd.Timestamp | None = None) -> Desk:
    """Open the audiences of a workspace as of a moment (default: the end of the data).

    Raises
    ------
    StoreError : no data, or no usable snapshot of features; the message says how to build one.
    """
    settings = read_settings(workspace.root)
    dataset = workspace.dataset()
    moment = dataset.until if at is None else at
    runtime = settings.runtime
    everybody = people(workspace, moment, runtime.memory_limit, runtime.cores)
    customers = everybody.frame["customer_id"].to_numpy(object)
    with connect(runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        facts.number_people(connection, customers)
        reach = contactable(connection, workspace, dataset, customers, moment, settings)
    return Desk(workspace, settings, moment, AudienceStore(audiences_folder(workspace), everybody), reach)


def read_rule(found: Desk, text: str) -> Rule:
    """The rule of a typed text or of JSON, checked for purpose and for the names in it.

    Raises
    ------
    ContractError : the text is no rule, or names something there is not; the message points at it.
    PurposeError : it reads what marketing may not use.
    """
    stripped = text.strip()
    rule = Rule.read(stripped) if stripped.startswith("{") else Rule.parse(stripped, rule_columns(found))
    require_marketing(rule)
    require_known(rule, found.names)
    return rule


def rule_columns(found: Desk) -> list[str]:
    """Every column a rule may name: of customers, then of scenes; no row of a scene is read."""
    return list(dict.fromkeys([*found.columns, *scene_columns()]))


def narrowed(rule: Rule, more: Rule) -> Rule:
    """The rule with the conditions of another one on top."""
    return Rule(where=And(of=(*rule.conditions, *more.conditions)))


def expected(found: Desk, words: np.ndarray) -> Expected:
    """Approvals, profit and loss of an audience, from the latest run; nothing of fewer than 20 people."""
    hopes = found.figures
    mask = unpacked(words, len(found.frame))
    if hopes.value is None:
        return Expected(None, None, None, hopes.why_en, hopes.why_zh)
    if int((mask & ~np.isnan(hopes.value)).sum()) < FEWEST:
        en, zh = f"fewer than {FEWEST} people: their sums are not told", f"不足{FEWEST}人，不列出合计"
        return Expected(None, None, None, en, zh)
    approvals, profit, loss = (
        None if one is None else float(np.nansum(one[mask])) for one in (hopes.p_take, hopes.value, hopes.loss)
    )
    return Expected(approvals, profit, loss)


def contrast(found: Desk, words: np.ndarray, most: int = 12) -> pd.DataFrame:
    """What sets an audience apart from everybody, the most distinctive first, in the columns of `lifts`.

    Empty for fewer than 20 people, and for everybody.
    """
    mask = unpacked(words, len(found.frame))
    if not FEWEST <= int(mask.sum()) < len(mask):
        return pd.DataFrame(columns=["feature", "mean", "base", "z", "tgi", "tgi_low", "tgi_high"])
    table = lifts(found.frame.drop(columns=[c for c in NOT_CONTRASTED if c in found.frame]), mask.astype(np.intp))
    inside = table[(table["label"] == 1) & table["z"].notna()]
    strongest = inside.reindex(inside["z"].abs().sort_values(ascending=False, kind="stable").index)
    # one level of a text speaks for its column
    return strongest.drop_duplicates("column").head(most).reset_index(drop=True)


def on_channels(found: Desk, words: np.ndarray) -> dict[str, int]:
    """How many of an audience may be contacted now on each channel."""
    mask = unpacked(words, len(found.frame))
    is_open = found.reach.open_channels
    counts = is_open[mask].sum(axis=0) if is_open is not None else np.zeros(len(found.channels))
    return dict(zip(found.channels, map(int, counts), strict=True))


def sample(found: Desk, words: np.ndarray, most: int = 20, seed: int = 0) -> pd.DataFrame:
    """Some members, drawn at random but always the same ones for the same audience."""
    rows = np.flatnonzero(unpacked(words, len(found.frame)))
    chosen = np.sort(np.random.default_rng(seed).choice(rows, min(most, len(rows)), replace=False))
    return found.frame.iloc[chosen].reset_index(drop=True)


def mined_draft(workspace: Workspace, scene: str, rank: int) -> dict[str, Any]:
    """A mined subgroup in force as the beginning of an audience: rule (JSON), names, origin.

    Raises
    ------
    NotFitted : nothing was mined, or by an older version that kept no rules.
    SettingsError : there is no such subgroup.
    """
    try:
        rows = present_subgroups(workspace).rules
    except StoreError as error:
        raise NotFitted(f"subgroups: none is mined yet: {error}") from error
    match = rows[(rows["scene_id"] == scene) & (rows["rank"] == rank)]
    if match.empty:
        known = sorted(f"{s}/{r}" for s, r in zip(rows["scene_id"], rows["rank"], strict=True))
        raise SettingsError(f"subgroup {scene}/{rank} was not mined; there are {known or 'none'}")
    row = match.iloc[0].to_dict()
    if pd.isna(row["rule"]):
        raise NotFitted(
            "subgroups: mined by an older version that kept no rules; run again or `scenefit subgroups mine`"
        )
    return draft_of(scene, row)


def mined_origin(workspace: Workspace, subgroup: str | None) -> dict[str, Any] | None:
    """Where an audience made of a mined subgroup (`scene/rank`) comes from."""
    if subgroup is None:
        return None
    origin: dict[str, Any] = mined_draft(workspace, *place_of(subgroup))["origin"]
    return origin


def place_of(subgroup: str) -> tuple[str, int]:
    """Scene and rank of `scene/rank`."""
    scene, _, rank = subgroup.rpartition("/")
    if not scene or not rank.isdecimal():
        raise SettingsError(f"subgroup {subgroup!r}: write scene/rank, such as travel/1")
    return scene, int(rank)


def draft_of(scene: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A mined rule, which reads a scene's own rows, as a rule about customers."""
    from segmentation.rules import InScene

    inner = Rule.read(str(row["rule"]))
    rule = Rule(where=InScene(scene=scene, of=inner.where))
    origin = {
        "kind": "subgroup",
        "mined": str(row.get("origin", "")),
        "scene_id": scene,
        "rank": int(row["rank"]),
        "confirmed": bool(row["confirmed"]),
    }
    return {
        "rule": rule.model_dump_json(),
        "name_en": str(row["rule_en"]),
        "name_zh": str(row["rule_zh"]),
        "origin": origin,
    }


def stored(found: Desk, reference: str) -> tuple[Rule | None, np.ndarray, str]:
    """A stored audience, written as `id` or `id@version`: its rule (None: a list), its members as bits, its label."""
    name, version = parts_of(reference)
    opened = found.store.load(name, version)
    return opened.version.rule, opened.words, f"{name}@{opened.version.version}"


def parts_of(reference: str) -> tuple[str, int | None]:
    """Id and version of `id` or `id@version`; no version means the newest."""
    name, _, version = reference.partition("@")
    if version and not version.isdecimal():
        raise SettingsError(f"audience {reference!r}: write id or id@version, such as {name}@2")
    return name, int(version) if version else None


__all__ = ["PURPOSE", "Desk", "Expected", "desk", "expected", "read_rule"]
