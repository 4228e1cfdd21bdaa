"""Renders a conversation as Hugging Face's `apply_chat_template` does, which is how models are trained and tried."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

Message = dict[str, Any]

_CUT = "CONTINUE_FINAL_MESSAGE_TAG "
_REASONING = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class Form:
    """How a chat is given to a template, which its user has to know.

    `has_objects`: arguments of calls are objects, not text. `reasoning` is the name of the field with reasoning, and
    `silence` what an empty message says. `has_lists`: parts are a list, not joined. `no_tools` stands for none.
    `thinks`: the template is told to think, unless the request says otherwise.
    """

    has_objects: bool = True
    reasoning: str = _REASONING[0]
    silence: str | None = ""
    has_lists: bool = True
    no_tools: tuple[()] | None = None
    thinks: bool = True


def renders(source: str, body: Mapping[str, Any], bos: str, eos: str) -> Iterator[str]:
    """The prompts of a chat request, in each form in which it can be given to the template."""
    messages = body["messages"]
    dimensions = (
        (True, False) if any("tool_calls" in message for message in messages) else (True,),
        _REASONING if any(_REASONING[0] in message for message in messages) else _REASONING[:1],
        ("", None) if any(not message["content"] for message in messages) else ("",),
        (True, False) if any(isinstance(message["content"], list) for message in messages) else (True,),
        (None, ()) if not body.get("tools") else (None,),
        (True, False) if "enable_thinking" in source else (True,),
    )
    for dimension in product(*dimensions):
        try:
            yield _render(source, body, bos, eos, Form(*dimension))
        except (jinja2.TemplateError, TypeError, ValueError):
            continue


def _render(source: str, body: Mapping[str, Any], bos: str, eos: str, form: Form) -> str:
    messages = [_formed(message, form) for message in body["messages"]]
    tools = body.get("tools")
    variables = {
        **_variables(body, thinks=form.thinks),
        "functions": json.dumps([tool["function"] for tool in tools], indent=4) if tools else "",
        "bos_token": bos,
        "eos_token": eos,
        "tools": tools or form.no_tools,
        "documents": None,
    }
    template = _compiled(source)
    if messages[-1]["role"] != "assistant" or messages[-1].get("tool_calls"):
        adds_prompt = body.get("add_generation_prompt", True)
        return str(template.render(messages=messages, add_generation_prompt=adds_prompt, **variables))
    _mark(messages[-1], form.reasoning)
    text = template.render(messages=messages, add_generation_prompt=False, **variables)
    at = text.rindex(_CUT.strip())
    return text[:at] if text.startswith(_CUT, at) else text[:at].rstrip()


def _formed(message: Message, form: Form) -> Message:
    formed = deepcopy(message)
    for call in formed.get("tool_calls", ()):
        if form.has_objects:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    if _REASONING[0] in formed:
        formed[form.reasoning] = formed.pop(_REASONING[0])
    if not formed["content"]:
        formed["content"] = form.silence
    elif isinstance(formed["content"], list) and not form.has_lists:
        formed["content"] = "\n".join(part["text"] for part in formed["content"])
    return formed


def _mark(message: Message, reasoning: str) -> None:
    """Mark where a message is cut that is the beginning of the reply: its text, or the reasoning if it has none."""
    content = message["content"]
    if isinstance(content, list):
        content[-1]["text"] += _CUT
    else:
        message["content" if content else reasoning] += _CUT


def _variables(body: Mapping[str, Any], *, thinks: bool) -> dict[str, Any]:
    """What llama-server tells a template beside messages and tools."""
    given = body.get("chat_template_kwargs", {})
    keeps = given.get("preserve_reasoning", True)
    now = datetime.now()
    variables = {
        "enable_thinking": thinks,
        "preserve_thinking": keeps,
        **dict.fromkeys(("clear_thinking", "truncate_history_thinking", "drop_thinking"), not keeps),
        "date_string": now.strftime("%d %b %Y"),
        "datetime": now.strftime("%b %d %Y"),
        **given,
    }
    effort = body.get("reasoning_effort", given.get("reasoning_effort"))
    if effort == "none":
        variables["enable_thinking"] = False
    elif effort:
        variables |= {"reasoning_effort": effort, "reasoning_strength": effort}
    return variables


class _Generation(Extension):
    tags = {"generation"}  # noqa: RUF012  declared so by jinja2

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@cache
def _compiled(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)
