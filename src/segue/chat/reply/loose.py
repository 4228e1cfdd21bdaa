"""Parses arguments that break their notation, if the tool's schema leaves only one reading of them.

Strings may have quotes of any kind or none, `=` may replace `:`, and commas may be missing.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from segue.chat.reply.family import JsonForm
from segue.chat.reply.tools import Schema, Tools, is_open, properties_of, types_of
from segue.chat.reply.values import from_json, from_text, is_of

_SPACES: Final = re.compile(r"\s*")
_KEY: Final = (
    r"""(?:"([^"\\\n]*)"|'([^'\\\n]*)'|{quote}([^\s{{}}\[\](),:="'<>]+){quote}|([^\s{{}}\[\](),:="'<>]+))\s*[:=]"""
)
_KEY_LIKE: Final = re.compile(r"(?<![\w.-])([\w.-]+)\s*[:=]")
_WORD: Final = re.compile(r"\s*([\w.-]+)")
_NAME: Final = re.compile(r"([\w.\-/]+)\s*\(")
_BARE_ENDS: Final = re.compile(r"[,{}\[\]()]")
_ESCAPE: Final = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|\"", re.DOTALL)
_QUOTED: Final = re.compile(r"""^["'“”‘’«„`]|["'“”‘’»`]$|\"""")
_WORDS: Final = {"True": True, "False": False, "None": None}
_MOST_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value: inside an object or list that `end` closes, after the values `given`, and for `key`.

    `properties` are those that the schema of the object lists; in a list, there is no key.
    """

    end: str
    depth: int
    schema: Schema
    properties: Schema
    given: Mapping[str, Any]
    key: str | None


class LooseParser:
    """Reads a whole text. `quote` delimits strings without escapes, `"` and `'` strings with escapes.

    `is_open`: keys that a schema does not list are accepted too, unless the schema forbids them.
    """

    def __init__(self, text: str, *, quote: str = '"', is_open: bool = False) -> None:
        self._text = text
        self._at = 0
        self._quote = quote
        self._is_open = is_open
        self._key_pattern = re.compile(_KEY.format(quote=re.escape(quote)))

    def object(self, schema: Schema) -> dict[str, Any]:
        """The object in the text. Raises `ValueError` if there is none, or if it could be read in several ways."""
        if not self._accept("{"):
            raise ValueError("an object must begin with a bracket")
        found = self._object(schema, "}", 0)
        self._expect_end()
        return found

    def named_objects(self, form: JsonForm, tools: Tools) -> list[tuple[str, Any]]:
        """The names and arguments of calls written as one object or a list of objects. Raises `ValueError`."""
        keys = (*form.name_keys, *form.arguments_keys, "id", "type", "tool_call_id")
        listed: Schema = {"properties": {key: {} for key in keys}}

        def below(key: str, found: Mapping[str, Any]) -> Schema:
            return tools.schema(_first(found, form.name_keys)) if key in form.arguments_keys else {"type": "string"}

        def one() -> tuple[str, Any]:
            if not self._accept("{"):
                raise ValueError("a call is an object")
            found = self._object(listed, "}", 0, below)
            name = _first(found, form.name_keys)
            tools.schema(name)
            return name, _first(found, form.arguments_keys)

        return self._one_or_several(one)

    def functions(self, tools: Tools) -> list[tuple[str, Any]]:
        """The names and arguments of calls written like functions. Raises `ValueError`."""

        def one() -> tuple[str, Any]:
            named = _NAME.match(self._text, self._skip())
            if named is None:
                raise ValueError("a name is missing")
            self._at = named.end()
            return named[1], self._object(tools.schema(named[1]), ")", 0)

        return self._one_or_several(one)

    def _one_or_several(self, one: Callable[[], tuple[str, Any]]) -> list[tuple[str, Any]]:
        is_list = self._accept("[")
        found = [one()]
        while is_list and self._accept(",") and not self._text.startswith("]", self._skip()):
            found.append(one())
        if is_list and not self._accept("]"):
            raise ValueError("the list is not closed")
        self._expect_end()
        return found

    def _object(
        self, schema: Schema, end: str, depth: int, below: Callable[[str, Mapping[str, Any]], Schema] | None = None
    ) -> dict[str, Any]:
        """The rest of an object; `below` tells the schema of a value from its key and the values before it."""
        found: dict[str, Any] = {}
        properties = properties_of(schema)
        while not self._accept(end):
            key = self._key()
            if key in found or (properties and key not in properties and not (self._is_open and is_open(schema))):
                raise ValueError(f"{key} is given twice, or the tool does not have it")
            wanted = below(key, found) if below else _below(properties, key)
            found[key] = self._value(Place(end, depth, wanted, properties, found, key))
            self._skip_comma(Place(end, depth, {}, properties, found, None))
        return found

    def _list(self, schema: Schema, depth: int) -> list[Any]:
        found: list[Any] = []
        place = Place("]", depth, schema, {}, {}, None)
        while not self._accept("]"):
            found.append(self._value(place))
            self._skip_comma(place)
        return found

    def _skip_comma(self, place: Place) -> None:
        """Skip a comma, which may be missing only before a key that the schema lists."""
        if self._accept(",") or self._text.startswith(place.end, self._at):
            return
        if self._key_at(self._at) not in place.properties.keys() - place.given.keys():
            raise ValueError("a comma is missing")

    def _key(self) -> str:
        found = self._key_pattern.match(self._text, self._skip())
        if found is None:
            raise ValueError("a key is missing")
        self._at = found.end()
        return _named(found)

    def _value(self, place: Place) -> Any:
        if place.depth > _MOST_DEPTH:
            raise ValueError("nested too deeply")
        self._skip()
        for quote in (self._quote, '"', "'"):
            if self._text.startswith(quote, self._at):
                return self._string(quote, place)
        if self._accept("{"):
            return self._object(place.schema, "}", place.depth + 1)
        if self._accept("["):
            return self._list(_below(place.schema, "items"), place.depth + 1)
        return self._bare(place)

    def _string(self, quote: str, place: Place) -> str:
        """A string that ends at the first quote after which the object or the list can continue.

        Quotes inside the string come in pairs; a form's own quotes have no escapes.
        """
        start = self._at + len(quote)
        is_own = len(quote) > 1
        n_open = 0
        for found in re.compile(re.escape(quote) if is_own else r"\\.|" + quote, re.DOTALL).finditer(self._text, start):
            if found[0] != quote:
                continue
            if n_open == 0 and self._goes_on(found.end(), place):
                self._at = found.end()
                text = self._text[start : found.start()]
                return text if is_own else _unescaped(text)
            is_opening = self._opens(found.start(), found.end())
            if is_opening is None and not is_own:
                continue
            if n_open == 0 and not is_opening:
                raise ValueError("a quote in a string closes nothing")
            n_open = 1 - n_open
        raise ValueError("a string is not closed")

    def _opens(self, start: int, end: int) -> bool | None:
        """Whether a quote inside a string seems to open a quotation; None for an apostrophe."""
        before, behind = self._text[start - 1], self._text[end : end + 1]
        if before.isalnum() and behind.isalnum():
            return None
        return (before.isspace() or before in "([{:,=") and not behind.isspace()

    def _bare(self, place: Place) -> Any:
        """A number, a literal of JSON or Python, or a string without quotes."""
        start = self._at
        self._at = self._bare_end(place)
        text = self._text[start : self._at].strip()
        types = types_of(place.schema)
        value = text if types == {"string"} else _WORDS.get(text, from_text(text))
        if not text or (isinstance(value, str) and ("string" not in types or _QUOTED.search(text))):
            raise ValueError("a string without quotes")
        if isinstance(value, str) and any(found[1] in place.properties for found in _KEY_LIKE.finditer(text)):
            raise ValueError("a string without quotes that holds a key")
        if types and not any(is_of(value, kind) for kind in types):
            raise ValueError("a value of another type")
        return value

    def _bare_end(self, place: Place) -> int:
        for mark in _BARE_ENDS.finditer(self._text, self._at):
            if mark[0] == place.end or (mark[0] == "," and self._goes_on(mark.start(), place)):
                return mark.start()
            word = _WORD.match(self._text, mark.end())
            if mark[0] != "," or (word and word[1] in place.properties):
                raise ValueError("a string without quotes that holds a bracket or a key")
        raise ValueError("no bracket at the end")

    def _goes_on(self, at: int, place: Place) -> bool:
        """Whether the object or the list may continue at `at`, after a value, or ends there."""
        at = _skipped(self._text, at)
        if at == len(self._text) or self._text.startswith(place.end, at):
            return at < len(self._text)
        if place.key is None:
            return self._text[at] == ","
        has_comma = self._text[at] == ","
        behind = _skipped(self._text, at + has_comma)
        key = self._key_at(behind)
        if key is None:
            return has_comma and self._text.startswith(place.end, behind)
        is_known = key in place.properties or (has_comma and (self._is_open or not place.properties))
        if key == place.key or key in place.given:
            raise ValueError(f"{key} seems to be given twice")
        return is_known

    def _key_at(self, at: int) -> str | None:
        found = self._key_pattern.match(self._text, at)
        return _named(found) if found else None

    def _skip(self) -> int:
        self._at = _skipped(self._text, self._at)
        return self._at

    def _is_over(self) -> bool:
        return self._skip() == len(self._text)

    def _expect_end(self) -> None:
        if not self._is_over():
            raise ValueError("text follows the closing bracket")

    def _accept(self, char: str) -> bool:
        found = self._text.startswith(char, self._skip())
        self._at += found
        return found


def _below(schema: Schema, key: str) -> Schema:
    """The schema at a key of another schema; empty if there is none."""
    found = schema.get(key)
    return found if isinstance(found, Mapping) else {}


def _first(found: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((found[key] for key in keys if key in found), None)


def _named(key: re.Match[str]) -> str:
    return next(group for group in key.groups() if group is not None)


def _skipped(text: str, at: int) -> int:
    """The end of the white space at `at`."""
    found = _SPACES.match(text, at)
    return found.end() if found else at


def _unescaped(text: str) -> str:
    """The value of a string in which quotes of the other kind need no escape."""
    value = from_json('"' + _ESCAPE.sub(_as_json, text) + '"')
    assert isinstance(value, str)
    return value


def _as_json(escape: re.Match[str]) -> str:
    """The escape in JSON's notation, or a character that represents itself."""
    if escape[0] == '"':
        return '\\"'
    if escape[0][1] in '"\\/bfnrt' or len(escape[0]) > 2:
        return escape[0]
    return escape[0][1] if escape[0][1] == "'" else "\\" + escape[0]
