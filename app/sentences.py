"""What a limit costs, as a sentence a marketer can repeat."""

from __future__ import annotations

from typing import Any

from app.i18n import Speech

Limit = dict[str, Any]
IN_MONEY = ("budget", "loss", "cost", "spend", "value", "margin", "incentive")


def binding(limits: list[Limit]) -> list[Limit]:
    """Limits that cost value, the dearest first (price times what is allowed)."""
    tight = [limit for limit in limits if abs(limit["shadow_price"] or 0) > 1e-9]
    return sorted(tight, key=lambda limit: (-abs(limit["shadow_price"] * (limit["total"] or 1)), limit["name"]))


def limit_total(limit: Limit, names: dict[str, str], say: Speech) -> tuple[str, str, str]:
    """Name of the limit, what is allowed, what is used."""
    write = say.money if in_money(limit) else say.count
    return limit_name(limit, names, say), write(limit["total"]), write(limit["used"])


def limit_sentence(limit: Limit, names: dict[str, str], say: Speech) -> str:
    """One sentence: what more room would earn, or what a floor costs.

    >>> budget = {"name": "budget", "sense": "<=", "total": 50_000, "used": 50_000, "shadow_price": 3.2}
    >>> limit_sentence(budget, {}, Speech("en"))
    'Budget: ¥1,000 more would earn about ¥3,200.'
    """
    price, name = abs(limit["shadow_price"]), limit_name(limit, names, say)
    if limit["sense"] == ">=":
        unit = say.money(1000) if in_money(limit) else say.t("one person")
        worth = say.money(1000 * price if in_money(limit) else price)
        return say.t("{limit}: {unit} less required would earn about {worth}.").format(
            limit=name, unit=unit, worth=worth
        )
    if in_money(limit):
        return say.t("{limit}: {unit} more would earn about {worth}.").format(
            limit=name, unit=say.money(1000), worth=say.money(1000 * price)
        )
    return say.t("{limit}: room for one person more would earn about {worth}.").format(
        limit=name, worth=say.money(price)
    )


def limit_name(limit: Limit, names: dict[str, str], say: Speech) -> str:
    """The limit's everyday name; "capacity P03" becomes "Capacity · Renovation loan"."""
    for separator in (":", " "):
        kind, _, subject = str(limit["name"]).partition(separator)
        if subject.strip() in names:
            return f"{_capital(say.label(kind.strip()))} · {names[subject.strip()]}"
    return _capital(say.label(str(limit["name"])))


def in_money(limit: Limit) -> bool:
    """Whether the limit counts money; the others count people."""
    return any(word in str(limit["name"]) for word in IN_MONEY)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
