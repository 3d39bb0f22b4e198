"""Documents of plans in the lines of a terminal."""

from __future__ import annotations

from typing import Any
from unicodedata import east_asian_width

Document = dict[str, Any]
MARKS = {"passes": "yes", "fails": "NO", "not asked": "·"}
# columns of figures, as they read before and after
SHOWN = (
    ("value", "value", ",.0f"), ("customers", "customers", ",.0f"), ("offers", "offers", ",.0f"),
    ("takers", "expected takers", ",.1f"), ("cost", "cost", ",.0f"), ("expected_loss", "expected loss", ",.0f"),
    ("bad_rate", "bad rate of takers", ".2%"),
)  # fmt: skip
MOST_LIMITS = 12
MOST_ROWS = 15


def plan_lines(document: Document) -> list[str]:
    """A plan: figures, what is used of each limit, what the limits cost as sentences in both languages."""
    plan, told = document["plan"], document["figures"]
    lines = [_head(document), *(f"  {name:<20}{_number(told[key], form)}" for key, name, form in SHOWN)]
    if "value_low" in told:
        lines.append(f"  {'value, 95 %':<20}{told['value_low']:,.0f} to {told['value_high']:,.0f}")
    lines.append(f"  {'below the optimum':<20}at most {plan['gap']:.2e} of it")
    if "compared" in document:
        lines += _compared(document["compared"], plan["value"])
    return [*lines, "", *limit_lines(document["limits"])]


def limit_lines(limits: list[Document]) -> list[str]:
    """The limits that bind, as sentences; how many others have room."""
    binding = [one for one in limits if one["binds"]]
    shown = binding[:MOST_LIMITS]
    lines = [f"{'limit':<24}{'used':>14}{'':>4}{'total':>14}"]
    lines += [
        f"{one['name']:<24}{_number(one['used'], ',.6g'):>14}{one['sense']:>4}{one['total']:>14,.6g}" for one in shown
    ]
    more = [f"… and {len(binding) - len(shown)} more that bind (--json shows all)"] if len(binding) > len(shown) else []
    free = len(limits) - len(binding)
    return [
        *lines, *more, f"{free} of {len(limits)} limits have room to spare or cost nothing.", "",
        *(one["en"] for one in shown), "", *(one["zh"] for one in shown),
    ]  # fmt: skip


def what_if_lines(document: Document) -> list[str]:
    """Before against after, then what moves most by product and segment."""
    before, after = document["before"], document["after"]
    lines = [_head(document), f"{'':<22}{'before':>16}{'after':>16}{'change':>14}"]
    for key, name, form in SHOWN:
        was, now = before[key], after[key]
        change = "–" if was is None or now is None else f"{now - was:+{form}}"
        lines.append(f"  {name:<20}{_number(was, form):>16}{_number(now, form):>16}{change:>14}")
    lines.append(f"  {document['changed']:,} customers get something else ({document['changed_share']:.1%})")
    for what, column in (("by_product", "product_id"), ("by_segment", "segment_id")):
        rows = [one for one in document[what] if one["offers_before"] or one["offers_after"]]
        # what is not told of few people counts as nothing
        rows.sort(key=lambda one: -abs((one["value_after"] or 0.0) - (one["value_before"] or 0.0)))
        lines += ["", f"{column:<22}{'offers':>16}{'':>14}{'value':>16}"]
        lines += [
            f"  {one[column] or '(none)':<20}{one['offers_before']:>8,} → {one['offers_after']:<8,}"
            f"{_number(one['value_before'], ',.0f'):>14} → {_number(one['value_after'], ',.0f')}"
            for one in rows[:MOST_ROWS]
        ]
    return [*lines, "", *limit_lines(document["limits"])]


def check_lines(document: Document) -> list[str]:
    """The table of checks and the verdict in both languages."""
    lines = [_head(document)]
    for row in document["rows"]:
        offender = f"  {row['offender']}" if row["offender"] else ""
        verdict = "ok " if row["ok"] else "BAD"
        lines.append(f"{verdict}  {row['check']:<32}{row['found']:<30}must be {row['must_be']}{offender}")
    return [*lines, document["en"], document["zh"]]


def frontier_lines(document: Document) -> list[str]:
    """Total of the limit, value, loss, bad rate and what one more unit would earn."""
    lines = [_head(document), f"{document['limit']:>16}{'value':>16}{'loss':>14}{'bad rate':>10}{'one more earns':>16}"]
    for one in document["points"]:
        total = f"{one['total']:>16,.6g}"
        if not one["feasible"]:
            lines.append(f"{total}  cannot be kept together with the other limits")
            continue
        lines.append(
            f"{total}{_number(one['value'], ',.0f'):>16}{_number(one['expected_loss'], ',.0f'):>14}"
            f"{_number(one['bad_rate'], '.2%'):>10}{one['marginal_price']:>16,.4g}"
        )
    return lines


def stability_lines(document: Document) -> list[str]:
    """How many offers change when inputs are a little off, and what the plan stays worth."""
    by = "their standard errors" if document["wiggle"] is None else f"up to {document['wiggle']:.1%}"
    feasible = sum(bool(one["feasible"]) for one in document["draws"])
    lines = [
        _head(document),
        f"  inputs off by {by}, {feasible} of {len(document['draws'])} draws can be planned, "
        f"inertia {document['inertia']:g}",
        f"  offers that change    {_number(document['churn'], '.1%')}",
        f"  value kept            {_number(document['value_kept'], '.2%')}",
    ]
    if "recommended" in document:
        told = document["recommended"]
        reached = "keeps to" if told["reached"] else "comes nearest to"
        lines.append(
            f"  inertia {told['inertia']:,.4g} {reached} the goal of {told['goal']:.0%}: {told['churn']:.1%} change, "
            f"{told['value_given_up']:.2%} of the value is given up"
        )
    return lines


def explain_lines(document: Document, lang: str, product: str | None) -> list[str]:
    """The stage grid: one line per offer, without a product the channel that gets furthest of each."""
    stages = document["stages"]
    offers = document["offers"] if product else _furthest(document["offers"], stages)
    offered = ", ".join(document["offered"]) or {"en": "nothing", "zh": "无"}[lang]
    groups = ", ".join(f"{name} {value}" for name, value in document["groups"].items() if value)
    lines = [_head(document), f"{document['customer']}: {offered}  ({groups})", _grid_head(stages)]
    for one in offers:
        marks = "".join(f"{MARKS[one['said'][stage]]:>15}" for stage in stages)
        rule = f" [{one['rule']}]" if one["rule"] else ""
        lines.append(f"{_padded(_offer(one, lang), 38)}{marks}  {one[lang]}{rule}")
    return lines


def decide_lines(document: Document, lang: str) -> list[str]:
    """The offers in their order, then why not the others, product by product."""
    trace = document["trace"]
    won = {offer: place for place, offer in enumerate(document["offers"])}
    asked = "" if document["quiet_hours_asked"] else "; quiet hours are asked with --at"
    lines = [_head(document), f"{document['customer']} at {document['at']}{asked}"]
    if not won:
        lines.append({"en": "  no offer", "zh": "  无推荐"}[lang])
    for one in sorted((one for one in trace if one["offer_id"] in won), key=lambda one: won[one["offer_id"]]):
        mark = "" if won[one["offer_id"]] < document["made"] else "  (in reserve)"
        lines.append(
            f"  {won[one['offer_id']] + 1}  {_offer(one, lang)}: p {one['p_take']:.3f}, value {one['value']:,.2f}, "
            f"after limits {one['reduced']:,.2f}{mark}"
        )
    told: dict[str, Document] = {}
    for one in sorted(trace, key=lambda one: -one["reduced"]):
        told.setdefault(one["product_id"], one)
    served = {one["product_id"] for one in trace if one["offer_id"] in won}
    lines += [f"  -  {_offer(one, lang)}: {one[lang]}" for name, one in told.items() if name not in served]
    return [*lines, f"decision {document['decision_id']}, policy {document['policy']}"]


def persona_lines(document: Document) -> list[str]:
    """Every expectation that is not met, and the count."""
    lines = [_head(document)]
    lines += [
        f"{'ok ' if row['ok'] else 'BAD'}  {row['persona']}: {row['expectation']}; found: {row['found']}"
        for row in document["rows"]
    ]
    return [*lines, f"{document['failed']} of {document['expectations']} expectations of {document['personas']} "
            "personas are not met"]  # fmt: skip


def _head(document: Document) -> str:
    told = document["about"]
    label = " (SYNTHETIC)" if told["synthetic"] else ""
    which = f"plan {told['plan']} of run {told['run']}" if told["plan"] else f"run {told['run']}"
    many = f", up to {told['per_customer']} offers each" if told["per_customer"] > 1 else ""
    return f"{which}, {told['dataset'] or 'data'}{label}, as of {str(told['as_of'])[:10]}{many}"


def _compared(told: Document, value: float | None) -> list[str]:
    changed = [f"  {name}: {was:,.6g} → {now:,.6g}" for name, (was, now) in told["totals"].items()]
    more = "–" if value is None or told["value"] is None else f"{value - told['value']:+,.0f}"
    return [
        *changed,
        f"  against {told['with']}: {more} value, {told['changed']:,} customers get something "
        f"else ({told['changed_share']:.1%})",
    ]


def _furthest(offers: list[Document], stages: list[str]) -> list[Document]:
    """Of each product the offer made, else the channel that gets furthest, of those the one that earns most."""

    def passed(one: Document) -> tuple[bool, int, float]:
        return one["offered"], sum(one["said"][stage] == "passes" for stage in stages), one["after_limits"]

    best: dict[str, Document] = {}
    for one in sorted(offers, key=passed, reverse=True):
        best.setdefault(one["product_id"], one)
    return list(best.values())


def _grid_head(stages: list[str]) -> str:
    return f"{'':<38}" + "".join(f"{stage:>15}" for stage in stages)


def _offer(one: Document, lang: str) -> str:
    return f"{one['offer_id']} {one[f'name_{lang}']}"


def _padded(text: str, width: int) -> str:
    """Text filled up with blanks; Chinese characters take two places."""
    return text + " " * (width - sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text))


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
