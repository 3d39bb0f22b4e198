"""People as the map of scenes sees them: reached, not reached, hard to reach or held out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

KINDS = ("customer", "lead", "visitor")
HARD = ("no channel", "blocked", "contact cap", "silent")
STATES = ("reached", "unreached", "hard", "held out")
PEOPLE = ("customer_id", "kind", "contacted", "hard", "held_out", "value", "p_take", "pd", "headroom")


def hard_to_reach(
    permitted: np.ndarray,
    blocked: np.ndarray,
    contacts: np.ndarray,
    unanswered: np.ndarray,
    *,
    cap: int,
    silent_after: int,
) -> np.ndarray:
    """The first reason for which one more message to a person would be forbidden or lost; "" where there is none.

    Parameters
    ----------
    permitted : shape (n,), a channel with standing consent and without objection exists
    blocked : shape (n,), a listing stands
    contacts : shape (n,), messages within the window of the contact cap
    unanswered : shape (n,), messages since the last answer
    silent_after : this many messages without any answer since

    >>> hard_to_reach(*np.array([[1, 1, 0], [0, 0, 1], [0, 3, 0], [4, 0, 0]]), cap=3, silent_after=4).tolist()
    ['silent', 'contact cap', 'no channel']
    """
    reasons = np.full(len(permitted), "", dtype=object)
    found = (~np.asarray(permitted, bool), np.asarray(blocked, bool), contacts >= cap, unanswered >= silent_after)
    # the first reason stays: later ones are written earlier
    for reason, here in list(zip(HARD, found, strict=True))[::-1]:
        reasons[here] = reason
    return reasons


def states(people: pd.DataFrame) -> np.ndarray:
    """What marketing did and can do with each person, as positions in STATES; held out goes before hard to reach."""
    contacted, held_out = (people[name].to_numpy(dtype=bool) for name in ("contacted", "held_out"))
    hard = people["hard"].to_numpy(dtype=object) != ""
    found: np.ndarray = np.select([held_out, hard, contacted], [3, 2, 0], default=1)
    return found


def checked_people(people: pd.DataFrame) -> pd.DataFrame:
    """The people in the order given, one row each, with all columns of PEOPLE.

    Raises
    ------
    ContractError : a column is missing, a person stands twice, a kind or reason is unknown.
    """
    missing = [name for name in PEOPLE if name not in people.columns]
    if missing:
        raise ContractError(f"people: column {missing[0]!r} is missing; they need {list(PEOPLE)}")
    twice = people["customer_id"].duplicated()
    if twice.any():
        raise ContractError(
            f"people: {int(twice.sum()):,} ids stand twice, such as {people.loc[twice, 'customer_id'].iloc[0]!r}; "
            "give one row per person"
        )
    for name, known in (("kind", KINDS), ("hard", ("", *HARD))):
        strange = people.loc[~people[name].isin(known), name]
        if len(strange):
            raise ContractError(
                f"people.{name}: {len(strange):,} values such as {strange.iloc[0]!r} are unknown; use {list(known)}"
            )
    return people.reset_index(drop=True)


def positions(ids: pd.Series, people: pd.DataFrame, what: str) -> np.ndarray:
    """Where each id stands among the people.

    Raises
    ------
    ContractError : an id is not among them.
    """
    found: np.ndarray = pd.Index(people["customer_id"].astype(object)).get_indexer(pd.Index(ids.astype(object)))
    if len(found) and found.min() < 0:
        lost = ids[found < 0]
        raise ContractError(
            f"{what}: {len(lost):,} ids are not among the people, such as {lost.iloc[0]!r}; "
            "read both as of the same moment"
        )
    return found


def pairs(first: pd.Series, second: pd.Series, table: pd.DataFrame) -> np.ndarray:
    """Which row of a small table of two ids each pair of ids names, −1 for none; whole columns of integers."""
    left, right = (pd.Index(table[name].astype(object).unique()) for name in table.columns[:2])
    row_of = np.full((len(left) + 1, len(right) + 1), -1, dtype=np.int64)
    row_of[left.get_indexer(pd.Index(table.iloc[:, 0].astype(object))),
           right.get_indexer(pd.Index(table.iloc[:, 1].astype(object)))] = np.arange(len(table))  # fmt: skip
    found: np.ndarray = row_of[
        left.get_indexer(pd.Index(first.astype(object))), right.get_indexer(pd.Index(second.astype(object)))
    ]
    return found


def person_keys(scenes: pd.Series, ids: pd.Series, known: pd.Index, people: pd.DataFrame) -> np.ndarray:
    """One integer per scene and person; −1 where either is not known."""
    scene = known.get_indexer(pd.Index(scenes.astype(object)))
    who = pd.Index(people["customer_id"].astype(object)).get_indexer(pd.Index(ids.astype(object)))
    return np.where((scene >= 0) & (who >= 0), scene.astype(np.int64) * len(people) + who, -1)
