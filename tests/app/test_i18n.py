"""Chinese and English: nothing untranslated, nothing left over, numbers as people write them."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

from app.i18n import Speech, catalogue, plain
from app.labels import FEATURES, LABELS, REACH
from feature_repo.services import SERVICES

APP = Path(__file__).parents[2] / "app"


def message_ids() -> dict[str, str]:
    """Every text handed to t("…") or mark("…") in app/, with its place."""
    found = {}
    for file in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in ("t", "mark") and isinstance(node.args[0], ast.Constant):
                found[str(node.args[0].value)] = f"{file.relative_to(APP)}:{node.lineno}"
    return found


def test_every_text_has_a_chinese_translation() -> None:
    missing = {text: where for text, where in message_ids().items() if not catalogue("zh").get(text)}
    assert not missing


def test_the_catalogue_holds_nothing_that_is_no_longer_said() -> None:
    assert not set(catalogue("zh")) - set(message_ids())


def test_placeholders_survive_translation() -> None:
    def fields(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}

    assert [t for t, zh in catalogue("zh").items() if fields(t) != fields(zh)] == []


def test_english_is_spoken_by_the_texts_themselves() -> None:
    assert catalogue("en") == {}
    assert Speech("en").t("Offers") == "Offers"
    assert Speech("zh").t("Offers") == "产品匹配"


def test_every_marketing_feature_has_an_everyday_name() -> None:
    features = {f.name for name in ("segments_v1", "offers_v1") for view in SERVICES[name].views for f in view.features}
    assert features <= set(FEATURES)


def test_an_unknown_code_reads_as_words() -> None:
    assert Speech("zh").label("brand_new_code") == "brand new code"
    assert set(REACH) <= set(LABELS)


@pytest.mark.parametrize(
    ("amount", "zh", "en"),
    [(0, "¥0", "¥0"), (9_999, "¥9,999", "¥9,999"), (40_900, "¥4.09万", "¥40.9 k"),
     (3_210_000_000, "¥32.1亿", "¥3.21 bn"), (-0.5, "-¥0.50", "-¥0.50"), (None, "–", "–"), (float("nan"), "–", "–")],
)  # fmt: skip
def test_money_in_both_languages(amount: float | None, zh: str, en: str) -> None:
    assert (Speech("zh").money(amount), Speech("en").money(amount)) == (zh, en)


def test_currencies_and_rates_are_labelled() -> None:
    assert Speech("en", "USD").money(12) == "$12"
    assert Speech("en", "JPY").money(12) == "JPY 12"
    assert Speech("en").yearly(0.072) == "7.2% per year"
    assert Speech("zh").yearly(None) == "–"


def test_a_moment_is_shown_in_business_time() -> None:
    assert Speech("zh").day("2026-06-30T16:00:00+00:00", "Asia/Shanghai") == "2026-07-01 00:00"


def test_names_from_data_cannot_become_pictures_or_links() -> None:
    assert plain("![x](http://y)") == r"\!\[x\]\(http\://y\)"
