"""Drafted products as kept in a workspace: products/<id>/0001.json and on, one file per step, never changed.

Nothing else reads this folder: a run, a plan and a decision know live products only, whatever state a draft is in.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recsys.workbench import DraftProduct, next_state, read_draft
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import Workspace, disk_errors

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
STEP = re.compile(r"\d{4,}")
MOST_TEXT = 500  # letters of a name or reason
STARTED = "draft"


class DraftStep(NamedTuple):
    """One line of a draft's history: what it was from then on, who did it and why.

    `at` is an instant (UTC); `lift_reason` says why the assumed lift is believed; `run` is the run it was drawn up on.
    """

    number: int
    state: str
    by: str
    at: pd.Timestamp
    reason: str
    lift_reason: str
    run: str
    draft: DraftProduct


def drafts_folder(workspace: Workspace) -> Path:
    """Where a workspace keeps its drafts."""
    return workspace.root / "products"


def draft_ids(workspace: Workspace) -> list[str]:
    """Ids of every kept draft."""
    folder = drafts_folder(workspace)
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and ID.fullmatch(p.name)) if folder.is_dir() else []


def draft_history(workspace: Workspace, product_id: str) -> tuple[DraftStep, ...]:
    """Every step of a draft, oldest first.

    Raises
    ------
    ContractError : the id is none, or there is no such draft.
    StoreError : a step is damaged or missing.
    """
    folder = drafts_folder(workspace) / checked_id(product_id)
    files = sorted(f for f in folder.glob("*.json") if STEP.fullmatch(f.stem)) if folder.is_dir() else []
    if not files:
        known = ", ".join(draft_ids(workspace)) or "none"
        raise ContractError(f"draft {product_id!r}: there is none in this workspace; there are {known}")
    steps = tuple(_read(file) for file in files)
    if [step.number for step in steps] != list(range(1, len(steps) + 1)):
        raise StoreError(f"{folder}: a step of the history is missing; restore the folder from a copy")
    return steps


def newest_step(workspace: Workspace, product_id: str) -> DraftStep:
    """A draft as it is now."""
    return draft_history(workspace, product_id)[-1]


def keep_draft(
    workspace: Workspace, draft: DraftProduct, *, by: str, at: pd.Timestamp, reason: str, lift_reason: str = "",
    run: str = "", after: int | None = None,
) -> DraftStep:  # fmt: skip
    """Keep a draft, new or changed; a changed one is in the state "draft" again and has to be submitted anew.

    Parameters
    ----------
    after : number of the step that the change was made from, 0 for a new draft; None takes the newest

    Raises
    ------
    ContractError : who, why or the reason of a lift is not said; it is approved or withdrawn; or somebody else
        changed it meanwhile.
    StoreError : the disk cannot be written, or the history is damaged.
    """
    if draft.lift != 1 and not lift_reason.strip():
        raise ContractError(
            f"draft {draft.product_id!r}: lift is {draft.lift:g} and no reason is given; say what it rests on"
        )
    before = draft_history(workspace, draft.product_id) if _exists(workspace, draft.product_id) else ()
    newest = len(before) if after is None else after
    if before and before[-1].state != STARTED:
        next_state(before[-1].state, STARTED)
    step = DraftStep(newest + 1, STARTED, by, at, reason, lift_reason.strip(), run, draft)
    return _appended(workspace, step, len(before))


def move_draft(
    workspace: Workspace, product_id: str, wanted: str, *, by: str, at: pd.Timestamp, reason: str,
    after: int | None = None,
) -> DraftStep:  # fmt: skip
    """Submit, withdraw or hand back a draft.

    Raises
    ------
    ContractError : the step is not allowed, who or why is not said, or somebody else changed it meanwhile.
    StoreError : the disk cannot be written, or the history is damaged.
    """
    history = draft_history(workspace, product_id)
    state = next_state(history[-1].state, wanted)
    number = (len(history) if after is None else after) + 1
    step = history[-1]._replace(number=number, state=state, by=by, at=at, reason=reason)
    return _appended(workspace, step, len(history))


def checked_id(product_id: str) -> str:
    """The id of a draft, if it is one.

    Raises
    ------
    ContractError : other letters than lower-case ones, digits and hyphens, or more than 40.
    """
    if not ID.fullmatch(product_id):
        raise ContractError(
            f"draft {product_id!r}: product_id is no id; write lower-case letters, digits and hyphens, 40 at most"
        )
    return product_id


def _exists(workspace: Workspace, product_id: str) -> bool:
    return (drafts_folder(workspace) / checked_id(product_id)).is_dir()


def _appended(workspace: Workspace, step: DraftStep, kept: int) -> DraftStep:
    said = step._replace(by=step.by.strip(), reason=step.reason.strip())
    name = said.draft.product_id
    for field, text in (("by", said.by), ("reason", said.reason), ("lift_reason", said.lift_reason)):
        if (not text and field != "lift_reason") or len(text) > MOST_TEXT:
            raise ContractError(
                f"draft {name!r}: {field} has {len(text)} letters; every step says who and why, in 1 to {MOST_TEXT}"
            )
    folder = drafts_folder(workspace) / name
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        own = folder / f".{said.number}.{os.getpid()}"
        try:
            own.write_text(json.dumps(_document(said), ensure_ascii=False, sort_keys=True, indent=1), "utf8")
            if said.number != kept + 1:
                raise FileExistsError
            # a link fails where the name is taken: of two who write at once the second is told
            os.link(own, folder / f"{said.number:04d}.json")
        except FileExistsError as error:
            raise ContractError(
                f"draft {name!r}: somebody changed it since you opened it (step {said.number - 1}); open it again"
            ) from error
        finally:
            own.unlink(missing_ok=True)
    return said


def _document(step: DraftStep) -> dict[str, Any]:
    return {**step._asdict(), "at": step.at.isoformat(), "draft": asdict(step.draft)}


def _read(file: Path) -> DraftStep:
    try:
        told = json.loads(file.read_text("utf8"))
        draft = read_draft(json.dumps(told.pop("draft")))
        step = DraftStep(**{**told, "at": pd.Timestamp(told["at"]), "draft": draft})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ContractError) as error:
        raise StoreError(f"{file}: damaged ({error}); restore the folder from a copy") from error
    if step.number != int(file.stem) or draft.product_id != file.parent.name:
        raise StoreError(f"{file}: holds another step than its name says; restore the folder from a copy")
    return step
