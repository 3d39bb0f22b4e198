"""The kept case of a run for the page of offers: read once per process, and by what names its ids are called."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app.finished_run import FinishedRun
from app.i18n import LANGUAGES, Speech, plain
from app.kept_case import CASE, PLAN, read_case, read_plan
from app.offer_facts import exclusive_groups, situations
from app.sentences import limit_name
from app.tables import subjects
from recsys.case import Case
from recsys.decide import Decider
from recsys.offer_rules import RULES, in_quiet_hours
from recsys.problem import Plan
from scenefit.contracts.quiet import QuietHours


class Kept(NamedTuple):
    """What a run's plan was made from, and the plan; `key` tells it apart from every other in a cache."""

    key: str
    case: Case
    plan: Plan
    exclusive: np.ndarray


def kept_of(run: FinishedRun) -> Kept | None:
    """The kept case of a run, None where an older version made the run.

    Raises
    ------
    StoreError : its files are damaged.
    """
    if not all((run.folder / part).is_dir() for part in (CASE, PLAN)):
        return None
    changed = (run.folder / "manifest.json").stat().st_mtime_ns
    return kept_at(str(run.folder), changed)


def kept_again(key: str) -> Kept:
    """The kept case of a key: cached functions take the key, not the arrays."""
    folder, _, changed = key.rpartition("@")
    return kept_at(folder, int(changed))


# resource, not data: a copy per session would cost its size again
@st.cache_resource(max_entries=2, show_spinner=False)
def kept_at(folder: str, changed: int) -> Kept:
    """The kept case in a folder as it was at a moment."""
    case = read_case(Path(folder))
    plan, _ = read_plan(Path(folder))
    return Kept(f"{folder}@{changed}", case, plan, exclusive_groups(case))


@st.cache_resource(max_entries=2, show_spinner=False)
def decider_of(key: str, quiet_from: int, quiet_until: int, zone: str) -> Decider:
    """Who decides by the prices of the kept plan, with the hours in which channels that ring keep quiet."""
    kept = kept_again(key)
    channels = kept.case.offers["channel"].tolist()
    hours = QuietHours(time(quiet_from % 24), time(quiet_until % 24), zone)

    def moment(at: pd.Timestamp) -> dict[str, np.ndarray]:
        return {"quiet hours": in_quiet_hours(channels, at, hours)[0]}

    return Decider(kept.case, kept.plan.shadow_prices, moment=moment)


@st.cache_data(max_entries=4, show_spinner=False)
def situations_of(key: str) -> dict[str, str]:
    """Example people by situation."""
    kept = kept_again(key)
    return situations(kept.case, kept.plan)


@st.cache_data(max_entries=4, show_spinner=False)
def mean_take(key: str) -> np.ndarray:
    """How often people take each offer on average, (m,)."""
    found: np.ndarray = kept_again(key).case.p_take.mean(axis=0, dtype=np.float64)
    return found


def limit_names(kept: Kept, run: FinishedRun, say: Speech) -> dict[str, str]:
    """What each limit is called, by its name."""
    names = subjects(run, say)
    return {spec.name: limit_name({"name": spec.name}, names, say) for spec in kept.case.limits}


def all_names(kept: Kept, run: FinishedRun) -> dict[str, dict[str, str]]:
    """Language → id → what to call products, segments, scenes, channels and limits."""
    said = {lang: Speech(lang, str(run.dataset.get("currency", "CNY"))) for lang in LANGUAGES}
    return {lang: subjects(run, say) | limit_names(kept, run, say) for lang, say in said.items()}


def product_names(kept: Kept, say: Speech) -> dict[str, str]:
    """Product id to name, as the plan's offers say."""
    return dict(zip(kept.case.offers["product_id"], kept.case.offers[f"name_{say.lang}"], strict=True))


def offer_name(kept: Kept, offer: int, say: Speech) -> str:
    """A product and its channel."""
    row = kept.case.offers.iloc[offer]
    return f"{row[f'name_{say.lang}']} · {say.label(str(row['channel']))}"


def reason_words(code: str, kept: Kept, run: FinishedRun, say: Speech) -> str:
    """Why an offer is not made, in words: a rule's sentence, a limit's name, or what stands before."""
    t = say.t
    if code.startswith("limit "):
        name = limit_names(kept, run, say).get(code.removeprefix("limit "), code.removeprefix("limit "))
        return t("limit: {name}").format(name=name)
    told = {rule["code"]: str(rule[say.lang]) for rule in kept.case.facts.get("rules", [])}
    if code in told:
        return told[code]
    if code in RULES:
        return RULES[code].zh if say.lang == "zh" else RULES[code].en
    return {"no worth": t("costs more than it brings"), "another offer": t("another offer is worth more"),
            "limits": t("a limit")}.get(code, say.reason(code))  # fmt: skip


def stands_on(kept: Kept, run: FinishedRun, say: Speech, more: str = "") -> None:
    """The line below figures: which run, as of when, and that money is expected."""
    t = say.t
    as_of = str(kept.case.facts.get("as_of", run.manifest["as_of"]))
    line = t("Run {run} · as of {moment} · expected figures of models, not results").format(
        run=run.run_id, moment=say.day(as_of, run.timezone)
    )
    if run.dataset["synthetic"]:
        line += " · " + t("synthetic data")
    st.caption(plain(f"{line}{' · ' if more else ''}{more}"))


def moment_of(run: FinishedRun, day: object, hour: int) -> pd.Timestamp:
    """An hour of a business day as an instant in UTC."""
    return pd.Timestamp(f"{day} {hour:02d}:00").tz_localize(run.timezone).tz_convert("UTC")
