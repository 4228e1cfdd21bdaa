"""A model's chat template: messages in, prompt text out."""

import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import jinja2

from segue.chat.prefix import common_prefix
from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.template.clock import may_tell_time, times_at
from segue.chat.template.dialect import Dialect, find_dialect
from segue.chat.template.messages import Conversation, shape
from segue.chat.template.order import Message
from segue.chat.template.part_ends import find_part_ends
from segue.chat.template.render import TemplateRun
from segue.chat.template.sandbox import RENDER_KEY, Sandbox, TemplateError
from segue.chat.template.spans import find_spans
from segue.chat.template.starts import Start, starts_guessed, starts_seen
from segue.chat.template.variables import completed
from segue.chat.template.volatile import find_volatile

CHATML = """\
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
_MARK = "\U000f5e6e"
_TRIALS_S = 4.0


class ChatTemplate:
    """A compiled chat template with what was found out about it. Any thread may render, several at once.

    `source` is the GGUF's Jinja template; ChatML stands in for none. `tells_time`: it may ask for the time.
    `bos_token` and `eos_token` are texts. A render that takes longer than `deadline_s` is stopped. Raises
    `TemplateError` when the template has a syntax error.
    """

    def __init__(self, source: str | None, bos_token: str, eos_token: str, deadline_s: float = 5.0) -> None:
        self.source = source or CHATML
        self.tells_time = may_tell_time(self.source)
        self._bos_token = bos_token
        self._deadline_s = deadline_s
        self._globals = {"bos_token": bos_token, "eos_token": eos_token, "documents": None}
        try:
            self._template = Sandbox().compile_chat(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"chat template, line {error.lineno}: {error.message}") from error
        except RecursionError as error:
            raise TemplateError("chat template is nested too deeply") from error
        until = time.thread_time() + _TRIALS_S
        self.dialect: Dialect = find_dialect(self.source, partial(self._try, until))

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        /,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        **variables: Any,
    ) -> RenderedPrompt:
        """Render OpenAI `messages` and `tools`; further `variables` reach the template as they are.

        A template that asks for the time is told the present, unless they hold another (`times_at`). Raises
        `TemplateError`, whose message is fit for the client, when the template refuses or fails.
        """
        conversation = shape(messages, self.dialect, has_tools=bool(tools))
        variables = self._completed({**self.dialect.tools.variables(tools or ()), **variables})
        if tools or self.dialect.takes_null_tools:
            variables["tools"] = self.dialect.tools.shaped(tools) if tools else None
        variables["add_generation_prompt"] = add_generation_prompt
        run = TemplateRun(conversation.messages, self._deadline_s)
        text = self._run(conversation.messages, variables, run)
        starts: list[Start] = starts_seen(run.visits, conversation.n_leading)
        marked, closed = self._second_look(text, conversation, variables, all_messages=not starts)
        known = common_prefix(text, closed)
        n_closed = known if add_generation_prompt else len(text)
        marked = [(start, own) for start, own in marked if start.offset <= known]
        n_header = next((start.offset for start, _ in marked if start.message == conversation.n_leading), 0)
        spans = find_spans(
            text,
            conversation,
            tools or (),
            starts or starts_guessed(text, marked, n_closed),
            n_bos=len(self._bos_token) if text.startswith(self._bos_token) else 0,
            n_header=n_header,
            n_closed=n_closed,
        )
        stable = spans.ends[spans.n_stable - 1] if spans.n_stable else 0
        volatile, part_ends = find_volatile(text[:stable]), find_part_ends(text, messages, spans)
        return RenderedPrompt(
            text=text,
            message_ends=spans.ends,
            message_indices=spans.indices,
            n_stable=spans.n_stable,
            volatile=volatile,
            part_ends=part_ends,
        )

    def _second_look(
        self, text: str, conversation: Conversation, variables: Mapping[str, Any], *, all_messages: bool
    ) -> tuple[list[tuple[Start, str]], str]:
        """Render without generation suffix and with marks; the prompt so rendered, and what lay behind the marks.

        Marks the first message after the system prompt, or also each that has text. Without marks if the template
        refuses them, hides one or writes another prompt than `text` for them, as one does that compares messages.
        Empty if it refuses to render without the suffix.
        """
        variables = {**variables, "add_generation_prompt": False}
        n_messages = len(conversation.messages)
        first = range(conversation.n_leading, min(conversation.n_leading + 1, n_messages))
        indices = [i for i in range(n_messages) if i in first or (all_messages and conversation.own_text(i))]
        for wanted in (indices, []):
            try:
                closed = self._run(conversation.with_mark(_MARK, wanted), variables, TemplateRun((), self._deadline_s))
            except TemplateError:
                continue
            pieces = closed.split(_MARK) if wanted else [closed]
            if len(pieces) == len(wanted) + 1 and text.startswith(pieces[0] if wanted else ""):
                ends = accumulate(map(len, pieces[:-1]))
                starts = [Start(message, end) for message, end in zip(wanted, ends, strict=True)]
                return [(start, conversation.own_text(start.message)) for start in starts], "".join(pieces)
        return [], ""

    def _completed(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The variables with all that a template may rely on."""
        return {**self._globals, **times_at(time.time()), **completed(variables)}

    def _try(self, until: float, messages: list[Message], variables: dict[str, Any]) -> str:
        """Render small messages, before this thread's clock says `until`."""
        variables = {**self._completed(variables), "add_generation_prompt": True}
        return self._run(messages, variables, TemplateRun((), until - time.thread_time()))

    def _run(self, messages: list[Message], variables: Mapping[str, Any], render: TemplateRun) -> str:
        context = self._template.new_context({**variables, "messages": messages, RENDER_KEY: render})
        pieces = []
        try:
            for piece in self._template.root_render_func(context):
                render.write(piece)
                pieces.append(piece)
        except TemplateError as error:
            raise TemplateError(f"chat template: {error}") from error
        except Exception as error:
            raise TemplateError(f"chat template{self._line(error)}: {error or type(error).__name__}") from error
        return "".join(pieces)

    def _line(self, error: Exception) -> str:
        """The line of the template at which `error` was raised, as a message says it."""
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<template>"]
        return f", line {self._template.get_corresponding_lineno(lines[-1])}" if lines and lines[-1] else ""
