"""The commands of segments: `scenefit segments …`. Rooms are imported inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, Opened, entered, opened_at, print_json

HERE = Path("workspace")
app = typer.Typer(help="Segments: found, described, assigned, compared, named.", no_args_is_help=True)

Scenes = Annotated[list[str] | None, typer.Option("--scene", help="Only this scene; may be repeated.")]
At = Annotated[str | None, typer.Option(help="Newest snapshot at or before this moment; default: end of data.")]


@app.command()
def fit(
    workspace: Folder = HERE,
    scene: Scenes = None,
    k_max: Annotated[int | None, typer.Option(min=2, help="Most segments of a scene; default: as set.")] = None,
    at: At = None,
    anew: Annotated[bool, typer.Option("--anew", help="Seek anew even where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the segments of each scene; those found before keep their ids."""
    import pandas as pd

    from app import segment_fits, segment_store
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    time = opened.at(at)
    settings = read_settings(workspace)
    detail: dict[str, Any] = {"at": time.isoformat(), "scenes": scene or "all", "k_max": k_max, "anew": anew}
    with entered(opened.place, "segments fit", detail):
        first = _built_first(opened, time)
        found = segment_fits.chosen_scenes(segment_fits.snapshot(opened.place, time), scene, settings)
        made = segment_fits.fitted(opened.place, found, settings, pd.Timestamp.now("UTC").floor("us"), k_max, anew)
        segment_store.save_versions(opened.place, made)
        detail["versions"] = {one.kept.model.scene_id: one.kept.model.version for one in made}
    documents = [segment_fits.version_document(version) for version in made]
    if as_json:
        print_json({"as_of": found.instant.isoformat(), "done_first": first, "scenes": documents})
        return
    from app.segments_text import fit_lines

    _echo(first, *(fit_lines(document) for document in documents))


@app.command()
def show(workspace: Folder = HERE, scene: Scenes = None, as_json: AsJson = False) -> None:
    """The kept segments: size, name, what sets them apart, the rule that finds them, what they bring."""
    from app import segment_facts, segment_names, segment_store
    from app.segment_documents import shown
    from app.segment_outcomes import outcome_document
    from scenefit.runtime.settings import read_settings

    place = opened_at(workspace).place
    scenes = segment_store.asked_scenes(place, scene)
    versions = {name: segment_store.read_version(place, name) for name in scenes}
    facts = segment_facts.customer_facts(place, read_settings(workspace))
    documents = [
        shown(kept, segment_names.read_names(place, name), outcome_document(facts, kept))
        for name, kept in versions.items()
    ]
    if as_json:
        print_json({"scenes": documents})
        return
    from app.segments_text import show_lines

    _echo(*(show_lines(document) for document in documents))


@app.command()
def assign(
    workspace: Folder = HERE,
    scene: Scenes = None,
    at: At = None,
    out: Annotated[Path | None, typer.Option(help="The Parquet file to write; without it only counts.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Place the people of a snapshot in the kept segments."""
    from app import segment_fits, segment_store

    opened = opened_at(workspace)
    time = opened.at(at)
    scenes = segment_store.asked_scenes(opened.place, scene)
    detail: dict[str, Any] = {"at": time.isoformat(), "scenes": scenes, "file": None if out is None else out.name}
    if out is None:
        instant, people = segment_fits.people_at(opened.place, scenes, time)
    else:
        with entered(opened.place, "segments assign", detail):
            segment_store.check_target(out, overwrite)
            instant, people = segment_fits.people_at(opened.place, scenes, time)
            segment_store.write_people(out, people, instant, opened.place.dataset())
            detail["rows"] = len(people)
    counts = segment_fits.assigned_counts(people)
    if as_json:
        print_json({"as_of": instant.isoformat(), "people": len(people), "segments": counts,
                    "file": None if out is None else str(out)})  # fmt: skip
        return
    from app.segments_text import assign_lines

    _echo(assign_lines(counts, instant.isoformat()), [] if out is None else [f"{out}: {len(people):,} rows"])


@app.command()
def compare(workspace: Folder = HERE, scene: Scenes = None, as_json: AsJson = False) -> None:
    """The newest segments against those before: events, who moved, which features drifted."""
    from app import segment_changes, segment_store

    place = opened_at(workspace).place
    documents = segment_changes.comparisons(place, segment_store.asked_scenes(place, scene), named=bool(scene))
    if as_json:
        print_json({"scenes": documents})
        return
    from app.segments_text import compare_lines

    _echo(*(compare_lines(document) for document in documents))


@app.command()
def rename(
    segment: Annotated[str, typer.Argument(help="A segment's id, such as travel/3.")],
    zh: Annotated[str, typer.Option(help="Name in Chinese.")],
    en: Annotated[str, typer.Option(help="Name in English.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Give a segment a name; it stays with the segment over later fits."""
    from app import segment_names, segment_store
    from segmentation.names import SegmentName

    place = opened_at(workspace).place
    scene = segment_store.scene_of(place, segment)
    with entered(place, "segments rename", {"segment": segment, "zh": zh, "en": en}):
        [given] = segment_names.rename(place, scene, {segment: SegmentName(en, zh)})
    if as_json:
        print_json(given.model_dump(mode="json"))
        return
    typer.echo(f"{segment} is now called {given.en} / {given.zh}")


def _built_first(opened: Opened, time: Any) -> list[str]:
    """Build the snapshot that a fit needs where nobody has made one yet; one sentence per thing done."""
    from app.segment_fits import lacking_views
    from feature_repo import history

    views = lacking_views(opened.place, time)
    if not views:
        return []
    with entered(opened.place, "features build", {"at": [time.isoformat()], "views": views}):
        history.build(opened.place, [time], views=views, memory_limit=opened.memory_limit, threads=opened.threads)
    return [f"there was no snapshot within the TTL: {', '.join(views)} built first"]


def _echo(*parts: list[str]) -> None:
    for part in parts:
        for line in part:
            typer.echo(line)
