"""Parses calls written as JSON, as Python, or, in Gemma's notation, as names with values."""

import ast
import keyword
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from segue.chat.reply.family import Form, JsonForm, NamedForm
from segue.chat.reply.loose import LooseParser
from segue.chat.reply.tools import Schema, Tools
from segue.chat.reply.values import from_json, to_json, unambiguous

T = TypeVar("T")

_NAMES = {"true": True, "false": False, "null": None, "none": None}
_UNKNOWN_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRING_OR_KEYWORD = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|\b(""" + "|".join(keyword.kwlist) + r")(?=\s*=[^=])", re.DOTALL
)
_OTHER_KEYS = ("function", "id", "index", "type", "tool_call_id")
"""The keys that a call may have besides its name and its arguments."""
_KEYWORD_END = "_is_a_keyword"
_STRING_OR_BARE_KEY = re.compile(r"""("(?:\\.|[^"\\])*")|([{,]\s*)([^\s{}\[\],:"'=][^{}\[\],:"'=]*):""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Call:
    """A complete call. `arguments` is the JSON text of an object."""

    name: str
    arguments: str


def make_call(name: object, arguments: object) -> Call:
    """A call with arguments as an object, its JSON text, or null. Raises `ValueError` for anything else."""
    if isinstance(arguments, str):
        arguments = from_json(arguments) if arguments.strip() else {}
    if not isinstance(name, str) or not name or not isinstance(arguments, dict | None):
        raise ValueError("a call needs a name and an object")
    return Call(name, to_json(arguments or {}))


def json_calls(text: str, form: JsonForm) -> list[Call]:
    """The calls in an object or a list of objects. Raises `ValueError` if any of them is not a call."""
    value = from_json(text)
    calls = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and isinstance(item.get("function"), dict):
            item = item["function"]
        name = _first(item, (*form.name_keys, "function"))
        arguments = _first(item, form.arguments_keys)
        if arguments is None and (form.first_keys or not item.keys() <= {*form.name_keys, *_OTHER_KEYS}):
            raise ValueError("an object without arguments may be an answer, or hold them in another form")
        calls.append(make_call(name, arguments))
    return calls


def python_calls(text: str) -> list[Call]:
    """The calls of an expression, which is a call or a list of calls. Raises `ValueError` for any other."""
    try:
        text = _UNKNOWN_ESCAPE.sub(_double, text.strip())
        strings = [found for found in _STRING_OR_KEYWORD.finditer(text) if not found[1]]
        if any(text[one.end() : other.start()].isspace() for one, other in pairwise(strings)):
            raise ValueError("a comma is missing between two strings")
        tree = ast.parse(_STRING_OR_KEYWORD.sub(_rename, text), mode="eval").body
        items = tree.elts if isinstance(tree, ast.List | ast.Tuple) else [tree]
        return [_python_call(item) for item in items]
    except (SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ValueError(str(error)) from None


def bare_arguments(text: str, form: NamedForm) -> Any:
    """The value of an object whose keys have no quotes and whose strings have quotes but no escapes.

    Raises `ValueError` for anything else.
    """
    if form.quote == '"':
        return from_json(text)
    pieces = text.split(form.quote)
    for i, piece in enumerate(pieces):
        pieces[i] = to_json(piece) if i % 2 else _STRING_OR_BARE_KEY.sub(_quote_key, piece)
    return from_json("".join(pieces))


def loose_calls(text: str, form: Form, tools: Tools) -> list[Call]:
    """The calls in an expression that breaks the notation. Raises `ValueError` if they are not certain."""

    def read(parser: LooseParser) -> list[tuple[str, Any]]:
        return parser.named_objects(form, tools) if isinstance(form, JsonForm) else parser.functions(tools)

    found = _loosely(text, '"', read)
    return [make_call(tools.resolved(name), arguments) for name, arguments in found]


def loose_arguments(text: str, quote: str, schema: Schema) -> Any:
    """The value of an object that breaks the notation. Raises `ValueError` if the value is not certain."""
    return _loosely(text, quote, lambda parser: parser.object(schema))


def _loosely(text: str, quote: str, read: Callable[[LooseParser], T]) -> T:
    """Read a text with only the keys that schemas list; if that fails, read it with other keys too."""
    with suppress(ValueError):
        return read(LooseParser(text, quote=quote))
    return read(LooseParser(text, quote=quote, is_open=True))


def _first(item: object, keys: tuple[str, ...]) -> Any:
    if not isinstance(item, dict):
        raise ValueError("a call is an object")
    values = [item[key] for key in keys if key in item]
    if any(value != values[0] for value in values):
        raise ValueError(f"{' and '.join(keys)} differ")
    return values[0] if values else None


def _double(escape: re.Match[str]) -> str:
    """An escape of Python, or a backslash that represents itself."""
    return escape[0] if escape[1] in "\\'\"abfnrtvxuUN01234567\n" else "\\" + escape[0]


def _rename(found: re.Match[str]) -> str:
    """Keep a string; rename a parameter that is named like a Python keyword, so that the text can be parsed."""
    return found[0] + _KEYWORD_END if found[1] else found[0]


def _quote_key(found: re.Match[str]) -> str:
    return found[1] or f"{found[2]}{to_json(found[3].rstrip())}:"


def _python_call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call) or node.args or not isinstance(node.func, ast.Name | ast.Attribute):
        raise ValueError("not a call with keyword arguments")
    if any(named.arg is None for named in node.keywords):
        raise ValueError("arguments without names")
    arguments = [(str(named.arg).removesuffix(_KEYWORD_END), _python_value(named.value)) for named in node.keywords]
    return make_call(ast.unparse(node.func), unambiguous(arguments))


def _python_value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_python_value(item) for item in items]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return unambiguous((_python_value(key), _python_value(value)) for key, value in pairs if key is not None)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
    raise ValueError("not a plain value")
