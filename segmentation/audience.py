"""Audiences: counted on every edit, kept in versions, compared, and traced from the mined rule to the export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotEligible, StoreError
from scenefit.contracts.reach import Reach
from segmentation.audience_conditions import audiences_read, steps
from segmentation.audience_diff import Diff, audience_diff
from segmentation.audience_edit import Edit, Step, conflict_of, edit_of, reach_steps
from segmentation.audience_files import audience_ids, is_stored, known_id, version_numbers, writing
from segmentation.audience_ids import IdDictionary
from segmentation.audience_lineage import lineage_table, listed
from segmentation.audience_members import Membership, StoredAudiences, refuse_circle
from segmentation.audience_overlap import deduplicated_bitmaps, deduplicated_table, each_once, overlap_table
from segmentation.audience_people import ConditionBits, People, checked_people
from segmentation.audience_relax import Worth, relaxations, worth
from segmentation.audience_versions import (
    AudienceVersion,
    Event,
    Kind,
    Label,
    checked_label,
    checked_texts,
    noted,
    read_members,
    read_version,
    written,
)
from segmentation.bits import count, everybody, unpacked
from segmentation.rules import And, Condition, InAudience, InScene, Not, Or, Rule

__all__ = ["Audience", "AudienceStore", "AudienceVersion", "Deduplicated", "Diff", "Edit", "Event", "People", "Worth"]


class Audience(NamedTuple):
    """A stored audience opened with the people at hand.

    words : its members among them (see `segmentation.bits`)
    size : members now; of a live audience counted anew, of a snapshot those it was saved with
    absent : members of a snapshot who are not among the people at hand
    """

    version: AudienceVersion
    words: np.ndarray
    size: int
    absent: int


class Deduplicated(NamedTuple):
    """Audiences in which nobody comes twice: audience_id, size, kept, taken; and the ids of those kept."""

    table: pd.DataFrame
    members: dict[str, np.ndarray]


class AudienceStore:
    """Audiences of one workspace, asked about one set of people.

    Parameters
    ----------
    folder : where audiences are kept; made by the first `save`
    people : everybody who can be in an audience, as of one moment

    Raises
    ------
    ContractError : people that cannot be read (see `checked_people`).
    """

    def __init__(self, folder: Path, people: People) -> None:
        self.folder = folder
        self.people = checked_people(people)
        customers = people.frame["customer_id"]
        context = people.context._replace(
            customers=customers.to_numpy(dtype=object),
            audiences=StoredAudiences(folder, self.members, people.context.audiences),
        )
        self._bits = ConditionBits(people._replace(context=context))
        self._everybody = everybody(len(people.frame))
        self._membership = Membership(IdDictionary(folder), customers)

    def count(self, rule: Rule, reach: Reach | None = None) -> int:
        """How many people a rule means, and of these how many may be contacted where `reach` is given."""
        return int(count(self.bits(rule, reach)))

    def bits(self, rule: Rule, reach: Reach | None = None) -> np.ndarray:
        """Who is meant, uint64 words over the people in their order."""
        return np.asarray(np.bitwise_and.reduce(np.stack([step.words for step in self._steps(rule, reach)])))

    def mask(self, rule: Rule, reach: Reach | None = None) -> np.ndarray:
        """Who is meant, bool of shape (n,)."""
        return unpacked(self.bits(rule, reach), len(self.people.frame))

    def edit(self, rule: Rule, reach: Reach | None = None) -> Edit:
        """Size, waterfall and leave-one-out in one go; only conditions never asked about before are evaluated."""
        return edit_of(self._everybody, self._steps(rule, reach), len(self.people.frame))

    def waterfall(self, rule: Rule, reach: Reach | None = None) -> pd.DataFrame:
        """How many are left after each condition, and after each step of reach (see `Edit`)."""
        return self.edit(rule, reach).waterfall

    def leave_one_out(self, rule: Rule, reach: Reach | None = None) -> pd.DataFrame:
        """What each step costs: how many there would be without it (see `Edit`)."""
        return self.edit(rule, reach).leave_one_out

    def worth(self, rule: Rule, reach: Reach | None = None) -> Worth:
        """Expected profit and loss of those meant."""
        return worth(self.people, self.mask(rule, reach))

    def relax(self, rule: Rule, more: int) -> pd.DataFrame:
        """Which condition to relax for `more` people, with profit and loss of those who join; best first.

        Returns
        -------
        DataFrame : how (`move` a bound, `add` values, `drop`), step (index into the conditions), condition and
            relaxed (JSON), rule (JSON of the whole rule with it), customers, extra, enough, extra_value and
            extra_loss (CNY; NaN without a run), note_en and note_zh (what is not known, empty otherwise)
        """
        conditions = steps(rule)
        words = [step.words for step in self._steps(rule, None)]
        return relaxations(conditions, words, self._bits, self.people, more)

    def save(
        self,
        audience_id: str,
        rule: Rule,
        *,
        name_en: str,
        name_zh: str,
        kind: Kind = "snapshot",
        by: str,
        at: pd.Timestamp,
        origin: Mapping[str, Any] | None = None,
        after: int | None = None,
    ) -> AudienceVersion:
        """Keep an audience as its next version.

        Parameters
        ----------
        kind : a snapshot keeps its members, a live audience is counted anew whenever it is opened
        origin : where the rule comes from, such as {"kind": "subgroup", "run_id": …, "scene_id": …, "rank": 1}
        after : the version that was edited (0: none yet); if somebody has saved another one since, it is refused

        Raises
        ------
        NotEligible : a snapshot of nobody; the message names conditions that exclude each other.
        StoreError : somebody else is saving, or saved first; nothing is written.
        """
        label = Label(name_en, name_zh, by, at, origin)
        checked_label(audience_id, kind, label)
        # a snapshot is read no more by its rule, so only a live audience can close a circle
        refuse_circle(self.folder, rule, (audience_id,) if kind == "live" else ())
        words = self.bits(rule)
        if kind == "snapshot" and not words.any():
            raise NotEligible(
                f"audience {audience_id!r}: the rule fits nobody. {conflict_of(self._steps(rule, None)).sentence()}. "
                "Relax a condition, or save it as a live audience"
            )
        return self._placed(audience_id, kind, rule, label, after, lambda: self._membership.bitmap(words))

    def save_list(
        self,
        audience_id: str,
        customers: Collection[str],
        *,
        name_en: str,
        name_zh: str,
        by: str,
        at: pd.Timestamp,
        origin: Mapping[str, Any] | None = None,
        after: int | None = None,
    ) -> AudienceVersion:
        """Keep customers without a rule, such as a look-alike expansion, as the next version; see `save`.

        Raises
        ------
        NotEligible : the list is empty.
        ContractError : customers nobody knows; none of the list is kept.
        """
        label = Label(name_en, name_zh, by, at, origin)
        checked_label(audience_id, "list", label)
        listed_ids = pd.Series(sorted(set(customers)), dtype=object)
        if listed_ids.empty:
            raise NotEligible(f"audience {audience_id!r}: the list is empty; give at least one customer id")
        unknown = self._membership.unknown(listed_ids)
        if len(unknown):
            raise ContractError(
                f"audience {audience_id!r}: {len(unknown):,} of {len(listed_ids):,} ids belong to nobody, such as "
                f"{', '.join(map(repr, unknown[:3]))}; take them off the list or bring these customers first"
            )
        return self._placed(audience_id, "list", None, label, after, lambda: self._membership.bitmap_of(listed_ids))

    def load(self, audience_id: str, version: int | None = None) -> Audience:
        """A stored audience with its members among the people at hand, the newest version without a number."""
        stored = read_version(self.folder / known_id(self.folder, audience_id), version)
        if stored.kind == "live" and stored.rule is not None:
            refuse_circle(self.folder, stored.rule, (audience_id,))
            words = self.bits(stored.rule)
            return Audience(stored, words, int(count(words)), 0)
        words = self._snapshot(stored)
        return Audience(stored, words, stored.size, stored.size - int(count(words)))

    def members(self, audience_id: str, version: int | None = None) -> np.ndarray:
        """Customer ids of a stored audience, ascending; a snapshot keeps people who are gone."""
        stored = read_version(self.folder / known_id(self.folder, audience_id), version)
        if stored.kind == "live":
            mask = unpacked(self.load(audience_id, version).words, len(self.people.frame))
            return np.asarray(self.people.frame["customer_id"].to_numpy(dtype=object)[mask])
        return self._membership.ids(read_members(self.folder / audience_id, stored))

    def list(self) -> pd.DataFrame:
        """The newest version of every audience, by id.

        Returns
        -------
        DataFrame : audience_id, version, kind, name_en, name_zh, size (when saved), by, at, as_of, origin (its kind),
            stale (saved on other people), problem (why it cannot be read, empty otherwise)
        """
        return listed(self.folder, [(name, None) for name in audience_ids(self.folder)], self.people.fingerprint)

    def history(self, audience_id: str) -> pd.DataFrame:
        """Every version of an audience, the first one first, in the columns of `list`."""
        numbers = version_numbers(self.folder / known_id(self.folder, audience_id))
        return listed(self.folder, [(audience_id, number) for number in numbers], self.people.fingerprint)

    def diff(self, before: str, after: str) -> Diff:
        """What changed between two versions, each written as `id` (the newest) or `id@version`."""
        first, second = self._referred(before), self._referred(after)
        bitmaps = tuple(read_members(self.folder / one.audience_id, one) for one in (first, second))
        return audience_diff(first, second, (bitmaps[0], bitmaps[1]))

    def overlap(self, ids: Sequence[str]) -> pd.DataFrame:
        """People in both of two audiences, a matrix; the diagonal holds the sizes."""
        return overlap_table(self._bitmaps(ids))

    def deduplicated(self, ids: Sequence[str]) -> Deduplicated:
        """Everybody left to one audience: the first in the order given that has them."""
        bitmaps = self._bitmaps(ids)
        kept = deduplicated_bitmaps(bitmaps)
        return Deduplicated(
            deduplicated_table(bitmaps, kept), {name: self._membership.ids(one) for name, one in kept.items()}
        )

    def lineage(self, audience_id: str) -> pd.DataFrame:
        """Where an audience comes from and what became of it (see `lineage_table`)."""
        return lineage_table(self.folder, known_id(self.folder, audience_id))

    def note(self, audience_id: str, event: Event, patience: float = 5.0) -> None:
        """Write down what was done with an audience; another writer is waited for `patience` seconds."""
        read_version(self.folder / known_id(self.folder, audience_id), event.version)
        checked_texts(event.by, event.at, {"event": event.kind}, event.details)
        with writing(self.folder, patience):
            noted(self.folder / audience_id, event)

    def _steps(self, rule: Rule, reach: Reach | None) -> tuple[Step, ...]:
        """Bitmaps of the conditions and of the gates of reach."""
        if audiences_read(rule.where):
            refuse_circle(self.folder, rule, ())
        found = tuple(Step(condition, "", self._words(condition)) for condition in steps(rule))
        return (*found, *reach_steps(reach, len(self.people.frame)))

    def _words(self, condition: Condition) -> np.ndarray:
        """Who fits a condition: single ones from what is kept, the others put together from these."""
        if isinstance(condition, And):
            return np.asarray(np.bitwise_and.reduce([self._words(part) for part in condition.of]))
        if isinstance(condition, Or):
            return np.asarray(np.bitwise_or.reduce([self._words(part) for part in condition.of]))
        if isinstance(condition, Not):
            return self._everybody & ~self._words(condition.of)
        if isinstance(condition, InAudience) and is_stored(self.folder, condition.audience):
            return self._stored_words(read_version(self.folder / condition.audience))
        if isinstance(condition, InScene) and audiences_read(condition):
            # what is stored can change between two questions
            return self._bits.evaluated(condition)
        return self._bits.of(condition)

    def _stored_words(self, stored: AudienceVersion) -> np.ndarray:
        if stored.kind == "live" and stored.rule is not None:
            return self._words(stored.rule.where)
        return self._snapshot(stored)

    def _snapshot(self, stored: AudienceVersion) -> np.ndarray:
        """Members of a snapshot among the people at hand."""
        home = self.folder / stored.audience_id
        return self._bits.kept(
            f"{stored.audience_id}@{stored.version} {stored.digest}",
            lambda: self._membership.words(read_members(home, stored)),
        )

    def _placed(
        self,
        audience_id: str,
        kind: Kind,
        rule: Rule | None,
        label: Label,
        after: int | None,
        bitmap_of: Callable[[], Any],
    ) -> AudienceVersion:
        """Write the next version under the folder's lock; the members are translated once everybody has a number."""
        with writing(self.folder):
            parent = self._newest(audience_id, after)
            self._membership.register()
            bitmap = bitmap_of()
            content = bitmap.serialize()
            version = AudienceVersion(
                audience_id, (parent or 0) + 1, kind, label.name_en, label.name_zh, rule, len(bitmap), label.by,
                label.at.tz_convert("UTC"), self.people.as_of, self.people.fingerprint, parent,
                None if label.origin is None else dict(label.origin), hashlib.sha256(content).hexdigest(),
            )  # fmt: skip
            written(self.folder / audience_id, version, content)
        return version

    def _newest(self, audience_id: str, after: int | None) -> int | None:
        """Number of the newest version; StoreError where it is not the one that was edited."""
        newest = (version_numbers(self.folder / audience_id) or [0])[-1]
        if after is not None and newest != after:
            raise StoreError(
                f"audience {audience_id!r}: version {newest or 'none'} is the newest, not {after or 'none'}: "
                "somebody else has saved meanwhile. Nothing was written; compare the two and save again"
            )
        return newest or None

    def _referred(self, reference: str) -> AudienceVersion:
        """The version that `id` or `id@version` names."""
        name, _, number = reference.partition("@")
        if number and not number.isdecimal():
            raise ContractError(f"audience {reference!r}: write id or id@version, such as young-travellers@2")
        return read_version(self.folder / known_id(self.folder, name), int(number) if number else None)

    def _bitmaps(self, ids: Sequence[str]) -> dict[str, Any]:
        """Roaring bitmaps of the newest versions; live audiences are counted anew where they may have changed."""
        return {name: self._current(self._referred(name)) for name in each_once(ids)}

    def _current(self, stored: AudienceVersion) -> Any:
        fresh = stored.fingerprint == self.people.fingerprint and not (
            stored.rule and audiences_read(stored.rule.where)
        )
        if stored.kind != "live" or fresh:
            return read_members(self.folder / stored.audience_id, stored)
        return self._membership.bitmap(self.load(stored.audience_id, stored.version).words)
