"""What a column may be used for, and the one place that refuses other uses.

A value made of several columns permits only what all of them permit. Services, rules, models and exports ask here
before they read, so that each refusal names the same things: the path, the purpose and the column that forbids it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce

from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.schema import ANY_PURPOSE, Column, Purpose
from scenefit.contracts.tables import RAW

__all__ = ["permitted", "require", "require_columns", "source_column"]


def permitted(references: Iterable[str]) -> frozenset[Purpose]:
    """Uses that every one of the raw columns (`table.column`) permits; any use where there is no column.

    Raises
    ------
    ContractError : the contract has no such table or column.

    >>> sorted(permitted(["events.amount", "bureau.score"]))
    ['risk']
    """
    return reduce(frozenset.__and__, (source_column(name).purposes for name in references), ANY_PURPOSE)


def require(path: str, purpose: str, permitted: Collection[str], sources: Sequence[str] = ()) -> None:
    """Refuse a use outside the permitted purposes.

    Parameters
    ----------
    path : where the value is used, from the outside in: `service offers_v1 > customer_daily > age`
    sources : raw columns (`table.column`) the value is made of; those that forbid the purpose are named

    Raises
    ------
    PurposeError : the purpose is unknown or not permitted.

    >>> require("rule > bureau_debt", "risk", {"risk"}, ["bureau.total_debt"])
    """
    if purpose not in ANY_PURPOSE:
        raise PurposeError(f"{path}: the purpose is not {purpose!r}; name one of {sorted(ANY_PURPOSE)}")
    if purpose in permitted:
        return
    closed = [name for name in sources if purpose not in source_column(name).purposes]
    # a feature may be declared for less than its columns permit
    made_of = f"made of {closed}, which permit" if closed else f"made of {list(sources)} and declared for"
    raise PurposeError(
        f"{path}: {made_of if sources else 'permits'} {sorted(permitted)}, not {purpose!r}; "
        "leave it out or read it from a service of a permitted purpose"
    )


def require_columns(
    what: str,
    purpose: str,
    names: Iterable[str],
    permitted: Mapping[str, Collection[str]],
    sources: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Refuse named columns of which one is outside its permitted purposes, or of unknown purposes.

    Parameters
    ----------
    what : the rule, model or export that reads them
    permitted : column name → its purposes
    sources : column name → the raw columns it is made of, for the message

    Raises
    ------
    PurposeError : names the column.
    """
    for name in names:
        path = f"{what} > {name}"
        if name not in permitted:
            raise PurposeError(
                f"{path}: what it may be used for is not known; leave it out or declare it as a feature of raw columns"
            )
        require(path, purpose, permitted[name], (sources or {}).get(name, ()))


def source_column(reference: str) -> Column:
    """The raw column named `table.column`.

    Raises
    ------
    ContractError : the contract has no such table or column.
    """
    table, _, name = reference.partition(".")
    if table not in RAW or name not in RAW[table].names:
        raise ContractError(
            f"source column {reference!r} is not in the contract; write 'table.column', see docs/tables.md"
        )
    return RAW[table].column(name)
