"""A typed rule read into the tree that JSON would hold; every error points at its place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, NamedTuple

from scenefit.contracts.errors import ContractError
from segmentation.rule_tokens import RESERVED, WORDS, Token, fault, tokens
from segmentation.rule_values import known_column

# longest typed rule, in characters
LONGEST = 100_000
VALUE = 'a value such as 5000, "travel", true or 2026-01-31'
# what people try, and how it is written here
HINTS = {
    "between": "; write: x from 1 to below 5",
    "not": "; write: not (x in (…)), which takes gaps along, or x != 1, which leaves them out",
    "like": "; texts are compared as a whole",
    "contains": "; texts are compared as a whole",
    ",": "; write numbers without thousands separators",
    "null": "; write: x is missing",
}

Tree = dict[str, Any]


class Reading(NamedTuple):
    """The tree of a typed rule, and where in the text each of its conditions starts."""

    tree: Tree
    places: dict[int, int]  # id of a condition in the tree → offset

    def place(self, location: tuple[int | str, ...]) -> int:
        """Where the condition stands that a location such as ("where", "and", "of", 0, "column") leads to."""
        node: Any = {"where": self.tree}
        found = 0
        for step in location:
            if isinstance(step, int):
                node = node[step] if isinstance(node, list) else node
            elif isinstance(node, dict):
                # a location also names the kinds of conditions, which lead nowhere
                node = node.get(step, node)
            found = self.places.get(id(node), found)
        return found


def reading(text: str, deepest: int, columns: Collection[str] | None = None) -> Reading:
    """The tree of a typed rule.

    Parameters
    ----------
    deepest : parentheses and `not` inside each other that are read
    columns : names there are; None leaves the check to those who apply the rule

    Raises
    ------
    ContractError : line, column, the line with a caret, what was expected and what stands there.
    """
    if len(text) > LONGEST:
        raise ContractError(f"rule: the text has {len(text):,} characters, at most {LONGEST:,} are read; shorten it")
    reader = _Reader(text, deepest, columns)
    tree = reader.either(0)
    reader.end()
    return Reading(tree, reader.places)


class _Reader:
    """One walk over the tokens of a text; each method reads the part it is named after."""

    def __init__(self, text: str, deepest: int, columns: Collection[str] | None) -> None:
        self.text = text
        self.deepest = deepest
        self.columns = columns
        self.tokens = tokens(text)
        self.here = 0
        self.places: dict[int, int] = {}

    def either(self, depth: int) -> Tree:
        """Conditions joined by or."""
        return self._chain("or", lambda: self._chain("and", lambda: self._negation(depth)))

    def end(self) -> None:
        """Nothing more."""
        if self._next().kind != "end":
            raise self._unexpected("'and', 'or' or the end of the rule")

    def _chain(self, word: str, part: Callable[[], Tree]) -> Tree:
        start = self._next().start
        parts = [part()]
        while self._took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else self._made(start, kind=word, of=parts)

    def _negation(self, depth: int) -> Tree:
        token = self._next()
        if depth >= self.deepest:
            raise fault(
                self.text,
                token.start,
                f"more than {self.deepest} parentheses and 'not' are inside each other; split the rule",
            )
        if self._took("not"):
            return self._made(token.start, kind="not", of=self._negation(depth + 1))
        if self._took("("):
            inner = self.either(depth + 1)
            self._need(")")
            return inner
        if self._took("all") or self._took("any"):
            return self._made(token.start, kind="and" if token.value.lower() == "all" else "or", of=self._all(depth))
        if self._took("did"):
            return self._did(token.start)
        if self._took("in"):
            return self._membership(token.start, depth)
        return self._column_condition()

    def _all(self, depth: int) -> list[Tree]:
        self._need("(")
        parts = [self.either(depth + 1)]
        while self._took(","):
            parts.append(self.either(depth + 1))
        self._need(")")
        return parts

    def _did(self, start: int) -> Tree:
        several = self._took("(")
        events = [self._word("an event kind such as purchase")]
        while several and self._took(","):
            events.append(self._word("an event kind such as purchase"))
        if several:
            self._need(")")
        at_least = 1
        if self._took("at"):
            self._need("least")
            at_least = self._times()
        self._need("within")
        tree = self._made(start, kind="did", events=events, at_least=at_least, within_days=self._whole("days"))
        if not self._took("days"):
            self._need("day")
        for first, what in (("in", "scene"), ("with", "product"), ("at", "merchant")):
            if self._is(first) and self._is(what, ahead=1):
                self.here += 2
                tree[what] = self._name()
        return tree

    def _times(self) -> int:
        if self._took("once"):
            return 1
        count = self._whole("times")
        if not self._took("times"):
            self._need("time")
        return count

    def _membership(self, start: int, depth: int) -> Tree:
        if self._took("segment"):
            return self._made(start, kind="in_segment", segment=self._name())
        if self._took("audience"):
            return self._made(start, kind="in_audience", audience=self._name())
        if not self._took("scene"):
            raise self._unexpected("'segment', 'audience' or 'scene' and a name in quotes")
        tree = self._made(start, kind="in_scene", scene=self._name())
        self._need("(")
        tree["of"] = self.either(depth + 1)
        self._need(")")
        return tree

    def _column_condition(self) -> Tree:
        token = self._next()
        column = self._column()
        if self._took("is"):
            return self._is_what(token.start, column)
        if self._took("in"):
            return self._in_what(token.start, column)
        if self._took("from"):
            low = self._value()
            self._need("to")
            if not self._took("before"):
                self._need("below")
            return self._made(token.start, kind="between", column=column, low=low, high=self._value())
        operator = self._next()
        if operator.kind != "operator":
            raise self._unexpected(f"a comparison of {column!r}: =, !=, <, <=, >, >=, 'in', 'is' or 'from … to below'")
        self.here += 1
        return self._made(token.start, kind="compare", column=column, op=operator.value, value=self._value())

    def _is_what(self, start: int, column: str) -> Tree:
        turned = self._took("not")
        if self._is("true") or self._is("false"):
            value = self._value()
            return self._made(start, kind="compare", column=column, op="!=" if turned else "==", value=value)
        if not self._took("missing"):
            raise self._unexpected("'missing', 'true' or 'false'")
        missing = self._made(start, kind="missing", column=column)
        return self._made(start, kind="not", of=missing) if turned else missing

    def _in_what(self, start: int, column: str) -> Tree:
        if self._took("("):
            values = [self._value()]
            while self._took(","):
                values.append(self._value())
            self._need(")")
            return self._made(start, kind="in", column=column, values=values)
        if self._took("top"):
            return self._band(start, column, 1 - self._share(), Decimal(1))
        if self._took("bottom"):
            return self._band(start, column, Decimal(0), self._share())
        low = self._share("a list in parentheses, 'top 20%', 'bottom 20%' or '20% to 80%'")
        self._need("to")
        return self._band(start, column, low, self._share())

    def _band(self, start: int, column: str, low: Decimal, high: Decimal) -> Tree:
        if low >= high:
            raise fault(
                self.text,
                start,
                f"{column} from {float(low * 100):g}% to {float(high * 100):g}% holds nobody; give a rising band",
            )
        return self._made(start, kind="percentile", column=column, low=float(low), high=float(high))

    def _share(self, expected: str = "a percentage such as 20%") -> Decimal:
        token = self._next()
        if token.kind != "number" or not self._is("%", ahead=1):
            raise self._unexpected(expected)
        share = Decimal(token.value).scaleb(-2)
        if not 0 <= share <= 1:
            raise fault(self.text, token.start, f"{token.value}% is no share of everybody; give 0% to 100%")
        self.here += 2
        return share

    def _column(self) -> str:
        token = self._next()
        if token.kind != "name" and (token.kind != "word" or _keyword(token) in RESERVED):
            raise self._unexpected("a condition: a column, 'did', 'in', 'not' or '('")
        self.here += 1
        if self.columns is not None:
            try:
                known_column(token.value, self.columns)
            except ContractError as error:
                raise fault(self.text, token.start, str(error).removeprefix("rule: ")) from error
        return token.value

    def _value(self) -> Any:
        token = self._next()
        if token.kind == "word" and token.value.lower() in ("true", "false"):
            value: Any = token.value.lower() == "true"
        elif token.kind == "number":
            whole = token.value.lstrip("+-").isdigit()
            value = int(token.value) if whole and len(token.value) < 400 else float(token.value)
        elif token.kind == "moment":
            value = {"at": token.value}
        elif token.kind == "text":
            value = token.value
        else:
            raise self._unexpected(VALUE)
        self.here += 1
        return value

    def _whole(self, what: str) -> int:
        token = self._next()
        if token.kind != "number" or not token.value.isdigit() or len(token.value) > 15:
            raise self._unexpected(f"a whole number of {what}")
        if int(token.value) < 1:
            raise fault(self.text, token.start, f"{token.value} {what} ask for nothing; give at least 1")
        self.here += 1
        return int(token.value)

    def _word(self, expected: str) -> str:
        token = self._next()
        if token.kind not in ("word", "text"):
            raise self._unexpected(expected)
        self.here += 1
        return token.value

    def _name(self) -> str:
        token = self._next()
        if token.kind != "text":
            raise self._unexpected('a name in quotes such as "travel"')
        self.here += 1
        return token.value

    def _next(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.here + ahead, len(self.tokens) - 1)]

    def _is(self, word: str, ahead: int = 0) -> bool:
        token = self._next(ahead)
        return token.kind in ("word", "sign") and _keyword(token) == word

    def _took(self, word: str) -> bool:
        if not self._is(word):
            return False
        self.here += 1
        return True

    def _need(self, word: str) -> None:
        if not self._took(word):
            raise self._unexpected(f"{word!r}")

    def _made(self, start: int, **fields: Any) -> Tree:
        self.places[id(fields)] = start
        return fields

    def _unexpected(self, expected: str) -> ContractError:
        token = self._next()
        found = "the rule ends" if token.kind == "end" else f"found {self.text[token.start : token.end][:40]!r}"
        hint = HINTS.get(_keyword(token), "")
        return fault(self.text, token.start, f"expected {expected}, but {found}{hint}")


def _keyword(token: Token) -> str:
    return WORDS.get(token.value, token.value.lower())
