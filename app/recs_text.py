"""Versions, searches and explanations as lines of text, from the same documents that `--json` prints."""

from __future__ import annotations

from typing import Any


def version_lines(document: dict[str, Any]) -> list[str]:
    """One version: what it was fitted on and how good it is."""
    quality, als = document["quality"], document["als"]
    ndcg = quality["ndcg@10"]
    mark = "champion" if document["champion"] else "challenger"
    settings = ", ".join(f"{name} {als[name]:g}" for name in ("factors", "regularization", "alpha", "iterations"))
    synthetic = " (synthetic)" if document["data"]["synthetic"] else ""
    return [
        f"{document['model']} version {document['version']} ({mark}): {document['data']['name']}{synthetic}, "
        f"as of {document['as_of']}",
        f"  {settings}",
        f"  NDCG@10 {ndcg['model']:.3f} against {ndcg['popularity']:.3f} by popularity, difference "
        f"{ndcg['difference']:+.3f} (95 % {ndcg['low']:+.3f} to {ndcg['high']:+.3f}), "
        f"{quality['customers']:,} customers",
        f"  calibration error {quality['ece']:.4f} at a base rate of {quality['base_rate']:.4f}; correction: "
        f"{quality['correction']['method']}",
    ]


def listed_lines(document: dict[str, Any]) -> list[str]:
    """Every version and what happened to them."""
    if not document["versions"]:
        return ["no version yet; fit one with `scenefit recs fit`"]
    lines = [line for version in document["versions"] for line in version_lines(version)]
    return lines + ["history:"] + [f"  {event_line(event)}" for event in document["history"]]


def event_line(event: dict[str, Any]) -> str:
    """One thing that happened to a version."""
    reason = f": {event['reason']}" if event["reason"] else ""
    forced = " (forced)" if event["detail"].get("forced") else ""
    version = f"version {event['version']} {event['deed']}"
    if event["deed"] == "rolled back":
        version = f"rolled back from version {event['before']} to {event['version']}"
    return f"{event['at'][:19]} {version}{forced} by {event['by']}{reason}"


def search_lines(document: dict[str, Any]) -> list[str]:
    """The trials of a search, the best first within each rung."""
    lines = [f"best of {document['trials']} trials: NDCG@10 {document['score']:.4f}, {_settings(document['best'])}"]
    for trial in document["last"]:
        lines.append(f"  trial {trial['number']:>3}  {trial['score']:.4f}  {_settings(trial['settings'])}")
    lines += [f"  trial {t['number']:>3} failed: {t['error']}" for t in document["failed"]]
    return [*lines, f"kept in {document['folder']}; fit it with `scenefit recs fit --best {document['folder']}`"]


def explanation_lines(document: dict[str, Any], lang: str) -> list[str]:
    """One customer's offers with reasons, the ranked ones first, then why not the others."""
    zh = lang == "zh"
    lines = [
        f"{document['customer_id']}: {document['model']} version {document['version']}, run {document['run_id']}"
        + (f", {'客群' if zh else 'segment'} {document['segment_id']}" if document["segment_id"] else "")
    ]
    if document["cold"]:
        lines.append(
            "  没有行为记录：依据画像、持有及同客群的提用"
            if zh
            else "  no behaviour yet: profile, holdings and what people of the segment take speak"
        )
    for offer in document["offers"]:
        lines += _offer_lines(offer, lang)
    return lines


def response_lines(document: dict[str, Any]) -> list[str]:
    """The response model on held-out campaigns, all together and by channel."""
    right = document["correction"]
    lines = [f"held-out campaigns: {', '.join(document['campaigns'])}", _response_line("all channels", document)]
    lines += [_response_line(part["channel"], part) for part in document["channels"]]
    if right["method"] == "none":
        return [*lines, "no correction surely helps: the probabilities stand as they are"]
    single = " and a shift for each product" if right["by_offer"] else ""
    return [
        *lines,
        f"corrected in the plan by {right['method']}{single}: calibration error {right['before']:.4f} before, "
        f"{right['after']:.4f} after, on offers it was not learned from",
    ]


def evidence_lines(document: dict[str, Any]) -> list[str]:
    """What each product rests on, those on starting evidence first."""
    order = {"borrowed": 0, "unknown": 1, "own": 2}
    rows = sorted(document["products"], key=lambda row: (order[row["state"]], row["days"], row["product_id"]))
    lines = [f"as of {document['as_of']}: {len(rows)} live products"]
    for row in rows:
        head = f"  {row['product_id']}  {row['takes']:,} of {row['offers']:,} offers taken"
        if row["state"] == "borrowed":
            lines.append(
                f"{head}; estimate {row['rate']:.2%}, {row['borrowed']:.0%} of it from similar products "
                f"(most alike {row['nearest']}), gone on {row['gone_at'][:10]} or after "
                f"{row['offers_left']:,.0f} offers"
            )
        else:
            lines.append(f"{head}; " + ("nothing is known" if row["state"] == "unknown" else f"own {row['own']:.2%}"))
    return lines


def _response_line(name: str, part: dict[str, Any]) -> str:
    first, profit = part["lift"][0], part["profit"]
    money = f", profit of the first tenth {profit[0]['profit']:,.2f}" if profit else ""
    return (
        f"  {name}: {part['takers']:,} of {part['offers']:,} took ({part['base_rate']:.2%}, promised "
        f"{part['promised']:.2%}), calibration error {part['ece']:.4f}, lift of the first tenth "
        f"{first['lift']:.2f}{money}"
    )


def _offer_lines(offer: dict[str, Any], lang: str) -> list[str]:
    why = offer["why_not"]
    head = f"{offer['product_id']} {offer[f'name_{lang}']}"
    if offer["rank"] is None:
        return [f"  -  {head}: {why[lang]}"]
    separator = "；" if lang == "zh" else "; "
    told = separator.join(reason[lang] for reason in [*offer["reasons"], *offer["facts"]])
    return [
        f"  {offer['rank']}  {head}: p {offer['p_take']:.3f}, value {offer['value']:,.2f}, {why[lang]}",
        *([f"       {told}"] if told else []),
    ]


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(settings.items()))
