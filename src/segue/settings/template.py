"""Chats: the template that renders them, and the model's thinking."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cyclopts import Group
from pydantic import field_validator

from segue.settings.fields import INT32_MAX, JsonText, OnOff, PathText, SettingsGroup, Switch, env, flag, own, path_flag

_TEMPLATE = Group("Chats", sort_key=6)
_RESERVED = ("add_generation_prompt", "messages", "tools")


def fault_of(variables: Mapping[str, Any]) -> str:
    """The fault of variables for a template, empty if they have none."""
    reserved = next((name for name in _RESERVED if name in variables), None)
    if reserved is not None:
        return f"{reserved} has a field of its own"
    is_text = isinstance(variables.get("enable_thinking"), str)
    return "enable_thinking must be true or false, and not a text" if is_text else ""


class TemplateSettings(SettingsGroup):
    """The chat template and its variables, and what becomes of the model's thinking."""

    chat_template: Annotated[str, flag(_TEMPLATE, "--chat-template", is_empty=True)] = env(
        "LLAMA_ARG_CHAT_TEMPLATE",
        "",
        "A Jinja template, or the name of one of llama.cpp's formats, such as llama3, in place of the model's own.",
    )
    chat_template_file: Annotated[PathText | None, path_flag(_TEMPLATE, "--chat-template-file")] = env(
        "LLAMA_ARG_CHAT_TEMPLATE_FILE", None, "A file with a Jinja template, in place of the model's own."
    )
    chat_template_kwargs: Annotated[JsonText, flag(_TEMPLATE, "--chat-template-kwargs", is_empty=True)] = env(
        "LLAMA_ARG_CHAT_TEMPLATE_KWARGS", {}, "Variables for the template, as a JSON object."
    )
    drop_billing_header: Annotated[
        Switch, flag(_TEMPLATE, "--drop-billing-header", negative="--no-drop-billing-header")
    ] = own(True, "Leave out Claude Code's x-anthropic-billing-header, which differs between requests.")
    reasoning: Annotated[Literal["on", "off", "auto"], OnOff, flag(_TEMPLATE, "--reasoning", "-rea")] = env(
        "LLAMA_ARG_REASONING", "auto", "Whether the model thinks before it replies; auto leaves it to the template."
    )
    reasoning_format: Annotated[
        Literal["auto", "none", "deepseek", "deepseek-legacy"], flag(_TEMPLATE, "--reasoning-format")
    ] = env("LLAMA_ARG_THINK", "auto", "Where a reply carries the thinking; none leaves it in the content.")
    reasoning_effort: Annotated[str, flag(_TEMPLATE, "--reasoning-effort")] = env(
        "LLAMA_ARG_REASONING_EFFORT", "default", "The effort that the template is told, such as low or high."
    )
    reasoning_budget: Annotated[int, flag(_TEMPLATE, "--reasoning-budget")] = env(
        "LLAMA_ARG_THINK_BUDGET", -1, "Most tokens of thinking; -1 sets no limit.", ge=-1, le=INT32_MAX
    )
    reasoning_budget_message: Annotated[str, flag(_TEMPLATE, "--reasoning-budget-message", is_empty=True)] = env(
        "LLAMA_ARG_THINK_BUDGET_MESSAGE", "", "A text that ends the thinking once its budget is spent."
    )
    reasoning_preserve: Annotated[
        Switch, flag(_TEMPLATE, "--reasoning-preserve", negative="--no-reasoning-preserve")
    ] = env("LLAMA_ARG_REASONING_PRESERVE", True, "Keep earlier thinking in the prompt where the template can.")
    skip_chat_parsing: Annotated[Switch, flag(_TEMPLATE, "--skip-chat-parsing", negative="--no-skip-chat-parsing")] = (
        env("LLAMA_ARG_SKIP_CHAT_PARSING", False, "Leave thinking and calls in the content of the reply.")
    )
    prefill_assistant: Annotated[Switch, flag(_TEMPLATE, "--prefill-assistant", negative="--no-prefill-assistant")] = (
        env("LLAMA_ARG_PREFILL_ASSISTANT", True, "Continue a last message by the assistant, unless a request declines.")
    )

    @field_validator("chat_template_kwargs")
    @classmethod
    def _check_variables(cls, value: dict[str, Any]) -> dict[str, Any]:
        fault = fault_of(value)
        if fault:
            raise ValueError(fault)
        return value
