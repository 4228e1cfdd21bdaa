"""The Jinja environment that chat templates run in: Hugging Face's dialect, sandboxed and bounded.

A template comes with the model file and is untrusted. It reaches no Python internals, and it is stopped when it
runs too long, writes too much or builds too large a value. One huge call inside a filter is not stopped.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from segue.chat.template.hooks import ADD, END_LOOP, JOIN, MULTIPLY, POWER, TICK, VISIT, Hooks
from segue.chat.template.render import MAX_CHARS, LimitError

MAX_ITEMS = 1 << 22
MAX_EXPONENT = 1 << 10
_MAX_ANSWERS = 4096
RENDER_KEY = " render"
"""Name under which a context holds its `TemplateRun`; no template can spell it."""


class TemplateError(Exception):
    """A chat template that cannot be used, at all or for this request; the message is fit for the client."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as chat templates expect it. Any thread may compile and render."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"])
        self._is_safe: dict[tuple[type, str], bool] = {}
        self.filters["tojson"] = _to_json
        # Nothing is escaped here; jinja2's own would escape all that is added to what is safe.
        self.filters["safe"] = str
        self.filters.update(_HOOKED)
        self.globals["raise_exception"] = _raise_exception

    def compile_chat(self, source: str) -> jinja2.Template:
        """Compile `source` so that it reports to the `TemplateRun` in its context. Raises `TemplateSyntaxError`."""
        tree = self.parse(source)
        Hooks().insert(tree)
        return self.from_string(tree)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use `obj.attr`. Some keep a queue in a list, which is harmless."""
        # jinja2 asks a dozen questions here that only depend on the type; long prompts ask 100,000 times
        key = (type(obj), attr)
        answer = self._is_safe.get(key)
        if answer is None:
            is_queue = attr in ("append", "pop") and type(obj) is list
            answer = is_queue or super().is_safe_attribute(obj, attr, value)
            if len(self._is_safe) < _MAX_ANSWERS:
                self._is_safe[key] = answer
        return answer

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up `obj.attribute`; of a dict its items, which spares an exception for each."""
        if type(obj) is dict and attribute in obj and not hasattr(dict, attribute):
            return obj[attribute]
        return super().getattr(obj, attribute)


class _Generation(Extension):
    """`{% generation %}` marks what a model is trained on; it writes its body and nothing else."""

    tags = {"generation"}  # noqa: RUF012  declared so by jinja2

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


@jinja2.pass_context
def _tick(context: Context, _: object) -> None:
    context.parent[RENDER_KEY].tick()


@jinja2.pass_context
def _visit(context: Context, site: int, value: object, items: object = None) -> None:
    if items is not None and isinstance(items, list) and isinstance(value, int) and 0 <= value < len(items):
        value = items[value]
    context.parent[RENDER_KEY].visit(site, value)


@jinja2.pass_context
def _end_loop(context: Context, site: int) -> None:
    context.parent[RENDER_KEY].end_loop(site)


def _add(left: Any, right: Any) -> Any:
    return _checked(left + right)


def _multiply(left: Any, right: Any) -> Any:
    for value, factor in ((left, right), (right, left)):
        if isinstance(value, _SIZED) and isinstance(factor, int) and len(value) * factor > _limit(value):
            raise LimitError("a value grew too large")
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(right, int) and abs(right) > MAX_EXPONENT:
        raise LimitError("a power is too large")
    return left**right


def _join(*values: object) -> str:
    return str(_checked("".join(map(str, values))))


def _checked(value: Any) -> Any:
    if isinstance(value, _SIZED) and len(value) > _limit(value):
        raise LimitError("a value grew too large")
    return value


def _limit(value: object) -> int:
    return MAX_CHARS if isinstance(value, str) else MAX_ITEMS


_SIZED = (str, bytes, list, tuple)
_HOOKED = {
    TICK: _tick,
    VISIT: _visit,
    END_LOOP: _end_loop,
    ADD: _add,
    MULTIPLY: _multiply,
    POWER: _power,
    JOIN: _join,
}


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
        default=_from_iterator,
    )


def _from_iterator(value: object) -> list[Any]:
    if isinstance(value, Iterator):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
