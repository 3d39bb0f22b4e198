"""What a back-test says, in sentences: for the page, the report and the command line."""

from __future__ import annotations

from typing import Any

from app.i18n import Speech
from app.labels import mark

WHY = {
    "no propensity": mark("The list does not state with which probability each person was contacted."),
    "no control": mark("Everybody on the list was contacted with the same product, so nothing else was tried."),
    "no overlap": mark("Nobody was treated by chance as our list would have treated them."),
    "nothing to offer": mark("The rules of then leave no worthwhile offer to the people of the list."),
    "thin or unfitting": mark("Too few people were treated by chance as our list would have, or propensities misfit."),
    "no bad rate": mark("The list does not state of every taker whether the loan went bad."),
}
READ = {
    "takers": mark(
        "Takers per 1,000 people, realised: {past} under the old list, {ours} under ours ({low} to {high})."
    ),
    "performing": mark(
        "Performing loans per 1,000 people, realised: {past} before, {ours} with ours ({low} to {high})."
    ),
    "profit": mark(
        "Profit per 1,000 people, realised: {past} under the old list, {ours} under ours ({low} to {high})."
    ),
}


def sentences(document: dict[str, Any], lang: str) -> list[str]:
    """A back-test's document as sentences, the basis of every figure first."""
    say = Speech(lang, document["case"]["currency"] or "CNY")
    told = [_basis(document, say), _overlap(document, say), *_expected(document, say)]
    reading = document["realised"]
    told += [_reading(one, say) for one in reading["readings"]]
    if reading["bad_rate"] is not None:
        rate = reading["bad_rate"]
        said = say.t("Bad rate of our takers, realised: {share} ({low} to {high}).")
        told.append(said.format(**{end: say.percent(rate[end]) for end in ("share", "low", "high")}))
    if not reading["readings"]:
        told.append(say.t("No realised claim is made: what follows from the past alone is observational."))
    told += [say.t(WHY[one["code"]]) for one in reading["refused"]]
    return told


def _basis(document: dict[str, Any], say: Speech) -> str:
    given = document["list"]
    said = say.t(
        "The list contacted {contacted} people, {takers} took; {unknown} are not in the data. "
        "As of {at}, by the models of then."
    ).format(
        contacted=say.count(given["contacted"]), takers=say.count(given["takers"]), unknown=say.count(given["unknown"]),
        at=str(document["case"]["as_of"])[:10],
    )  # fmt: skip
    return f"{said} {say.t('The data is synthetic.')}" if document["case"]["synthetic"] else said


def _overlap(document: dict[str, Any], say: Speech) -> str:
    common = document["overlap"]
    return say.t("Of {ours} contacts on our list, {both} are on the old one too (Jaccard {jaccard}).").format(
        ours=say.count(common["ours"]), both=say.count(common["both"]), jaccard=say.figure(common["jaccard"], 2)
    )


def _expected(document: dict[str, Any], say: Speech) -> list[str]:
    extra = {one["name"]: one for one in document["extra"]}
    # with few people on a list nothing is told of what it would earn
    if extra["performing"]["value"] is None:
        return [say.t("Fewer than 20 people are on one of the lists: what would tell their risk is not shown.")]
    told = [
        say.t("Expected, at no more contacts: {loans} performing loans more, {value} more value.").format(
            loans=_signed(extra["performing"]["value"], say), value=say.money(extra["value"]["value"])
        )
    ]
    theirs, ours = (document["expected"][name]["bad_rate"] for name in ("theirs", "ours"))
    if theirs is not None and ours is not None:
        told.append(
            say.t("Expected bad rate of takers: {theirs} on the old list, {ours} on ours.").format(
                theirs=say.percent(theirs, 2), ours=say.percent(ours, 2)
            )
        )
    safe = document["expected"].get("as_safe")
    if safe is not None and safe["performing"] is not None:
        more = safe["performing"] - document["expected"]["theirs"]["performing"]
        told.append(
            say.t("At no larger bad rate than the old list: {loans} performing loans more.").format(
                loans=_signed(more, say)
            )
        )
    return told


def _reading(one: dict[str, Any], say: Speech) -> str:
    def each(number: float) -> str:
        return say.money(1000 * number) if one["name"] == "profit" else f"{1000 * number:,.1f}"

    ours = one["ours"]
    return say.t(READ[one["name"]]).format(
        past=each(one["past"]), ours=each(ours["value"]), low=each(ours["low"]), high=each(ours["high"])
    )


def _signed(number: float, say: Speech) -> str:
    return f"−{say.figure(-number, 1)}" if number < 0 else say.figure(number, 1)
