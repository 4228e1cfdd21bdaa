"""Small chat templates that behave as those of the model families do, each in the way that is hard to follow."""

from typing import Final

# the whole header is one expression; system and tools stand before the loop, which passes over them
QWEN = """\
{%- if messages[0].role == 'system' or tools %}
    {{- '<|im_start|>system\\n' + (messages[0].content if messages[0].role == 'system' else 'You help.') }}
    {%- for tool in tools or [] %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for message in messages[::-1] %}
    {%- set index = messages | length - 1 - loop.index0 %}
    {%- if ns.last < 0 and message.role == 'user' %}{%- set ns.last = index %}{%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- '<|im_start|>user\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and message.reasoning_content %}
            {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>\\n{"name": "' }}{{- call.function.name }}{{- '", "arguments": ' }}
            {{- call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}
"""

# all thoughts stay where they were
CHATML = QWEN.replace("loop.index0 > ns.last and message.reasoning_content", "message.reasoning_content")

# headers are template text; system and first user message are taken off the list, tools go into the latter
LLAMA3 = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system = '' %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{{- 'Today Date: ' + (date_string or '26 Jul 2024') + '\\n\\n' }}
{{- system }}<|eot_id|>
{%- if tools is not none %}
    {%- set question = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
    {{- '<|start_header_id|>user<|end_header_id|>\\n\\nFunctions:\\n' }}
    {%- for tool in tools %}{{- tool | tojson(indent=4) }}{{- '\\n\\n' }}{%- endfor %}
    {{- question }}<|eot_id|>
{%- endif %}
{%- for message in messages %}<|start_header_id|>
    {%- if message.tool_calls %}
        {%- if message.tool_calls | length != 1 %}{{ raise_exception('One call at a time!') }}{%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- 'assistant<|end_header_id|>\\n\\n' }}
        {{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson }}{{- '}<|eot_id|>' }}
    {%- elif message.role == 'tool' %}
        {{- 'ipython<|end_header_id|>\\n\\n' }}{{- message.content | tojson }}{{- '<|eot_id|>' }}
    {%- else %}
        {{- message['role'] }}<|end_header_id|>
        {{- '\\n\\n' + message['content'] | trim }}<|eot_id|>
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

# the system prompt goes in front of the first user message
GEMMA3 = """\
{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set prefix = '' -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for message in rest -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (prefix if loop.first else '') }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- else -%}
        {%- for part in message['content'] -%}{{ part['text'] | trim }}{%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
"""

# no system role at all
GEMMA2 = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

# tool responses are written inside the model's turn, by a loop over indices that looks ahead
GEMMA4 = """\
{{- bos_token -}}
{%- set rest = messages -%}
{%- if messages[0].role in ['system', 'developer'] -%}
    {{- '<|turn>system\\n' + messages[0].content + '<turn|>\\n' -}}
    {%- set rest = messages[1:] -%}
{%- endif -%}
{%- for message in rest -%}
    {%- if message.role != 'tool' -%}
        {%- set before = namespace(role=none) -%}
        {%- for j in range(loop.index0) -%}
            {%- if rest[j].role != 'tool' -%}{%- set before.role = rest[j].role -%}{%- endif -%}
        {%- endfor -%}
        {%- set role = 'model' if message.role == 'assistant' else message.role -%}
        {%- if not (role == 'model' and before.role == 'assistant') -%}{{- '<|turn>' + role + '\\n' -}}{%- endif -%}
        {{- message.content -}}
        {%- for call in message.tool_calls or [] -%}
            {{- '<|tool_call>call:' + call.function.name + call.function.arguments | tojson + '<tool_call|>' -}}
        {%- endfor -%}
        {%- set scan = namespace(on=message.tool_calls is defined, wrote=false) -%}
        {%- for k in range(loop.index0 + 1, rest | length) -%}
            {%- set follow = rest[k] -%}
            {%- if follow.role != 'tool' -%}{%- set scan.on = false -%}{%- endif -%}
            {%- if scan.on -%}
                {{- '<|tool_response>' + follow.content + '<tool_response|>' -}}{%- set scan.wrote = true -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if not scan.wrote -%}{{- '<turn|>\\n' -}}{%- endif -%}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt and messages[-1].role != 'tool' -%}{{- '<|turn>model\\n' -}}{%- endif -%}
"""

# system and tools are written into the last user message, so that they move on with each turn
MISTRAL = """\
{{- bos_token }}
{%- set rest = messages[1:] if messages[0]['role'] == 'system' else messages %}
{%- set users = rest | selectattr('role', 'equalto', 'user') | list %}
{%- for message in rest %}
    {%- if message['role'] == 'user' %}
        {%- if tools is not none and message == users[-1] %}
            {{- '[AVAILABLE_TOOLS]' }}{{- tools | tojson }}{{- '[/AVAILABLE_TOOLS]' }}
        {%- endif %}
        {%- if loop.last and messages[0]['role'] == 'system' %}
            {{- '[INST] ' + messages[0]['content'] + '\\n\\n' + message['content'] + '[/INST]' }}
        {%- else %}
            {{- '[INST] ' + message['content'] + '[/INST]' }}
        {%- endif %}
    {%- elif message.tool_calls %}
        {{- '[TOOL_CALLS][' }}
        {%- for call in message.tool_calls %}{{- call.function | tojson }}{{- ']' + eos_token }}{%- endfor %}
    {%- elif message['role'] == 'tool' %}
        {{- '[TOOL_RESULTS]' + message['content'] + '[/TOOL_RESULTS]' }}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}
"""

# the system prompt is collected in a loop of its own; a call is only seen where the content is none; arguments are text
DEEPSEEK = """\
{%- set ns = namespace(system='', tool=false) -%}
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}{%- set ns.system = ns.system + message['content'] -%}{%- endif -%}
{%- endfor -%}
{{ bos_token }}{{ ns.system }}
{%- for message in messages -%}
    {%- if message['role'] == 'user' -%}{%- set ns.tool = false -%}{{ '<｜User｜>' + message['content'] }}{%- endif -%}
    {%- if message['role'] == 'assistant' and message['content'] is none -%}
        {%- for call in message['tool_calls'] -%}
            {{ '<｜Assistant｜><｜call｜>' + call['function']['name'] + '\\n' + call['function']['arguments'] }}
            {{- '<｜end｜>' }}
        {%- endfor -%}
    {%- endif -%}
    {%- if message['role'] == 'assistant' and message['content'] is not none -%}
        {%- if ns.tool -%}{{ '<｜outputs end｜>' }}{%- else -%}{{ '<｜Assistant｜>' }}{%- endif -%}
        {{ message['content'].split('</think>')[-1] + '<｜end｜>' }}{%- set ns.tool = false -%}
    {%- endif -%}
    {%- if message['role'] == 'tool' -%}
        {%- if not ns.tool -%}{{ '<｜outputs begin｜>' }}{%- endif -%}
        {{ '<｜output｜>' + message['content'] }}{%- set ns.tool = true -%}
    {%- endif -%}
{%- endfor -%}
{%- if ns.tool -%}{{ '<｜outputs end｜>' }}{%- endif -%}
{%- if add_generation_prompt and not ns.tool -%}{{ '<｜Assistant｜><think>\\n' }}{%- endif -%}
"""

# channels; a preamble with the date; thoughts of a call are dropped once a final answer follows
HARMONY = """\
{{- '<|start|>system<|message|>You are a model.\\nCurrent date: ' + strftime_now('%Y-%m-%d') + '<|end|>' }}
{%- if messages[0].role == 'developer' or messages[0].role == 'system' %}
    {{- '<|start|>developer<|message|># Instructions\\n\\n' + messages[0].content + '<|end|>' }}
    {%- set rest = messages[1:] %}
{%- else %}
    {%- set rest = messages %}
{%- endif %}
{%- set last_call = namespace(name=none) %}
{%- for message in rest -%}
    {%- if message.role == 'assistant' and 'tool_calls' in message %}
        {%- if message.content and message.thinking %}
            {{- raise_exception('Put the analysis in one or the other, but not both') }}
        {%- endif %}
        {%- set later = namespace(final=false) %}
        {%- for other in rest[loop.index:] %}
            {%- if other.role == 'assistant' and 'tool_calls' not in other %}
                {%- set later.final = true %}{%- break %}
            {%- endif %}
        {%- endfor %}
        {%- if message.thinking and not later.final %}
            {{- '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}
        {{- call.arguments | tojson }}{{- '<|call|>' }}
        {%- set last_call.name = call.name %}
    {%- elif message.role == 'assistant' %}
        {{- '<|start|>assistant<|channel|>final<|message|>' + message.content }}
        {{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}
    {%- elif message.role == 'tool' %}
        {{- '<|start|>functions.' + last_call.name + ' to=assistant<|channel|>commentary<|message|>' }}
        {{- message.content | tojson }}{{- '<|end|>' }}
    {%- else %}
        {{- '<|start|>user<|message|>' + message.content + '<|end|>' }}
    {%- endif %}
{%- endfor -%}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}
"""

# two loops: history without thoughts, then what follows the last final answer, with them; parts from macros
KIMI = """\
{%- macro head(message) -%}
    {%- if message.role == 'assistant' -%}<|assistant|>{%- else -%}<|{{ message.role }}|>{%- endif -%}
{%- endmacro -%}
{%- set ns = namespace(final=-1) -%}
{%- for i in range(messages | length - 1, -1, -1) -%}
    {%- if ns.final < 0 and messages[i].role == 'assistant' and not messages[i].tool_calls -%}
        {%- set ns.final = i -%}
    {%- endif -%}
{%- endfor -%}
{%- if tools -%}<|system|>{{ tools | tojson }}<|end|>{%- endif -%}
{%- for message in messages[:ns.final + 1] -%}
    {{ head(message) }}{% if message.role == 'assistant' %}<think></think>{% endif %}{{ message.content }}<|end|>
{%- endfor -%}
{%- for message in messages[ns.final + 1:] -%}
    {{ head(message) }}
    {%- if message.role == 'assistant' -%}<think>{{ message.reasoning_content }}</think>{%- endif -%}
    {{ message.content }}<|end|>
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""

# no special tokens; the generation suffix is written inside the loop
PLAIN = """\
{% for message in messages %}
{% if message.role == 'system' %}
{{ message.content }}

{% elif message.role == 'user' %}
User: {{ message.content }}
{% else %}
Assistant: {{ message.content }}
{% endif %}
{% if loop.last and add_generation_prompt %}
Assistant:{% endif %}
{% endfor %}
"""

# an instruction follows the last message, whichever that is
COMMAND = """\
{%- for message in messages -%}
    <|turn|>{{ message.role }}: {{ message.content }}<|end|>
{%- endfor -%}
<|turn|>system: Write an action.<|end|>
{%- if add_generation_prompt -%}<|turn|>chatbot:{%- endif -%}
"""

# takes each message by its index, and never names it
INDEXED = """\
{%- for i in range(messages | length) -%}
    [{{ messages[i].role }}] {{ messages[i]['content'] }}{{ eos_token }}
{%- endfor -%}
{%- if add_generation_prompt -%}[assistant]{%- endif -%}
"""

# collects all text in a variable and writes it at the end
COLLECTED = """\
{%- set ns = namespace(out='') -%}
{%- for message in messages -%}
    {%- set ns.out = ns.out ~ message.role ~ ': ' ~ (message.content | trim) ~ '<sep>' -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{%- set ns.out = ns.out ~ 'assistant:' -%}{%- endif -%}
{{- ns.out -}}
"""

# content is a list of parts and nothing else
PARTS = """\
{%- for message in messages -%}
    <{{ message.role }}>
    {%- for part in message.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}
{%- endfor -%}
{%- if add_generation_prompt -%}<assistant>{%- endif -%}
"""

FAMILIES: Final = {
    "chatml": CHATML,
    "qwen": QWEN,
    "llama3": LLAMA3,
    "gemma3": GEMMA3,
    "gemma2": GEMMA2,
    "gemma4": GEMMA4,
    "mistral": MISTRAL,
    "deepseek": DEEPSEEK,
    "harmony": HARMONY,
    "kimi": KIMI,
    "plain": PLAIN,
    "command": COMMAND,
    "indexed": INDEXED,
    "collected": COLLECTED,
    "parts": PARTS,
}
