"""What is typed for a plan: totals of limits, changes of them, numbers by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from recsys.case import Case
from scenefit.contracts.errors import SettingsError

TOTAL = re.compile(r"([+-]?)(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(%?)")


def totals_of(words: Sequence[str], case: Case, option: str) -> dict[str, float]:
    """Totals as typed: budget=40000, budget=+10% and budget=-500 of what stands now.

    Raises
    ------
    SettingsError : not NAME=TOTAL, or there is no limit of that name.
    """
    now = {spec.name: float(spec.total) for spec in case.limits}
    found: dict[str, float] = {}
    for word in words:
        name, _, typed = (part.strip() for part in word.rpartition("="))
        parts = TOTAL.fullmatch(typed)
        if not name or parts is None:
            raise SettingsError(
                f"{option} {word!r} is not NAME=TOTAL; write like budget=40000, budget=+10%, budget=-500"
            )
        if name not in now:
            near = get_close_matches(name, now, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(now)[:20])}"
            raise SettingsError(f"{option} {word!r}: there is no limit {name!r}; {hint}")
        sign, digits, percent = parts.groups()
        amount = float(digits)
        if percent and not sign:
            raise SettingsError(f"{option} {word!r}: say by how much, like {name}=+10% or {name}=-10%")
        by = now[name] * amount / 100 if percent else amount
        found[name] = amount if not sign else now[name] + (by if sign == "+" else -by)
    return found


def numbers_of(words: Sequence[str], option: str) -> dict[str, float]:
    """Numbers by name as typed: P01=0.12.

    Raises
    ------
    SettingsError : not NAME=NUMBER.
    """
    found: dict[str, float] = {}
    for word in words:
        name, _, typed = (part.strip() for part in word.rpartition("="))
        try:
            found[name] = float(typed)
        except ValueError as error:
            raise SettingsError(f"{option} {word!r} is not NAME=NUMBER; write like P01=0.12") from error
        if not name:
            raise SettingsError(f"{option} {word!r} names nothing; write like P01=0.12")
    return found


def pairs_named(words: Sequence[str], option: str) -> dict[str, str]:
    """Texts by name as typed: P01@sms=age limits.

    Raises
    ------
    SettingsError : not NAME=TEXT.
    """
    found: dict[str, str] = {}
    for word in words:
        name, sign, typed = (part.strip() for part in word.partition("="))
        if not (name and sign):
            raise SettingsError(f"{option} {word!r} is not OFFER=RULE; write like 'P01@sms=age limits'")
        found[name] = typed
    return found
