"""What pages and report show as tables: contract tables in, frames with headings in one language out."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech
from app.quality import QualityRow
from app.sentences import binding, limit_sentence, limit_total
from scenefit.contracts.tables.consents import CHANNELS


class Figure(NamedTuple):
    """One number of a summary: what it is called, how it is written, what it means."""

    name: str
    value: str
    note: str


def segments_table(run: FinishedRun, scene: str, say: Speech) -> pd.DataFrame:
    """The segments of a scene, largest first, with what sets each apart."""
    t = say.t
    segments, profiles = run.segments_of(scene), run.table("segment_profiles", scene)
    return pd.DataFrame(
        {
            t("No."): [str(i) for i in range(1, len(segments) + 1)],
            t("Segment"): segments[f"name_{say.lang}"],
            t("People"): [
                f"{say.count(n)}\u00a0({say.percent(share)})"
                for n, share in zip(segments["size"], segments["share"], strict=True)
            ],
            t("What sets it apart"): [top_features(profiles, s, say) for s in segments["segment_id"]],
        }
    )


def top_features(profiles: pd.DataFrame, segment: str, say: Speech, most: int = 3) -> str:
    """The features that set a segment apart, with arrows: "night share ↑ · spend, 1 year ↓"."""
    rows = profiles[(profiles["segment_id"] == segment) & profiles["z"].notna()]
    rows = rows.assign(size_of=rows["z"].abs()).sort_values(["size_of", "feature"], ascending=[False, True]).head(most)
    return " · ".join(
        f"{say.label(feature)} {'↑' if z > 0 else '↓'}" for feature, z in zip(rows["feature"], rows["z"], strict=True)
    )


def profile_table(run: FinishedRun, scene: str, say: Speech) -> pd.DataFrame:
    """Every figure of the segments of a scene."""
    t = say.t
    profiles = run.table("segment_profiles", scene)
    return pd.DataFrame(
        {
            t("Segment"): profiles[f"name_{say.lang}"],
            t("Feature"): [say.label(f) for f in profiles["feature"]],
            t("Mean"): profiles["mean"].round(3),
            t("Scene's mean"): profiles["base"].round(3),
            "z": profiles["z"].round(2),
            "TGI": profiles["tgi"].round(0),
        }
    )


def evidence_table(subgroups: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """Mined subgroups with the evidence for each."""
    t = say.t
    lift = [
        f"{say.figure(mid, 2)} ({say.figure(low, 2)} – {say.figure(high, 2)})".replace(" ", "\u00a0")
        for low, mid, high in zip(subgroups["lift_low"], subgroups["lift"], subgroups["lift_high"], strict=True)
    ]
    return pd.DataFrame(
        {
            t("No."): [f"#{rank}" for rank in subgroups["rank"]],
            t("Rule"): subgroups[f"rule_{say.lang}"],
            t("People"): [say.count(n) for n in subgroups["size"]],
            t("Not reached"): [say.count(n) for n in subgroups["unreached"]],
            t("Rate"): [say.percent(r) for r in subgroups["rate"]],
            t("Scene's rate"): [say.percent(r) for r in subgroups["base"]],
            t("Lift with interval"): lift,
            "q": ["< 0.001" if q < 0.001 else f"{q:.3f}" for q in subgroups["q"]],
            t("Confirmed"): [t("yes") if c else t("no") for c in subgroups["confirmed"]],
        }
    )


def ranking_table(rows: list[QualityRow], say: Speech) -> pd.DataFrame:
    """Model against popularity, with the ratio."""
    t = say.t
    return pd.DataFrame(
        {
            t("Task"): [row.task for row in rows],
            t("Measure"): [say.label(row.measure) for row in rows],
            t("Model"): [say.figure(row.model) for row in rows],
            t("Popularity"): [say.figure(row.popularity) for row in rows],
            t("Ratio"): [f"{row.model / row.popularity:.2f} ×" if row.popularity else EMPTY for row in rows],
        }
    )


def effects_frame(effects: list[dict[str, Any]]) -> pd.DataFrame:
    """Effects by size, largest first."""
    return pd.DataFrame(effects).sort_values("lift", ascending=False, kind="stable", ignore_index=True)


def effects_table(effects: pd.DataFrame, run: FinishedRun, say: Speech) -> pd.DataFrame:
    """Campaign arms with rates, difference and design."""
    t = say.t
    products = run.product_names(say.lang)
    return pd.DataFrame(
        {
            t("Campaign"): effects[f"name_{say.lang}"],
            t("Arm"): effects["arm"],
            t("Product"): [products.get(p, p or EMPTY) for p in effects["product_id"].fillna("")],
            t("Shown"): [say.count(n) for n in effects["customers"]],
            t("Control"): [say.count(n) for n in effects["control"]],
            t("Rate"): [say.percent(r, 2) for r in effects["rate"]],
            t("Control rate"): [say.percent(r, 2) for r in effects["rate_control"]],
            t("Difference"): [
                f"{say.percent(mid, 2)} ({say.percent(low, 2)} – {say.percent(high, 2)})".replace(" ", "\u00a0")
                for mid, low, high in zip(effects["lift"], effects["low"], effects["high"], strict=True)
            ],
            t("Design"): [t("randomised") if r else t("observational") for r in effects["randomised"]],
        }
    )


def limits_table(limits: list[dict[str, Any]], run: FinishedRun, say: Speech) -> pd.DataFrame:
    """Each limit: what is allowed, what is used, what one unit more would earn; the dearest first."""
    t = say.t
    tight = binding(limits)
    ordered = tight + [limit for limit in limits if limit not in tight]
    written = [limit_total(limit, subjects(run, say), say) for limit in ordered]
    return pd.DataFrame(
        {
            t("Limit"): [name for name, _, _ in written],
            t("Sense"): [t("at most") if limit["sense"] == "<=" else t("at least") for limit in ordered],
            t("Allowed"): [allowed for _, allowed, _ in written],
            t("Used"): [used for _, _, used in written],
            t("Use"): [limit["used"] / limit["total"] if limit["total"] else None for limit in ordered],
            t("Shadow price"): [say.money(limit["shadow_price"]) for limit in ordered],
        }
    )


def limit_sentences(limits: list[dict[str, Any]], run: FinishedRun, say: Speech, most: int = 4) -> list[str]:
    """What the dearest limits cost."""
    found = [limit_sentence(limit, subjects(run, say), say) for limit in binding(limits)[:most]]
    return found or [say.t("No limit binds: more room would not raise the plan's value.")]


def subjects(run: FinishedRun, say: Speech) -> dict[str, str]:
    """What a limit can be about, by id: channels, products, segments, scenes."""
    channels = {channel: say.label(channel) for channel in CHANNELS}
    return {**channels, **run.scene_names(say.lang), **run.product_names(say.lang), **run.segment_names(say.lang)}


def home_scenes(run: FinishedRun, say: Speech) -> dict[str, str]:
    """Scenes a planned customer can belong to, by id: those segmented, most members first, then none at all."""
    names = run.scene_names(say.lang)
    planned = set(run.table("plan_cells")["scene_id"])
    ordered = [s for s in run.scenes_by_size() if s in planned]
    ordered += sorted(planned.difference(ordered))
    return {scene: names.get(scene, scene) if scene else say.t("No home scene") for scene in ordered}


def plan_figures(plan: dict[str, Any], say: Speech) -> list[Figure]:
    """The plan in six figures."""
    t = say.t
    better = plan["value"] - plan["greedy_value"]
    found = [
        (t("People offered"), say.short(plan["offered"]),
         t("of {n} reachable; one offer per person at most").format(n=say.short(plan["reachable"]))),
        (t("Expected takers"), say.short(plan["expected_takers"]), t("Sum of the probabilities of taking")),
        (t("Expected value"), say.money(plan["value"]), t("Margin after expected loss, incentive and contact cost")),
        (t("Expected loss"), say.money(plan["expected_loss"]), t("Expected credit loss of those who take")),
        (t("Against greedy"), ("+" if better >= 0 else "") + say.money(better),
         t("Value beyond the plan that takes the best value per cost first, under the upper limits: {greedy}").format(
             greedy=say.money(plan["greedy_value"]))),
        (t("Gap to bound"), say.percent(plan["gap"], 3),
         t("No plan under these limits can be worth more than {bound}").format(bound=say.money(plan["upper_bound"]))),
    ]  # fmt: skip
    return [Figure(*parts) for parts in found]
