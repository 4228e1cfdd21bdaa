"""Reads what replies must look like from one of five fields. Slow on large constraints: use a worker thread."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from segue.api.intake.requests import GenerationFields
from segue.engine.base import MakeMask
from segue.grammar.compiler import Compiler
from segue.grammar.constraint import Constraint, from_gbnf, from_lark, from_regex, from_schema
from segue.grammar.errors import ConstraintError
from segue.serving.errors import invalid

_FIELDS = ("response_format", "json_schema", "grammar", "regex", "lark")


class Wanted(NamedTuple):
    """The form that replies must have, and the field that asks for it."""

    field: str
    constraint: Constraint


def wanted_by(request: GenerationFields) -> Wanted | None:
    """The form that a request demands of its replies; None if they are free. Raises ApiError with the field's name."""
    given = [name for name in _FIELDS if _is_given(request, name)]
    if not given:
        return None
    called = [request.format_field if name == "response_format" else name for name in given]
    if len(called) > 1:
        raise invalid(f"Fields '{called[0]}' and '{called[1]}' exclude each other: both say what the reply must be")
    try:
        return Wanted(called[0], _constraint(given[0], getattr(request, given[0])))
    except ConstraintError as error:
        raise invalid(f"Field '{called[0]}': {error}") from error


def make_mask(compiler: Compiler, wanted: Wanted | None) -> MakeMask | None:
    """The maker of the replies' masks; None if they are free. Raises ApiError with the field's name."""
    if wanted is None:
        return None
    try:
        return compiler.compile(wanted.constraint)
    except ConstraintError as error:
        raise invalid(f"Field '{wanted.field}': {error}") from error


def _is_given(request: GenerationFields, name: str) -> bool:
    """A text that is empty asks for nothing, nor does a response format of text; the schema `{}` does."""
    value = getattr(request, name)
    if name == "response_format" and value is not None:
        kind = value.get("type") or "text"
        if kind not in ("text", "json_object", "json_schema"):
            raise invalid(f"Field '{request.format_field}': type must be text, json_object or json_schema")
        return bool(kind != "text")
    return value is not None and value != ""


def _constraint(name: str, value: Any) -> Constraint:
    if name == "response_format":
        return _from_format(value)
    if name == "json_schema":
        return from_schema(value)
    return {"grammar": from_gbnf, "regex": from_regex, "lark": from_lark}[name](value)


def _from_format(value: Mapping[str, Any]) -> Constraint:
    """OpenAI's field. A schema that is not `strict` has keywords passed over that cannot be enforced."""
    if value["type"] == "json_object":
        schema = value.get("schema")
        return from_schema({} if schema is None else schema)
    described = value.get("json_schema")
    if not isinstance(described, dict) or described.get("schema") is None:
        raise ConstraintError("json_schema.schema is missing")
    return from_schema(described["schema"], is_lenient=described.get("strict") is False)
