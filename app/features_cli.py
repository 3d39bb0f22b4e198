"""The commands of the feature store: `scenefit features …`. Rooms are imported inside the commands."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, Opened, entered, opened_at, print_json, step_of, workspace_at

HERE = Path("workspace")
app = typer.Typer(help="Features: definitions, snapshots, online values, quality.", no_args_is_help=True)


class Purpose(StrEnum):
    """What features may be used for."""

    marketing = "marketing"
    risk = "risk"
    service = "service"


Views = Annotated[list[str] | None, typer.Option("--view", help="Only this view; may be repeated.")]
ServiceName = Annotated[str, typer.Option("--service", help="Feature service.")]


@app.command("apply")
def apply_definitions(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """Register the definitions of all features and say what changed."""
    from feature_repo.store import apply

    place = opened_at(workspace).place
    with entered(place, "features apply", {}):
        changed = apply(place)
    if as_json:
        print_json(changed._asdict())
        return
    for word, names in (("new", changed.added), ("changed", changed.changed), ("removed", changed.removed)):
        for name in names:
            typer.echo(f"{word:<9}{name}")
    typer.echo(f"{len(changed.unchanged)} definitions unchanged")


@app.command()
def build(
    workspace: Folder = HERE,
    at: Annotated[
        list[str] | None, typer.Option(help="Moment of a snapshot, default: end of data; may be repeated.")
    ] = None,
    view: Views = None,
    as_json: AsJson = False,
) -> None:
    """Compute snapshots of stored views; those that exist are left alone."""
    from feature_repo import history

    opened = opened_at(workspace)
    days = [opened.at(text) for text in at] if at else [opened.until]
    with entered(opened.place, "features build", {"at": _iso(days), "views": view or "all"}):
        rows = history.build(opened.place, days, views=view, memory_limit=opened.memory_limit, threads=opened.threads)
    _rows(rows, {"at": _iso(days)}, f"{len(days)} snapshot(s) up to {_local(max(days), opened)}", as_json)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="First moment, such as 2026-01-01.")],
    workspace: Folder = HERE,
    last: Annotated[str | None, typer.Option("--to", help="Last moment, inclusive; default: end of data.")] = None,
    every: Annotated[str, typer.Option(help="Step: 1d, 7d, 1h.")] = "1d",
    view: Views = None,
    as_json: AsJson = False,
) -> None:
    """Compute the snapshots of a whole span; those that exist are left alone."""
    from feature_repo import history

    opened = opened_at(workspace)
    span = (opened.at(first, "--from"), opened.at(last, "--to"))
    detail = {"from": span[0].isoformat(), "to": span[1].isoformat(), "every": every, "views": view or "all"}
    step = step_of(every, "--every")
    with entered(opened.place, "features backfill", detail):
        rows = history.backfill(
            opened.place, *span, every=step, views=view, memory_limit=opened.memory_limit, threads=opened.threads
        )
    _rows(rows, detail, f"snapshots from {_local(span[0], opened)} to {_local(span[1], opened)}", as_json)


@app.command()
def correct(
    at: Annotated[list[str], typer.Option(help="Moment of a snapshot to correct; may be repeated.")],
    workspace: Folder = HERE,
    known_at: Annotated[str | None, typer.Option(help="With what was known by then; default: end of data.")] = None,
    view: Views = None,
    as_json: AsJson = False,
) -> None:
    """Append to old snapshots what events that arrived later change in them."""
    from feature_repo import history

    opened = opened_at(workspace)
    days, known = [opened.at(text) for text in at], opened.at(known_at, "--known-at")
    detail = {"at": _iso(days), "known_at": known.isoformat(), "views": view or "all"}
    with entered(opened.place, "features correct", detail):
        rows = history.correct(
            opened.place, days, known, views=view, memory_limit=opened.memory_limit, threads=opened.threads
        )
    _rows(rows, detail, f"rows corrected, as known at {_local(known, opened)}", as_json)


@app.command()
def retain(
    before: Annotated[str, typer.Option(help="Day, such as 2025-01-01: files of earlier event dates (UTC) go.")],
    workspace: Folder = HERE,
    view: Views = None,
    as_json: AsJson = False,
) -> None:
    """Remove old feature files: snapshots, corrections and logs of days before a date."""
    from datetime import date

    from feature_repo.manifest import folder_of
    from feature_repo.views import STORED, VIEWS
    from feature_repo.writer import retain as remove_before
    from scenefit.contracts.errors import SettingsError

    place = opened_at(workspace).place
    kept = {found.name: found for found in (*STORED, *(v for v in VIEWS.values() if v.stream))}
    unknown = sorted(set(view or kept) - set(kept))
    if unknown:
        raise SettingsError(f"feature view {unknown[0]!r} has no files of its own; choose among {sorted(kept)}")
    try:
        day = date.fromisoformat(before)
    except ValueError as error:
        raise SettingsError(f"--before {before!r} is no day; write it like 2025-01-01") from error
    with entered(place, "features retain", {"before": before, "views": view or "all"}):
        removed = {name: remove_before(folder_of(place, kept[name]), day) for name in view or kept}
    _rows(removed, {}, "files removed", as_json)


@app.command()
def compact(workspace: Folder = HERE, view: Views = None, as_json: AsJson = False) -> None:
    """Merge the many small files of pushed features into one per day."""
    from feature_repo.compaction import compact as merge
    from feature_repo.manifest import folder_of
    from feature_repo.views import VIEWS
    from scenefit.contracts.errors import SettingsError

    place = opened_at(workspace).place
    streams = {name: found for name, found in VIEWS.items() if found.stream}
    unknown = sorted(set(view or streams) - set(streams))
    if unknown:
        raise SettingsError(f"feature view {unknown[0]!r} is fed by no stream; choose among {sorted(streams)}")
    with entered(place, "features compact", {"views": view or "all"}):
        removed = {name: merge(folder_of(place, streams[name]), streams[name]) for name in view or streams}
    _rows(removed, {}, "files merged away", as_json)


@app.command()
def materialize(
    workspace: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="Snapshot at or before this moment; default: end of data.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the newest snapshot online; only what changed is written."""
    opened = opened_at(workspace)
    time = opened.at(at)
    done = _materialized(opened, time)
    if as_json:
        print_json({"at": time.isoformat(), "views": done})
        return
    for name, found in done.items():
        counts = ", ".join(f"{found[what]:,} {what}" for what in ("written", "unchanged", "removed", "verified"))
        typer.echo(f"{name}, snapshot of {found['event_time']}: {counts}")
        if found["reason"]:
            typer.echo(f"  everything was written: {found['reason']}")


@app.command()
def read(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    workspace: Folder = HERE,
    service: ServiceName = "serving_v1",
    at: Annotated[str | None, typer.Option(help="Moment of the decision; default: end of data.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="From the snapshots, not the online store.")] = False,
    as_json: AsJson = False,
) -> None:
    """One customer's features as a decision would read them."""
    from app.feature_values import offline_values, online_values

    opened = opened_at(workspace)
    time = opened.at(at)
    found = (offline_values if offline else online_values)(opened.place, customer, service, time)
    if as_json:
        source = "offline" if offline else "online"
        values = [row._asdict() for row in found]
        print_json({"customer_id": customer, "service": service, "at": time.isoformat(), "source": source,
                    "values": values})  # fmt: skip
        return
    for row in found:
        typer.echo(f"{row.feature:<28}{'–' if row.value is None else row.value!s:<20}{row.event_time or ''}".rstrip())
    if all(row.event_time is None for row in found):
        typer.echo("nothing within the TTL: the id is unknown, or its features are too old")


@app.command("skew")
def find_skew(
    workspace: Folder = HERE,
    service: ServiceName = "serving_v1",
    customers: Annotated[int, typer.Option(min=0, help="How many people are compared; 0: everybody.")] = 2000,
    as_json: AsJson = False,
) -> None:
    """Compare what training reads with what is served; exit code 1 where they differ."""
    from feature_repo.skew import skew

    opened = opened_at(workspace)
    first = _online_first(opened, service)
    found = skew(opened.place, service, customers=customers or None)
    if as_json:
        print_json({**found.document(), "done_first": first})
    else:
        from app.features_text import skew_lines

        for line in (*first, *skew_lines(found)):
            typer.echo(line)
    if found.share:
        raise typer.Exit(1)


@app.command("quality")
def report_quality(
    workspace: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="Moment that is judged; default: end of data.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Moment of the snapshot compared with; default: the one before.")
    ] = None,
    view: Views = None,
    as_json: AsJson = False,
) -> None:
    """Measure distribution, empty values, freshness and drift of every feature; kept for the pages."""
    from feature_repo import quality

    opened = opened_at(workspace)
    time = opened.at(at)
    before = None if baseline is None else opened.at(baseline, "--baseline")
    detail = {"at": time.isoformat(), "baseline": baseline or "previous snapshot", "views": view or "all"}
    with entered(opened.place, "features quality", detail):
        report = quality.quality(
            opened.place, time, baseline=before, views=view, memory_limit=opened.memory_limit, threads=opened.threads
        )
        file = quality.save(opened.place, report)
    if as_json:
        print_json(json.loads(file.read_text("utf8")))
        return
    from app.features_text import quality_lines

    for line in quality_lines(report):
        typer.echo(line)


@app.command("list")
def list_features(
    workspace: Folder = HERE,
    view: Views = None,
    service: Annotated[list[str] | None, typer.Option("--service", help="Only what this service reads.")] = None,
    purpose: Annotated[list[Purpose] | None, typer.Option("--purpose", help="Only what permits this use.")] = None,
    as_json: AsJson = False,
) -> None:
    """The catalogue: every feature with unit, type, permitted purposes, owner and freshness."""
    from app.feature_facts import chosen_facts, freshness
    from app.features_text import catalogue_lines

    facts = chosen_facts(view or (), service or (), [p.value for p in purpose or ()])
    place = workspace_at(workspace)
    # definitions can be read before there is any data
    fresh = freshness(place) if (place.raw / "dataset.json").is_file() else {}
    if as_json:
        views = {name: {**found._asdict(), "newest": None if found.newest is None else found.newest.isoformat()}
                 for name, found in fresh.items()}  # fmt: skip
        print_json({"features": [fact._asdict() for fact in facts], "freshness": views})
        return
    for line in catalogue_lines(facts, fresh):
        typer.echo(line)


@app.command("export")
def export_service(
    service: Annotated[str, typer.Option(help="Feature service.")],
    purpose: Annotated[Purpose, typer.Option(help="What the file will be used for.")],
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    workspace: Folder = HERE,
    at: Annotated[str | None, typer.Option(help="Moment; default: end of data.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write everybody's features of a service as one Parquet file with a receipt; the purpose must permit them."""
    from feature_repo.export import export

    opened = opened_at(workspace)
    time = opened.at(at)
    detail: dict[str, Any] = {"service": service, "purpose": purpose.value, "at": time.isoformat(), "file": out.name}
    with entered(opened.place, "features export", detail):
        receipt = export(opened.place, service, time, purpose.value, out, overwrite=overwrite)
        detail["receipt"] = receipt._asdict()
    if as_json:
        print_json(receipt._asdict())
        return
    typer.echo(f"{out}: {receipt.rows:,} rows, {len(receipt.columns)} features of {service} for {purpose.value}")
    typer.echo(f"as of {receipt.as_of}, data {receipt.fingerprint[:12]}, content SHA-256 {receipt.sha256}")
    if receipt.synthetic:
        typer.echo("SYNTHETIC DATA: no row describes a real person")


def _materialized(opened: Opened, time: Any) -> dict[str, dict[str, Any]]:
    """What came online, by view."""
    from feature_repo import online

    with entered(opened.place, "features materialize", {"at": time.isoformat()}):
        done = online.materialize(opened.place, time, memory_limit=opened.memory_limit, threads=opened.threads)
    return {name: {**found._asdict(), "event_time": found.event_time.isoformat()} for name, found in done.items()}


def _online_first(opened: Opened, service: str) -> list[str]:
    """Build and materialise what a comparison needs and nobody has made yet; one sentence per thing done."""
    from app.feature_values import lacking, nothing_online
    from feature_repo import history

    said = []
    views = lacking(opened.place, service, opened.until)
    if views:
        with entered(opened.place, "features build", {"at": [opened.until.isoformat()], "views": views}):
            history.build(opened.place, [opened.until], views=views, memory_limit=opened.memory_limit,
                          threads=opened.threads)  # fmt: skip
        said.append(f"there was no snapshot within the TTL: {', '.join(views)} built first")
    if nothing_online(opened.place, service, opened.until):
        done = _materialized(opened, opened.until)
        rows = sum(found["written"] for found in done.values())
        said.append(f"nothing was online: {', '.join(done)} materialised first ({rows:,} rows)")
    return said


def _rows(rows: dict[str, int], detail: dict[str, Any], title: str, as_json: bool) -> None:
    if as_json:
        print_json({**detail, "rows": rows})
        return
    typer.echo(title)
    for name, number in rows.items():
        typer.echo(f"  {name:<20}{number:>12,}")


def _iso(days: list[Any]) -> list[str]:
    return [day.isoformat() for day in days]


def _local(time: Any, opened: Opened) -> str:
    return f"{time.tz_convert(opened.timezone):%Y-%m-%d %H:%M} ({opened.timezone})"
