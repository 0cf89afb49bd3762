"""Masks: attributes that a team has named sensitive are shown as what they are, never as what they hold.

    [record]
    sensitive = ["email", "card.number"]

A masked value tells its type and size, and whether it is another one than before: `••• (text, 17 characters, masked)`.
A masked key attribute has a short keyed hash besides, so that keys can be told apart within one incident; the key of
that hash stays out of the record, beside the incidents. Lists are looked through: `cards.number` is that of each card.

What is shown of an item goes through here, wherever it is shown, so the masks in force are those of the process: a view
that nobody has handed any masks must not show more than the others.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitrkit.aws.items import attributes, image_of
from pitrkit.config import team_settings
from pitrkit.errors import PitrkitError
from pitrkit.incident.incident import root_folder
from pitrkit.recovery.changes.scope import Scope

if TYPE_CHECKING:
    from pitrkit.aws.items import Image, Key
    from pitrkit.recovery.changes.change import Change


MARK = "•••"
MASKED = "masked"
"""The type of a value that is masked, in the service's JSON."""

KEY_FILE = "_mask.key"
"""File beside the incidents that holds the key of the hashes."""

_HASH = 8
_TYPES = {"S": "text", "N": "number", "B": "binary", "BOOL": "boolean", "NULL": "null", "M": "map", "L": "list",
          "SS": "set of text", "NS": "set of numbers", "BS": "set of binary"}  # fmt: skip
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([A-Za-z_]\w*)')
_WHOLE = re.compile(r"[*@]|\b(?:mentions|to_string|values|to_array|map|merge)\b")
"""What lets a condition look at attributes that it does not name."""

_Node = dict[str, Any] | bool


@dataclass(frozen=True)
class Masks:
    """The masks in force.

    Attributes:
        paths: Sensitive attributes, by their paths.
        incident: The incident that the hashes of keys are of.
        secret: The key of these hashes.
    """

    paths: tuple[str, ...] = ()
    incident: str = ""
    secret: bytes = field(default=b"", repr=False)

    def __bool__(self) -> bool:
        return bool(self.paths)

    @cached_property
    def _tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path in self.paths:
            tree[path] = True  # a name may hold dots itself
            *upper, last = [part.removesuffix("[*]").removesuffix("[]") for part in path.split(".")]
            node = tree
            for part in upper:
                inner = node.setdefault(part, {})
                if inner is True:
                    break
                node = inner
            else:
                node[last] = True
        return tree

    def touches(self, attribute: str) -> bool:
        """Return whether anything in this top-level attribute is sensitive."""
        return attribute in self._tree

    def pair(self, then: Image | None, now: Image | None, *, text: bool = False) -> tuple[Image | None, Image | None]:
        """Return both images of an item with their sensitive values masked; what differs still does.

        Args:
            then: The earlier image; None where there was none.
            now: The later image.
            text: Whether a masked value is to be text like any other, for whoever knows the service's types only.
        """
        if not self.paths:
            return then, now
        was = attributes(then) if then is not None else {}
        is_now = attributes(now) if now is not None else {}
        for name in self._tree.keys() & (was.keys() | is_now.keys()):
            then_value, now_value = _masked(was.get(name), is_now.get(name), self._tree[name])
            was |= {} if then_value is None else {name: then_value}
            is_now |= {} if now_value is None else {name: now_value}
        if text:
            was, is_now = _texts(was), _texts(is_now)
        return (image_of(was) if then is not None else None), (image_of(is_now) if now is not None else None)

    def change(self, change: Change, *, text: bool = False) -> Change:
        """Return a change as it may be shown; arguments are those of `pair`."""
        if not self.paths:
            return change
        before, after = self.pair(change.before, change.after, text=text)
        return replace(change, key=self.key(change.key, text=text), before=before, after=after)

    def key(self, key: Key, *, text: bool = False) -> Key:
        """Return a key with each sensitive attribute as a hash that tells it from other keys."""
        names = [name for name in attributes(key) if self._tree.get(name) is True] if self.paths else []
        if not names:
            return key
        values = attributes(key)
        for name in names:
            if MASKED not in values[name]:
                digest = self.digest(f"{name}={image_of({name: values[name]})}")[:_HASH]
                values[name] = {MASKED: f"{MARK} {digest} ({_what(values[name])}, masked)"}
        return image_of(_texts(values) if text else values)

    def told(self, data: Any) -> Any:
        """Return plain JSON with each `key`, and each of `keys`, masked."""
        if not self.paths or not isinstance(data, (dict, list)):
            return data
        if isinstance(data, list):
            return [self.told(element) for element in data]
        return {name: self._told(name, value) for name, value in data.items()}

    def _told(self, name: str, value: Any) -> Any:
        if name == "key" and isinstance(value, str):
            return self.key(value)
        if name == "keys" and isinstance(value, (list, tuple)):
            return [self.key(element) if isinstance(element, str) else self.told(element) for element in value]
        return self.told(value)

    def hides_key(self, names: Sequence[str]) -> bool:
        """Return whether one of these key attributes is sensitive."""
        return any(self._tree.get(name) is True for name in names)

    def where(self, where: str) -> str:
        """Return a condition with what it compares with masked, if it may compare with a sensitive attribute."""
        if not self.paths or not self._asks(_LITERAL.sub(" ", where)):
            return where
        return _LITERAL.sub(lambda match: f"'{MARK}'" if match[0][0] == "'" else f'`"{MARK}"`', where)

    def _asks(self, text: str) -> bool:
        sensitive = {part.removesuffix("[*]").removesuffix("[]") for path in self.paths for part in path.split(".")}
        named = {quoted or bare for quoted, bare in _WORD.findall(text)}
        return bool(sensitive & named) or _WHOLE.search(text) is not None

    def scope(self, scope: Scope) -> Scope:
        """Return a scope as it may be shown. It is not to be applied."""
        return Scope(scope.kinds, tuple(map(self.key, scope.keys)), self.where(scope.where)) if self.paths else scope

    def words(self, scope: Scope, text: str = "") -> str:
        """Return a scope in words: *text*, unless they may tell what is sensitive."""
        masked_scope = self.scope(scope)
        return text if text and masked_scope.where == scope.where else masked_scope.describe()

    def digest(self, text: str) -> str:
        """Return a hash of *text* that only this incident's holder can make."""
        return hmac.new(self.secret, f"{self.incident}\n{text}".encode(), hashlib.sha256).hexdigest()


_in_force: Masks | None = None


def current() -> Masks:
    """Return the masks in force; those of the settings where nobody has said yet."""
    return _in_force if _in_force is not None else use()


def use(incident: str = "", root: str | Path | None = None) -> Masks:
    """Put the masks of the settings in force, for an incident, and return them.

    From then on errors do not repeat what the service said of a value, either.

    Raises:
        BadInput: The settings cannot be read.
    """
    paths = team_settings.read().record.sensitive
    return set_masks(Masks(tuple(paths), incident, _secret(root_folder(root)) if paths else b""))


def set_masks(masks: Masks | None) -> Masks:
    """Put these masks in force, or, with None, those of the settings once they are asked for."""
    global _in_force  # noqa: PLW0603 (see the module's own words)
    _in_force = masks
    PitrkitError.discreet = bool(masks)
    return masks or Masks()


def _secret(root: Path) -> bytes:
    """Return the key of the hashes, made at the first use; one for this process where none can be kept."""
    path = root / KEY_FILE
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{KEY_FILE}.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        try:
            os.link(fresh, path)  # whole, or not there: two that begin at once agree on one
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_bytes()
    except OSError:
        return secrets.token_bytes(32)


def _masked(then: Any, now: Any, node: _Node) -> tuple[Any, Any]:
    """Return both sides of one value, masked as far as *node* says."""
    if isinstance(node, bool):
        return _mark(then), _mark(now, differs=then is not None and then != now)
    kinds = {kind for side in (then, now) if side is not None for kind in side}
    if kinds == {"M"}:
        sides = [dict(side["M"]) if side is not None else {} for side in (then, now)]
        for name in node.keys() & (sides[0].keys() | sides[1].keys()):
            both = _masked(sides[0].get(name), sides[1].get(name), node[name])
            for side, value in zip(sides, both, strict=True):
                side.update({} if value is None else {name: value})
        return _whole(then, "M", sides[0]), _whole(now, "M", sides[1])
    if kinds == {"L"}:
        lists = [side["L"] if side is not None else [] for side in (then, now)]
        both_of = [_masked(then_value, now_value, node) for then_value, now_value in zip_longest(*lists)]
        return _whole(then, "L", [then_value for then_value, _ in both_of][: len(lists[0])]), _whole(
            now, "L", [now_value for _, now_value in both_of][: len(lists[1])]
        )
    if len(kinds) > 1:
        return _masked(then, None, node)[0], _masked(None, now, node)[1]
    return then, now


def _whole(side: Any, kind: str, inner: Any) -> Any:
    return None if side is None else {kind: inner}


def _mark(typed: Any, *, differs: bool = False) -> Any:
    if typed is None or MASKED in typed:
        return typed
    return {MASKED: f"{MARK} ({_what(typed)}{', another value' if differs else ''}, masked)"}


def _what(typed: Mapping[str, Any]) -> str:
    ((kind, value),) = typed.items()
    type_text = _TYPES.get(kind, kind)
    match kind:
        case "S":
            return f"{type_text}, {_things(len(value), 'character')}"
        case "B":
            return f"{type_text}, {_things(len(value) * 3 // 4 - value.count('='), 'byte')}"
        case "M" | "L" | "SS" | "NS" | "BS":
            return f"{type_text}, {_things(len(value), 'attribute' if kind == 'M' else 'member')}"
    return type_text


def _things(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _texts(value: Any) -> Any:
    """Return the service's JSON with masked values as text."""
    if isinstance(value, dict):
        return (
            {"S": value[MASKED]}
            if value.keys() == {MASKED}
            else {name: _texts(element) for name, element in value.items()}
        )
    return [_texts(element) for element in value] if isinstance(value, list) else value
