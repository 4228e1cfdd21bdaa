"""Message ends in the templates of all families: exact, and the same when the conversation goes on."""

from datetime import datetime
from functools import cache
from itertools import accumulate

import pytest
from jinja2.sandbox import SandboxedEnvironment

from segue.chat.rendered_prompt import PREAMBLE, RenderedPrompt
from segue.chat.template.order import Message
from segue.chat.template.template import CHATML, ChatTemplate
from tests.kit.families import FAMILIES

SYSTEM: Message = {"role": "system", "content": "Be brief."}
Q1: Message = {"role": "user", "content": "One?"}
A1: Message = {"role": "assistant", "content": "1."}
Q2: Message = {"role": "user", "content": "Two?"}
CALL: Message = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "add",
    "tool_calls": [{"id": "x", "type": "function", "function": {"name": "add", "arguments": '{"x": 2}'}}],
}
RESULT: Message = {"role": "tool", "tool_call_id": "x", "content": "four"}
A2: Message = {"role": "assistant", "content": "4.", "reasoning_content": "so"}
Q3: Message = {"role": "user", "content": "Bye"}
TOOLS: list[Message] = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
TOOL_JSON = '{"type": "function", "function": {"name": "add", "parameters": {}}}'
UP_TO_CALL = [SYSTEM, Q1, A1, Q2, CALL, RESULT]

BEFORE = -2
"""Stands for the index of text that is no message's and has no end of its own, such as BOS."""


@cache
def template(family: str) -> ChatTemplate:
    return ChatTemplate(FAMILIES[family], "<bos>", "<eos>")


def check(rendered: RenderedPrompt, n_stable: int, pieces: list[tuple[int, str]], suffix: str) -> None:
    """The prompt consists of the pieces, each ending where the message of its index ends."""
    assert rendered.text == "".join(text for _, text in pieces) + suffix
    ends = accumulate(len(text) for _, text in pieces)
    expected = [(index, end) for (index, _), end in zip(pieces, ends, strict=True) if index != BEFORE]
    assert list(zip(rendered.message_indices, rendered.message_ends, strict=True)) == expected
    assert rendered.n_stable == n_stable


def test_chatml_stands_in_for_no_template() -> None:
    rendered = ChatTemplate(None, "", "").render([SYSTEM, Q1])
    pieces = [(0, "<|im_start|>system\nBe brief.<|im_end|>\n"), (1, "<|im_start|>user\nOne?<|im_end|>\n")]
    check(rendered, 1, pieces, "<|im_start|>assistant\n")
    assert ChatTemplate("", "", "").source == CHATML


def test_qwen_keeps_thoughts_after_the_last_question() -> None:
    rendered = template("qwen").render(UP_TO_CALL, TOOLS, enable_thinking=False)
    pieces = [
        (0, f"<|im_start|>system\nBe brief.\n{TOOL_JSON}<|im_end|>\n"),
        (1, "<|im_start|>user\nOne?<|im_end|>\n"),
        (2, "<|im_start|>assistant\n1.<|im_end|>\n"),
        (3, "<|im_start|>user\nTwo?<|im_end|>\n"),
        (
            4,
            "<|im_start|>assistant\n<think>\nadd\n</think>\n\n"
            '<tool_call>\n{"name": "add", "arguments": {"x": 2}}\n</tool_call><|im_end|>\n',
        ),
        (5, "<|im_start|>user\n<tool_response>\nfour\n</tool_response><|im_end|>\n"),
    ]
    check(rendered, 1, pieces, "<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_qwen_strips_thoughts_before_it() -> None:
    rendered = template("qwen").render([Q1, A2, Q2])
    pieces = [
        (0, "<|im_start|>user\nOne?<|im_end|>\n"),
        (1, "<|im_start|>assistant\n4.<|im_end|>\n"),
        (2, "<|im_start|>user\nTwo?<|im_end|>\n"),
    ]
    check(rendered, 0, pieces, "<|im_start|>assistant\n")


def test_qwen_groups_tool_results() -> None:
    rendered = template("qwen").render([Q1, CALL, RESULT, RESULT], TOOLS)
    assert rendered.text.endswith(
        "<|im_start|>user\n<tool_response>\nfour\n</tool_response>\n<tool_response>\nfour\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    by_index = dict(zip(rendered.message_indices, rendered.message_ends, strict=True))
    assert rendered.text[: by_index[2]].endswith("<|im_start|>user\n<tool_response>\nfour\n</tool_response>")
    assert rendered.text[: by_index[3]].endswith("</tool_response><|im_end|>\n")


def test_qwen_ends_tools_that_no_message_wrote() -> None:
    rendered = template("qwen").render([Q1], TOOLS)
    pieces = [
        (PREAMBLE, f"<|im_start|>system\nYou help.\n{TOOL_JSON}<|im_end|>\n"),
        (0, "<|im_start|>user\nOne?<|im_end|>\n"),
    ]
    check(rendered, 1, pieces, "<|im_start|>assistant\n")


def test_llama3_writes_headers_as_template_text() -> None:
    rendered = template("llama3").render([SYSTEM, Q1, A1, Q2])
    head = "<bos><|start_header_id|>system<|end_header_id|>\n\nToday Date: "
    pieces = [
        (0, head + f"{datetime.now():%d %b %Y}\n\nBe brief.<|eot_id|>"),
        (1, "<|start_header_id|>user<|end_header_id|>\n\nOne?<|eot_id|>"),
        (2, "<|start_header_id|>assistant<|end_header_id|>\n\n1.<|eot_id|>"),
        (3, "<|start_header_id|>user<|end_header_id|>\n\nTwo?<|eot_id|>"),
    ]
    check(rendered, 1, pieces, "<|start_header_id|>assistant<|end_header_id|>\n\n")
    assert rendered.volatile == (len(head),)


def test_llama3_writes_tools_into_the_first_question() -> None:
    rendered = template("llama3").render(UP_TO_CALL, TOOLS)
    before_question = rendered.text.index("One?")
    by_index = dict(zip(rendered.message_indices, rendered.message_ends, strict=True))
    assert by_index[0] == before_question
    assert rendered.n_stable == 1
    assert rendered.text[before_question : by_index[1]] == "One?<|eot_id|>"
    assert rendered.text[by_index[4] :] == (
        '<|start_header_id|>ipython<|end_header_id|>\n\n"four"<|eot_id|>'
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_llama3_ends_tools_before_an_empty_question() -> None:
    rendered = template("llama3").render([{"role": "user", "content": ""}], TOOLS)
    assert rendered.message_indices == (PREAMBLE, 0)
    assert rendered.text[rendered.message_ends[0] : rendered.message_ends[1]] == "<|eot_id|>"


def test_a_system_prompt_that_headers_contain_ends_once() -> None:
    rendered = template("llama3").render([{"role": "system", "content": "user"}, Q1, A1, Q2])
    assert rendered.message_indices == (0, 1, 2, 3)


def test_gemma3_writes_the_system_prompt_into_the_first_question() -> None:
    rendered = template("gemma3").render([SYSTEM, Q1, A1, Q2])
    pieces = [
        (0, "<bos><start_of_turn>user\nBe brief.\n\n"),
        (1, "One?<end_of_turn>\n"),
        (2, "<start_of_turn>model\n1.<end_of_turn>\n"),
        (3, "<start_of_turn>user\nTwo?<end_of_turn>\n"),
    ]
    check(rendered, 1, pieces, "<start_of_turn>model\n")


def test_gemma2_gets_the_system_prompt_in_the_first_question() -> None:
    rendered = template("gemma2").render([SYSTEM, Q1, A1])
    pieces = [
        (0, "<bos><start_of_turn>user\nBe brief.\n"),
        (1, "One?<end_of_turn>\n"),
        (2, "<start_of_turn>model\n1.<end_of_turn>\n"),
    ]
    check(rendered, 1, pieces, "<start_of_turn>model\n")


def test_gemma4_writes_tool_results_inside_the_models_turn() -> None:
    rendered = template("gemma4").render([SYSTEM, Q1, CALL, RESULT, RESULT, A2, Q3], TOOLS)
    pieces = [
        (0, "<bos><|turn>system\nBe brief.<turn|>\n"),
        (1, "<|turn>user\nOne?<turn|>\n"),
        (2, '<|turn>model\n<|tool_call>call:add{"x": 2}<tool_call|>'),
        (3, "<|tool_response>four<tool_response|>"),
        (4, "<|tool_response>four<tool_response|>"),
        (5, "4.<turn|>\n"),
        (6, "<|turn>user\nBye<turn|>\n"),
    ]
    check(rendered, 1, pieces, "<|turn>model\n")


def test_mistral_moves_the_system_prompt_to_the_last_question() -> None:
    rendered = template("mistral").render([SYSTEM, Q1, A1, Q2], TOOLS)
    pieces = [
        (BEFORE, "<bos>"),
        (1, "[INST] One?[/INST]"),
        (2, " 1.<eos>"),
        (3, f"[AVAILABLE_TOOLS][{TOOL_JSON}][/AVAILABLE_TOOLS][INST] Be brief.\n\nTwo?[/INST]"),
    ]
    check(rendered, 0, pieces, "")


def test_mistral_takes_equal_questions_for_one() -> None:
    rendered = template("mistral").render([Q1, A1, Q1], TOOLS)
    question = f"[AVAILABLE_TOOLS][{TOOL_JSON}][/AVAILABLE_TOOLS][INST] One?[/INST]"
    check(rendered, 0, [(BEFORE, "<bos>"), (0, question), (1, " 1.<eos>"), (2, question)], "")


def test_deepseek_sees_a_call_only_without_content() -> None:
    rendered = template("deepseek").render([*UP_TO_CALL, A2, Q3], TOOLS)
    pieces = [
        (0, "<bos>Be brief."),
        (1, "<｜User｜>One?"),
        (2, "<｜Assistant｜>1.<｜end｜>"),
        (3, "<｜User｜>Two?"),
        (4, '<｜Assistant｜><｜call｜>add\n{"x": 2}<｜end｜>'),
        (5, "<｜outputs begin｜><｜output｜>four"),
        (6, "<｜outputs end｜>4.<｜end｜>"),
        (7, "<｜User｜>Bye"),
    ]
    check(rendered, 1, pieces, "<｜Assistant｜><think>\n")


def test_harmony_begins_with_the_date() -> None:
    rendered = template("harmony").render(UP_TO_CALL, TOOLS)
    head = "<|start|>system<|message|>You are a model.\nCurrent date: "
    date = f"{datetime.now():%Y-%m-%d}"
    pieces = [
        (0, f"{head}{date}<|end|><|start|>developer<|message|># Instructions\n\nBe brief.<|end|>"),
        (1, "<|start|>user<|message|>One?<|end|>"),
        (2, "<|start|>assistant<|channel|>final<|message|>1.<|end|>"),
        (3, "<|start|>user<|message|>Two?<|end|>"),
        (
            4,
            "<|start|>assistant<|channel|>analysis<|message|>add<|end|>"
            '<|start|>assistant to=functions.add<|channel|>commentary json<|message|>{"x": 2}<|call|>',
        ),
        (5, '<|start|>functions.add to=assistant<|channel|>commentary<|message|>"four"<|end|>'),
    ]
    check(rendered, 1, pieces, "<|start|>assistant")
    assert rendered.volatile == (len(head),)


def test_kimi_writes_history_and_the_rest_in_two_loops() -> None:
    rendered = template("kimi").render([SYSTEM, Q1, A1, Q2, CALL, RESULT], TOOLS)
    pieces = [
        (PREAMBLE, f"<|system|>[{TOOL_JSON}]<|end|>"),
        (0, "<|system|>Be brief.<|end|>"),
        (1, "<|user|>One?<|end|>"),
        (2, "<|assistant|><think></think>1.<|end|>"),
        (3, "<|user|>Two?<|end|>"),
        (4, "<|assistant|><think>add</think><|end|>"),
        (5, "<|tool|>four<|end|>"),
    ]
    check(rendered, 2, pieces, "<|assistant|>")


def test_plain_text_has_no_special_tokens() -> None:
    rendered = template("plain").render([SYSTEM, Q1, A1, Q2])
    pieces = [(0, "Be brief.\n\n"), (1, "User: One?\n"), (2, "Assistant: 1.\n"), (3, "User: Two?\n")]
    check(rendered, 1, pieces, "Assistant:")


def test_an_instruction_after_the_last_message_is_no_part_of_it() -> None:
    rendered = template("command").render([Q1, A1, Q2])
    pieces = [
        (0, "<|turn|>user: One?<|end|>"),
        (1, "<|turn|>assistant: 1.<|end|>"),
        (2, "<|turn|>user: Two?<|end|>"),
    ]
    check(rendered, 0, pieces, "<|turn|>system: Write an action.<|end|><|turn|>chatbot:")


def test_the_mark_in_a_message_does_no_harm() -> None:
    messages = [{"role": "user", "content": "\U000f5e6e a"}]
    rendered = template("plain").render(messages)
    check(rendered, 0, [(0, "User: \U000f5e6e a\n")], "Assistant:")


def test_messages_taken_by_index() -> None:
    rendered = template("indexed").render([SYSTEM, Q1, A1])
    pieces = [(0, "[system] Be brief.<eos>"), (1, "[user] One?<eos>"), (2, "[assistant] 1.<eos>")]
    check(rendered, 1, pieces, "[assistant]")


def test_text_collected_in_a_variable_is_searched_for_the_messages() -> None:
    rendered = template("collected").render([SYSTEM, Q1, A1, Q2])
    pieces = [(0, "system: Be brief."), (1, "<sep>user: One?"), (2, "<sep>assistant: 1."), (3, "<sep>user: Two?<sep>")]
    check(rendered, 1, pieces, "assistant:")


def test_content_in_parts() -> None:
    rendered = template("parts").render([SYSTEM, Q1, A1])
    check(rendered, 1, [(0, "<system>Be brief."), (1, "<user>One?"), (2, "<assistant>1.")], "<assistant>")


@pytest.mark.parametrize("family", FAMILIES)
def test_one_message(family: str) -> None:
    rendered = template(family).render([Q1])
    assert rendered.message_indices[-1] == 0
    assert "One?" in rendered.text[: rendered.message_ends[-1]]
    if family != "mistral":
        assert rendered.message_ends[-1] < len(rendered.text)


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"mistral"}))
def test_ends_stay_when_the_conversation_goes_on(family: str) -> None:
    conversation: list[Message] = [SYSTEM, Q1]
    shorter = template(family).render(conversation)
    for i in range(6):
        conversation += [{"role": "assistant", "content": f"Answer {i}\n\nin lines."}, {"role": "user", "content": "e"}]
        longer = template(family).render(conversation)
        assert longer.message_ends[: len(shorter.message_ends) - 1] == shorter.message_ends[:-1]
        assert longer.text.startswith(shorter.text[: shorter.message_ends[-1]])
        assert longer.message_indices == tuple(range(len(conversation)))
        shorter = longer


@pytest.mark.parametrize("family", FAMILIES)
def test_text_is_what_plain_jinja_writes(family: str) -> None:
    environment = SandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals["strftime_now"] = lambda spec: datetime.now().strftime(spec)
    environment.globals["raise_exception"] = str
    messages = [Q1, A1, Q2]
    shaped = (
        [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
        if family == "parts"
        else messages
    )
    expected = environment.from_string(FAMILIES[family]).render(
        messages=shaped,
        tools=None,
        add_generation_prompt=True,
        bos_token="<bos>",
        eos_token="<eos>",
        date_string=f"{datetime.now():%d %b %Y}",
    )
    assert template(family).render(messages).text == expected
