"""The differences between model families: how they mark reasoning and tool calls. Values only."""

from dataclasses import dataclass, field
from typing import Final

Tags = tuple[str, str]
"""An opening and a closing marker; empty where there is none."""

CHANNEL_END: Final = "<|end|>"
"""Ends a message in a reply that has channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A family's way to write calls.

    `section` encloses all calls of a reply, `call` encloses each. `is_section_optional`: models may leave out the
    opening marker of the section. `allows_noise`: words before the first call of a section mean nothing.
    """

    section: Tags = ("", "")
    call: Tags = ("", "")
    is_section_optional: bool = False
    allows_noise: bool = False

    @property
    def openers(self) -> tuple[str, ...]:
        """The markers that begin calls; none for a form that occurs only at the beginning of a reply."""
        section, call = self.section[0], self.call[0]
        return tuple(filter(None, (section, call) if not section or self.is_section_optional else (section,)))

    @property
    def markers(self) -> tuple[str, ...]:
        """All texts that have a meaning in this form."""
        return tuple(filter(None, (*self.section, *self.call)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonForm(Form):
    """Name and arguments are members of a JSON object, or of the objects in a list.

    Without a marker, an object is a call if it begins with one of `first_keys` and names a tool on offer.
    """

    name_keys: tuple[str, ...] = ("name",)
    arguments_keys: tuple[str, ...] = ("arguments", "parameters")
    first_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonicForm(Form):
    """Calls are written as in Python, one or a list of them, with keyword arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedForm(Form):
    """A name, a delimiter after it, and the arguments as an object.

    `name` is a pattern whose first group is the name; `ends` are the delimiters after it, and an object may follow
    directly if `ends` has the empty string. `quote` delimits strings; unless it is JSON's, strings have no escapes and
    keys have no quotes. `closes` are closing markers besides that of `call`. `is_short`: the form lacks a part that
    the family should write, so it counts only for a tool on offer.
    """

    ends: tuple[str, ...]
    name: str = r"\s*([^\s{}\[\]()<>\"]+)\s*"
    quote: str = '"'
    closes: tuple[str, ...] = ()
    is_short: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """All texts that have a meaning in this form."""
        quote = () if self.quote == '"' else (self.quote,)
        marks = (*self.section, *self.call, *self.ends, *self.closes, *quote)
        return tuple(mark for mark in marks if mark.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementForm(Form):
    """Each parameter is an element; its value is plain text, and the tool's schema gives its type.

    `name_end` ends the head of a call, which holds its name and attributes; `""` where the first parameter ends it.
    `key_ends` come one after another between key and value, and `parameter` encloses both. `has_attributes`: heads hold
    quoted attributes, of which name and key are the first. `strips_line`: a value is on lines of its own. `is_inline`:
    parameters follow one another on the same line.
    """

    name_end: str
    parameter: Tags
    key_ends: tuple[str, ...]
    has_attributes: bool = False
    strips_line: bool = False
    is_inline: bool = False

    @property
    def markers(self) -> tuple[str, ...]:
        """All texts that have a meaning in this form."""
        marks = (*self.section, *self.call, *self.parameter, *self.key_ends)
        return tuple(mark for mark in marks if len(mark) > 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The notation of the replies of one family's models.

    `signs`: a chat template that contains all strings of one of these groups belongs to the family. `reasoning`: the
    tags around reasoning. `wrappers` mean nothing and are left out. `calls_in_reasoning`: a call inside the reasoning
    counts as one. `has_channels`: a reply is a sequence of messages with headers, as gpt-oss writes them.
    """

    name: str
    signs: tuple[tuple[str, ...], ...]
    forms: tuple[Form, ...]
    reasoning: tuple[Tags, ...] = (("<think>", "</think>"),)
    wrappers: tuple[str, ...] = ()
    calls_in_reasoning: bool = False
    has_channels: bool = False
    i_own_form: int = 0
    other_markers: tuple[str, ...] = field(default=(), repr=False)

    def can_think(self, template_source: str) -> bool:
        """Whether a chat template of the family knows of reasoning."""
        return self.has_channels or any(tag in template_source for tags in self.reasoning for tag in tags)

    def reasoning_end_after(self, prompt: str) -> str:
        """The tag that ends the reasoning in which a reply to `prompt` begins; empty if it begins in none."""
        return next((end for opening, end in self.reasoning if prompt.rstrip().endswith(opening)), "")

    def reasoning_end_in(self, begun: str) -> str:
        """The tag that ends the reasoning within which `begun`, the beginning of a reply, ends; empty if in none."""
        places = ((begun.rfind(opening), begun.rfind(end), end) for opening, end in self.reasoning)
        return next((end for opened, closed, end in places if opened > closed), "")

    @property
    def own_form(self) -> Form | None:
        """The form that the family's models were trained to write; None if there is none."""
        return self.forms[self.i_own_form] if self.forms else None

    @property
    def markers(self) -> frozenset[str]:
        """Every text that must reach the parser, even if a special token represents it."""
        forms = (marker for form in self.forms for marker in form.markers)
        tags = (tag for pair in self.reasoning for tag in pair)
        return frozenset((*forms, *tags, *self.wrappers, *self.other_markers))
