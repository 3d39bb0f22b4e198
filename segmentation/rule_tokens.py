"""The words, values and signs of a typed rule, each with its place, and how a value is written."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from typing import Literal, NamedTuple

from scenefit.contracts.errors import ContractError
from segmentation.rule_values import Comparison, Moment, unusual

WORDS = {
    "且": "and", "并且": "and", "或": "or", "或者": "or", "非": "not",
}  # fmt: skip
# words that start or join conditions; a column called so stands in backquotes
RESERVED = frozenset(("and", "or", "not", "did", "in", "is", "all", "any", "from", "true", "false", *WORDS))
# signs that Chinese keyboards and word processors put in place of the plain ones
_SIGNS = {"、": ",", "−": "-", "–": "-"}
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」"}
_OPERATORS: dict[str, Comparison] = {
    "=": "==", "==": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
    "≥": ">=", "≤": "<=", "≠": "!=",
}  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SIGN = re.compile(r"<=|>=|==|!=|<>|[<>=(),%≥≤≠]")
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"[^\W\d]\w*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "/": "/", "\\": "\\"}

Kind = Literal["word", "name", "text", "number", "moment", "operator", "sign", "end"]
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("moment", _MOMENT), ("number", _NUMBER), ("operator", _SIGN), ("word", _WORD),
)  # fmt: skip


class Token(NamedTuple):
    """One piece of a rule's text: what it is, what it says, and where it stands."""

    kind: Kind
    value: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """The pieces of a rule's text, the last one its end; ContractError shows the place of what is none."""
    plain = _plain(text)
    found: list[Token] = []
    here = 0
    while here < len(text):
        if text[here].isspace():
            here += 1
            continue
        token = _token(text, plain, here)
        found.append(token)
        here = token.end
    return [*found, Token("end", "", len(text), len(text))]


def fault(text: str, place: int, message: str) -> ContractError:
    """An error that shows the line and puts a caret under the place."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    line = text[start : end if end >= 0 else len(text)].rstrip("\r")
    column = place - start
    first = max(0, column - 60)
    shown = line[first : column + 60]
    # a Chinese character is as wide as two Latin ones
    before = "".join("  " if unicodedata.east_asian_width(letter) in "WF" else " " for letter in line[first:column])
    where = f"line {text.count(chr(10), 0, place) + 1}, column {column + 1}"
    return ContractError(f"rule: {where}: {message}\n  {shown.replace(chr(9), ' ')}\n  {before}^")


def written(value: bool | float | str | Moment) -> str:
    """A value as it is typed.

    >>> written("a \\"b\\""), written(0.5), written(True), written(Moment(at="2026-01-31"))
    ('"a \\\\"b\\\\""', '0.5', 'true', '2026-01-31')
    """
    if isinstance(value, Moment):
        return value.at
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return str(value).lower() if isinstance(value, bool) else repr(value)


def identifier(name: str) -> str:
    """A column's name as it is typed: in backquotes unless it is a plain word.

    >>> identifier("spend_90d"), identifier("in"), identifier("days `a`")
    ('spend_90d', '`in`', '`days ``a```')
    """
    plain = _PLAIN.fullmatch(name) and unicodedata.normalize("NFKC", name) == name and not unusual(name)
    return name if plain and name.lower() not in RESERVED else "`" + name.replace("`", "``") + "`"


def band(low: float, high: float) -> str:
    """A place among everybody as it is typed, exactly.

    >>> band(0.8, 1.0), band(0.0, 0.125), band(0.4, 0.6)
    ('top 20%', 'bottom 12.5%', '40% to 60%')
    """
    first, last = Decimal(repr(low)), Decimal(repr(high))
    # the digits of a very small share would be lost in the difference
    if last == 1 and float(1 - (1 - first)) == low:
        return f"top {_percent(1 - first)}"
    return f"bottom {_percent(last)}" if low == 0 else f"{_percent(first)} to {_percent(last)}"


def _percent(share: Decimal) -> str:
    return f"{share.scaleb(2).normalize():f}%"


def _plain(text: str) -> str:
    """The text with full-width letters, digits and signs as plain ones where that keeps every place."""
    if text.isascii():
        return text
    folded = [_SIGNS.get(letter) or unicodedata.normalize("NFKC", letter) for letter in text]
    return "".join(new if len(new) == 1 else old for new, old in zip(folded, text, strict=True))


def _token(text: str, plain: str, here: int) -> Token:
    if plain[here] in _QUOTES:
        return _quoted(text, here, _QUOTES[plain[here]])
    if plain[here] == "`":
        return _backquoted(text, here)
    for kind, pattern in _PATTERNS:
        match = pattern.match(plain, here)
        if match:
            return _checked(text, kind, match.group(), here)
    raise fault(text, here, f"{text[here]!r} ({unicodedata.name(text[here], 'a nameless character')}) has no meaning "
                            "here; texts stand in quotes")  # fmt: skip


def _checked(text: str, kind: Kind, value: str, here: int) -> Token:
    end = here + len(value)
    if kind == "operator":
        is_sign = value not in _OPERATORS
        return Token("sign", value, here, end) if is_sign else Token("operator", _OPERATORS[value], here, end)
    if kind == "word":
        odd = unusual(value)
        if odd:
            raise fault(text, here, f"{value!r} holds a look-alike{odd}; type the Latin letter, or put a column "
                                    "that is really called so in backquotes")  # fmt: skip
        return Token("word", value, here, end)
    if end < len(text) and (text[end].isalnum() or text[end] in "_.-"):
        raise fault(text, here, f"{text[here : end + 1]!r} is no number or date; write plain ones such as 5000, 0.4, "
                                "2026-01-31, and names that start with a digit in backquotes")  # fmt: skip
    return Token(kind, value, here, end)


def _quoted(text: str, here: int, closing: str) -> Token:
    # a full-width quote is closed by a full-width one
    closing = text[here] if text[here] in "＂＇" else closing
    letters: list[str] = []
    place = here + 1
    while place < len(text) and text[place] != closing:
        if text[place] != "\\":
            letters.append(text[place])
            place += 1
            continue
        letter, place = _escaped(text, place)
        letters.append(letter)
    if place >= len(text):
        raise fault(text, here, f"the text that starts here has no end; close it with {closing}")
    value = "".join(letters)
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
        # two \u escapes make one character beyond the basic plane
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return Token("text", value, here, place + 1)


def _escaped(text: str, place: int) -> tuple[str, int]:
    """The character that a backslash stands before, and the place behind it."""
    after = text[place + 1 : place + 2]
    if after in _ESCAPES:
        return _ESCAPES[after], place + 2
    if after and after in "\"'”’」＂＇":
        return after, place + 2
    digits = text[place + 2 : place + 6]
    if after == "u" and re.fullmatch(r"[0-9a-fA-F]{4}", digits):
        return chr(int(digits, 16)), place + 6
    raise fault(text, place, "a backslash stands before a quote, a backslash, n, t, r or u with four digits alone; "
                             "write \\\\ for a backslash")  # fmt: skip


def _backquoted(text: str, here: int) -> Token:
    match = re.compile(r"`((?:[^`]|``)+)`").match(text, here)
    if match is None:
        raise fault(text, here, "the name that starts here has no end; close it with `")
    return Token("name", match.group(1).replace("``", "`"), here, match.end())
