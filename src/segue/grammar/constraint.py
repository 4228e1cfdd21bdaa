"""The form that a reply must have, as one kind of grammar: llguidance's Lark."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import llguidance

from segue.grammar.errors import ConstraintError
from segue.grammar.gbnf import gbnf_to_lark
from segue.grammar.marks import LINES, TEXT, atoms, mark_rule, text_until_rule
from segue.grammar.schema import checked_schema

MAX_GRAMMAR_BYTES = 1 << 20
MAX_PARTS = 20_000
"""llguidance goes from one rule or group into the next by recursion: see the stack of `segue serve`."""
_OPENINGS = ":([{"

# Left to itself llguidance narrows its masks to the tokens it would write a forced text with. Not narrowed, a mask has
# all tokens that the text can go on with, as in llama.cpp, and the model writes the text as it learned to.
_OPTIONS = '%llguidance {"no_forcing": true}'


@dataclass(frozen=True, slots=True)
class Constraint:
    """A grammar that a reply must follow, with what may come before: Lark. Whether it is sound, the compiler tells."""

    lark: str
    lead: str = ""

    @property
    def source(self) -> str:
        """The grammar as llguidance reads it."""
        grammars = [{"name": "reply", "lark_grammar": f"{self.lark}\n{_OPTIONS}\n"}]
        if self.lead:
            grammars.insert(0, {"name": "whole", "lark_grammar": f"{self.lead}\n{_OPTIONS}\n"})
        return json.dumps({"grammars": grammars})

    def after_text(self, end: str, controls: Mapping[str, int]) -> "Constraint":
        """The same after any text up to `end`, such as the end of reasoning that the prompt has begun, and line ends.

        `controls`: the control tokens of the vocabulary by their text, of which `end` may be one.
        """
        rules = ("start: lead _LINES? @reply", text_until_rule("lead", end, controls), LINES, TEXT)
        return replace(self, lead="\n".join(rules))

    def after_thoughts(self, opening: str, end: str, controls: Mapping[str, int]) -> "Constraint":
        """The same, also after a text between `opening` and `end` that the reply begins with, if it likes.

        Only where both begin with control tokens, which no other text can be taken for; else the same as it was.
        """
        if self.lead or not all(atoms(mark, controls)[0].startswith("<[") for mark in (opening, end)):
            return self
        rules = (
            "start: (opening thoughts _LINES?)? @reply",
            mark_rule("opening", opening, controls),
            text_until_rule("thoughts", end, controls),
            LINES,
            TEXT,
        )
        return replace(self, lead="\n".join(rules))


def from_schema(schema: object, *, is_lenient: bool = False) -> Constraint:
    """JSON that a schema describes; `{}` asks for any object, as in llama-server.

    `is_lenient` passes over keywords that cannot be enforced. Raises ConstraintError with the place in the schema.
    """
    return bounded(f"start: {embedded(schema, is_lenient=is_lenient)}")


def embedded(schema: object, *, is_lenient: bool = False) -> str:
    """A schema as part of a Lark rule. Raises ConstraintError with the place in the schema."""
    return "%json " + json.dumps(checked_schema(schema, is_lenient=is_lenient))


def from_regex(pattern: str) -> Constraint:
    """Text that a regular expression matches as a whole; the syntax is that of Rust's `regex`, without lookaround."""
    return bounded(f"start: /{llguidance.regex_to_lark(pattern)}/")


def from_lark(grammar: str) -> Constraint:
    """Text that a Lark grammar describes, in llguidance's variant; its rule `start` is the reply."""
    return bounded(_shallow(grammar))


def from_gbnf(grammar: str) -> Constraint:
    """Text that a grammar of llama.cpp describes. Raises ConstraintError with the line."""
    return bounded(_shallow(gbnf_to_lark(grammar)))


def bounded(lark: str) -> Constraint:
    """A grammar, unless it is too long. Raises ConstraintError."""
    n_bytes = len(lark.encode("utf-8", "replace"))
    if n_bytes > MAX_GRAMMAR_BYTES:
        raise ConstraintError(f"it has {n_bytes} bytes, and {MAX_GRAMMAR_BYTES} are allowed")
    return Constraint(lark)


def _shallow(lark: str) -> str:
    """A grammar, unless it has so many rules and groups that they might be too deep. Raises ConstraintError."""
    n_parts = sum(map(lark.count, _OPENINGS))
    if n_parts > MAX_PARTS:
        raise ConstraintError(f"it has {n_parts} rules and brackets, and {MAX_PARTS} are allowed")
    return lark
