"""The shelf of the page of audiences: kept ones, their versions, overlaps, look-alikes, and the way out."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import audience_charts
from app.audience_exports import ExportRequest, to_file
from app.audience_lookalikes import Lookalikes, keep, lookalikes
from app.audiences import Desk
from app.audited import audited, person
from app.i18n import Speech, plain
from scenefit.contracts.errors import ScenefitError
from segmentation.audience_conditions import steps
from segmentation.audience_versions import Kind
from segmentation.phrases import Lang
from segmentation.rules import InScene, Rule

DRAFT, OPENED, SEEN, NEW, SAID = "audience_draft", "audience_opened", "audience_seen", "audience_new", "shelf_said"
FORMS = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet"}


def saving(found: Desk, rule: Rule, say: Speech) -> None:
    """Keep the rule as the next version of an audience."""
    t = say.t
    draft = draft_of(rule)
    # versions as they stood when the form was drawn, not when its button is pressed
    seen = st.session_state.get(SEEN, {})
    with st.form("save_audience", border=True):
        first, second, third = st.columns([3, 4, 4])
        audience_id = first.text_input(
            t("Short name"),
            value=str(draft.get("audience_id", "")),
            placeholder="travel-teachers",
            help=t("Lower-case letters, digits and hyphens"),
        )
        name_zh = second.text_input(t("Name in Chinese"), value=str(draft.get("name_zh") or rule.sentence("zh"))[:200])
        name_en = third.text_input(t("Name in English"), value=str(draft.get("name_en") or rule.sentence("en"))[:200])
        live = st.toggle(t("Live: counted anew whenever it is opened"), value=False)
        if st.form_submit_button(t("Keep as a version"), type="primary"):
            _save(found, rule, (audience_id.strip(), name_zh, name_en), live, draft.get("origin"), seen, say)
    st.session_state[SEEN] = newest_versions(found)
    if said := st.session_state.pop("audience_said", ""):
        st.success(plain(said), icon=":material/check:")


def draft_of(rule: Rule) -> dict[str, Any]:
    """The mined draft that a rule still stands on: it asks something of the same scene; empty where it does not."""
    draft = st.session_state.get(DRAFT) or {}
    if not draft:
        return {}
    mined = {part.scene for part in steps(Rule.read(str(draft["rule"]))) if isinstance(part, InScene)}
    asked = {part.scene for part in steps(rule) if isinstance(part, InScene)}
    return dict(draft) if mined & asked else {}


def newest_versions(found: Desk) -> dict[str, int]:
    """Number of the newest version of every kept audience."""
    table = found.store.list()
    return {str(name): int(number) for name, number in zip(table["audience_id"], table["version"], strict=True)}


def opened(found: Desk, audience_id: str, version: int) -> None:
    """Remember which version of an audience the editor started from."""
    st.session_state[OPENED] = (str(found.workspace.root), audience_id, version)


def _edited_version(found: Desk, audience_id: str, seen: dict[str, int]) -> int:
    """The version that saving goes on from: the one opened in the editor, else the newest when the form was drawn."""
    root, name, version = st.session_state.get(OPENED) or ("", "", 0)
    started_here = (root, name) == (str(found.workspace.root), audience_id)
    return int(version) if started_here else seen.get(audience_id, 0)


def _save(
    found: Desk, rule: Rule, named: tuple[str, str, str], live: bool, origin: object, seen: dict[str, int], say: Speech
) -> None:
    audience_id, name_zh, name_en = named
    kind: Kind = "live" if live else "snapshot"
    after = _edited_version(found, audience_id, seen)
    try:
        with audited(found.workspace, "audience save", {"audience": audience_id, "rule": rule.text(), "kind": kind}):
            version = found.store.save(
                audience_id, rule, name_en=name_en, name_zh=name_zh, kind=kind, by=person(), after=after,
                at=pd.Timestamp.now("UTC").floor("us"), origin=origin if isinstance(origin, dict) else None,
            )  # fmt: skip
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        if newest_versions(found).get(audience_id, 0) > after:
            # whoever has read this message saves on top of the newest version knowingly
            opened(found, audience_id, newest_versions(found)[audience_id])
        return
    opened(found, audience_id, version.version)
    st.session_state["audience_said"] = say.t("{name}: {n} people kept").format(
        name=f"{audience_id}@{version.version}", n=say.count(version.size)
    )
    st.session_state[NEW] = audience_id
    # the next audience comes from somewhere else
    st.session_state.pop(DRAFT, None)
    st.rerun()


def kept(found: Desk, say: Speech) -> pd.DataFrame:
    """Every kept audience; the chosen one can be opened in the editor."""
    t = say.t
    table = found.store.list()
    if table.empty:
        st.info(t("No audience is kept yet. Build one above and keep it as a version."))
        return table
    zone = found.workspace.dataset().timezone
    shown = pd.DataFrame(
        {
            t("Audience"): [f"{a}@{v}" for a, v in zip(table["audience_id"], table["version"], strict=True)],
            t("Name"): table[f"name_{say.lang}"],
            t("People"): table["size"],
            t("Kind"): [say.label(kind) if kind else "" for kind in table["kind"]],
            t("From"): [say.label(str(origin)) if origin else "" for origin in table["origin"]],
            t("Kept at"): ["" if pd.isna(at) else say.day(str(at), zone) for at in table["at"]],
            t("State"): [problem or (t("stale") if stale else t("exact"))
                         for problem, stale in zip(table["problem"], table["stale"], strict=True)],
        }
    )  # fmt: skip
    st.dataframe(shown, hide_index=True)
    for problem in table.loc[table["problem"] != "", "problem"]:
        st.warning(plain(problem), icon=":material/broken_image:")
    return table


def versions(found: Desk, audience_id: str, say: Speech) -> None:
    """Versions of one audience with what changed, and where it comes from."""
    t, lang = say.t, spoken_lang(say)
    history = found.store.history(audience_id)
    numbers = [int(v) for v in history["version"]]
    if len(numbers) > 1:
        left, right = st.columns(2)
        before = left.selectbox(t("Before"), numbers, index=len(numbers) - 2, key=f"diff_before_{audience_id}")
        after = right.selectbox(t("After"), numbers, index=len(numbers) - 1, key=f"diff_after_{audience_id}")
        found_diff = found.store.diff(f"{audience_id}@{before}", f"{audience_id}@{after}")
        st.markdown("\n".join(f"- {plain(line)}" for line in found_diff.sentences(lang)))
    else:
        st.caption(t("There is one version so far."))
    st.markdown(f"**{t('Where it comes from and what became of it')}**")
    steps = found.store.lineage(audience_id)
    zone = found.workspace.dataset().timezone
    st.dataframe(
        pd.DataFrame(
            {
                t("When"): [say.day(str(at), zone) for at in steps["at"]],
                t("Audience"): [f"{a}@{v}" for a, v in zip(steps["audience_id"], steps["version"], strict=True)],
                t("What"): [say.label(str(e)) for e in steps["event"]],
                t("Who"): steps["by"],
                t("Details"): steps["details"],
            }
        ),
        hide_index=True,
    )


def overlaps(found: Desk, table: pd.DataFrame, say: Speech) -> None:
    """Which audiences share people; each person once, in the order chosen."""
    t = say.t
    ids = list(table["audience_id"])
    chosen = st.multiselect(t("Audiences, the most important first"), ids, default=whole(table)[:4],
                            key=f"overlap_{say.lang}")  # fmt: skip
    if len(chosen) < 2:
        st.info(t("Choose two audiences or more."))
        return
    matrix = found.store.overlap(chosen)
    st.echarts_chart(
        audience_charts.overlap_chart(matrix, say), height=90 + 52 * len(chosen), alt=t("Overlap of audiences")
    )
    once = found.store.deduplicated(chosen).table
    st.markdown(f"**{t('Each person once, by priority')}**")
    st.dataframe(
        once.rename(
            columns={
                "audience_id": t("Audience"),
                "size": t("People"),
                "kept": t("Kept"),
                "taken": t("Taken by earlier ones"),
            }
        ),
        hide_index=True,
    )


def whole(table: pd.DataFrame) -> list[str]:
    """Ids of the kept audiences that can be read."""
    return list(table.loc[table["problem"] == "", "audience_id"])


def growing(found: Desk, reference: str, say: Speech) -> None:
    """More people like an audience, with the proof, kept as an audience of their own."""
    t = say.t
    share = st.slider(t("How many to add, as a share of everybody"), 1, 20, 5, format="%d%%", key="grow_share")
    if st.button(t("Find people like these"), key="grow", type="primary"):
        with st.spinner(t("Trying every method on hidden seeds")):
            try:
                grown = lookalikes(found, reference, share=share / 100)
                st.session_state["grown"] = (str(found.workspace.root), grown)
            except ScenefitError as error:
                st.error(plain(error), icon=":material/error:")
    root, kept_one = st.session_state.get("grown") or ("", None)
    if kept_one is None or (root, kept_one.reference) != (str(found.workspace.root), reference):
        return
    _grown(found, kept_one, say)


def _grown(found: Desk, grown: Lookalikes, say: Speech) -> None:
    """The proof of an expansion, whom it adds, and the button that keeps it."""
    t = say.t
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.markdown(f"**{t('Which method finds hidden seeds')}**")
        st.echarts_chart(
            audience_charts.bake_off_chart(grown.report, say), height=300, alt=t("Hidden seeds found by method")
        )
    with right:
        st.metric(t("People added"), say.count(len(grown.customers)), border=True)
        shown = grown.expansion
        risks = (
            (t("added"), shown.bad_expansion),
            (t("seeds"), shown.bad_seeds),
            (t("everybody"), shown.bad_everybody),
        )
        st.markdown(
            f"**{t('Mean probability of default')}**: " + " · ".join(f"{name} {say.percent(v)}" for name, v in risks)
        )
        fair = shown.fairness
        if len(fair):
            low = fair[fair["ratio"] < 0.8]
            st.markdown(f"**{t('Groups chosen less than four fifths as often as the most chosen')}**: {len(low)}")
            st.dataframe(
                pd.DataFrame({t("Attribute"): [say.label(c) for c in fair["column"]], t("Group"): fair["group"],
                              t("Chosen"): [say.percent(r) for r in fair["rate"]],
                              t("Ratio"): [say.figure(r, 2) for r in fair["ratio"]]}),
                hide_index=True, height=220,
            )  # fmt: skip
    seeds = grown.reference
    new_id = st.text_input(t("Keep as"), value=f"{seeds.partition('@')[0]}-like", key=f"grow_id_{seeds}")
    if st.button(t("Keep seeds and added people"), key="grow_keep"):
        try:
            label = keep(found, grown, new_id, f"like {seeds}", f"{seeds}的相似人群")
        except ScenefitError as error:
            st.error(plain(error), icon=":material/error:")
            return
        st.session_state[SAID] = t("{name} is kept").format(name=label)
        st.session_state[NEW] = label.partition("@")[0]
        st.rerun()


def leaving(found: Desk, reference: str, table: pd.DataFrame, say: Speech) -> None:
    """Export with consent, lists, caps and floor at this moment; the receipt adds up."""
    t = say.t
    with st.form("export_audience", border=True):
        first, second, third = st.columns([4, 4, 2])
        destination = first.text_input(t("Who receives it"), placeholder=t("name of the partner or team"))
        channels = second.multiselect(t("Channels"), found.channels, default=found.channels[:2], format_func=say.label)
        form = third.selectbox(t("Form"), list(FORMS), format_func=FORMS.__getitem__)
        phones = st.toggle(t("Hashed phone numbers alone (match file)"), value=False)
        columns = st.multiselect(t("Features to export"), found.columns, format_func=say.label, placeholder=t("Choose"))
        others = [name for name in whole(table) if name != reference.partition("@")[0]]
        suppress = st.multiselect(t("Leave out members of"), others, placeholder=t("Choose"))
        asked = st.form_submit_button(t("Export with receipt"), type="primary")
    if asked:
        request = ExportRequest(reference, destination, tuple(channels), () if phones else tuple(columns), phones,
                                suppress=tuple(suppress))  # fmt: skip
        _export(found, request, str(form), say)
    ready = st.session_state.get("exported")
    if ready and ready["of"] == (str(found.workspace.root), reference):
        _receipt(ready, say)


def spoken_lang(say: Speech) -> Lang:
    """The language in which rules speak."""
    return "zh" if say.lang == "zh" else "en"


def _export(found: Desk, request: ExportRequest, form: str, say: Speech) -> None:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{request.reference.partition('@')[0]}.{form}"
        try:
            receipt = to_file(found, request, target)
        except ScenefitError as error:
            st.session_state.pop("exported", None)
            st.error(plain(error), icon=":material/error:")
            return
        st.session_state["exported"] = {
            "of": (str(found.workspace.root), request.reference),
            "name": target.name, "content": target.read_bytes(), "receipt": receipt.text(),
        }  # fmt: skip
    st.toast(say.t("Exported; the receipt is below."))


def _receipt(ready: dict[str, object], say: Speech) -> None:
    t = say.t
    receipt = json.loads(str(ready["receipt"]))
    label = f"{receipt['audience_id']}@{receipt['version']}"
    st.markdown(f"**{plain(label)}**")
    st.success(
        t("{n} people released of {members} members").format(
            n=say.count(receipt["written"]), members=say.count(receipt["members"])
        )
    )
    st.dataframe(
        pd.DataFrame({t("Step"): [audience_charts.step_label(s["step"], say) for s in receipt["steps"]],
                      t("People"): [s["customers"] for s in receipt["steps"]]}),
        hide_index=True,
    )  # fmt: skip
    st.caption(f"SHA-256 {receipt['sha256']}")
    left, right, _ = st.columns([2, 2, 6])
    content = ready["content"]
    assert isinstance(content, bytes)
    left.download_button(t("Download the file"), io.BytesIO(content), file_name=str(ready["name"]), on_click="ignore")
    right.download_button(
        t("Download the receipt"), str(ready["receipt"]), file_name=f"{ready['name']}.receipt.json", on_click="ignore"
    )
