"""Tables and sentences about the champion and its challengers; plain frames, no page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from app.i18n import EMPTY, Speech
from app.labels import mark
from recsys.champions import Event
from scenefit.runtime.workspace import Workspace

MODEL = "next-offer"
DEEDS = {
    "registered": mark("registered"), "promoted": mark("promoted"), "rolled back": mark("rolled back"),
    "pinned": mark("decides in runs"), "unpinned": mark("runs decide by their own model"),
}  # fmt: skip
METHODS = {"none": mark("none needed"), "temperature": mark("temperature"), "isotonic": mark("steps")}
# levels of protected attributes as the contract writes them; others speak for themselves
LEVELS = {
    "male": mark("male"), "female": mark("female"), "married": mark("married"), "single": mark("single"),
    "divorced": mark("divorced"), "widowed": mark("widowed"), "bachelor": mark("bachelor"),
    "college": mark("college"), "senior high": mark("senior high"), "junior high": mark("junior high"),
    "postgraduate": mark("postgraduate"), "primary": mark("primary"),
}  # fmt: skip
ALS = ("factors", "regularization", "alpha", "iterations")


def models_folder(workspace: Workspace) -> Path:
    """Where the versions of the champion are kept."""
    return workspace.models / MODEL


def run_quality(metrics: dict[str, Any], say: Speech) -> pd.DataFrame:
    """Model and popularity, task by task, of a run (task, model, popularity); tasks without figures are absent."""
    tasks = (
        (say.t("next product"), metrics.get("offers", {})),
        (say.t("next place"), metrics.get("behaviour", {}).get("all", {})),
        (say.t("next new place"), metrics.get("behaviour", {}).get("new", {})),
    )
    rows = [{"task": name, **figures["ndcg@10"]} for name, figures in tasks if "ndcg@10" in figures]
    return pd.DataFrame(rows, columns=["task", "model", "popularity"])


def probability_table(metrics: dict[str, Any], say: Speech) -> pd.DataFrame:
    """Discrimination and calibration of response and default in a run."""
    t = say.t
    rows = []
    for name, part in ((t("takes when offered"), "response"), (t("defaults"), "default")):
        found = metrics.get(part, {})
        rate = found.get("base_rate", found.get("bad_rate"))
        rows.append((name, say.figure(found.get("auc")), say.figure(found.get("ece"), 4), say.percent(rate)))
    return pd.DataFrame(rows, columns=[t("Probability"), "AUC", t("Calibration error"), t("Share that did")])


def versions_table(versions: Sequence[dict[str, Any]], say: Speech, timezone: str) -> pd.DataFrame:
    """One row per version, the newest first."""
    t = say.t
    rows = []
    for version in reversed(versions):
        ndcg = version["quality"]["ndcg@10"]
        rows.append({
            t("Version"): f"v{version['version']}",
            t("State"): t("champion") if version["champion"] else t("challenger"),
            "NDCG@10": say.figure(ndcg["model"]),
            t("above popularity"): f"{ndcg['difference']:+.3f} [{ndcg['low']:+.3f}, {ndcg['high']:+.3f}]",
            t("Calibration error"): say.figure(version["quality"]["ece"], 4),
            t("As of"): say.day(version["as_of"], timezone)[:10],
        })  # fmt: skip
    return pd.DataFrame(rows)


def offers_table(rows: Sequence[dict[str, Any]], names: dict[str, str], say: Speech) -> pd.DataFrame:
    """Calibration by product, the least honest first."""
    t = say.t
    ordered = sorted(rows, key=lambda row: (-row["ece"], row["group"]))
    return pd.DataFrame({
        t("Product"): [f"{row['group']} {names.get(row['group'], '')}".strip() for row in ordered],
        t("promised"): [say.percent(row["promised"]) for row in ordered],
        t("observed"): [say.percent(row["observed"]) for row in ordered],
        t("Calibration error"): [say.figure(row["ece"], 4) for row in ordered],
    })  # fmt: skip


def segments_table(rows: Sequence[dict[str, Any]], names: dict[str, str], say: Speech) -> pd.DataFrame:
    """Quality and calibration by segment, the worst ranked first."""
    t = say.t
    ordered = sorted(rows, key=lambda row: (row["ndcg"], row["group"]))
    return pd.DataFrame({
        t("Segment"): [f"{row['group']} {names.get(row['group'], '')}".strip() for row in ordered],
        t("Customers"): [say.count(row["customers"]) for row in ordered],
        "NDCG@10": [say.figure(row["ndcg"]) for row in ordered],
        t("Calibration error"): [say.figure(row["ece"], 4) for row in ordered],
    })  # fmt: skip


def calibration_note(quality: dict[str, Any], say: Speech) -> str:
    """Whether a correction of the probabilities would help, as a sentence."""
    found = quality["correction"]
    if found["method"] == "none":
        return say.t("Bars: 95 % interval. No correction surely helps on rows it was not learned from: the "
                     "probabilities stand as they are.")  # fmt: skip
    return say.t("Bars: 95 % interval. A correction ({method}) would help: on rows it was not learned from the "
                 "calibration error falls from {before} to {after}.").format(
        method=say.t(METHODS[found["method"]]), before=say.figure(found["before"], 4),
        after=say.figure(found["after"], 4))  # fmt: skip


def card_rows(version: dict[str, Any], say: Speech, timezone: str) -> list[tuple[str, str]]:
    """What a version is made of: name and value, line by line."""
    t, data, als = say.t, version["data"], version["als"]
    settings = ", ".join(f"{name} {als[name]:g}" for name in ALS)
    names = ", ".join(say.label(name) for name in version["features"])
    return [
        (t("What it says"), t("the probability of each product, given that the customer takes one")),
        (t("Learned from"), t("{takes} takes of {customers} people in {n} windows, and what was before each").format(
            takes=say.count(version["takes"]), customers=say.count(version["customers"]),
            n=len(version["edges"]) - 1)),
        (t("Data"), f"{data['name']} ({t('synthetic') if data['synthetic'] else t('real')})"),
        (t("Fingerprint"), data["fingerprint"][:16]),
        (t("As of"), say.day(version["as_of"], timezone)),
        (t("Judged on"), t("takes from {start} to {end}, by a twin that had not seen them").format(
            start=say.day(version["edges"][-2], timezone)[:10], end=say.day(version["edges"][-1], timezone)[:10])),
        (t("Settings"), f"{settings}, seed {version['seed']}"),
        (t("Products"), say.count(len(version["products"]))),
        (t("Features"), f"{version['service']}: {names}"),
        (t("Registered"), f"{say.day(version['registered_at'], timezone)} · {version['registered_by']}"),
    ]  # fmt: skip


def limits(version: dict[str, Any], say: Speech) -> list[str]:
    """What a version must not be used for."""
    t = say.t
    told = [
        t("It says which product, not whether anything is taken at all: multiply by the response probability."),
        t("It learns from what people took when products were offered as they were: observational, not causal."),
        t("Products never taken share the probability of the rarest one."),
        t("Protected attributes are no features; other features may still tell of them: see whom the plan chooses."),
    ]
    if version["quality"]["customers"] < 1_000:
        told.append(t("Judged on {n} customers only: small differences between versions cannot be seen.").format(
            n=say.count(version["quality"]["customers"])))  # fmt: skip
    if version["data"]["synthetic"]:
        told.append(t("Made on synthetic data: its figures say nothing about real customers."))
    return told


def level(code: str, say: Speech) -> str:
    """A level of a protected attribute by its everyday name."""
    return say.t(LEVELS[code]) if code in LEVELS else code


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table by column name."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def history_table(events: Sequence[Event], say: Speech, timezone: str) -> pd.DataFrame:
    """What happened to the versions, the newest first."""
    t = say.t
    rows = [
        (
            say.day(event.at, timezone),
            f"v{event.before} → v{event.version}" if event.deed == "rolled back" else f"v{event.version}",
            t(DEEDS[event.deed]) + (f" ({t('forced')})" if event.detail.get("forced") else ""),
            _evidence(event, say),
            event.reason or EMPTY,
            event.by,
        )
        for event in reversed(events)
    ]
    return pd.DataFrame(rows, columns=[t("When"), t("Version"), t("What"), t("Evidence"), t("Reason"), t("By")])


def _evidence(event: Event, say: Speech) -> str:
    better = event.detail.get("better")
    if not better:
        return EMPTY
    against = say.t("popularity") if better["against"] == "popularity" else better["against"].replace("version ", "v")
    return say.t("{gain} [{low}, {high}] against {other}, {n} customers").format(
        gain=f"{better['mean']:+.3f}", low=f"{better['low']:+.3f}", high=f"{better['high']:+.3f}", other=against,
        n=say.count(better["customers"]))  # fmt: skip
