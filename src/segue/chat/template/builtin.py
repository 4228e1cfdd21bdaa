"""Chat formats that llama.cpp knows by name, each as a Jinja template."""

from collections.abc import Mapping
from typing import Final

from segue.chat.template.format_shapes import (
    Tags,
    asks,
    llama2,
    merged,
    mistral,
    mistral_v7,
    named,
    tagged,
)
from segue.chat.template.template import CHATML

_ALL: Final = ("system", "user", "assistant", "tool")
_UPPER: Final = {"system": "SYSTEM", "user": "HUMAN", "assistant": "ASSISTANT", "tool": "TOOL"}
_GRANITE: Final = named(
    "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>\n", "<|start_of_role|>assistant<|end_of_role|>"
)
_EXAONE: Final[Mapping[str, Tags]] = {
    "system": ("[|system|]", "[|endofturn|]\n"),
    "user": ("[|user|]", "\n"),
    "assistant": ("[|assistant|]", "[|endofturn|]\n"),
}

BUILTIN: Final[Mapping[str, str]] = {
    "chatml": CHATML,
    "llama2": llama2(("", "\n")),
    "llama2-sys": llama2(),
    "llama2-sys-bos": llama2(bos="<s>"),
    "llama2-sys-strip": llama2(trims="all"),
    "mistral-v1": mistral(" ", " "),
    "mistral-v3": mistral("", " ", trims="replies"),
    "mistral-v3-tekken": mistral("", ""),
    "mistral-v7": mistral_v7(" "),
    "mistral-v7-tekken": mistral_v7(""),
    "phi3": named("<|", "|>\n", "<|end|>\n", "<|assistant|>\n"),
    "phi4": named("<|im_start|>", "<|im_sep|>", "<|im_end|>", "<|im_start|>assistant<|im_sep|>"),
    "falcon3": named("<|", "|>\n", "\n", "<|assistant|>\n"),
    "zephyr": named("<|", "|>\n", "<|endoftext|>\n", "<|assistant|>\n"),
    "monarch": (
        "{%- for m in messages -%}"
        "{{- ('' if loop.first else '<s>') + m.role + '\\n' + m.content + '</s>\\n' -}}"
        "{%- endfor -%}" + asks("<s>assistant\n")
    ),
    "gemma": merged(
        ("<start_of_turn>user\n", "<end_of_turn>\n"),
        ("<start_of_turn>model\n", "<end_of_turn>\n"),
        "<start_of_turn>model\n",
        trims=True,
    ),
    "orion": merged(("Human: ", "\n\nAssistant: </s>"), ("", "</s>"), "", trims=False),
    "openchat": tagged(
        {
            "system": ("", "<|end_of_turn|>"),
            "user": ("GPT4 Correct User: ", "<|end_of_turn|>"),
            "assistant": ("GPT4 Correct Assistant: ", "<|end_of_turn|>"),
        },
        "GPT4 Correct Assistant:",
    ),
    "vicuna": tagged(
        {"system": ("", "\n\n"), "user": ("USER: ", "\n"), "assistant": ("ASSISTANT: ", "</s>\n")}, "ASSISTANT:"
    ),
    "vicuna-orca": tagged(
        {"system": ("SYSTEM: ", "\n"), "user": ("USER: ", "\n"), "assistant": ("ASSISTANT: ", "</s>\n")}, "ASSISTANT:"
    ),
    "deepseek": tagged(
        {
            "system": ("", ""),
            "user": ("### Instruction:\n", "\n"),
            "assistant": ("### Response:\n", "\n<|EOT|>\n"),
        },
        "### Response:\n",
    ),
    "deepseek2": tagged(
        {"system": ("", "\n\n"), "user": ("User: ", "\n\n"), "assistant": ("Assistant: ", "<｜end▁of▁sentence｜>")},
        "Assistant:",
    ),
    "deepseek3": tagged(
        {
            "system": ("", "\n\n"),
            "user": ("<｜User｜>", ""),
            "assistant": ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
        },
        "<｜Assistant｜>",
    ),
    "deepseek-ocr": tagged(dict.fromkeys(_ALL, ("", "")), ""),
    "command-r": tagged(
        {
            role: (f"<|START_OF_TURN_TOKEN|><|{name}_TOKEN|>", "<|END_OF_TURN_TOKEN|>")
            for role, name in (("system", "SYSTEM"), ("user", "USER"), ("assistant", "CHATBOT"))
        },
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        trims=_ALL,
    ),
    "llama3": named(
        "<|start_header_id|>",
        "<|end_header_id|>\n\n",
        "<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        trims=True,
    ),
    "chatglm3": named("<|", "|>\n ", "", "<|assistant|>", opening="[gMASK]sop"),
    "chatglm4": named("<|", "|>\n", "", "<|assistant|>\n", opening="[gMASK]<sop>"),
    "glmedge": named("<|", "|>\n", "", "<|assistant|>"),
    "minicpm": tagged(
        {"system": ("", ""), "user": ("<用户>", "<AI>"), "assistant": ("", ""), "tool": ("", "")}, "", trims=_ALL
    ),
    "exaone3": tagged(_EXAONE, "[|assistant|]", trims=_ALL),
    "exaone4": tagged({**_EXAONE, "tool": ("[|tool|]", "[|endofturn|]\n")}, "[|assistant|]", trims=_ALL),
    "exaone-moe": tagged({role: (f"<|{role}|>\n", "<|endofturn|>\n") for role in _ALL}, "<|assistant|>\n", trims=_ALL),
    "rwkv-world": tagged(
        {"system": ("System: ", "\n\n"), "user": ("User: ", "\n\n"), "assistant": ("Assistant: ", "\n\n")},
        "Assistant:",
        trims=_ALL,
    ),
    "granite": _GRANITE,
    "granite-4.0": _GRANITE,
    "granite-4.1": _GRANITE,
    "gigachat": tagged(
        {
            "system": ("", "<|message_sep|>"),
            "user": ("user<|role_sep|>", "<|message_sep|>available functions<|role_sep|>[]<|message_sep|>"),
            "assistant": ("assistant<|role_sep|>", "<|message_sep|>"),
        },
        "assistant<|role_sep|>",
        opening="<s>",
    ),
    "megrez": named("<|role_start|>", "<|role_end|>", "<|turn_end|>", "<|role_start|>assistant<|role_end|>"),
    "yandex": tagged({"user": (" Пользователь: ", "\n\n"), "assistant": (" Ассистент: ", "\n\n")}, " Ассистент:[SEP]"),
    "bailing": named("<role>", "</role>", "", "<role>ASSISTANT</role>", names=_UPPER),
    "bailing-think": named("<role>", "</role>", "", "<role>ASSISTANT</role><think>", names=_UPPER),
    "bailing2": tagged(
        {role: (f"<role>{name}</role>", "<|role_end|>") for role, name in _UPPER.items()},
        "<role>ASSISTANT</role>",
        no_system="<role>SYSTEM</role>detailed thinking off<|role_end|>",
    ),
    "llama4": named(
        "<|header_start|>",
        "<|header_end|>\n\n",
        "<|eot|>",
        "<|header_start|>assistant<|header_end|>\n\n",
        trims=True,
    ),
    "smolvlm": tagged(
        {
            "system": ("", "\n\n"),
            "user": ("User: ", "<end_of_utterance>\n"),
            "assistant": ("Assistant: ", "<end_of_utterance>\n"),
        },
        "Assistant:",
        opening="<|im_start|>",
    ),
    "hunyuan-moe": tagged(
        {
            "system": ("<|startoftext|>", "<|extra_4|>"),
            "user": ("<|startoftext|>", "<|extra_0|>"),
            "assistant": ("", "<|eos|>"),
        },
        "",
    ),
    "gpt-oss": named("<|start|>", "<|message|>", "<|end|>", "<|start|>assistant", ends={"assistant": "<|return|>"}),
    "hunyuan-dense": tagged(
        {
            "system": ("", "<｜hy_place▁holder▁no▁3｜>"),
            "user": ("<｜hy_User｜>", "<｜hy_Assistant｜>"),
            "assistant": ("<｜hy_Assistant｜>", "<｜hy_place▁holder▁no▁2｜>"),
        },
        "",
    ),
    "hunyuan-vl": tagged(
        {
            "system": ("", "<｜hy_place▁holder▁no▁3｜>"),
            "user": ("", "<｜hy_User｜>"),
            "assistant": ("", "<｜hy_Assistant｜>"),
        },
        "",
        opening="<｜hy_begin▁of▁sentence｜>",
    ),
    "kimi-k2": tagged(
        {
            role: (f"<|im_{tag}|>{role}<|im_middle|>", "<|im_end|>")
            for role, tag in (("system", "system"), ("user", "user"), ("assistant", "assistant"), ("tool", "system"))
        },
        "<|im_assistant|>assistant<|im_middle|>",
    ),
    "seed_oss": tagged(
        {role: (f"<seed:bos>{role}\n", "<seed:eos>") for role in _ALL}, "<seed:bos>assistant\n", trims=("assistant",)
    ),
    "grok-2": tagged(
        {
            "system": ("System: ", "<|separator|>\n\n"),
            "user": ("Human: ", "<|separator|>\n\n"),
            "assistant": ("Assistant: ", "<|separator|>\n\n"),
        },
        "Assistant:",
        trims=("system", "user"),
    ),
    "pangu-embedded": tagged(
        {
            role: (f"[unused9]{name}：", "[unused10]")
            for role, name in (("system", "系统"), ("user", "用户"), ("assistant", "助手"), ("tool", "工具"))
        },
        "[unused9]助手：",
        no_system="[unused9]系统：[unused10]",
    ),
    "solar-open": named("<|begin|>", "<|content|>", "<|end|>", "<|begin|>assistant"),
}
"""By llama.cpp's names."""
