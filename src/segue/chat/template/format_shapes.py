"""The shapes that chat formats have, as Jinja templates."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SAME: Final[Mapping[str, str]] = MappingProxyType({})
Tags = tuple[str, str]
"""What stands before a message's content, and behind it."""


def named(
    before: str,
    behind: str,
    after: str,
    prompt: str,
    *,
    opening: str = "",
    trims: bool = False,
    names: Mapping[str, str] = _SAME,
    ends: Mapping[str, str] = _SAME,
) -> str:
    """A format that writes each role's name, or another name for it, in the same tags but for some `ends`."""
    content = "m.content | trim" if trims else "m.content"
    return (
        f"{{{{- {_text(opening)} -}}}}{{%- for m in messages -%}}"
        f"{{{{- {_text(before)} + {_choice(names, 'm.role')} + {_text(behind)} + ({content})"
        f" + {_choice(ends, _text(after))} -}}}}{{%- endfor -%}}" + asks(prompt)
    )


def tagged(
    roles: Mapping[str, Tags], prompt: str, *, opening: str = "", no_system: str = "", trims: tuple[str, ...] = ()
) -> str:
    """A format with tags for each role; other roles are left out. `no_system` stands for a missing system prompt."""
    cases = []
    for role, (before, after) in roles.items():
        content = "m.content | trim" if role in trims else "m.content"
        written = f"{{{{- {_text(before)} + ({content}) + {_text(after)} -}}}}"
        cases.append(f"{{%- if m.role == {_text(role)} -%}}{written}{{%- endif -%}}")
    missing = f"{{%- if messages[0].role != 'system' -%}}{{{{- {_text(no_system)} -}}}}{{%- endif -%}}"
    return (
        f"{{{{- {_text(opening)} -}}}}{missing if no_system else ''}"
        f"{{%- for m in messages -%}}{''.join(cases)}{{%- endfor -%}}" + asks(prompt)
    )


def merged(user: Tags, assistant: Tags, prompt: str, *, trims: bool) -> str:
    """A format in which the system prompt stands in the next message by the user."""
    content = "(m.content | trim)" if trims else "m.content"
    said = f"(ns.system + '\\n\\n' if ns.system else '') + {content}"
    return (
        "{%- set ns = namespace(system='') -%}{%- for m in messages -%}"
        f"{{%- if m.role == 'system' -%}}{{%- set ns.system = ns.system + {content} -%}}"
        f"{{%- elif m.role == 'assistant' -%}}"
        f"{{{{- {_text(assistant[0])} + {content} + {_text(assistant[1])} -}}}}"
        f"{{%- else -%}}{{{{- {_text(user[0])} + {said} + {_text(user[1])} -}}}}"
        "{%- set ns.system = '' -%}{%- endif -%}"
        "{%- endfor -%}" + asks(prompt)
    )


def instructions(system: Tags, user: str, assistant: Tags, *, opens: str, reopens: str, trims: str = "") -> str:
    """A format with `[INST]` around what the system and the user say before each reply.

    `opens` stands before the first of these, and `reopens` before later ones. `trims` "all" messages or the "replies".
    """
    content = "(m.content | trim)" if trims == "all" else "m.content"
    reply = "(m.content | trim)" if trims else "m.content"
    return (
        "{%- for m in messages -%}"
        f"{{%- if loop.first -%}}{{{{- {_text(opens)} -}}}}"
        f"{{%- elif loop.previtem.role not in ['system', 'user'] -%}}{{{{- {_text(reopens)} -}}}}{{%- endif -%}}"
        f"{{%- if m.role == 'system' -%}}{{{{- {_text(system[0])} + {content} + {_text(system[1])} -}}}}"
        f"{{%- elif m.role == 'user' -%}}{{{{- {content} + {_text(user)} -}}}}"
        f"{{%- else -%}}{{{{- {_text(assistant[0])} + {reply} + {_text(assistant[1])} -}}}}{{%- endif -%}}"
        "{%- endfor -%}"
    )


def llama2(system: Tags = ("<<SYS>>\n", "\n<</SYS>>\n\n"), *, bos: str = "", trims: str = "") -> str:
    """Llama 2's format and its variants; `bos` stands before each later instruction."""
    return instructions(system, " [/INST]", ("", "</s>"), opens="[INST] ", reopens=f"{bos}[INST] ", trims=trims)


def mistral(lead: str, trail: str, *, trims: str = "") -> str:
    """Mistral's first formats: `lead` stands before each tag of an instruction, `trail` behind the first one."""
    opens = f"{lead}[INST]{trail}"
    return instructions(("", "\n\n"), f"{lead}[/INST]", (trail, "</s>"), opens=opens, reopens=opens, trims=trims)


def mistral_v7(space: str) -> str:
    """Mistral's seventh format; `space` stands before each content."""
    roles = {
        "system": (f"[SYSTEM_PROMPT]{space}", "[/SYSTEM_PROMPT]"),
        "user": (f"[INST]{space}", "[/INST]"),
        "assistant": (space, "</s>"),
    }
    return tagged(roles, "")


def asks(prompt: str) -> str:
    """The end of a format's template: the beginning of a reply, where one is asked for."""
    return f"{{%- if add_generation_prompt -%}}{{{{- {_text(prompt)} -}}}}{{%- endif -%}}" if prompt else ""


def _text(text: str) -> str:
    """A text as Jinja writes it."""
    return json.dumps(text, ensure_ascii=False)


def _choice(by_role: Mapping[str, str], default: str) -> str:
    """An expression for what stands for the role of `m`."""
    return f"({json.dumps(dict(by_role), ensure_ascii=False)}.get(m.role) or {default})" if by_role else default
