"""PartiQL's items and equalities, with parameters at any depth: `{'a': [?, <<'x', 'y'>>]}`, `k = ? AND s = 2`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pitrkit.sandbox.store.values import BadValue, Image, Value

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<mark><<|>>|[{}\[\],:?=])
    )\s*""",
    re.VERBOSE,
)
_CONSTANTS: dict[str, Value] = {"true": {"BOOL": True}, "false": {"BOOL": False}, "null": {"NULL": True}}
_SETS = {"S": "SS", "N": "NS", "B": "BS"}


class Unreadable(ValueError):
    """Text that is no item, or more than is read here."""


class WrongNumber(ValueError):
    """There are more or fewer parameters than question marks."""


def item(text: str, parameters: list[Value]) -> Image:
    """Return the item that `{...}` stands for.

    Raises:
        Unreadable: It is none.
        WrongNumber: The parameters are too few or too many.
    """
    reader = _TokenReader(text, parameters)
    return reader.whole(reader.fields)


def equalities(text: str, parameters: list[Value]) -> Image:
    """Return the values that a condition of equalities alone demands, by attribute; raises as `item`."""
    reader = _TokenReader(text, parameters)
    return reader.whole(reader.demands)


class _TokenReader:
    """Reads tokens one after another."""

    def __init__(self, text: str, parameters: list[Value]) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._parameters = parameters
        self._used = 0

    def whole(self, read: Callable[[], Image]) -> Image:
        """Read all of it by *read*."""
        image = read()
        if self._at != len(self._tokens):
            raise Unreadable
        if self._used != len(self._parameters):
            raise WrongNumber
        return image

    def fields(self) -> Image:
        """Read `{'a': 1, ...}`."""
        image: Image = {}
        self._expect("{")
        for _ in self._members("}"):
            name = _path(self._string("text"))
            self._expect(":")
            image[name] = self._value()
        return image

    def demands(self) -> Image:
        """Read `a = 1 AND ...`."""
        image: Image = {}
        while True:
            kind, _ = self._peek()
            name = _path(self._string("name")) if kind == "name" else self._next("word")
            self._expect("=")
            if name in image:
                raise Unreadable
            image[name] = self._value()
            if self._at == len(self._tokens):
                return image
            if self._next("word").upper() != "AND":
                raise Unreadable

    def _value(self) -> Value:
        kind, text = self._peek()
        if kind == "text":
            return {"S": self._string("text")}
        if kind == "number":
            return {"N": self._next("number")}
        if kind == "word" and text.lower() in _CONSTANTS:
            return _CONSTANTS[self._next("word").lower()]
        if text == "{":
            return {"M": self.fields()}
        if text == "?":
            self._at += 1
            self._used += 1
            if self._used > len(self._parameters):
                raise WrongNumber
            return self._parameters[self._used - 1]
        if text == "[":
            self._at += 1
            return {"L": [self._value() for _ in self._members("]")]}
        if text == "<<":
            self._at += 1
            return _set([self._value() for _ in self._members(">>")])
        raise Unreadable

    def _members(self, end: str) -> Iterator[None]:
        """Yield at the beginning of each member of a list that ends with *end*, and read up to behind that."""
        if self._peek()[1] == end:
            self._at += 1
            return
        while True:
            yield
            if self._next("mark") == end:
                return
            self._at -= 1
            self._expect(",")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self, kind: str) -> str:
        token_kind, text = self._peek()
        if token_kind != kind:
            raise Unreadable
        self._at += 1
        return text

    def _string(self, kind: str) -> str:
        text = self._next(kind)
        return text[1:-1].replace(text[0] * 2, text[0])

    def _expect(self, mark: str) -> None:
        if self._next("mark") != mark:
            raise Unreadable


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable
        kind = match.lastgroup or ""
        yield kind, match.group(kind)
        at = match.end()


def _path(name: str) -> str:
    if not name:
        raise BadValue("Path component cannot be an empty string")
    return name


def _set(members: list[Value]) -> Value:
    kinds = {kind for member in members for kind in member}
    if len(kinds) != 1 or not kinds <= _SETS.keys():
        raise Unreadable
    (kind,) = kinds
    return {_SETS[kind]: [member[kind] for member in members]}
