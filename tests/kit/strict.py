"""Chat templates that refuse what templates of models refuse, each for one reason, and one that does for all."""

from typing import Final

_GUARDS: Final = {
    # Qwen 3.5
    "late-system": "{%- if m.role == 'system' and not loop.first %}{{ raise_exception('late') }}{% endif %}",
    # gpt-oss, MiniMax M2, Apertus
    "stray": """\
{%- if m.role == 'tool' and (loop.first or (loop.previtem.role != 'tool' and not loop.previtem.tool_calls)) %}
    {{- raise_exception('stray') }}
{%- endif %}""",
    # Llama 3
    "several": "{%- if m.tool_calls and m.tool_calls | length > 1 %}{{ raise_exception('several') }}{% endif %}",
    # Mistral
    "ids": """\
{%- for c in m.tool_calls or [] %}{% if c.id | length != 9 %}{{ raise_exception('id') }}{% endif %}{% endfor %}
{%- if m.role == 'tool' and m.tool_call_id | length != 9 %}{{ raise_exception('id') }}{% endif %}""",
    # Apriel, Solar
    "missing-ids": """\
{%- for c in m.tool_calls or [] %}{{ '' if c.id else raise_exception('id') }}{% endfor %}
{%- if m.role == 'tool' and not m.tool_call_id %}{{ raise_exception('id') }}{% endif %}""",
    # Qwen 3 Coder, GLM, MiniMax
    "arguments": """\
{%- for c in m.tool_calls or [] %}{% for k, v in c.function.arguments.items() %}{% endfor %}{% endfor %}""",
    # Ministral 3
    "silence": """\
{%- if m.role == 'assistant' and not m.content and not m.tool_calls %}{{ raise_exception('silence') }}{% endif %}""",
    # gpt-oss
    "tags": "{%- if m.role == 'assistant' and '<|channel|>' in m.content %}{{ raise_exception('tags') }}{% endif %}",
}
# Qwen 3.5
_NO_USER = (
    "{%- if not messages | selectattr('role', 'equalto', 'user') | list %}{{ raise_exception('no user') }}{% endif %}"
)
# Llama 3
_TOOLS_NEED_USER = """\
{%- if tools and not messages | rejectattr('role', 'equalto', 'system') | list %}
    {{- raise_exception('no user') }}
{%- endif %}"""
# Mistral: calls and results do not count
_ORDER = """\
{%- set ns = namespace(n=0) %}
{%- for m in messages if m.role in ['user', 'assistant'] and not m.tool_calls %}
    {%- if (m.role == 'user') != (ns.n % 2 == 0) %}{{ raise_exception('order') }}{% endif %}
    {%- set ns.n = ns.n + 1 %}
{%- endfor %}"""
# Gemma 2 and 3
_NO_TOOLS = """\
{%- for m in messages if m.role != 'system' %}
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}
{%- endfor %}"""

_WRITTEN = """\
{%- for m in messages %}
    {{- '<|im_start|>' + m.role + '\\n' + m.content }}
    {%- for c in m.tool_calls or [] %}{{ '<call>' + c.function.name + ' ' + c.function.arguments | tojson }}{% endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""


def _guarded(*guards: str, before: str = "") -> str:
    loop = "{%- for m in messages %}" + "".join(_GUARDS[name] for name in guards) + "{%- endfor %}"
    return before + loop + _WRITTEN


STRICT: Final = {
    **{name: _guarded(name) for name in _GUARDS},
    "no-user": _guarded(before=_NO_USER),
    "tools-need-user": _guarded(before=_TOOLS_NEED_USER),
    "order": _guarded(before=_ORDER),
    "no-tools": _guarded("late-system", before=_NO_TOOLS),
    "all": _guarded(*_GUARDS, before=_NO_USER + _ORDER),
}
