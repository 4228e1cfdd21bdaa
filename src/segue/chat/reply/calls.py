"""The calls that an opening marker announces, one after another."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from segue.chat.reply.body import CutOffError, NotACallError, markers_of, read_brackets
from segue.chat.reply.call_stream import CallStream, notation_of
from segue.chat.reply.elements import ElementReader
from segue.chat.reply.family import ElementForm, Family, Form, JsonForm, NamedForm, PythonicForm
from segue.chat.reply.notation import (
    Call,
    bare_arguments,
    json_calls,
    loose_arguments,
    loose_calls,
    make_call,
    python_calls,
)
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools

_CLOSING = ("}", "]", ")")
_MAX_NAME_CHARS = 256
_NAME_ENDS = markers_of(*"([{}])'\",:; \n")


class CallsReader:
    """Reads calls into a sink, each once it is complete: a call that was cut off must not be run."""

    def __init__(self, reader: Reader, sink: Sink, family: Family, tools: Tools) -> None:
        self._reader = reader
        self._sink = sink
        self._tools = tools
        self._forms = family.forms
        self._stops = tuple(sorted(family.markers))
        self.openers = tuple(opener for form in self._forms for opener in form.openers)
        self._closers = tuple(
            filter(None, (closer for form in self._forms for closer in (form.section[1], form.call[1])))
        )
        self._bare_forms = [form for form in self._forms if not form.openers]

    def may_be_bare(self, following: str) -> bool:
        """Whether calls without an opening marker may begin with this character."""
        return bool(following) and any(_may_begin(form, following, is_first=True) for form in self._bare_forms)

    def read(self, opener: str = "") -> Reading[None]:
        """Read the calls after `opener`, which was read already; without one, calls that have no opening marker.

        Text that is not a call is passed on as written. A call that the end of the reply cut off is left out if
        complete calls preceded it, if it consists only of its opener, or if its beginning was passed on already.
        """
        reader, sink = self._reader, self._sink
        reader.keep(opener)
        try:
            yield from self._read(opener, sink.n_calls)
        except CutOffError:
            rest = reader.kept()
            is_marked = any(closer in rest for closer in self._closers)
            is_closed = is_marked or rest.rstrip().endswith(_CLOSING)
            is_known = sink.give_up_call() and not is_marked
            if is_known or rest.strip() == opener or (sink.n_calls and not is_closed):
                sink.cut()
            else:
                sink.say(rest)
            return
        except NotACallError:
            sink.give_up_call()
        sink.say(reader.kept())

    def _read(self, opener: str, n_before: int) -> Reading[None]:
        sections = {form.section for form in self._forms if opener in form.openers}
        forms = [form for form in self._forms if form.section in sections] if opener else self._bare_forms
        is_section = any(section[0] == opener for section in sections)
        called = "" if is_section else opener
        closers = markers_of(*(form.section[1] for form in forms))
        starts = markers_of(*(form.call[0] for form in forms))
        while True:
            if not called:
                yield from self._reader.spaces()
                called = yield from self._reader.accept(starts)
            is_first = self._sink.n_calls == n_before
            chosen = yield from self._choose(forms, called, is_first=is_first)
            if chosen:
                if (yield from self._read_call(chosen)):
                    return
                called = ""
                continue
            if (yield from self._reader.accept(closers)):
                if is_first and not forms[0].allows_noise:
                    raise NotACallError
                self._sink.cut()
                self._reader.keep()
                return
            if not is_first:
                return
            if not (yield from self._reader.peek()):
                raise CutOffError
            if not forms[0].allows_noise:
                raise NotACallError
            yield from self._reader.until(markers_of(*self._stops), _ignore)
            if not (yield from self._reader.stands(starts)):
                raise NotACallError

    def _choose(self, forms: Iterable[Form], called: str, *, is_first: bool) -> Reading[list[Form]]:
        """The forms that may begin here, after the marker of a call if there is one."""
        if called:
            return [form for form in forms if form.call[0] == called][:1]
        following = yield from self._reader.peek()
        if not following:
            return []
        return [form for form in forms if not form.call[0] and _may_begin(form, following, is_first=is_first)]

    def _read_call(self, forms: Sequence[Form]) -> Reading[bool]:
        """Read one call, or a list of them, in one of `forms`; returns whether no more can follow."""
        form, gap = forms[0], ""
        is_over = not any(form.section[1] or form.call[0] for form in forms)
        try:
            if isinstance(form, ElementForm):
                elements = ElementReader(self._reader, self._sink, form, self._tools)
                calls = [(yield from elements.read())]
                gap, is_over = elements.gap, elements.is_section_over
            elif isinstance(form, NamedForm):
                calls = [(yield from self._read_named(form))]
            else:
                calls = yield from self._read_expression(forms)
        except ValueError:
            raise NotACallError from None
        if not all(self._tools.may_be(call.name) for call in calls):
            raise NotACallError
        for call in calls:
            self._sink.call(call.name, call.arguments)
        self._reader.keep(gap)
        yield from self._read_closers(form)
        return is_over

    def _read_closers(self, form: Form) -> Reading[None]:
        """Read the closing markers of a call that are present; the element reader has already read its own."""
        if isinstance(form, ElementForm) or not form.call[1]:
            return
        closers = markers_of(form.call[1], *(form.closes if isinstance(form, NamedForm) else ()))
        yield from self._reader.spaces()
        while (yield from self._reader.accept(closers)):
            self._reader.keep()

    def _read_named(self, form: NamedForm) -> Reading[Call]:
        reader = self._reader
        yield from reader.spaces()
        pieces: list[str] = []
        ends = tuple(filter(None, form.ends))
        stops = (*form.section, form.call[0], form.call[1])
        marker = yield from reader.until(markers_of(*ends, "{", "\n", *stops), pieces.append)
        if not marker:
            raise CutOffError
        named = "".join(pieces)
        found = re.fullmatch(form.name, named) if len(named) <= _MAX_NAME_CHARS else None
        if not found or not (marker in ends or (marker == "{" and "" in form.ends)):
            raise NotACallError
        if marker in ends:
            reader.skip(len(marker))
        yield from reader.spaces()
        if (following := (yield from reader.peek())) != "{":
            raise NotACallError if following else CutOffError
        name = self._tools.resolved(found[1])
        if form.is_short and not self._tools.offers(name):
            raise NotACallError
        quotes = () if form.quote == '"' else (form.quote,)
        stream = CallStream(self._sink, self._tools)
        stream.expect_arguments(name, notation_of(form))
        body = yield from read_brackets(reader, quotes=quotes, stops=self._stops_of(*quotes), follow=stream.feed)
        with suppress(ValueError):
            return make_call(name, bare_arguments(body, form))
        arguments = loose_arguments(body, form.quote, self._tools.schema(name))
        yield from self._expect_closer(form)
        return make_call(name, arguments)

    def _read_expression(self, forms: Sequence[Form]) -> Reading[list[Call]]:
        begun = yield from self._read_beginning(forms[0])
        stream = CallStream(self._sink, self._tools)
        stream.expect_call(forms)
        body = yield from read_brackets(self._reader, begun, stops=self._stops, follow=stream.feed)
        for form in forms:
            try:
                calls = json_calls(body, form) if isinstance(form, JsonForm) else python_calls(body)
            except ValueError:
                continue
            if calls and (form.openers or all(self._tools.offers(call.name) for call in calls)):
                return [Call(self._tools.resolved(call.name), call.arguments) for call in calls]
        yield from self._expect_closer(forms[0])
        for form in forms:
            with suppress(ValueError):
                return loose_calls(body, form, self._tools)
        raise NotACallError

    def _expect_closer(self, form: Form) -> Reading[None]:
        """Require that a call in loose notation ends where a call can end, or with the reply."""
        yield from self._reader.spaces()
        ends = markers_of(*form.call, *form.section)
        if not (yield from self._reader.stands(ends)) and (yield from self._reader.peek()):
            raise NotACallError

    def _read_beginning(self, form: Form) -> Reading[str]:
        """Read enough to tell whether unmarked text may be a call, so that other text in brackets is not held back."""
        if form.openers:
            return ""
        reader = self._reader
        begun = reader.skip(1) + (yield from reader.spaces())
        if isinstance(form, JsonForm):
            key = yield from reader.accept(
                markers_of(*(f"{quote}{key}{quote}" for key in form.first_keys for quote in "\"'"))
            )
            if not key:
                raise NotACallError
            return begun + key
        pieces = [begun]
        marker = yield from reader.until(_NAME_ENDS, pieces.append)
        if marker != "(":
            raise NotACallError if marker else CutOffError
        return "".join(pieces)

    def _stops_of(self, *quotes: str) -> tuple[str, ...]:
        return tuple(stop for stop in self._stops if stop not in quotes)


def _may_begin(form: Form, following: str, *, is_first: bool) -> bool:
    """Whether a call that has no marker of its own may begin with this character."""
    is_word = following.isalpha() or following == "_"
    match form:
        case JsonForm():
            return following == "{" or (following == "[" and bool(form.openers))
        case PythonicForm():
            return following == "[" or (is_word and is_first and bool(form.openers))
    return is_word and is_first


def _ignore(_: str) -> None:
    """Discard text without meaning."""
