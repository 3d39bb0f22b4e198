"""What changed between two versions of an audience: conditions in words, and people who came and went."""

from __future__ import annotations

from typing import Any, NamedTuple

from segmentation.audience_conditions import canonical, steps
from segmentation.audience_versions import AudienceVersion
from segmentation.phrases import Lang
from segmentation.rules import And, Condition, Did, InScene, Not, Or


class Diff(NamedTuple):
    """Conditions added, removed and changed (before, after), and the people behind the change of size.

    Order, nesting and repetition of conditions are no change. Sizes and members are those of the days on which the
    versions were saved; `people_changed` says that these were days with different people or attributes.
    """

    before: str
    after: str
    added: tuple[Condition, ...]
    removed: tuple[Condition, ...]
    changed: tuple[tuple[Condition, Condition], ...]
    kind: tuple[str, str]
    size_before: int
    size_after: int
    joined: int
    left: int
    people_changed: bool

    def sentences(self, lang: Lang = "en") -> tuple[str, ...]:
        """The change in words, one sentence each; the last one is about the size."""
        return (*_rule_words(self, lang), _size_words(self, lang))


def audience_diff(before: AudienceVersion, after: AudienceVersion, members: tuple[Any, Any]) -> Diff:
    """What changed from one version to another.

    Parameters
    ----------
    members : the stored bitmaps of both
    """
    old, new = (
        {canonical(part): part for part in (steps(version.rule) if version.rule else ())} for version in (before, after)
    )
    removed = [part for key, part in old.items() if key not in new]
    added = [part for key, part in new.items() if key not in old]
    changed: list[tuple[Condition, Condition]] = []
    for part in list(removed):
        follows = next((one for one in added if _subject(one) == _subject(part)), None)
        if follows is not None:
            changed.append((part, follows))
            removed.remove(part)
            added.remove(follows)
    joined = members[1].difference_cardinality(members[0])
    left = members[0].difference_cardinality(members[1])
    return Diff(
        _reference(before), _reference(after), tuple(added), tuple(removed), tuple(changed),
        (before.kind, after.kind), before.size, after.size, joined, left, before.fingerprint != after.fingerprint,
    )  # fmt: skip


def _subject(condition: Condition) -> tuple[object, ...]:
    """What a condition is about: two conditions about the same are one that has changed."""
    if isinstance(condition, Not | InScene):
        scene = condition.scene if isinstance(condition, InScene) else ""
        return (condition.kind, scene, *_subject(condition.of))
    if isinstance(condition, And | Or):
        return (condition.kind, frozenset(_subject(part) for part in condition.of))
    if isinstance(condition, Did):
        return (condition.kind, condition.events, condition.places)
    column = getattr(condition, "column", None)
    # a comparison that becomes a band or a list is still about its column
    return ("column", column) if column is not None else (condition.kind,)


def _reference(version: AudienceVersion) -> str:
    return f"{version.audience_id}@{version.version}"


def _rule_words(diff: Diff, lang: Lang) -> list[str]:
    zh = lang == "zh"
    said = [f"新增条件：{part.sentence(lang)}" if zh else f"Added: {part.sentence(lang)}" for part in diff.added]
    said += [f"删除条件：{part.sentence(lang)}" if zh else f"Removed: {part.sentence(lang)}" for part in diff.removed]
    for old, new in diff.changed:
        first, second = old.sentence(lang), new.sentence(lang)
        said.append(f"修改条件：{first} → {second}" if zh else f"Changed: {first} → {second}")
    if not said and diff.kind == ("list", "list"):
        said.append("名单没有规则" if zh else "Lists have no rule")
    elif not said:
        said.append("规则含义未变" if zh else "The rule means the same")
    if diff.kind[0] != diff.kind[1]:
        names = {"live": "实时", "snapshot": "快照", "list": "名单"}
        first, second = (names[kind] if zh else kind for kind in diff.kind)
        said.append(f"类型：{first} → {second}" if zh else f"Kind: {first} → {second}")
    if diff.people_changed:
        said.append("两个版本基于不同时间的客户数据" if zh else "The versions were counted on different customer data")
    return said


def _size_words(diff: Diff, lang: Lang) -> str:
    delta = diff.size_after - diff.size_before
    if lang == "zh":
        return (
            f"人数：{diff.size_before:,} → {diff.size_after:,}"
            f"（{delta:+,}；新进{diff.joined:,}人，移出{diff.left:,}人）"
        )
    return f"Size: {diff.size_before:,} → {diff.size_after:,} ({delta:+,}: {diff.joined:,} joined, {diff.left:,} left)"
