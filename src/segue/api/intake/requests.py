"""The bodies of requests. Unknown fields are ignored; known ones must have the right type and range."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, model_validator

from segue.api.intake.custom_calls import as_functions
from segue.api.intake.fields import (
    Count,
    CountOrAll,
    Flag,
    Fraction,
    Int,
    Items,
    MessageList,
    ProbCount,
    StopWord,
    Text,
    Words,
)
from segue.api.intake.sampling import SamplingFields
from segue.drafting.limits import DraftLimits
from segue.serving.errors import not_supported

_UNSUPPORTED = {
    "lora": "adapters are not supported",
    "suffix": "it is not supported",
    "echo": "it is not supported",
    "audio": "audio is not supported",
}
_ABSENT: tuple[object, ...] = (None, "", 0, False, [])


class StreamOptions(BaseModel):
    """Options of a streamed reply."""

    include_usage: Flag | None = None


class GenerationFields(SamplingFields):
    """The fields that all generating endpoints share."""

    stream: Flag | None = None
    stream_options: StreamOptions | None = None
    n_predict: CountOrAll | None = None
    max_completion_tokens: CountOrAll | None = None
    max_tokens: CountOrAll | None = None
    n: Annotated[Int, Field(ge=1, le=128)] | None = None
    n_cmpl: Annotated[Int, Field(ge=1, le=128)] | None = None
    stop: StopWord | Words | None = None
    n_probs: ProbCount | None = None
    post_sampling_probs: Flag | None = None
    t_max_predict_ms: Annotated[Int, Field(ge=-1, le=2**63 - 1)] | None = None
    id_slot: CountOrAll | None = None
    cache_prompt: Flag | None = None
    verbose: Flag | None = None
    return_tokens: Flag | None = None
    return_progress: Flag | None = None
    timings_per_token: Flag | None = None
    sse_ping_interval: CountOrAll | None = None
    response_fields: Items[Text] | None = None
    response_format: dict[str, Any] | None = None
    json_schema: dict[str, Any] | bool | None = None
    grammar: Text | None = None
    regex: Text | None = None
    lark: Text | None = None
    reasoning_budget_tokens: CountOrAll | None = None
    thinking_budget_tokens: CountOrAll | None = None
    reasoning_budget_message: Text | None = None
    n_drafted_most: Count | None = Field(default=None, alias="speculative.n_max")
    n_drafted_least: Count | None = Field(default=None, alias="speculative.n_min")
    p_drafted_least: Fraction | None = Field(default=None, alias="speculative.p_min")
    reasoning_control: Flag | None = None
    _format_field: str = PrivateAttr("response_format")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unsupported(cls, data: object) -> object:
        """Refuse fields that would silently have no effect. Raises ApiError."""
        if isinstance(data, dict):
            for name, reason in _UNSUPPORTED.items():
                if data.get(name) not in _ABSENT:
                    raise not_supported(f"Field '{name}': {reason}")
        return data

    @property
    def format_field(self) -> str:
        """The client's name for `response_format`."""
        return self._format_field

    def call_format(self, field: str) -> None:
        """Note that the client has another name for `response_format`."""
        self._format_field = field

    def limit(self, default: int) -> int:
        """The most tokens to generate."""
        for value in (self.n_predict, self.max_completion_tokens, self.max_tokens):
            if value is not None:
                return value
        return default

    def thinking_budget(self, default: int) -> int:
        """The most tokens of reasoning; -1 for no limit."""
        for value in (self.reasoning_budget_tokens, self.thinking_budget_tokens):
            if value is not None:
                return default if value == -1 else value
        return default

    def draft_limits(self, default: DraftLimits) -> DraftLimits:
        """The limits of drafting; a server that drafts nothing by default drafts nothing at all."""
        return DraftLimits(
            default.n_max if self.n_drafted_most is None else min(self.n_drafted_most, default.n_max),
            default.n_min if self.n_drafted_least is None else self.n_drafted_least,
            default.p_min if self.p_drafted_least is None else self.p_drafted_least,
        )

    @property
    def n_top_logprobs(self) -> int | None:
        """How many of the best tokens to report with each, None for no log-probabilities."""
        return self.n_probs or None

    @property
    def n_wanted_probs(self) -> int:
        """How many of the best tokens the loop must report with each token."""
        n_top = self.n_top_logprobs
        return 0 if n_top is None else max(n_top, 1)

    @property
    def n_choices(self) -> int:
        """Replies wanted for each prompt."""
        return self.n_cmpl or self.n or 1

    @property
    def stops(self) -> list[str]:
        """The stop strings, without empty ones."""
        words = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [word for word in words if word]


class ChatRequest(GenerationFields):
    """POST /v1/chat/completions."""

    messages: Annotated[MessageList, AfterValidator(as_functions)]
    tools: Items[dict[str, Any]] | None = None
    tool_choice: Text | dict[str, Any] | None = None
    parallel_tool_calls: Flag | None = None
    parse_tool_calls: Flag | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: Text | None = None
    reasoning_format: Text | None = None
    add_generation_prompt: Flag | None = None
    continue_final_message: Flag | None = None
    logprobs: Flag | None = None
    top_logprobs: ProbCount | None = None

    @property
    def n_top_logprobs(self) -> int | None:
        """How many of the best tokens to report with each; 20 unless said, as in llama-server. None: no log-probs."""
        if self.logprobs:
            return 20 if self.top_logprobs is None else self.top_logprobs
        return self.n_probs or None


class CompletionRequest(GenerationFields):
    """POST /v1/completions and /completion. `prompt`: a text, token ids, both mixed, or a list of such prompts."""

    prompt: Any
    logprobs: ProbCount | Flag | None = None
    best_of: Count | None = None

    @property
    def n_top_logprobs(self) -> int | None:
        """How many of the best tokens to report with each, None for no log-probabilities."""
        if self.n_probs is not None:
            return self.n_probs or None
        return None if self.logprobs is None or self.logprobs is False else int(self.logprobs)


class ExtraFile(BaseModel):
    """A file beside the one with the gap."""

    filename: Text | None = None
    text: Text


class InfillRequest(CompletionRequest):
    """POST /infill. The gap lies between `input_prefix` and `input_suffix`; `prompt` is how its filling begins."""

    prompt: Text | None = None
    input_prefix: Text | None = None
    input_suffix: Text | None = None
    input_extra: Items[ExtraFile] | None = None


class EmbeddingsRequest(BaseModel):
    """POST /v1/embeddings. `input`, or `content`: a text in one of several forms, or a list of such."""

    input: Any = None
    content: Any = None
    embd_normalize: Annotated[Int, Field(ge=-1, le=64)] | None = None
    encoding_format: Text | None = None
    dimensions: Count | None = None


class RerankRequest(BaseModel):
    """POST /rerank. `documents` as in Jina's API, or `texts` as in TEI's."""

    query: Text
    documents: Items[Text] | None = None
    texts: Items[Text] | None = None
    top_n: Count | None = None
    return_text: Flag | None = None


class TokenizeRequest(BaseModel):
    """POST /tokenize. `content`: a text, or a list of texts and token ids."""

    content: Any = None
    add_special: Flag | None = None
    parse_special: Flag | None = None
    with_pieces: Flag | None = None


class DetokenizeRequest(BaseModel):
    """POST /detokenize."""

    tokens: Items[Int] | None = None


class SlotRequest(BaseModel):
    """POST /slots/{id}. `filename`: a plain name in --slot-save-path."""

    filename: Text | None = None
