"""Conditions of a rule that exclude each other, so that nobody can fit both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import inf
from typing import NamedTuple

from segmentation.phrases import Lang
from segmentation.rule_columns import Between, Compare, In, Missing, Percentile
from segmentation.rule_trees import And, Condition, InScene, Not, parts_of
from segmentation.rule_values import ZONE, Moment, kind_of
from segmentation.rules import Position, Rule

# pairs of more conditions on one column than this are not looked at
MOST_ON_ONE_COLUMN = 100
# rooms without values, and with all of them
NOTHING, ANYTHING = "nothing", "anything"

Scope = tuple[str | None, str, str]  # scene, column, value or place


class Contradiction(NamedTuple):
    """Two conditions that nobody can fit together, and where in the rule they stand.

    everybody : the rule as a whole holds nobody; else only the part in which they stand
    """

    first: Condition
    second: Condition
    positions: tuple[Position, Position]
    everybody: bool

    def sentence(self, lang: Lang = "en") -> str:
        """What excludes what."""
        first, second = self.first.sentence(lang), self.second.sentence(lang)
        if lang == "zh":
            return f"“{first}”与“{second}”互相排斥，" + (
                "规则不含任何人" if self.everybody else "规则的这一部分不含任何人"
            )
        who = "the rule holds nobody" if self.everybody else "this part of the rule holds nobody"
        return f"'{first}' and '{second}' exclude each other: {who}"


class Room(NamedTuple):
    """What one condition leaves of a column: values of one kind in pieces, half-open where numbers; or a gap.

    pieces : intervals (low, low included, high, high included) of numbers and moments
    only, never : the values that are left, or those that are not; for texts and truth values
    """

    kind: str
    pieces: tuple[tuple[float, bool, float, bool], ...] = ()
    only: frozenset[object] | None = None
    never: frozenset[object] = frozenset()
    gap: bool = False

    def meets(self, other: Room) -> bool:
        """Whether some value, or a gap, fits both."""
        kinds = (self.kind, other.kind)
        if (self.gap and other.gap) or NOTHING in kinds:
            return self.gap and other.gap
        if ANYTHING in kinds:
            return True
        if "number" in kinds:
            # true and false stand for 1 and 0 in a column of flags
            one, two = _as_numbers(self), _as_numbers(other)
            return one.kind == two.kind and _share(one, two)
        if self.kind != other.kind or self.kind == "moment":
            return self.kind == other.kind and _share(self, other)
        if self.only is None and other.only is None:
            return True
        left = (self.only if self.only is not None else other.only) or frozenset()
        if self.only is not None and other.only is not None:
            left &= other.only
        return bool(left - self.never - other.never)


def contradictions(rule: Rule, zone: str = ZONE) -> tuple[Contradiction, ...]:
    """Pairs of conditions on one column that exclude each other, in the order of the rule.

    Compared are conditions that must hold together: parts of one `And`, those of nested ones too, and of one scene.
    Three conditions that only together leave nobody are not found; the size of the rule shows them.
    """
    found: list[Contradiction] = []
    roots: list[tuple[Position, Condition, str | None, bool]] = [((), rule.where, None, True)]
    while roots:
        place, root, scene, everybody = roots.pop(0)
        together = list(_together(root, place, scene))
        found += _pairs([(where, part, home) for where, part, home in together], everybody, zone)
        for where, part, home in together:
            for i, inner in enumerate(parts_of(part)):
                # what stands under not may hold nobody: then not holds everybody
                if not isinstance(part, Not):
                    roots.append(((*where, i), inner, home, False))
    return tuple(found)


def _together(root: Condition, place: Position, scene: str | None) -> Iterator[tuple[Position, Condition, str | None]]:
    """Conditions that all must hold: through and, and into scenes."""
    if isinstance(root, And | InScene):
        home = root.scene if isinstance(root, InScene) else scene
        for i, part in enumerate(parts_of(root)):
            yield from _together(part, (*place, i), home)
    else:
        yield place, root, scene


def _pairs(
    together: list[tuple[Position, Condition, str | None]], everybody: bool, zone: str
) -> Iterator[Contradiction]:
    rooms: dict[Scope, list[tuple[Position, Condition, Room]]] = {}
    seen: dict[tuple[str | None, str], tuple[Position, Condition]] = {}
    for place, part, scene in together:
        named = _room(part, zone)
        if named is not None:
            rooms.setdefault((scene, *named[0]), []).append((place, part, named[1]))
            continue
        turned = part.of if isinstance(part, Not) else Not(of=part)
        if (scene, turned.text()) in seen:
            where, other = seen[scene, turned.text()]
            yield Contradiction(other, part, (where, place), everybody)
        seen[scene, part.text()] = (place, part)
    for listed in rooms.values():
        for (here, one, room), (there, two, other_room) in combinations(listed[:MOST_ON_ONE_COLUMN], 2):
            if not room.meets(other_room):
                yield Contradiction(one, two, (here, there), everybody)


def _room(part: Condition, zone: str) -> tuple[tuple[str, str], Room] | None:
    """The column a condition speaks of, by value or by place, and what it leaves of it; None for other conditions."""
    if isinstance(part, Not):
        inner = _room(part.of, zone)
        return None if inner is None else (inner[0], _outside(inner[1]))
    if isinstance(part, Percentile):
        return (part.column, "place"), Room("number", ((part.low, True, part.high, part.high >= 1),))
    if isinstance(part, Compare | Between | In | Missing):
        return (part.column, "value"), _left(part, zone)
    return None


def _left(part: Compare | Between | In | Missing, zone: str) -> Room:
    """What a condition on the values of a column leaves of them."""
    if isinstance(part, Compare):
        return _compared(part, zone)
    if isinstance(part, Between):
        low, high = _number(part.low, zone)[0], _number(part.high, zone)[0]
        return Room(kind_of(part.low), ((low, True, high, False),))
    if isinstance(part, Missing):
        return Room(NOTHING, gap=True)
    kinds = {kind_of(value) for value in part.values}
    if len(kinds) > 1:
        return Room(ANYTHING)
    kind = kinds.pop()
    if kind in ("bool", "text"):
        return Room(kind, only=frozenset(part.values))
    return Room(kind, tuple(_span(value, zone) for value in part.values if not isinstance(value, str)))


def _compared(part: Compare, zone: str) -> Room:
    kind, value = kind_of(part.value), part.value
    if isinstance(value, bool | str):
        same = frozenset((value,))
        if part.op == "==":
            return Room(kind, only=same)
        return Room(kind, only=frozenset((not value,))) if isinstance(value, bool) else Room(kind, never=same)
    low, low_in, high, high_in = _span(value, zone)
    pieces = {
        "==": ((low, low_in, high, high_in),),
        "!=": ((-inf, True, low, not low_in), (high, not high_in, inf, True)),
        "<": ((-inf, True, low, not low_in),),
        "<=": ((-inf, True, high, high_in),),
        ">": ((high, not high_in, inf, True),),
        ">=": ((low, low_in, inf, True),),
    }
    return Room(kind, pieces[part.op])


def _outside(room: Room) -> Room:
    """All that a condition leaves out; a gap is left out by each but missing."""
    if room.kind in (NOTHING, ANYTHING):
        return Room(ANYTHING if room.kind == NOTHING else NOTHING, gap=not room.gap)
    if room.kind not in ("number", "moment"):
        if room.kind == "bool":
            return Room("bool", only=frozenset((True, False)) - (room.only or frozenset()), gap=not room.gap)
        if room.only is None:
            return Room(room.kind, only=room.never, gap=not room.gap)
        return Room(room.kind, never=room.only, gap=not room.gap)
    pieces, start, open_start = [], -inf, True
    for low, low_in, high, high_in in sorted(room.pieces):
        pieces.append((start, open_start, low, not low_in))
        start, open_start = max((start, open_start), (high, not high_in))
    pieces.append((start, open_start, inf, True))
    return Room(room.kind, tuple(pieces), gap=not room.gap)


def _as_numbers(room: Room) -> Room:
    """Truth values as the numbers 1 and 0."""
    if room.kind != "bool":
        return room
    pieces = tuple((float(value), True, float(value), True) for value in sorted(map(bool, room.only or ())))
    return Room("number", pieces, gap=room.gap)


def _share(one: Room, two: Room) -> bool:
    """Whether two rooms of pieces have a value in common."""
    return any(_overlap(mine, theirs) for mine in one.pieces for theirs in two.pieces)


def _overlap(one: tuple[float, bool, float, bool], two: tuple[float, bool, float, bool]) -> bool:
    low, low_in = max((one[0], not one[1]), (two[0], not two[1]))
    high, high_in = min((one[2], one[3]), (two[2], two[3]))
    return low < high or (low == high and not low_in and high_in)


def _span(value: float | Moment, zone: str) -> tuple[float, bool, float, bool]:
    """The values that are meant by one literal: a number itself, a day from midnight to midnight."""
    start, end = _number(value, zone)
    return start, True, end, not isinstance(value, Moment)


def _number(value: float | Moment, zone: str) -> tuple[float, float]:
    if isinstance(value, Moment):
        span = value.span(zone, False)
        return span.start, span.end
    return value, value
