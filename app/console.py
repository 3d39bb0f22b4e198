"""What all commands share: the workspace option, one JSON document, moments as typed, the line in the audit chain."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

Folder = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="SCENEFIT_WORKSPACE", help="Folder of data, features and runs.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


class Opened(NamedTuple):
    """A workspace with data: its time zone, the end of its data, DuckDB's memory and threads."""

    place: Any
    timezone: str
    until: Any
    memory_limit: str
    threads: int

    def at(self, text: str | None, option: str = "--at") -> Any:
        """The moment as typed, else the end of the data."""
        found = moment(text, self.timezone, option)
        return self.until if found is None else found


def print_json(document: dict[str, Any]) -> None:
    """One document on standard output, keys in order."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True))


def workspace_at(folder: Path) -> Any:
    """The workspace in a folder; nothing is touched."""
    from scenefit.runtime.workspace import Workspace

    return Workspace(folder)


def opened_at(folder: Path) -> Opened:
    """The workspace in a folder with its data and settings.

    Raises
    ------
    StoreError, SettingsError : it holds no data, or its settings are wrong.
    """
    from scenefit.runtime.settings import read_settings

    place = workspace_at(folder)
    runtime = read_settings(folder).runtime
    dataset = place.dataset()
    return Opened(place, dataset.timezone, dataset.until, runtime.memory_limit, runtime.cores)


def entered(workspace: Any, action: str, detail: dict[str, Any]) -> Any:
    """The block as a job with a line in the audit chain."""
    from app.audited import audited

    return audited(workspace, action, detail)


def moment(text: str | None, timezone: str, option: str) -> Any:
    """A moment as typed; a plain date is the start of that business day.

    Raises
    ------
    SettingsError : the text is no moment.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    import pandas as pd

    from scenefit.contracts.errors import SettingsError

    if text is None:
        return None
    try:
        # pandas alone would also take "now" and "5"
        typed = datetime.fromisoformat(text)
        local = typed.replace(tzinfo=ZoneInfo(timezone)) if typed.tzinfo is None else typed
        return pd.Timestamp(local.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise SettingsError(
            f"{option} {text!r} is no moment; write it like 2026-06-01 or 2026-06-01T08:00+08:00"
        ) from error


def step_of(text: str, option: str) -> timedelta:
    """A step as typed, such as 1d, 7d or 1h.

    Raises
    ------
    SettingsError : the text is no step.
    """
    from scenefit.contracts.errors import SettingsError

    found = re.fullmatch(r"([1-9]\d{0,4})([dh])", text)
    if found is None:
        raise SettingsError(f"{option} {text!r} is no step; write days or hours such as 1d, 7d or 1h")
    return timedelta(**{{"d": "days", "h": "hours"}[found[2]]: int(found[1])})
