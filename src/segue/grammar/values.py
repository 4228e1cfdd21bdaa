"""Values that follow a JSON schema as grammar rules, in notations other than JSON."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from segue.grammar.errors import ConstraintError
from segue.grammar.marks import atoms, text_until_rule
from segue.grammar.schema import checked_schema
from segue.grammar.subschemas import JsonSchema

KeyWriter = Callable[[str], str]
"""Writes the key of an object as it is to stand there; may raise ConstraintError."""

MAX_RULES = 5_000
_MOST_STEPS = 100
_KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
_REMARKS = frozenset({"title", "description", "default", "examples", "$defs", "definitions", "$schema", "$id"})
_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_NUMBERS: Mapping[str, str] = {
    "integer": r"/-?(0|[1-9][0-9]{0,17})/",
    "number": r"/-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+\-]?[0-9]{1,2})?/",
}
_BARE_KEY = re.compile(r"""[^\s{}\[\],:"'=<|>](?:[^{}\[\],:"'=<|>\n]*[^\s{}\[\],:"'=<|>])?""")
_ESCAPED_TEXT = r"""/([^"\\\x00-\x1f\x7f]|\\["\\nrt])*/"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueNotation:
    """How values are written. `quote` delimits strings, which have JSON's escapes if that is `"`, and none otherwise.

    `words` are the words for true, false and null. `gap`, a part of a rule, stands behind commas and colons. With
    `has_bare_keys` keys have no quotes.
    """

    quote: str
    words: Mapping[str, tuple[str, ...]]
    gap: str = ""
    has_bare_keys: bool = False


BARE_WORDS: Mapping[str, tuple[str, ...]] = {"true": ("true",), "false": ("false",), "null": ("null",)}
PYTHON_WORDS: Mapping[str, tuple[str, ...]] = {
    "true": ("True", "true"),
    "false": ("False", "false"),
    "null": ("None", "null"),
}


@dataclass(frozen=True, slots=True)
class Brackets:
    """The brackets around an object, and the text behind its keys."""

    opening: str = "{"
    closing: str = "}"
    colon: str = ":"
    has_gap: bool = True


class ValueRules:
    """The rules for the values of one schema; the names of all begin with `prefix`.

    Keywords that cannot be enforced are passed over, and objects have no keys but those that are listed, if any are.
    """

    def __init__(self, schema: object, notation: ValueNotation, controls: Mapping[str, int], prefix: str) -> None:
        """Raises ConstraintError with the place in the schema if it is faulty."""
        self._root = checked_schema(schema, is_lenient=True)
        self._notation = notation
        self._controls = controls
        self._prefix = prefix
        self._rules: list[str] = []
        self._n_rules = 0
        self._references: dict[str, str] = {}

    @property
    def rules(self) -> tuple[str, ...]:
        """All rules that the ones asked for need."""
        return tuple(self._rules)

    def root_object(self, brackets: Brackets, write_key: KeyWriter) -> str:
        """The name of the rule for the schema itself, which must describe an object. Raises ConstraintError."""
        schema = self._plain(self._root)
        if "object" not in _types(schema):
            raise ConstraintError("arguments are an object")
        return self._rule(self._object(schema, brackets, write_key))

    def _rule(self, body: str) -> str:
        self._n_rules += 1
        if self._n_rules > MAX_RULES:
            raise ConstraintError("the schema is too large")
        name = f"{self._prefix}_{self._n_rules}"
        self._rules.append(f"{name}: {body}")
        return name

    def _text(self, text: str) -> str:
        return " ".join(atoms(text, self._controls))

    def _value(self, schema: object) -> str:
        """A part of a rule for the values of a schema."""
        if not isinstance(schema, Mapping):
            return self._any()
        if "$ref" in schema and not schema.keys() - _REMARKS - {"$ref"}:
            return self._reference(schema["$ref"])
        return _either(self._alternatives(self._plain(schema)))

    def _alternatives(self, schema: JsonSchema) -> Iterator[str]:
        for key in ("anyOf", "oneOf"):
            if key in schema:
                rest = {name: value for name, value in schema.items() if name != key}
                yield from (self._value(_merged(rest, one)) for one in schema[key])
                return
        fixed = [schema["const"]] if "const" in schema else schema.get("enum")
        if fixed is not None:
            yield from (self._text(self._written(one)) for one in fixed)
            return
        if not schema.keys() - _REMARKS:
            yield self._any()
            return
        yield from (self._of_kind(kind, schema) for kind in _types(schema))

    def _of_kind(self, kind: str, schema: JsonSchema) -> str:
        match kind:
            case "string":
                return self._string()
            case "boolean":
                return _either(json.dumps(word) for name in ("true", "false") for word in self._notation.words[name])
            case "null":
                return _either(map(json.dumps, self._notation.words["null"]))
            case "array":
                return self._rule(self._array(schema))
            case "object":
                return self._rule(self._object(schema, Brackets(), self.key))
        bounds = {key: schema[key] for key in _BOUNDS if key in schema}
        if not bounds:
            return self._shared(kind, _NUMBERS[kind])
        return self._rule("%json " + json.dumps(checked_schema({"type": kind, **bounds}, is_lenient=True)))

    def _string(self) -> str:
        quote = self._notation.quote
        if quote == '"':
            return self._shared("string", f'"\\"" {_ESCAPED_TEXT} "\\""')
        if "string" not in self._references:
            name = f"{self._prefix}_string"
            self._references["string"] = name
            self._rules.append(f"{name}: {self._text(quote)} {name}_rest")
            self._rules.append(text_until_rule(f"{name}_rest", quote, self._controls))
        return self._references["string"]

    def _shared(self, name: str, body: str) -> str:
        """The name of a rule that is made once."""
        if name not in self._references:
            self._references[name] = self._rule(body)
        return self._references[name]

    def _any(self) -> str:
        """Any value."""
        if "any" not in self._references:
            name = self._references["any"] = f"{self._prefix}_any"
            kinds = (self._of_kind(kind, {}) for kind in _KINDS if kind != "integer")
            self._rules.append(f"{name}: {' | '.join(kinds)}")
        return self._references["any"]

    def _reference(self, pointer: object) -> str:
        """The name of the rule of a part that may refer to itself."""
        key = f"#{pointer}"
        if key not in self._references:
            name = self._references[key] = f"{self._prefix}_ref_{len(self._references)}"
            self._rules.append(f"{name}: {self._value(self._resolved(pointer))}")
        return self._references[key]

    def _resolved(self, pointer: object) -> Any:
        if not isinstance(pointer, str) or not (pointer == "#" or pointer.startswith("#/")):
            raise ConstraintError(f"there is nothing at {pointer!r}")
        found: Any = self._root
        for step in pointer.split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (LookupError, ValueError, TypeError):
                raise ConstraintError(f"there is nothing at {pointer!r}") from None
        return found

    def _plain(self, schema: JsonSchema) -> JsonSchema:
        """A schema with what it refers to beside other keywords, and with all that it is to satisfy at once."""
        for _ in range(_MOST_STEPS):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = _merged(rest, self._resolved(schema["$ref"]))
            elif "allOf" in schema:
                rest = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    rest = dict(_merged(rest, part))
                schema = rest
            else:
                return schema
        raise ConstraintError("the schema refers to itself without end")

    def _array(self, schema: JsonSchema) -> str:
        comma = f'"," {self._notation.gap}'.strip()
        first = [self._value(one) for one in schema.get("prefixItems") or ()]
        begun = f" {comma} ".join(first)
        least = max(0, int(schema.get("minItems", 0)) - len(first))
        most = schema.get("maxItems")
        if schema.get("items") is False:
            most = len(first)
        left = None if most is None else max(0, int(most) - len(first))
        if left == 0:
            return f'"[" {begun} "]"'
        item = self._value(schema.get("items", {}))
        if first:
            more = f"({comma} {item}){_repeated(least, left)}"
        else:
            more = f"{item} ({comma} {item}){_repeated(max(0, least - 1), None if left is None else left - 1)}"
            more = more if least else f"({more})?"
        return f'"[" {begun} {more} "]"'

    def _object(self, schema: JsonSchema, brackets: Brackets, write_key: KeyWriter) -> str:
        """Keys in the schema's order, each at most once: those that are required, and any of the others."""
        listed = schema.get("properties") or {}
        required = [str(key) for key in schema.get("required") or ()]
        properties = {**listed, **{key: {} for key in required if key not in listed}}
        gap = self._notation.gap
        comma = f'"," {gap}'.strip()
        colon = f"{json.dumps(brackets.colon)} {gap if brackets.has_gap else ''}".strip()
        opening, closing = json.dumps(brackets.opening), json.dumps(brackets.closing)
        if not properties:
            others = schema.get("additionalProperties", True)
            if others is False or brackets != Brackets():
                return f"{opening} {closing}"
            member = f"{self._any_key()} {colon} {self._value(others)}"
            return f"{opening} ({member} ({comma} {member})*)? {closing}"
        # `first` is what may stand from a member on if none was written before it, `behind` if one was.
        behind = first = ""
        for key, one in reversed(properties.items()):
            member = self._rule(f"{self._text(write_key(key))} {colon} {self._value(one)}")
            if key in required:
                first = self._rule(f"{member} {behind}")
                behind = self._rule(f"{comma} {member} {behind}")
            else:
                first = self._rule(f"{member} {behind} | {first}" if first else f"({member} {behind})?")
                behind = self._rule(f"({comma} {member})? {behind}")
        return f"{opening} {first} {closing}"

    def _any_key(self) -> str:
        if self._notation.has_bare_keys:
            return self._shared("key", r"/[A-Za-z_][A-Za-z0-9_\-]{0,63}/")
        return self._string()

    def key(self, key: str) -> str:
        """A key of an object."""
        if self._notation.has_bare_keys and _BARE_KEY.fullmatch(key):
            return key
        return self._quoted(key, '"')

    def _quoted(self, text: str, quote: str) -> str:
        if self._notation.quote != '"' and self._notation.quote in text:
            raise ConstraintError(f"{self._notation.quote} would end a text that contains it")
        return json.dumps(text, ensure_ascii=False) if quote == '"' else f"{quote}{text}{quote}"

    def _written(self, value: Any) -> str:
        """One value as it is written."""
        if isinstance(value, str):
            return self._quoted(value, self._notation.quote)
        if isinstance(value, bool) or value is None:
            return self._notation.words[json.dumps(value)][0]
        if isinstance(value, list):
            return f"[{','.join(map(self._written, value))}]"
        if isinstance(value, dict):
            return "{" + ",".join(f"{self.key(key)}:{self._written(one)}" for key, one in value.items()) + "}"
        return json.dumps(value)


def _types(schema: JsonSchema) -> tuple[str, ...]:
    """The types that a schema allows."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return (kinds,)
    # Every integer is a number.
    return tuple(kinds) if isinstance(kinds, list) else tuple(kind for kind in _KINDS if kind != "integer")


def _merged(one: JsonSchema, other: object) -> JsonSchema:
    """A schema that both of these allow. Raises ConstraintError where that is not a simple one."""
    if not isinstance(other, Mapping):
        if other is False:
            raise ConstraintError("no value satisfies false")
        return one
    both: dict[str, Any] = {**one, **other}
    for key in one.keys() & other.keys() - _REMARKS:
        mine, its = one[key], other[key]
        if key == "properties":
            both[key] = {
                **mine,
                **its,
                **{name: {"allOf": [mine[name], its[name]]} for name in mine.keys() & its.keys()},
            }
        elif key == "required":
            both[key] = [*mine, *(name for name in its if name not in mine)]
        elif key == "type":
            both[key] = [kind for kind in _listed(mine) if kind in _listed(its)]
        elif mine != its:
            raise ConstraintError(f"{key} is given twice for one value")
    return both


def _listed(kinds: object) -> list[object]:
    return list(kinds) if isinstance(kinds, list) else [kinds]


def _either(parts: Iterable[str]) -> str:
    found = list(dict.fromkeys(parts))
    if not found:
        raise ConstraintError("no value satisfies the schema")
    return found[0] if len(found) == 1 else f"({' | '.join(found)})"


def _repeated(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"
