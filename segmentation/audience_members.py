"""Members of stored audiences: from positions among the people at hand to numbers for good, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.audience_conditions import audiences_read
from segmentation.audience_files import audience_ids, is_stored
from segmentation.audience_ids import IdDictionary, Numbered
from segmentation.audience_versions import read_version
from segmentation.bits import packed, unpacked
from segmentation.rules import Rule


class Membership:
    """Translates words over some people (in the order of their rows) to roaring bitmaps over the id dictionary."""

    def __init__(self, dictionary: IdDictionary, customers: pd.Series) -> None:
        self._dictionary = dictionary
        self._customers = customers
        self._cached: tuple[int, Numbered] | None = None

    def register(self) -> None:
        """Give every customer a number for good; only under the folder's lock."""
        self._dictionary.extend(self._customers)

    def bitmap(self, words: np.ndarray) -> Any:
        """The people of words as a roaring bitmap."""
        from pyroaring import BitMap

        numbers = self._numbered().numbers[unpacked(words, len(self._customers))]
        found = BitMap(np.sort(numbers).astype(np.uint32))
        found.run_optimize()
        return found

    def bitmap_of(self, ids: pd.Series) -> Any:
        """Registered customers as a roaring bitmap."""
        from pyroaring import BitMap

        found = BitMap(np.sort(self._dictionary.numbered(ids).numbers).astype(np.uint32))
        found.run_optimize()
        return found

    def unknown(self, ids: pd.Series) -> np.ndarray:
        """Those ids that neither the people nor the dictionary hold."""
        numbered = self._dictionary.numbered(ids)
        new = ids[numbered.numbers >= numbered.known]
        return new[~new.isin(self._customers)].to_numpy(dtype=object)

    def words(self, bitmap: Any) -> np.ndarray:
        """Those of a bitmap who are among the people, as words."""
        numbers = self._numbered().numbers
        inside = np.zeros(max(int(numbers.max()) + 1, (bitmap.max() + 1) if bitmap else 0), dtype=bool)
        inside[_numbers(bitmap)] = True
        return packed(inside[numbers])

    def ids(self, bitmap: Any) -> np.ndarray:
        """Customer ids of a bitmap, ascending; of people who are gone too."""
        numbered, wanted = self._numbered(), _numbers(bitmap)
        known = self._dictionary.customers(wanted[wanted < numbered.known])
        # people the dictionary does not hold yet are among those at hand
        new = self._customers.to_numpy(dtype=object)[np.isin(numbered.numbers, wanted[wanted >= numbered.known])]
        return np.sort(np.concatenate([known, new])) if len(new) else known

    def _numbered(self) -> Numbered:
        known = len(self._dictionary.ids())
        if self._cached is None or self._cached[0] != known:
            self._cached = (known, self._dictionary.numbered(self._customers))
        return self._cached[1]


class StoredAudiences(Mapping[str, np.ndarray]):
    """Customer ids of stored audiences by their id, and of those given beside them; read when they are asked for."""

    def __init__(self, folder: Path, members: Callable[[str], np.ndarray], given: Mapping[str, np.ndarray]) -> None:
        self._folder, self._members, self._given = folder, members, given

    def __getitem__(self, name: str) -> np.ndarray:
        return self._members(name) if is_stored(self._folder, name) else self._given[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (is_stored(self._folder, name) or name in self._given)

    def __iter__(self) -> Iterator[str]:
        return iter({*audience_ids(self._folder), *self._given})

    def __len__(self) -> int:
        return len({*audience_ids(self._folder), *self._given})


def refuse_circle(folder: Path, rule: Rule, path: tuple[str, ...]) -> None:
    """Refuse a rule that reads itself by way of live audiences; `path` are those on the way to it."""
    for name in audiences_read(rule.where):
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise ContractError(
                f"audience {name!r} reads itself: {circle}. Save one of them as a snapshot, "
                "or write the conditions out instead of naming the audience"
            )
        if is_stored(folder, name):
            stored = read_version(folder / name)
            if stored.kind == "live" and stored.rule is not None:
                refuse_circle(folder, stored.rule, (*path, name))


def _numbers(bitmap: Any) -> np.ndarray:
    return np.frombuffer(bitmap.to_array(), dtype=np.uint32) if bitmap else np.zeros(0, dtype=np.uint32)
