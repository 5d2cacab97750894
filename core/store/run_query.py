"""The language that runs are searched with: ``metrics.auc > 0.9 and params.depth = 6 and tags.team like '%x%'``.

It is a superset of what MLflow's clients send: ``or``, ``not`` and brackets too, numbers for parameters, dates for
times. Reading gives a tree; :mod:`core.store.run_search` turns it into SQL with bound values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from core.kernel.errors import InputError

KINDS = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
OPERATORS = ("=", "!=", "<>", "<=", ">=", "<", ">")
WORDS = ("and", "or", "not", "in", "like", "ilike", "is", "null", "between")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.\-/])
    |(?P<name>(?:[^\W\d]\w*\.)?(?:"(?:[^"])*"|`[^`]*`)(?<=["`])(?<!^")|[^\W\d][\w./\-:@]*)
    |(?P<text>'(?:[^']|'')*'|"(?:[^"])*")
    |(?P<operator><=|>=|!=|<>|==|[=<>(),]))""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Comparison:
    """One condition. ``values`` has one value, or those of a list; none for ``is null``."""

    kind: str
    name: str
    operator: str
    values: tuple[str | float, ...]
    place: int = 0


@dataclass(frozen=True)
class Both:
    """Parts that must all hold (``and``), or any of them (``or``)."""

    word: str
    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Negation:
    """A part that must not hold."""

    part: Query


Query = Comparison | Both | Negation


@dataclass(frozen=True)
class Token:
    """A piece of the text, and where it begins."""

    kind: str
    text: str
    place: int


def parse(text: str) -> Query | None:
    """Read a search; none for an empty one.

    Raises:
        InputError: with the place where it stops making sense.
    """
    tokens = list(_tokens(text))
    return _Reader(text, tokens).whole() if tokens else None


def split_name(text: str) -> tuple[str, str]:
    """``metrics.auc`` as (metric, auc); a name without a known beginning has the kind ''."""
    head, dot, rest = text.partition(".")
    if dot and head.lower() in KINDS and rest:
        return KINDS[head.lower()], unquoted(rest)
    return "", unquoted(text)


def unquoted(name: str) -> str:
    """A name without its quotes."""
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in '"`' else name


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    while place < len(text.rstrip()):
        found = TOKEN.match(text, place)
        if found is None or found.lastgroup is None:
            _wrong(text, place, "this is neither a name, a number, a text in quotes nor a comparison")
        start = found.start(found.lastgroup)
        piece = found.group(found.lastgroup)
        yield Token(_kind(found.lastgroup, piece), piece, start)
        place = found.end()


def _kind(group: str, piece: str) -> str:
    if group == "name" and piece.lower() in WORDS:
        return "word"
    return "text" if group == "name" and piece.startswith('"') else group


class _Reader:
    """Descends through the tokens."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text = text
        self._tokens = tokens
        self._next = 0

    def whole(self) -> Query:
        tree = self._any()
        if self._next < len(self._tokens):
            self._stop("'and' or 'or' is missing before this")
        return tree

    def _any(self) -> Query:
        return self._joined("or", self._all)

    def _all(self) -> Query:
        return self._joined("and", self._one)

    def _joined(self, word: str, read: object) -> Query:
        parts = [read()]  # type: ignore[operator]
        while self._word(word):
            parts.append(read())  # type: ignore[operator]
        return parts[0] if len(parts) == 1 else Both(word, tuple(parts))

    def _one(self) -> Query:
        if self._word("not"):
            return Negation(self._one())
        if self._operator("("):
            inner = self._any()
            if not self._operator(")"):
                self._stop("a closing bracket is missing")
            return inner
        return self._comparison()

    def _comparison(self) -> Query:
        token = self._take("name", "a name such as metrics.auc, params.depth, tags.team or status")
        kind, name = split_name(token.text)
        negated = self._word("not")
        if self._word("in"):
            return Comparison(kind, name, "not in" if negated else "in", self._list(), token.place)
        for word in ("like", "ilike"):
            if self._word(word):
                value = self._value()
                found = Comparison(kind, name, word, (value,), token.place)
                return Negation(found) if negated else found
        if self._word("between"):
            low = self._value()
            self._must_word("and")
            high = self._value()
            bounds = (Comparison(kind, name, ">=", (low,), token.place), Comparison(kind, name, "<=", (high,)))
            return Negation(Both("and", bounds)) if negated else Both("and", bounds)
        if negated:
            self._stop("after 'not' comes in, like, ilike or between")
        if self._word("is"):
            word = "is not null" if self._word("not") else "is null"
            self._must_word("null")
            return Comparison(kind, name, word, (), token.place)
        operator = self._take("operator", "a comparison: = != < <= > >= like ilike in is").text
        if operator not in (*OPERATORS, "=="):
            self._next -= 1
            self._stop("a comparison is missing: = != < <= > >= like ilike in is")
        return Comparison(kind, name, {"==": "=", "<>": "!="}.get(operator, operator), (self._value(),), token.place)

    def _list(self) -> tuple[str | float, ...]:
        if not self._operator("("):
            self._stop("a list in brackets is missing")
        values = [self._value()]
        while self._operator(","):
            if self._operator(")"):
                return tuple(values)
            values.append(self._value())
        if not self._operator(")"):
            self._stop("a closing bracket is missing")
        return tuple(values)

    def _value(self) -> str | float:
        token = self._peek()
        if token is None or token.kind not in ("number", "text", "name"):
            self._stop("a value is missing: a number, or a text in quotes")
        self._next += 1
        if token.kind == "number":
            return float(token.text)
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'") if token.text[0] == "'" else token.text[1:-1]
        return unquoted(token.text)

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, kind: str, expected: str) -> Token:
        token = self._peek()
        if token is None or token.kind != kind:
            self._stop(f"expected {expected}")
        self._next += 1
        return token

    def _word(self, word: str) -> bool:
        return self._if("word", word)

    def _must_word(self, word: str) -> None:
        if not self._word(word):
            self._stop(f"'{word}' is missing")

    def _operator(self, text: str) -> bool:
        return self._if("operator", text)

    def _if(self, kind: str, text: str) -> bool:
        token = self._peek()
        if token is None or token.kind != kind or token.text.lower() != text:
            return False
        self._next += 1
        return True

    def _stop(self, why: str) -> NoReturn:
        token = self._peek()
        _wrong(self._text, token.place if token else len(self._text), why)


def _wrong(text: str, place: int, why: str) -> NoReturn:
    rest = text[place : place + 24]
    raise InputError(
        f"Invalid filter: {why}",
        detail=f"{text}\n{' ' * place}^",
        where=f"character {place + 1}" + (f" ({rest!r})" if rest else ", the end"),
        remedy="Write such as: metrics.auc > 0.9 and params.depth = 6 and tags.team like '%x%' and status = 'FINISHED'",
    )
