"""The commands around the champion: `scenefit recs fit | tune | explain | promote | rollback | pin | list …`."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, entered, moment, opened_at, print_json, workspace_at

HERE = Path("workspace")
app = typer.Typer(help="Recommenders: fitted, tuned, explained, promoted, rolled back.", no_args_is_help=True)

AsOf = Annotated[str | None, typer.Option("--as-of", help="Moment, such as 2026-06-01; default: end of data.")]


class Lang(StrEnum):
    """Languages that people are spoken to in."""

    en = "en"
    zh = "zh"


class Where(StrEnum):
    """Where parallel work runs."""

    ray = "ray"
    local = "local"


@app.command()
def fit(
    workspace: Folder = HERE,
    as_of: AsOf = None,
    factors: Annotated[int | None, typer.Option(min=2, help="Length of a taste vector.")] = None,
    regularization: Annotated[float | None, typer.Option(min=0.001, help="Of ALS; more trusts single visits less.")]
    = None,
    alpha: Annotated[float | None, typer.Option(min=0.001, help="Weight of a seen item against an unseen one.")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Sweeps of ALS.")] = None,
    best: Annotated[Path | None, typer.Option(help="Folder of a finished search: take its best settings.")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Fit the champion's recipe, judge it on the last window and register it as a challenger."""
    from app import recs_models
    from app.audited import person
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    asked = {"factors": factors, "regularization": regularization, "alpha": alpha, "iterations": iterations}
    changes: dict[str, Any] = recs_models.best_settings(best) if best else {}
    changes |= {name: value for name, value in asked.items() if value is not None}
    until = moment(as_of, opened.timezone, "--as-of")
    detail: dict[str, Any] = {"as_of": as_of or "end of data", "changes": changes}
    with entered(opened.place, "recs fit", detail):
        document = recs_models.fit(opened.place, read_settings(workspace), until, changes, _now(), person())
        detail["version"] = document["version"]
    if as_json:
        print_json(document)
        return
    from app.recs_text import version_lines

    _echo(version_lines(document))


@app.command()
def tune(
    workspace: Folder = HERE,
    trials: Annotated[int, typer.Option(min=1, help="How many settings are tried.")] = 16,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the trials; an unfinished search there goes on.")] = None,
    backend: Annotated[Where, typer.Option(help="Where trials run.")] = Where.local,
    as_json: AsJson = False,
) -> None:
    """Search settings of the champion by successive halving, one window before the last."""
    from app import recs_models
    from app.model_tables import models_folder
    from scenefit.runtime.parallel import stop_ray
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    until = moment(as_of, opened.timezone, "--as-of")
    folder = out or models_folder(opened.place) / "search"
    with entered(opened.place, "recs tune", {"as_of": as_of or "end of data", "trials": trials, "folder": folder.name}):
        try:
            document = recs_models.tune_document(
                opened.place, read_settings(workspace), until, folder, trials, backend.value
            )
        finally:
            stop_ray()
    if as_json:
        print_json(document)
        return
    from app.recs_text import search_lines

    _echo(search_lines(document))


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    workspace: Folder = HERE,
    version: Annotated[int | None, typer.Option(min=1, help="Default: the champion, else the newest.")] = None,
    reasons: Annotated[int, typer.Option(min=1, max=10, help="Reasons for each product.")] = 3,
    lang: Annotated[Lang, typer.Option(help="Language of the sentences.")] = Lang.zh,
    as_json: AsJson = False,
) -> None:
    """A customer's offers with the facts behind each, and why the others are not made."""
    from app.recs_explain import explained
    from scenefit.runtime.settings import read_settings

    place = workspace_at(workspace)
    document = explained(place, read_settings(workspace), customer, version, reasons)
    if as_json:
        print_json(document)
        return
    from app.recs_text import explanation_lines

    _echo(explanation_lines(document, lang.value))


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="The version that shall decide.")],
    workspace: Folder = HERE,
    reason: Annotated[str, typer.Option(help="Why; needed with --force.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also where it is not surely better.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a challenger the champion; refused where it is not surely better."""
    from app import recs_models
    from app.audited import person

    place = opened_at(workspace).place
    with entered(place, "recs promote", {"version": version, "reason": reason, "forced": force}):
        event = recs_models.promote(place, version, reason, force, _now(), person())
    _told(event, as_json)


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="What went wrong, in a sentence.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the champion before this one decide again."""
    from app import recs_models
    from app.audited import person

    place = opened_at(workspace).place
    with entered(place, "recs rollback", {"reason": reason}):
        event = recs_models.roll_back(place, reason, _now(), person())
    _told(event, as_json)


@app.command()
def pin(
    workspace: Folder = HERE,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let the champion decide in runs from now on, instead of the model that each run learns."""
    from app import recs_models
    from app.audited import person

    place = opened_at(workspace).place
    with entered(place, "recs pin", {"reason": reason}):
        event = recs_models.pin(place, reason, _now(), person())
    _told(event, as_json)


@app.command()
def unpin(
    workspace: Folder = HERE,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let every run decide by the model that it learns itself again."""
    from app import recs_models
    from app.audited import person

    place = opened_at(workspace).place
    with entered(place, "recs unpin", {"reason": reason}):
        event = recs_models.unpin(place, reason, _now(), person())
    _told(event, as_json)


@app.command()
def response(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """How well the newest run foretold who takes: reliability, lift and profit on held-out campaigns, by channel."""
    from app.recs_response import response_document
    from scenefit.contracts.errors import NotFitted

    folder = workspace_at(workspace).latest()
    document = response_document(folder)
    if document is None:
        raise NotFitted(f"{folder}: the run kept no held-out offers; bring finished campaigns and run anew")
    if as_json:
        print_json(document)
        return
    from app.recs_text import response_lines

    _echo(response_lines(document))


@app.command()
def evidence(workspace: Folder = HERE, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """On what the share of takers of each product rests: own offers, or similar products for a time."""
    from app.recs_evidence import evidence_document
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    until = moment(as_of, opened.timezone, "--as-of") or opened.place.dataset().until
    settings = read_settings(workspace)
    document = evidence_document(opened.place, until, settings.flow.horizon_days, settings.runtime.memory_limit)
    if as_json:
        print_json(document)
        return
    from app.recs_text import evidence_lines

    _echo(evidence_lines(document))


@app.command("list")
def list_(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Champion, challengers and what happened to them."""
    from app import recs_models

    document = recs_models.listed(opened_at(workspace).place)
    if as_json:
        print_json(document)
        return
    from app.recs_text import listed_lines

    _echo(listed_lines(document))


def _told(event: Any, as_json: bool) -> None:
    if as_json:
        print_json(event._asdict())
        return
    from app.recs_text import event_line

    typer.echo(event_line(event._asdict()))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _echo(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)
