"""Words and numbers in Chinese and English. English texts are the message ids; Chinese comes from a catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from app.labels import LABELS

LANGUAGES = {"zh": "中文", "en": "English"}
LOCALE = Path(__file__).parent / "locale"
SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£"}
# from which size on, divided by what, written how
STEPS_ZH = ((1e8, 1e8, "亿"), (1e4, 1e4, "万"))
STEPS_EN = ((1e9, 1e9, " bn"), (1e6, 1e6, " M"), (1e4, 1e3, " k"))
EMPTY = "–"
MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|<>~:$])")


@cache
def catalogue(lang: str) -> dict[str, str]:
    """Message id to translation; empty for English, whose texts are the ids."""
    file = LOCALE / lang / "LC_MESSAGES" / "scenefit.po"
    if not file.is_file():
        return {}
    from babel.messages.pofile import read_po

    with file.open("rb") as stream:
        return {str(message.id): str(message.string) for message in read_po(stream) if message.id}


@dataclass(frozen=True)
class Speech:
    """How a page or report speaks: one language, one currency."""

    lang: str
    currency: str = "CNY"

    def t(self, text: str) -> str:
        """The text in this language; the English text itself where a translation is missing."""
        return catalogue(self.lang).get(text) or text

    def label(self, code: str) -> str:
        """A column, step, reason or limit by its everyday name.

        >>> Speech("zh").label("night_share_365d")
        '夜间占比'
        >>> Speech("en").label("some_new_code")
        'some new code'
        """
        return self.t(LABELS[code]) if code in LABELS else code.replace("_", " ")

    def reason(self, code: str) -> str:
        """Why not, in everyday words; the age rule shares its code with the feature.

        >>> Speech("en").reason("age"), Speech("en").label("age")
        ('outside age limits', 'age')
        """
        return self.label("age limits" if code == "age" else code)

    def count(self, number: float | None) -> str:
        """A whole number, every digit shown."""
        return EMPTY if _missing(number) else f"{number:,.0f}"

    def short(self, number: float | None) -> str:
        """A number in at most four digits, with 万 and 亿 in Chinese.

        >>> Speech("zh").short(123_456), Speech("en").short(40_900), Speech("en").short(950)
        ('12.3万', '40.9 k', '950')
        """
        if number is None or _missing(number):
            return EMPTY
        size = abs(number)
        for least, step, unit in STEPS_ZH if self.lang == "zh" else STEPS_EN:
            if size >= least:
                scaled = number / step
                return f"{scaled:,.{_decimals(scaled)}f}{unit}"
        if size >= 100 or float(number).is_integer():
            return f"{number:,.0f}"
        return f"{number:,.{_decimals(number)}f}"

    def money(self, amount: float | None) -> str:
        """An amount with its currency.

        >>> Speech("zh").money(-2_345_678), Speech("en", "USD").money(1234)
        ('-¥234.6万', '$1,234')
        """
        if amount is None or _missing(amount):
            return EMPTY
        # no minus before a zero
        sign = "-" if amount <= -0.005 else ""
        return f"{sign}{self.symbol}{self.short(abs(amount))}"

    @property
    def symbol(self) -> str:
        """¥ for CNY, $ for USD; other currencies by their code."""
        return SYMBOLS.get(self.currency, f"{self.currency} ")

    def percent(self, share: float | None, decimals: int = 1) -> str:
        """A share as per cent."""
        return EMPTY if share is None or _missing(share) else f"{share * 100:.{decimals}f}%"

    def yearly(self, rate: float | None) -> str:
        """A rate per year, labelled as such.

        >>> Speech("zh").yearly(0.072), Speech("en").yearly(0.072)
        ('年化 7.2%', '7.2% per year')
        """
        return EMPTY if _missing(rate) else self.t("{rate} per year").format(rate=self.percent(rate))

    def figure(self, number: float | None, decimals: int = 3) -> str:
        """A plain figure such as an AUC."""
        return EMPTY if _missing(number) else f"{number:.{decimals}f}"

    def day(self, moment: str, timezone: str) -> str:
        """A moment as the business day and minute it falls on."""
        at = pd.Timestamp(moment)
        local = (at.tz_localize("UTC") if at.tzinfo is None else at).tz_convert(timezone)
        return f"{local:%Y-%m-%d %H:%M}"

    def name(self, row: Mapping[Any, Any]) -> str:
        """The name_zh or name_en of a row."""
        return str(row[f"name_{self.lang}"])


def plain(text: object) -> str:
    """A text from the data for a place that reads Markdown: nothing in it becomes a link, a picture or a heading.

    >>> plain("![x](http://y) a_b")
    '\\\\!\\\\[x\\\\]\\\\(http\\\\://y\\\\) a\\\\_b'
    """
    return MARKUP.sub(r"\\\1", str(text))


def _missing(number: float | None) -> bool:
    return number is None or bool(pd.isna(number))


def _decimals(number: float) -> int:
    size = abs(number)
    return 0 if size >= 1000 else 1 if size >= 10 else 2
