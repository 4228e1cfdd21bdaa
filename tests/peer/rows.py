"""The requests that both servers get: a row each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.kit.models import bert_path, model_path
from tests.peer.models import reranker_path, storyteller_path


@dataclass(frozen=True, slots=True)
class Server:
    """A model, and the flags that both servers get."""

    model: Callable[[], Path]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request. `server` names the servers that get it; those before it in the table have been sent there before.

    Where its length `is_free`, the model and the clock decide how many tokens a reply has.
    """

    name: str
    path: str
    body: Any = None
    method: str = "POST"
    server: str = "plain"
    is_free: bool = False


def _post(name: str, path: str, server: str = "plain", **body: Any) -> Row:
    return Row(name=name, path=path, body=body, server=server)


def _free(row: Row) -> Row:
    return replace(row, is_free=True)


def _get(name: str, path: str, server: str = "plain") -> Row:
    return Row(name=name, path=path, method="GET", server=server)


ASKED: Final = [{"role": "user", "content": "Something else is asked here"}]
HELLO: Final = [{"role": "user", "content": "Say hello"}]
SYSTEM: Final = {"role": "system", "content": "You are brief."}
GREEDY: Final[dict[str, Any]] = {"temperature": 0, "ignore_eos": True}
DRAFTS: Final[dict[str, Any]] = {"speculative.n_max": 4, "speculative.p_min": 0.5}
TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "read",
        "description": "Reads a file",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string", "maxLength": 8}},
            "required": ["path"],
        },
    },
}
CALLED: Final = [
    *HELLO,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "text"},
]
SCHEMA: Final = {
    "type": "object",
    "properties": {"a": {"type": "boolean"}},
    "required": ["a"],
    "additionalProperties": False,
}

CHAT: Final = "/v1/chat/completions"

_SIZES: Final = ("--ctx-size", "2048", "--parallel", "2", "--kv-unified")

SERVERS: Final[dict[str, Server]] = {
    "plain": Server(partial(model_path, "llama"), (*_SIZES, "--predict", "12", "--alias", "m,n")),
    "editor": Server(storyteller_path, (*_SIZES, "--predict", "12", "--alias", "m")),
    "embedder": Server(bert_path, ("--embeddings", "--ubatch-size", "128")),
    "unpooled": Server(bert_path, ("--embeddings", "--ubatch-size", "128", "--pooling", "none")),
    "reranker": Server(lambda: reranker_path(bert_path()), ("--reranking", "--ubatch-size", "128")),
}

_COMPLETIONS: Final = (
    _post("text", "/completion", prompt="Once upon a time", **GREEDY),
    _post("text, streamed", "/completion", prompt="Once upon a time", stream=True, **GREEDY),
    _post("the old path", "/completions", prompt="Once", n_predict=3, **GREEDY),
    _post("tokens", "/completion", prompt=[10, 11, 12], n_predict=3, **GREEDY),
    _post("tokens and text", "/completion", prompt=[10, "a", 12], n_predict=3, **GREEDY),
    _post("several prompts", "/completion", prompt=["a", "b"], n_predict=3, **GREEDY),
    _post("an object", "/completion", prompt={"prompt_string": "a"}, n_predict=3, **GREEDY),
    _post("nothing to generate", "/completion", prompt="Once", n_predict=0),
    _post("returned tokens", "/completion", prompt="Once", n_predict=3, return_tokens=True, **GREEDY),
    _post("probabilities", "/completion", prompt="Once", n_predict=3, n_probs=3, **GREEDY),
    _post("probabilities, streamed", "/completion", prompt="Once", n_predict=3, n_probs=3, stream=True, **GREEDY),
    _post(
        "probabilities after sampling", "/completion", prompt="Once", n_predict=2, n_probs=3, post_sampling_probs=True
    ),
    _post(
        "some fields",
        "/completion",
        prompt="Once",
        n_predict=2,
        response_fields=["content", "generation_settings/seed"],
    ),
    _post("timings", "/completion", prompt="Once", n_predict=3, timings_per_token=True, stream=True, **GREEDY),
    _post("progress", "/completion", prompt="Once " * 30, n_predict=3, return_progress=True, stream=True, **GREEDY),
    _post("one token", "/completion", prompt="Once", n_predict=1, **GREEDY),
    _post("a fraction of a token", "/completion", prompt="Once", n_predict=2.7, **GREEDY),
    _free(_post("a schema", "/completion", prompt="Once", n_predict=64, json_schema=SCHEMA)),
    _free(
        _post(
            "a schema without a type",
            "/completion",
            prompt="Once",
            n_predict=64,
            json_schema={"required": ["a"], "properties": {"a": {"const": 1}}},
        )
    ),
    _post("a grammar", "/completion", prompt="Once", grammar='root ::= "yes"'),
    _post("a faulty grammar", "/completion", prompt="Once", grammar="root ::= ("),
    _post(
        "llama.vim's fields", "/completion", prompt="Once", n_indent=2, n_keep=1, n_discard=1, n_cache_reuse=1, **GREEDY
    ),
    _post("drafts", "/completion", prompt="Once", **DRAFTS, **GREEDY),
    _post("no adapters", "/completion", prompt="Once", lora=[], **GREEDY),
    _post("samplers of other servers", "/completion", prompt="Once", samplers=["tfs_z", "top_k"], **GREEDY),
    _post("sampler values", "/completion", prompt="Once", top_p=2, min_p=-1, top_k=-1, temperature=-1, mirostat=7),
    _post("biases", "/completion", prompt="Once", logit_bias=[[5, -1], ["a", False], [10**9, 1], "x"], **GREEDY),
    _post(
        "biases as an object", "/completion", prompt="Once", logit_bias={"5": -1, "a": False, "999999999": 1}, **GREEDY
    ),
    _post("an end that is ignored", "/completion", prompt="Once", ignore_eos=True, n_predict=2),
    _post("a temperature that is a text", "/completion", prompt="Once", temperature="1"),
    _post("no prompt", "/completion", n_predict=1),
    _post("an empty list of prompts", "/completion", prompt=[], n_predict=1),
    _post("tokens that do not exist", "/completion", prompt=[10**6], n_predict=1),
    _post("a prompt that is too long", "/completion", prompt="Once upon a time " * 400, n_predict=1),
    _post("a full context", "/completion", prompt="Once upon a time " * 150, n_predict=-1, **GREEDY),
    _post("OpenAI's", "/v1/completions", prompt="Once", max_tokens=3, **GREEDY),
    _post("OpenAI's, streamed", "/v1/completions", prompt="Once", max_tokens=3, stream=True, **GREEDY),
    _post("OpenAI's, probabilities", "/v1/completions", prompt="Once", max_tokens=3, logprobs=2, **GREEDY),
    _post("OpenAI's, choices", "/v1/completions", prompt="Once", max_tokens=3, n=2, **GREEDY),
    _post("OpenAI's, two prompts", "/v1/completions", prompt=["a", "b"], max_tokens=3, **GREEDY),
    _post("OpenAI's, verbose", "/v1/completions", prompt="Once", max_tokens=3, verbose=True, **GREEDY),
    _post("OpenAI's, echo", "/v1/completions", prompt="Once", max_tokens=3, echo=True),
    _post("OpenAI's, suffix", "/v1/completions", prompt="Once", max_tokens=3, suffix="x"),
    _post("OpenAI's, best of", "/v1/completions", prompt="Once", max_tokens=3, best_of=2),
)

_CHATS: Final = (
    _post("a chat", CHAT, messages=[SYSTEM, *HELLO], **GREEDY),
    _post("a chat without /v1", "/chat/completions", messages=HELLO, max_tokens=3, **GREEDY),
    _post("a chat, streamed", CHAT, messages=[SYSTEM, *HELLO], stream=True, **GREEDY),
    _post("usage in a stream", CHAT, messages=HELLO, stream=True, stream_options={"include_usage": True}, **GREEDY),
    _post("no usage in a stream", CHAT, messages=HELLO, stream=True, stream_options={"include_usage": False}, **GREEDY),
    _post("choices", CHAT, messages=HELLO, n=2, max_tokens=3, **GREEDY),
    _post("log-probabilities", CHAT, messages=HELLO, logprobs=True, top_logprobs=2, max_tokens=3, **GREEDY),
    _post("log-probabilities, streamed", CHAT, messages=HELLO, logprobs=True, max_tokens=3, stream=True, **GREEDY),
    _post(
        "parts", CHAT, messages=[{"role": "user", "content": [{"type": "text", "text": "a"}]}], max_tokens=3, **GREEDY
    ),
    _post("a verbose chat", CHAT, messages=HELLO, verbose=True, max_tokens=3, **GREEDY),
    _post(
        "a schema for a chat",
        CHAT,
        messages=HELLO,
        max_tokens=64,
        response_format={"type": "json_schema", "json_schema": {"schema": SCHEMA}},
    ),
    _post("any object", CHAT, messages=HELLO, max_tokens=8, response_format={"type": "json_object"}),
    _post("a format that there is not", CHAT, messages=HELLO, response_format={"type": "sound"}),
    _post("a call", CHAT, messages=HELLO, tools=[TOOL], tool_choice="required", max_tokens=200, temperature=0),
    _post(
        "a call, streamed",
        CHAT,
        messages=HELLO,
        tools=[TOOL],
        tool_choice="required",
        max_tokens=200,
        temperature=0,
        stream=True,
    ),
    _post("the result of a call", CHAT, messages=CALLED, tools=[TOOL], max_tokens=3, **GREEDY),
    _post("no calls", CHAT, messages=HELLO, tools=[TOOL], tool_choice="none", max_tokens=3, **GREEDY),
    _post("a choice that there is not", CHAT, messages=HELLO, tools=[TOOL], tool_choice="perhaps"),
    _post(
        "progress of a chat",
        CHAT,
        messages=HELLO,
        return_progress=True,
        timings_per_token=True,
        stream=True,
        max_tokens=3,
        **GREEDY,
    ),
    _post(
        "a reply that is continued",
        CHAT,
        messages=[*HELLO, {"role": "assistant", "content": "Well"}],
        max_tokens=3,
        **GREEDY,
    ),
    _post("effort", CHAT, messages=HELLO, reasoning_effort="low", max_tokens=3, **GREEDY),
    _post("no thinking", CHAT, messages=HELLO, chat_template_kwargs={"enable_thinking": False}, max_tokens=3, **GREEDY),
    _post("no messages", CHAT, max_tokens=3),
    _post("an empty list of messages", CHAT, messages=[], max_tokens=3, **GREEDY),
    _post("messages that are a text", CHAT, messages="hello"),
    _post("a message without a role", CHAT, messages=[{"content": "hello"}]),
    _post("a message without content", CHAT, messages=[{"role": "user"}], max_tokens=3),
    _post(
        "an image",
        CHAT,
        messages=[
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}
        ],
        max_tokens=3,
    ),
    _post("a chat that is too long", CHAT, messages=[{"role": "user", "content": "Once upon a time " * 400}]),
    _post(
        "a chat that is too long, streamed",
        CHAT,
        messages=[{"role": "user", "content": "Once upon a time " * 400}],
        stream=True,
    ),
    _post("both ways to end a prompt", CHAT, messages=HELLO, add_generation_prompt=True, continue_final_message=True),
    _post("tokens of a chat", f"{CHAT}/input_tokens", messages=HELLO),
    _post("tokens of a chat without /v1", "/chat/completions/input_tokens", messages=HELLO),
    _post("a template", "/apply-template", messages=HELLO),
    _post("a template with tools", "/apply-template", messages=HELLO, tools=[TOOL]),
)

_OTHER_APIS: Final = (
    _post("a response", "/v1/responses", input="Say hello", max_output_tokens=3, **GREEDY),
    _post("a response, streamed", "/v1/responses", input="Say hello", max_output_tokens=3, stream=True, **GREEDY),
    _post("tokens of a response", "/v1/responses/input_tokens", input="Say hello"),
    _post("tokens of a response without /v1", "/responses/input_tokens", input="Say hello"),
    _post("a message", "/v1/messages", messages=ASKED, max_tokens=3, temperature=0, ignore_eos=True),
    _post(
        "a message, streamed", "/v1/messages", messages=ASKED, max_tokens=3, stream=True, temperature=0, ignore_eos=True
    ),
    _post("tokens of a message", "/v1/messages/count_tokens", messages=HELLO),
    _post("a message without messages", "/v1/messages", max_tokens=3),
    _post("a gap", "/infill", input_prefix="def f(", input_suffix="return 1", n_predict=3, **GREEDY),
    _post(
        "a gap among files",
        "/infill",
        input_prefix="a",
        input_suffix="b",
        input_extra=[{"filename": "x", "text": "y"}],
        n_predict=3,
        **GREEDY,
    ),
    _post(
        "a file without a text",
        "/infill",
        "editor",
        input_prefix="a",
        input_suffix="b",
        input_extra=[{"filename": "x"}],
    ),
    _post("text to tokens", "/tokenize", content="Once", add_special=True),
    _post("text to pieces", "/tokenize", content="Once é", with_pieces=True),
    _post("no text", "/tokenize"),
    _post("tokens to text", "/detokenize", tokens=[10, 11]),
    _post("no tokens", "/detokenize"),
)

_ABOUT_THE_SERVER: Final = (
    _get("health", "/health"),
    _get("health under /v1", "/v1/health"),
    _get("models", "/v1/models"),
    _get("models without /v1", "/models"),
    _get("properties", "/props"),
    _post("properties to change", "/props", chat_template="x"),
    _get("adapters", "/lora-adapters"),
    Row(name="adapters to scale", path="/lora-adapters", body=[]),
    Row(name="adapters that there are not", path="/lora-adapters", body={"id": 0}),
    _post("a slot to save", "/slots/0?action=save", filename="x"),
    _get("a path that there is not", "/v1/none"),
)

_EMBEDDINGS: Final = (
    _post("a text", "/v1/embeddings", "embedder", input="ab"),
    _post("texts", "/v1/embeddings", "embedder", input=["ab", "cd"]),
    _post("token ids", "/v1/embeddings", "embedder", input=[5, 6]),
    _post("lists of token ids", "/v1/embeddings", "embedder", input=[[5, 6], [7]]),
    _post("token ids and text", "/v1/embeddings", "embedder", input=[5, "ab", 6]),
    _post("texts and token ids", "/v1/embeddings", "embedder", input=["ab", [5, "cd"]]),
    _post("objects", "/v1/embeddings", "embedder", input=["ab", {"prompt_string": "ab"}]),
    _post("text parts", "/v1/embeddings", "embedder", input={"content": [{"type": "text", "text": "ab"}]}),
    _post("base64", "/v1/embeddings", "embedder", input="ab", encoding_format="base64"),
    _post("an encoding that there is not", "/v1/embeddings", "embedder", input="ab", encoding_format="int8"),
    _post("content", "/v1/embeddings", "embedder", content="ab"),
    _post("no input", "/v1/embeddings", "embedder"),
    _post("an empty input", "/v1/embeddings", "embedder", input=[]),
    _post("parts that are a text", "/v1/embeddings", "embedder", input={"content": "ab"}),
    _post("a part to be seen", "/v1/embeddings", "embedder", input={"content": [{"type": "image_url"}]}),
    _post("a text that is too long", "/v1/embeddings", "embedder", input="a " * 200),
    _post("llama-server's embeddings", "/embeddings", "embedder", input=["ab", "cd"]),
    _post("llama-server's old path", "/embedding", "embedder", content="ab"),
    _post("another length", "/embedding", "embedder", content="ab", embd_normalize=-1),
    _post("a query without a reranker", "/rerank", "embedder", query="a", documents=["b"]),
    _post("a chat with an encoder", CHAT, "embedder", messages=HELLO),
    _post("a vector a token", "/embeddings", "unpooled", input="ab"),
    _post("a vector a token, for OpenAI", "/v1/embeddings", "unpooled", input="ab"),
    *(
        _post(f"documents at {path}", path, "reranker", query="a", documents=["b", "c", "d"])
        for path in ("/rerank", "/v1/rerank", "/reranking", "/v1/reranking")
    ),
    _post("the best documents", "/rerank", "reranker", query="a", documents=["b", "c", "d"], top_n=2),
    _post("TEI's texts", "/rerank", "reranker", query="a", texts=["b", "c"], return_text=True),
    _post("no documents", "/rerank", "reranker", query="a", documents=[]),
    _post("documents that are numbers", "/rerank", "reranker", query="a", documents=[1]),
    _post("no query", "/rerank", "reranker", documents=["a"]),
    _post("embeddings of a reranker", "/v1/embeddings", "reranker", input="a"),
)

_EXTRA: Final = [{"text": "def f():\n    return 1\n", "time": [0, 1], "filename": "a.py"}]
_GAP: Final[dict[str, Any]] = {
    "id_slot": 0,
    "input_prefix": "def g():\n",
    "input_suffix": "\n",
    "input_extra": _EXTRA,
    "cache_prompt": True,
}
_TIMES: Final = ("prompt_n", "prompt_ms", "prompt_per_token_ms", "prompt_per_second")
_VIM_FIELDS: Final = [
    "content",
    *(f"timings/{name}" for name in (*_TIMES, *(name.replace("prompt", "predicted") for name in _TIMES))),
    "truncated",
    "tokens_cached",
]

_EDITORS: Final = (
    _post(
        "llama.vim: what is read ahead",
        "/infill",
        "editor",
        **_GAP | {"input_prefix": "", "input_suffix": ""},
        prompt="",
        n_predict=0,
        temperature=0.0,
        samplers=[],
        stream=False,
        t_max_prompt_ms=1,
        t_max_predict_ms=1,
        response_fields=[""],
    ),
    _free(
        _post(
            "llama.vim: a gap",
            "/infill",
            "editor",
            **_GAP,
            prompt="    return f",
            n_predict=8,
            stop=[],
            n_indent=4,
            top_k=40,
            top_p=0.90,
            samplers=["top_k", "top_p", "infill"],
            stream=False,
            t_max_prompt_ms=500,
            t_max_predict_ms=250,
            response_fields=_VIM_FIELDS,
        )
    ),
    _post(
        "llama.vim: an instruction that is read ahead",
        CHAT,
        "editor",
        id_slot=7,
        messages=[SYSTEM, *HELLO],
        samplers=[],
        n_predict=0,
        stream=False,
        cache_prompt=True,
        response_fields=[""],
    ),
    _post(
        "llama.vim: an instruction",
        CHAT,
        "editor",
        id_slot=7,
        messages=[SYSTEM, *HELLO],
        min_p=0.1,
        temperature=0.1,
        samplers=["min_p", "temperature"],
        stream=True,
        cache_prompt=True,
        logit_bias={"2": False},
    ),
    _post(
        "llama.vscode: what is read ahead",
        "/infill",
        "editor",
        **_GAP,
        prompt="",
        n_predict=0,
        samplers=[],
        t_max_prompt_ms=500,
        t_max_predict_ms=1,
    ),
    _free(
        _post(
            "llama.vscode: a gap",
            "/infill",
            "editor",
            **_GAP,
            prompt="    return",
            n_predict=8,
            n_cmpl=2,
            top_k=40,
            top_p=0.99,
            stream=False,
            samplers=["top_k", "top_p", "infill"],
            n_indent=4,
            t_max_prompt_ms=500,
            t_max_predict_ms=2500,
            model="m",
        )
    ),
    _post(
        "llama.vscode: an edit",
        CHAT,
        "editor",
        messages=[SYSTEM, *HELLO],
        stream=False,
        cache_prompt=True,
        temperature=0.8,
        top_p=0.95,
        max_tokens=8,
    ),
    _post("llama.vscode: embeddings", "/v1/embeddings", "embedder", input="ab", model="m", encoding_format="float"),
    _get("llama.vscode: health", "/health", "editor"),
    _get("llama.vscode: models", "/v1/models", "editor"),
    _get("llama.vscode: properties", "/props", "editor"),
)

ROWS: Final = (*_COMPLETIONS, *_CHATS, *_OTHER_APIS, *_ABOUT_THE_SERVER, *_EMBEDDINGS, *_EDITORS)
