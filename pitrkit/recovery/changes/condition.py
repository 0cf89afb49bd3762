"""Conditions: JMESPath as people know it, with three things mended for recoveries.

Numbers are exact. jmespath reads number literals as binary floats, so that `10.1` would equal no stored number, and
its functions refuse `Decimal`. Here literals are read as `int` or `Decimal`, as items are.

Nothing is dropped in silence. A name that a change does not have, a function that does not exist, text compared
by size with a number, a function given a null: each is an error that says what to write instead. (Plain JMESPath
answers most of them with null, and a null would leave items out of a recovery without a word.)

`mentions(before, 'text')` is a function of our own: whether an attribute's name or a value, however deep, contains
that text. Upper and lower case of A to Z are the same to it.

`!after.tags` means `!(after.tags)`. In jmespath `!` binds closer than the dot, so that it would always be null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import Any, NoReturn

from jmespath import exceptions, functions, lexer, parser, visitor

from pitrkit.errors import BadInput, PitrkitError

_HOW = "Text goes in single quotes and numbers in backticks: before.status == 'cancelled' && after.total > `10.5`."
_GUARD = (
    "Test that the value exists and has the right type: `after.tags && contains(after.tags, 'x')`, "
    "`type(before.total) == 'number' && before.total > ...`."
)
_WIDE = Context(prec=400)  # holds any sum of DynamoDB numbers exactly: 126 digits before the point, 130 after it
_SAME_VALUE = {"subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection"}
"""Nodes whose first child alone looks at what they look at; the others look at the first one's result."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


class _Lexer(lexer.Lexer):  # type: ignore[misc]
    """Reads literals as JSON with exact numbers, and nothing but JSON."""

    def _consume_literal(self) -> dict[str, Any]:
        start = self._position
        text = self._consume_until("`").replace("\\`", "`")
        try:
            value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, ArithmeticError):
            raise exceptions.LexerError(start, text, f"`{text}` is not JSON") from None
        return {"type": "literal", "value": value, "start": start, "end": self._position}


class _Parser(parser.Parser):  # type: ignore[misc]
    _CACHE: dict[str, Any] = {}  # noqa: RUF012  the class's own shared cache is keyed by text alone and holds floats

    BINDING_POWER = {**parser.Parser.BINDING_POWER, "not": 8}  # noqa: RUF012  else !after.tags would be (!after).tags

    def _parse(self, expression: str) -> Any:
        self._tokens = list(_Lexer().tokenize(expression))
        self._index = 0
        parsed = self._expression(binding_power=0)
        if self._current_token() != "eof":
            token = self._lookahead_token(0)
            raise exceptions.ParseError(token["start"], token["value"], token["type"], "Unexpected token")
        return parser.ParsedResult(expression, parsed)


class _Functions(functions.Functions):  # type: ignore[misc]
    """JMESPath's functions over exact numbers."""

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:
        with localcontext(_WIDE):
            return super().call_function(function_name, resolved_args)

    def _get_allowed_pytypes(self, types: Iterable[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        allowed, inner = super()._get_allowed_pytypes(types)
        return (
            [*allowed, *(["Decimal"] if "float" in allowed else [])],
            [(*names, "Decimal") if "float" in names else names for names in inner],
        )

    def _convert_to_jmespath_type(self, pyobject: str) -> str:
        return "number" if pyobject == "Decimal" else str(super()._convert_to_jmespath_type(pyobject))

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_type(self, arg: Any) -> Any:
        return "number" if isinstance(arg, Decimal) else super()._func_type(arg)

    @functions.signature({"types": ["array-number"]})  # type: ignore[untyped-decorator]
    def _func_avg(self, arg: list[Any]) -> Any:
        return Decimal(sum(arg)) / len(arg) if arg else None

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_to_string(self, arg: Any) -> Any:
        return format(arg, "f") if isinstance(arg, Decimal) else super()._func_to_string(arg)

    @functions.signature({"types": []})  # type: ignore[untyped-decorator]
    def _func_to_number(self, arg: Any) -> Any:
        if isinstance(arg, Decimal):
            return arg
        if not isinstance(arg, str):
            return super()._func_to_number(arg)
        try:
            value = Decimal(arg)
        except InvalidOperation:
            return None
        return value if value.is_finite() else None

    @functions.signature({"types": []}, {"types": ["string"]})  # type: ignore[untyped-decorator]
    def _func_mentions(self, value: Any, text: str) -> bool:
        return mentions(value, text)


def mentions(value: Any, text: str) -> bool:
    """Return whether a name or a scalar in *value* (an item's plain values) contains *text*, A to Z as a to z."""
    find_text = re.compile(re.escape(text), re.IGNORECASE | re.ASCII).search

    def inside(node: Any) -> bool:
        match node:
            case bool() | None:
                return False
            case str():
                return find_text(node) is not None
            case dict():
                return any(find_text(name) or inside(member) for name, member in node.items())
            case list():
                return any(map(inside, node))
        return find_text(format(node, "f") if isinstance(node, Decimal) else str(node)) is not None

    return inside(value)


class _Interpreter(visitor.TreeInterpreter):  # type: ignore[misc]
    def visit_comparator(self, node: dict[str, Any], value: Any) -> Any:
        if node["value"] not in self._EQUALITY_OPS:
            left, right = (self.visit(child, value) for child in node["children"])
            types = _type(left), _type(right)
            if "null" not in types and types not in _ORDERED:
                got = " and ".join(map(str, types))
                raise exceptions.JMESPathTypeError(_SIGNS[node["value"]], None, got, ["two numbers", "two strings"])
        return super().visit_comparator(node, value)


_QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"")
_WHOLE = "@"
_SIGNS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_ORDERED = (("number", "number"), ("string", "string"))
_FUNCTIONS = _Functions()


def _type(value: Any) -> Any:
    return _FUNCTIONS._func_type(value)  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled JMESPath expression.

    Attributes:
        text: The expression.
        names: Names that exist at the top of what it is asked about.
        asked: Those of them that the expression asks for by name.
        whole: Whether it looks at all of them at once, as `keys(@)` does.

    Raises:
        BadInput: The expression cannot be read, or asks for a name or function that does not exist.
    """

    text: str
    names: tuple[str, ...]
    asked: frozenset[str] = field(init=False, compare=False)
    whole: bool = field(init=False, compare=False)
    _tree: dict[str, Any] = field(init=False, repr=False, compare=False)
    _interpreter: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name_set: set[str] = set()
        try:
            tree = _Parser().parse(self.text).parsed
            self._check(tree, name_set, at_top=True)
        except exceptions.LexerError as error:
            self._refuse(f"cannot be read at character {error.lexer_position + 1}: {error.message}")
        except exceptions.IncompleteExpressionError:
            self._refuse(f"ends too early, at character {len(self.text)}")
        except exceptions.ParseError as error:
            self._refuse(
                f"cannot be read at character {error.lex_position + 1}: {error.token_value!r} is not expected there"
            )
        except RecursionError:
            self._refuse("is nested too deeply")
        object.__setattr__(self, "asked", frozenset(name_set) - {_WHOLE})
        object.__setattr__(self, "whole", _WHOLE in name_set)
        object.__setattr__(self, "_tree", tree)
        object.__setattr__(self, "_interpreter", _Interpreter(visitor.Options(custom_functions=_FUNCTIONS)))

    def holds(self, value: Mapping[str, Any]) -> bool:
        """Return whether the expression is true of *value*: not null, not false, not empty.

        Raises:
            BadInput: It cannot be evaluated on this value. The message never holds any of the value's content.
        """
        try:
            result = self._interpreter.visit(self._tree, value)
        except exceptions.JMESPathTypeError as error:
            name = error.function_name if error.function_name in _SIGNS.values() else f"{error.function_name}()"
            expected_types = " or ".join(error.expected_types)
            self._fail(value, f"{name} needs {expected_types}, and got {error.actual_type}")
        except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
            self._fail(value, f"a value has a type that cannot be used there ({type(error).__name__})")
        return result is not None and result is not False and result not in ("", [], {})

    def _fail(self, value: Mapping[str, Any], why: str) -> NoReturn:
        on = f" on {'an' if value['kind'] == 'inserted' else 'a'} {value['kind']} item" if "kind" in value else ""
        raise BadInput(f"where fails{on}: {why}{PitrkitError.quoted(self.text)}", fix=_GUARD) from None

    def _refuse(self, why: str, fix: str = _HOW) -> NoReturn:
        if PitrkitError.discreet:
            why, fix = _QUOTED.sub("...", why), _HOW
        raise BadInput(f"where {why}{PitrkitError.quoted(self.text)}", fix=fix) from None

    def _check(self, node: dict[str, Any], asked: set[str], *, at_top: bool) -> None:
        """Refuse names and functions that do not exist, which JMESPath would find out late or never; note the names."""
        kind, name = node["type"], node.get("value")
        if kind == "field" and at_top and name not in self.names:
            self._refuse(
                f"uses {name!r}, but there are only {', '.join(self.names)}",
                f"Write before.{name} or after.{name} for an attribute, and '{name}' in single quotes for text.",
            )
        if kind == "field" and at_top:
            asked.add(str(name))
        if kind in {"current", "identity"} and at_top:
            asked.add(_WHOLE)
        children = [child for child in node["children"] if isinstance(child, dict)]
        if kind == "function_expression":
            self._check_function(str(name), len(children))
        for place, child in enumerate(children):
            below = kind == "expref" or (kind in _SAME_VALUE and place > 0)
            self._check(child, asked, at_top=at_top and not below)

    def _check_function(self, name: str, given: int) -> None:
        function_entry = _FUNCTIONS.FUNCTION_TABLE.get(name)
        if function_entry is None:
            self._refuse(
                f"calls {name}(), which does not exist", f"There are {', '.join(sorted(_FUNCTIONS.FUNCTION_TABLE))}."
            )
        argument_count = len(function_entry["signature"])
        if given < argument_count or (given > argument_count and not function_entry["signature"][-1].get("variadic")):
            self._refuse(f"gives {name}() {given} arguments; it takes {argument_count}")
