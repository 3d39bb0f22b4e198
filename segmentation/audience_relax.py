"""Which condition to relax for more people, and what that does to profit and loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import Infeasible, SettingsError
from segmentation.audience_bounds import Change, added_levels, moved_bounds
from segmentation.audience_conditions import rule_of
from segmentation.audience_people import ConditionBits, People
from segmentation.bits import count, everybody, unpacked
from segmentation.rules import Condition

COLUMNS = (
    "how", "step", "condition", "relaxed", "rule", "customers", "extra", "enough", "extra_value", "extra_loss",
    "note_en", "note_zh",
)  # fmt: skip


# the sum over fewer people could be traced to a person
LEAST = 20


class Worth(NamedTuple):
    """Expected profit and loss (CNY) of some people, NaN without a run; `unknown` of them have no figure in it.

    few : so few people have figures that a sum is kept back (NaN)
    """

    value: float
    loss: float
    unknown: int
    few: bool = False


def worth(people: People, mask: np.ndarray, least: int = LEAST) -> Worth:
    """Expected profit and loss of those in the mask (n,), summed over the ones the latest run has figures of.

    Parameters
    ----------
    least : sums over fewer people are kept back
    """
    sums, unknown, few = [], np.zeros(int(mask.sum()), dtype=bool), False
    for figures in (people.value, people.loss):
        if figures is None:
            sums.append(np.nan)
            continue
        theirs = np.asarray(figures, dtype=np.float64)[mask]
        absent = np.isnan(theirs)
        unknown |= absent
        short = int((~absent).sum()) < least
        few |= short
        sums.append(np.nan if short else float(np.nansum(theirs)))
    return Worth(sums[0], sums[1], int(unknown.sum()), few)


def relaxations(
    conditions: Sequence[Condition], steps: Sequence[np.ndarray], bits: ConditionBits, people: People, more: int
) -> pd.DataFrame:
    """Ways to let `more` people in: one bound moved just far enough, values added, or one condition dropped.

    Those that let in enough come first, of these the one with most profit per extra customer, without figures the one
    with fewest extra customers.

    Parameters
    ----------
    conditions, steps : what all must hold, and its bitmaps

    Raises
    ------
    SettingsError : `more` is not at least 1.
    Infeasible : so many people do not stand outside.
    """
    n = len(people.frame)
    inside = np.bitwise_and.reduce(np.stack(steps))
    outside = n - int(count(inside))
    if more < 1:
        raise SettingsError(f"relax: {more:,} more people asked for; ask for at least 1")
    if more > outside:
        raise Infeasible(
            f"relax: {more:,} more people asked for, but only {outside:,} of {n:,} stand outside the audience; "
            f"ask for at most {outside:,}"
        )
    found = []
    for change, joining in _changes(conditions, steps, bits, more, n):
        found.append(_row(conditions, change, unpacked(joining, n), int(count(inside)), more, people))
    table = pd.DataFrame(found, columns=list(COLUMNS))
    gain = table["extra_value"] / table["extra"]
    order = pd.DataFrame({"short": ~table["enough"].astype(bool), "gain": -gain, "extra": table["extra"]})
    # of candidates that all fall short, the one that comes nearest
    order.loc[order["short"], "gain"] = -order["extra"]
    return table.loc[order.sort_values(["short", "gain", "extra"], kind="stable").index].reset_index(drop=True)


def _changes(
    conditions: Sequence[Condition], steps: Sequence[np.ndarray], bits: ConditionBits, more: int, n: int
) -> Iterator[tuple[Change, np.ndarray]]:
    """Changes of one condition each, with the bitmap of those who join."""
    for j, condition in enumerate(conditions):
        others = [words for k, words in enumerate(steps) if k != j]
        blocked = np.bitwise_and.reduce(np.stack([everybody(n), *others])) & ~steps[j]
        at = np.flatnonzero(unpacked(blocked, n))
        if not len(at):
            continue
        for how, relaxed in (*moved_bounds(condition, at, bits, more), *added_levels(condition, at, bits, more)):
            joining = bits.of(relaxed) & blocked
            # a bound moved past everybody is no condition any more: dropping it says so
            if joining.any() and not (others and np.array_equal(joining, blocked)):
                yield Change(how, j, relaxed), joining
        if others:
            yield Change("drop", j, None), blocked


def _row(
    conditions: Sequence[Condition], change: Change, joining: np.ndarray, size: int, more: int, people: People
) -> tuple[object, ...]:
    kept = [change.relaxed if j == change.step else one for j, one in enumerate(conditions)]
    rule = rule_of(tuple(one for one in kept if one is not None))
    extra, gained = int(joining.sum()), worth(people, joining)
    note_en, note_zh = _notes(gained, people, extra)
    return (
        change.how, change.step, conditions[change.step].model_dump_json(),
        "" if change.relaxed is None else change.relaxed.model_dump_json(), rule.model_dump_json(),
        size + extra, extra, extra >= more, gained.value, gained.loss, note_en, note_zh,
    )  # fmt: skip


def _notes(gained: Worth, people: People, extra: int) -> tuple[str, str]:
    if people.value is None or people.loss is None:
        absent = {(True, True): ("profit and loss", "利润与损失"), (True, False): ("profit", "利润")}
        en, zh = absent.get((people.value is None, people.loss is None), ("loss", "损失"))
        return (
            f"Expected {en} unknown: no run holds such figures of these people; start one.",
            f"预期{zh}未知：尚无包含这些客户的运行结果，请重新运行。",
        )
    if gained.few:
        return (
            f"Profit and loss are not told: fewer than {LEAST} of the {extra:,} have figures in the latest run.",
            f"未列出利润与损失：{extra:,}人中在最近一次运行中有数据的不足{LEAST}人。",
        )
    if gained.unknown:
        return (
            f"{gained.unknown:,} of the {extra:,} are unknown to the latest run and count as 0.",
            f"{extra:,}人中有{gained.unknown:,}人不在最近一次运行中，按0计。",
        )
    return "", ""
