"""A byte-level vocabulary and a chat template for tiny models, in the shape of Qwen's.

A byte's token id is the byte itself, so tests can write prompts as bytes. Merged tokens span what text is likely to be
cut at (two newlines, a space and a word), so cutting it before tokenising can change its tokens, as with real ones.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from gguf import GGUFWriter, TokenType
from numpy.typing import NDArray

N_BYTES: Final = 256
ENDOFTEXT, IM_START, IM_END, THINK, END_THINK, TOOL_CALL, END_TOOL_CALL, PAD = range(N_BYTES, N_BYTES + 8)

# As in Qwen's files: tokens that end or start a turn are control tokens, those that a parser must see are not.
_SPECIAL: Final = {
    "<|endoftext|>": TokenType.CONTROL,
    "<|im_start|>": TokenType.CONTROL,
    "<|im_end|>": TokenType.CONTROL,
    "<think>": TokenType.USER_DEFINED,
    "</think>": TokenType.USER_DEFINED,
    "<tool_call>": TokenType.USER_DEFINED,
    "</tool_call>": TokenType.USER_DEFINED,
    "<pad>": TokenType.CONTROL,
}
_MERGES: Final = (("t", "h"), ("th", "e"), (" ", "the"), ("i", "n"), ("\n", "\n"), (" ", " "))

N_MEANT: Final = N_BYTES + len(_SPECIAL) + len(_MERGES)
N_VOCAB: Final = -(-N_MEANT // 32) * 32

CHAT_TEMPLATE: Final = r"""
{%- macro text(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- else -%}
        {%- for part in content or [] -%}{{- part.text -}}{%- endfor -%}
    {%- endif -%}
{%- endmacro -%}

{%- set last = namespace(user=-1) -%}
{%- for message in messages -%}
    {%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}

{%- set has_system = messages and messages[0].role == 'system' -%}
{%- if has_system or tools -%}
    {{- '<|im_start|>system\n' -}}
    {%- if has_system -%}{{- text(messages[0].content) -}}{%- endif -%}
    {%- if tools -%}
        {{- '\n\n' if has_system else '' -}}
        {{- '# Tools\n\nCall a function with <tool_call>{"name": ..., "arguments": {...}}</tool_call>.\n\n<tools>' -}}
        {%- for tool in tools -%}{{- '\n' -}}{{- tool | tojson -}}{%- endfor -%}
        {{- '\n</tools>' -}}
    {%- endif -%}
    {{- '<|im_end|>\n' -}}
{%- endif -%}

{%- for message in messages -%}
    {%- if message.role == 'assistant' -%}
        {%- set content = text(message.content) -%}
        {%- set reasoning = message.reasoning_content or '' -%}
        {%- if '</think>' in content -%}
            {%- set reasoning = content.split('</think>')[0].split('<think>')[-1].strip('\n') -%}
            {%- set content = content.split('</think>')[-1].lstrip('\n') -%}
        {%- endif -%}
        {{- '<|im_start|>assistant\n' -}}
        {%- if reasoning and loop.index0 > last.user -%}{{- '<think>\n' + reasoning + '\n</think>\n\n' -}}{%- endif -%}
        {{- content -}}
        {%- for call in message.tool_calls or [] -%}
            {%- set function = call.function or call -%}
            {{- '\n' if content or not loop.first else '' -}}
            {{- '<tool_call>\n{"name": "' + function.name + '", "arguments": ' -}}
            {{- function.arguments if function.arguments is string else function.arguments | tojson -}}
            {{- '}\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\n' -}}
    {%- elif message.role == 'tool' -%}
        {%- if loop.first or loop.previtem.role != 'tool' -%}{{- '<|im_start|>user' -}}{%- endif -%}
        {{- '\n<tool_response>\n' + text(message.content) + '\n</tool_response>' -}}
        {%- if loop.last or loop.nextitem.role != 'tool' -%}{{- '<|im_end|>\n' -}}{%- endif -%}
    {%- elif not (loop.first and has_system) -%}
        {{- '<|im_start|>' + message.role + '\n' + text(message.content) + '<|im_end|>\n' -}}
    {%- endif -%}
{%- endfor -%}

{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\n' -}}
    {%- if enable_thinking is defined -%}
        {{- '<think>\n' if enable_thinking else '<think>\n\n</think>\n\n' -}}
    {%- endif -%}
{%- endif -%}
"""


def write_vocabulary(writer: GGUFWriter) -> None:
    """Add the vocabulary of `N_VOCAB` tokens and the chat template to a file whose header is not yet written."""
    write_bytes(writer, _SPECIAL, pre="qwen2")
    writer.add_bos_token_id(ENDOFTEXT)
    writer.add_eos_token_id(IM_END)
    writer.add_eot_token_id(IM_END)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def write_bytes(writer: GGUFWriter, special: Mapping[str, TokenType], *, pre: str) -> None:
    """Add `N_VOCAB` tokens: each byte, the `special` ones behind them, merged ones, and some without use.

    `pre` is libllama's name for how text is cut before it is merged.
    """
    merges = [(_encode(left), _encode(right)) for left, right in _MERGES]
    meant = [_encode(chr(byte)) for byte in range(N_BYTES)] + [*special] + [left + right for left, right in merges]
    types = [TokenType.NORMAL] * N_BYTES + [*special.values()] + [TokenType.NORMAL] * len(merges)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(meant + [f"<unused{i}>" for i in range(len(meant), N_VOCAB)])
    writer.add_token_types(types + [TokenType.UNUSED] * (N_VOCAB - len(meant)))
    writer.add_token_merges([f"{left} {right}" for left, right in merges])


def spoken_tokens() -> NDArray[np.bool_]:
    """For each of the `N_VOCAB` tokens whether a random model should say it: printable ASCII and newlines."""
    spoken = np.zeros(N_VOCAB, bool)
    spoken[[ord("\n"), *range(ord(" "), ord("~") + 1), *range(N_MEANT - len(_MERGES), N_MEANT)]] = True
    return spoken


def _encode(text: str) -> str:
    """The characters that the "gpt2" tokeniser model writes for the bytes of `text` (Latin-1: one character a byte)."""
    return "".join(_BYTE_CHARACTERS[ord(character)] for character in text)


def _byte_characters() -> list[str]:
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = [byte for byte in range(N_BYTES) if byte not in printable]
    return [chr(byte if byte in printable else N_BYTES + hidden.index(byte)) for byte in range(N_BYTES)]


_BYTE_CHARACTERS: Final = _byte_characters()
