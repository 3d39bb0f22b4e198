"""What the report says, section by section, in one language: texts, tables, plots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app import plots
from app.finished_run import FinishedRun
from app.heatmaps import distinctive
from app.i18n import EMPTY, Speech
from app.palette import DIVERGING
from app.quality import absent, classifier_rows, no_effects, quality_frame, ranking_rows, why_absent
from app.tables import (
    effects_frame,
    effects_table,
    evidence_table,
    home_scenes,
    limit_sentences,
    plan_figures,
    ranking_table,
    segments_table,
)


class Grid(NamedTuple):
    """A table; `shades` colours its cells (empty: none)."""

    head: list[str]
    rows: list[list[object]]
    shades: list[list[str]] = []  # noqa: RUF012 (never changed)


@dataclass(frozen=True)
class Section:
    """A heading with, in this order, texts, a plot, tables and remarks."""

    title: str
    texts: list[str] = field(default_factory=list)
    plot: str = ""
    grids: list[Grid] = field(default_factory=list)
    parts: list[Section] = field(default_factory=list)


def sections(run: FinishedRun, say: Speech) -> list[Section]:
    """The whole report in one language."""
    return [
        _basis(run, say),
        _plan(run, say),
        _segments(run, say),
        _quality(run, say),
        _reach(run, say),
        _effects(run, say),
        Section(say.t("Assumptions"), texts=[str(a) for a in run.dataset.get(f"assumptions_{say.lang}", [])]
                or [say.t("The data set declares no assumption.")]),
    ]  # fmt: skip


def _basis(run: FinishedRun, say: Speech) -> Section:
    t = say.t
    services: list[list[object]] = [
        [t("Feature service {name}").format(name=name), say.day(moment, run.timezone)]
        for name, moment in run.manifest["services"].items()
    ]
    rows: list[list[object]] = [
        [t("Data set"), run.dataset["name"]],
        [t("Data until"), say.day(run.dataset["until"], run.timezone)],
        [t("As of"), say.day(run.manifest["as_of"], run.timezone)],
        [t("Time zone"), run.timezone],
        *services,
        [t("Run"), run.run_id],
        [t("Seed"), run.manifest["seed"]],
        [t("Data fingerprint"), str(run.dataset.get("fingerprint", ""))[:16]],
    ]
    return Section(t("What this report stands on"), grids=[Grid([], rows)])


def _plan(run: FinishedRun, say: Speech) -> Section:
    t = say.t
    plan, cells = run.metrics.get("plan", {}), run.table("plan_cells")
    if "value" not in plan:
        return Section(t("The plan: who gets what"), texts=[why_absent(plan, say)])
    figures = Grid([], [[name, value, note] for name, value, note in plan_figures(plan, say)])
    texts = limit_sentences(plan.get("limits", []), run, say)
    if cells.empty:
        texts.append(t("The plan offers nothing: nobody was reachable and eligible, or no offer was worth its cost."))
        return Section(t("The plan: who gets what"), texts=texts, grids=[figures])
    names = run.product_names(say.lang)
    plot = plots.plan_plot(cells, names, say)
    by_scene = cells.groupby(["scene_id", "product_id"], as_index=False)[
        ["customers", "expected_takers", "value"]
    ].sum()
    by_scene = by_scene.sort_values(["scene_id", "value", "product_id"], ascending=[True, False, True])
    scenes = home_scenes(run, say)
    offers = Grid(
        [t("Scene"), t("Product"), t("People"), t("Expected takers"), t("Value")],
        [
            [scenes[row["scene_id"]], names.get(row["product_id"], row["product_id"]),
             say.count(row["customers"]), say.short(row["expected_takers"]), say.money(row["value"])]
            for row in by_scene.groupby("scene_id", sort=False).head(5).to_dict("records")
        ],
    )  # fmt: skip
    best = Section(t("The five best products of each scene"), grids=[offers])
    return Section(t("The plan: who gets what"), texts=texts, plot=plot, grids=[figures], parts=[best])


def _segments(run: FinishedRun, say: Speech) -> Section:
    t = say.t
    scenes, names = run.scenes_by_size(), run.scene_names(say.lang)
    if not scenes:
        sentence = run.metrics.get("segments", {}).get("absent")
        texts = [str(sentence or t("No scene had enough active members to be segmented."))]
        return Section(t("Segments & scenes"), texts=texts)
    return Section(t("Segments & scenes"), parts=[_scene(run, scene, names.get(scene, scene), say) for scene in scenes])


def _scene(run: FinishedRun, scene: str, name: str, say: Speech) -> Section:
    t = say.t
    found = run.metrics.get("segments", {}).get(scene, {})
    members = int(run.segments_of(scene)["size"].sum())
    text = t("{members} members; tie set of k: {ties}; separation {silhouette}; stability {stability}.").format(
        members=say.count(members),
        ties=", ".join(str(k) for k in found.get("tie_set", [])) or EMPTY,
        silhouette=say.figure(found.get("silhouette"), 2),
        stability=say.figure(found.get("stability"), 2),
    )
    subgroups = run.table("subgroups", scene)
    mined = (
        Section(t("Subgroups that marketing does not reach yet"), grids=[_grid(evidence_table(subgroups, say))])
        if len(subgroups)
        else Section(
            t("Subgroups that marketing does not reach yet"),
            texts=[t("No rule stood out beyond chance in this scene. That is a finding, not a fault.")],
        )
    )
    grids = [_grid(segments_table(run, scene, say)), *_heat(run, scene, say)]
    return Section(name, texts=[text], grids=grids, parts=[mined])


def _heat(run: FinishedRun, scene: str, say: Speech) -> list[Grid]:
    """Feature by segment, shaded by the distance from the scene's mean."""
    profiles, segments = run.table("segment_profiles", scene), run.segments_of(scene)
    features = distinctive(profiles, 10)
    if not features:
        return []
    z = profiles.pivot_table(index="feature", columns="segment_id", values="z", aggfunc="first", dropna=False)
    values = z.reindex(index=features, columns=list(segments["segment_id"])).to_numpy(dtype=float)
    return [
        Grid(
            [say.t("Standard deviations from the scene's mean"), *(f"#{i + 1}" for i in range(len(segments)))],
            [[say.label(f), *(f"{v:+.1f}" if np.isfinite(v) else EMPTY for v in row)]
             for f, row in zip(features, values, strict=True)],
            [["", *(shade(v) for v in row)] for row in values],
        )
    ]  # fmt: skip


def shade(z: float) -> str:
    """Colour of a distance from the mean: blue below, red above, nothing near it.

    >>> shade(-3.0), shade(0.1), shade(1.0)
    ('#92c5de', '', '#f4a582')
    """
    if not np.isfinite(z) or abs(z) < 0.3:
        return ""
    strong = abs(z) >= 0.8
    return (DIVERGING[3] if strong else "#fbe0d3") if z > 0 else (DIVERGING[1] if strong else "#dbebf4")


def _quality(run: FinishedRun, say: Speech) -> Section:
    t = say.t
    rows = ranking_rows(run.metrics, say)
    grids = [_grid(ranking_table(rows, say))] if rows else []
    parts = [
        Section(title, grids=[Grid([], [[name, value, note] for name, value, note in figures])])
        for title, figures in classifier_rows(run.metrics, say)
    ]
    return Section(
        t("How good the models are"),
        texts=absent(run.metrics, ("behaviour", "offers", "response", "default"), say),
        plot=plots.model_plot(quality_frame(rows), say) if rows else "",
        grids=grids,
        parts=parts,
    )


def _reach(run: FinishedRun, say: Speech) -> Section:
    steps: Any = run.metrics.get("reach")
    if not isinstance(steps, list) or not steps:
        return Section(say.t("Whom the plan can reach"), texts=[why_absent(steps, say)])
    reach = pd.DataFrame(steps)
    rows: list[list[object]] = [
        [say.label(s), say.count(n)] for s, n in zip(reach["step"], reach["customers"], strict=True)
    ]
    grid = Grid([say.t("Step"), say.t("People")], rows)
    return Section(say.t("Whom the plan can reach"), plot=plots.reach_plot(reach, say), grids=[grid])


def _effects(run: FinishedRun, say: Speech) -> Section:
    effects: Any = run.metrics.get("effects")
    if not isinstance(effects, list) or not effects:
        return Section(say.t("What past campaigns did"), texts=[no_effects(effects, say)])
    frame = effects_frame(effects)
    text = say.t(
        "Green: randomised, so the difference is an effect. Orange: observational, groups may differ otherwise too."
    )
    return Section(
        say.t("What past campaigns did"),
        texts=[text],
        plot=plots.effects_plot(frame, say),
        grids=[_grid(effects_table(frame, run, say))],
    )


def _grid(frame: pd.DataFrame) -> Grid:
    return Grid([str(c) for c in frame.columns], frame.to_numpy(dtype=object).tolist())
