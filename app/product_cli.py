"""The commands of `scenefit product`: draft, preview, submit and list products that nobody is offered yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, entered, opened_at, print_json

app = typer.Typer(
    help="Products in draft: what they would bring; none of them reaches a run or a decision.", no_args_is_help=True
)
HERE = Path("workspace")
Id = Annotated[str, typer.Argument(help="Id of the draft.")]
Why = Annotated[str, typer.Option("--reason", help="Why, for the history.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: whoever runs this.")]


@app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="JSON of the product: product_id, name_en, name_zh, similar_to, apr …")],
    reason: Why,
    workspace: Folder = HERE,
    lift_reason: Annotated[str, typer.Option(help="What a lift other than 1 rests on.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Keep a product as a draft, new or changed."""
    from app.audited import person
    from app.workbench_store import keep_draft
    from recsys.workbench import drafted_case, read_draft
    from scenefit.contracts.errors import StoreError

    place = opened_at(workspace).place
    try:
        made = read_draft(file.read_text("utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: cannot be read ({error}); give a JSON file of the product") from error
    drafted_case(_case(place), made)
    with entered(place, "product draft", {"product": made.product_id, "reason": reason}):
        step = keep_draft(place, made, by=by or person(), at=_now(), reason=reason, lift_reason=lift_reason,
                          run=place.latest().name)  # fmt: skip
    _tell(_said(step), as_json, [f"{made.product_id}: kept as step {step.number}, state {step.state}"])


@app.command()
def preview(product_id: Id, workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Who would get a draft, what it takes from other products, and what it brings, on the newest run."""
    from app.workbench_documents import preview_document, preview_lines
    from app.workbench_store import newest_step
    from recsys.workbench import preview as previewed

    place = opened_at(workspace).place
    step = newest_step(place, product_id)
    document = preview_document(previewed(_case(place), step.draft), step.draft, place.latest().name)
    _tell(document, as_json, preview_lines(document))


@app.command()
def submit(product_id: Id, reason: Why, workspace: Folder = HERE, by: By = None, as_json: AsJson = False) -> None:
    """Hand a draft to the risk team; it stays out of every run and decision."""
    from app.audited import person
    from app.workbench_store import move_draft

    place = opened_at(workspace).place
    with entered(place, "product submit", {"product": product_id, "reason": reason}):
        step = move_draft(place, product_id, "submitted", by=by or person(), at=_now(), reason=reason)
    _tell(_said(step), as_json, [f"{product_id}: submitted as step {step.number} by {step.by}"])


@app.command("list")
def list_drafts(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Every draft with its state, and who changed it last."""
    from app.workbench_store import draft_ids, newest_step

    place = opened_at(workspace).place
    steps = [newest_step(place, name) for name in draft_ids(place)]
    lines = [f"{s.draft.product_id:<20}{s.state:<16}{s.at:%Y-%m-%d %H:%M} UTC  {s.by}: {s.reason}" for s in steps]
    _tell({"drafts": [_said(step) for step in steps]}, as_json, lines or ["no draft is kept"])


def _case(place: Any) -> Any:
    from app.kept_case import read_case

    return read_case(place.latest())


def _now() -> Any:
    import pandas as pd

    return pd.Timestamp.now("UTC").floor("us")


def _said(step: Any) -> dict[str, Any]:
    return {"product_id": step.draft.product_id, "state": step.state, "number": step.number, "by": step.by,
            "at": step.at.isoformat(), "reason": step.reason}  # fmt: skip


def _tell(document: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json(document)
        return
    for line in lines:
        typer.echo(line)
