"""What each condition of an audience does: who is left after it, and who would join without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# words at once: ten bitmaps of this size stay in the second-level cache
BLOCK = 16_384


class Funnel(NamedTuple):
    """Customers after each step (s,), and customers if only that step were left out (s,)."""

    after: np.ndarray
    without: np.ndarray


def funnel(everybody: np.ndarray, steps: Sequence[np.ndarray]) -> Funnel:
    """Waterfall and leave-one-out of bitmaps, block by block.

    Parameters
    ----------
    everybody : uint64 words of those whom one starts with
    steps : bitmaps of the same width, one per step, at least one; nobody else has a bit in them

    Notes
    -----
    Leaving out step j is what fits all before it AND all after it: s prefixes and s suffixes instead of s² passes.

    >>> everybody, steps = np.array([15], np.uint64), [np.array([bits], np.uint64) for bits in (7, 3, 9)]
    >>> [counts.tolist() for counts in funnel(everybody, steps)]
    [[3, 2, 1], [1, 1, 2]]
    """
    after, without = np.zeros(len(steps), dtype=np.int64), np.zeros(len(steps), dtype=np.int64)
    for start in range(0, len(everybody), BLOCK):
        block = slice(start, start + BLOCK)
        prefixes = [steps[0][block]]
        for step in steps[1:]:
            prefixes.append(prefixes[-1] & step[block])
        after += [_few(words) for words in prefixes]
        behind = everybody[block]
        for j in range(len(steps) - 1, 0, -1):
            without[j] += _few(prefixes[j - 1] & behind)
            behind = behind & steps[j][block]
        without[0] += _few(behind)
    return Funnel(after, without)


def _few(words: np.ndarray) -> int:
    """Customers of one block; 32 bits hold them and add up twice as fast as 64."""
    return int(np.bitwise_count(words).sum(dtype=np.uint32))


def disjoint(steps: Sequence[np.ndarray]) -> tuple[int, ...]:
    """Why nobody is left: the first step that fits nobody, else the first two that nobody fits together.

    Empty where it takes three or more steps to exclude everybody.

    >>> disjoint([np.array([0b01], dtype=np.uint64), np.array([0b10], dtype=np.uint64)])
    (0, 1)
    """
    for i, one in enumerate(steps):
        if not one.any():
            return (i,)
    for i, one in enumerate(steps):
        for j in range(i + 1, len(steps)):
            if not (one & steps[j]).any():
                return (i, j)
    return ()
