"""How good the models are, as rows that page and report show alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from app.i18n import Speech


class QualityRow(NamedTuple):
    """One measure of one recommendation task."""

    task: str
    measure: str
    model: float
    popularity: float


def ranking_rows(metrics: dict[str, Any], say: Speech) -> list[QualityRow]:
    """Model against popularity: behaviour (all, new) and offers; blocks that are absent give no row."""
    t = say.t
    behaviour, offers = metrics.get("behaviour", {}), metrics.get("offers", {})
    item = t("scenes") if behaviour.get("items") == "scene" else t("merchants")
    blocks = (
        (t("{items} visited").format(items=item), behaviour.get("all", {})),
        (t("{items} new to the customer").format(items=item), behaviour.get("new", {})),
        (t("offers taken"), offers),
    )
    return [
        QualityRow(task, measure, float(block[measure]["model"]), float(block[measure]["popularity"]))
        for task, block in blocks
        for measure in ("ndcg@10", "hit@10")
        if measure in block
    ]


def quality_frame(rows: list[QualityRow]) -> pd.DataFrame:
    """The rows as a frame: task, measure, model, popularity."""
    return pd.DataFrame(rows, columns=list(QualityRow._fields))


def classifier_rows(metrics: dict[str, Any], say: Speech) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Per model that gives probabilities: its title and (name, value, meaning) of each figure."""
    t = say.t
    order = t("How often a positive is ranked above a negative: 0.5 by chance, 1 always")
    honesty = t("Mean gap between stated and observed probability: 0 is honest")
    found = []
    if "auc" in (response := metrics.get("response", {})):
        held_out = ", ".join(str(c) for c in response.get("campaigns", []))
        title = t("Who takes an offer")
        if held_out:
            title += f" · {t('held-out campaigns {ids}').format(ids=held_out)}"
        found.append((title, [
            ("AUC", say.figure(response["auc"]), order),
            ("AP", say.figure(response.get("ap")), t("Average precision; by chance it equals the base rate")),
            ("ECE", say.figure(response.get("ece"), 4), honesty),
            (t("Base rate"), say.percent(response.get("base_rate"), 2), t("Share of takers among those offered")),
            (t("Rows"), say.short(response.get("rows")), t("Offers the figures rest on")),
        ]))  # fmt: skip
    if "auc" in (default := metrics.get("default", {})):
        found.append((t("Who defaults"), [
            ("AUC", say.figure(default["auc"]), order),
            ("ECE", say.figure(default.get("ece"), 4), honesty),
            (t("Bad rate"), say.percent(default.get("bad_rate"), 2), t("Share of accounts that default")),
            (t("Accounts"), say.short(default.get("accounts")), t("Accounts the figures rest on")),
        ]))  # fmt: skip
    return found


def absent(metrics: dict[str, Any], blocks: tuple[str, ...], say: Speech) -> list[str]:
    """Why a block has no figures, one sentence per absent block."""
    names = {"behaviour": say.t("behaviour"), "offers": say.t("offers taken"), "response": say.t("Who takes an offer"),
             "default": say.t("Who defaults")}  # fmt: skip
    return [
        f"{names[block]}: {why_absent(metrics.get(block), say)}"
        for block in blocks
        if "absent" in metrics.get(block, {}) or block not in metrics
    ]


def why_absent(block: object, say: Speech) -> str:
    """Why a block of the metrics has no figures."""
    if isinstance(block, dict) and "absent" in block:
        return str(block["absent_zh"] if say.lang == "zh" and "absent_zh" in block else block["absent"])
    return say.t("This run did not measure it.")


def no_effects(block: object, say: Speech) -> str:
    """Why no campaign effect is shown."""
    if block == []:
        return say.t("No campaign with a control group has ended, so no effect can be read.")
    return why_absent(block, say)
