"""The settings of a server: llama-server's flags and `LLAMA_ARG_*` variables.

A flag overrides its variable. Settings that llama-server lacks have variables that start with `SEGUE_`.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token
from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from segue.engine.sampling import SAMPLERS, SamplingParams

_MODEL = Group("Model", sort_key=1)
_CONTEXT = Group("Context and batches", sort_key=2)
_CACHE = Group("Cache", sort_key=3)
_SERVER = Group("Server", sort_key=4)
_TEMPLATE = Group("Chat template", sort_key=5)
_SAMPLING = Group("Defaults that a request may override", sort_key=6)
_LOG = Group("Log", sort_key=7)

INT32_MAX = 2**31 - 1
KvType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]
LoadMode = Literal["auto", "none", "mmap", "mlock", "mmap+mlock"]
_Converter = Callable[[object, Sequence[Token]], str]


def _flag(
    group: Group, *names: str, negative: str = "", is_empty: bool = False, converter: _Converter | None = None
) -> Parameter:
    return Parameter(
        name=names,
        group=group,
        negative=negative,
        negative_iterable=(),
        show_default=not is_empty,
        converter=converter,
    )


def _text(_: object, tokens: Sequence[Token]) -> str:
    """The text as it was passed: an empty Path would become the current directory."""
    return tokens[0].value


def _env(name: str, default: object, text: str, **limits: Any) -> Any:
    return Field(default=default, validation_alias=name, description=f"{text} (env: {name})", **limits)


def _own(default: object, text: str, **limits: Any) -> Any:
    return Field(default=default, description=text, **limits)


def _switch(value: object) -> object:
    return {"enabled": True, "disabled": False}.get(value, value) if isinstance(value, str) else value


def _csv(value: object) -> object:
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)):
        return [item.strip() for part in parts for item in str(part).split(",") if item.strip()]
    return value


def _path(value: object) -> object:
    if value == "":
        raise ValueError("the path is empty, as from a variable that is not set; pass a path, or leave the flag out")
    return value


def _object(value: object) -> object:
    return json.loads(value) if isinstance(value, str) else value


Switch = Annotated[bool, BeforeValidator(_switch)]
Csv = Annotated[list[str], NoDecode, BeforeValidator(_csv)]
CsvNumbers = Annotated[list[float], NoDecode, BeforeValidator(_csv)]
PathText = Annotated[Path, BeforeValidator(_path)]
JsonText = Annotated[dict[str, Any], NoDecode, BeforeValidator(_object)]


class Settings(BaseSettings):
    """All settings of one server."""

    model_config = SettingsConfigDict(env_prefix="SEGUE_", populate_by_name=True, extra="forbid", frozen=True)

    model: Annotated[str, _flag(_MODEL, "--model", "-m", is_empty=True)] = _env(
        "LLAMA_ARG_MODEL", "", "The GGUF file, or the first part of a split one."
    )
    alias: Annotated[Csv, _flag(_MODEL, "--alias", "-a", is_empty=True)] = _env(
        "LLAMA_ARG_ALIAS", [], "Names of the model for clients, comma-separated. By default the file's name."
    )
    n_gpu_layers: Annotated[int | Literal["auto", "all"], _flag(_MODEL, "--n-gpu-layers", "--gpu-layers", "-ngl")] = (
        _env("LLAMA_ARG_N_GPU_LAYERS", "auto", "Layers to put on GPUs: a number, auto or all.")
    )
    device: Annotated[Csv, _flag(_MODEL, "--device", "-dev", is_empty=True)] = _env(
        "LLAMA_ARG_DEVICE", [], "Devices to use, comma-separated; none keeps the whole model on the CPU."
    )
    split_mode: Annotated[Literal["none", "layer", "row", "tensor"], _flag(_MODEL, "--split-mode", "-sm")] = _env(
        "LLAMA_ARG_SPLIT_MODE", "layer", "How to split the model over GPUs."
    )
    tensor_split: Annotated[CsvNumbers, _flag(_MODEL, "--tensor-split", "-ts", is_empty=True)] = _env(
        "LLAMA_ARG_TENSOR_SPLIT", [], "Shares of the GPUs, comma-separated, such as 3,1."
    )
    main_gpu: Annotated[int, _flag(_MODEL, "--main-gpu", "-mg")] = _env(
        "LLAMA_ARG_MAIN_GPU", 0, "The GPU for a model that is not split.", ge=0
    )
    load_mode: Annotated[LoadMode, _flag(_MODEL, "--load-mode", "-lm")] = _env(
        "LLAMA_ARG_LOAD_MODE", "auto", "How to hold the file in memory; mlock keeps it from being swapped out."
    )

    ctx_size: Annotated[int, _flag(_CONTEXT, "--ctx-size", "-c")] = _env(
        "LLAMA_ARG_CTX_SIZE",
        0,
        "Most tokens of a prompt and its reply, capped at the trained context of the model; 0 takes all of it.",
        ge=0,
        le=INT32_MAX,
    )
    parallel: Annotated[int, _flag(_CONTEXT, "--parallel", "-np")] = _env(
        "LLAMA_ARG_N_PARALLEL", 4, "Requests that run at the same time, at most 200; -1 means 4.", ge=-1, le=200
    )
    batch_size: Annotated[int, _flag(_CONTEXT, "--batch-size", "-b")] = _env(
        "LLAMA_ARG_BATCH", 2048, "Most tokens in a batch.", ge=1, le=INT32_MAX
    )
    ubatch_size: Annotated[int, _flag(_CONTEXT, "--ubatch-size", "-ub")] = _env(
        "LLAMA_ARG_UBATCH", 512, "Most tokens that are computed at once (physical batch).", ge=1, le=INT32_MAX
    )
    threads: Annotated[int, _flag(_CONTEXT, "--threads", "-t")] = _env(
        "LLAMA_ARG_THREADS", -1, "CPU threads for generation, at most 512; -1 means one for each core.", ge=-1, le=512
    )
    threads_batch: Annotated[int, _flag(_CONTEXT, "--threads-batch", "-tb")] = _own(
        -1, "CPU threads for reading prompts, at most 512; -1 means as many as --threads.", ge=-1, le=512
    )
    flash_attn: Annotated[Literal["on", "off", "auto"], _flag(_CONTEXT, "--flash-attn", "-fa")] = _env(
        "LLAMA_ARG_FLASH_ATTN", "auto", "Whether to use flash attention."
    )
    cache_type_k: Annotated[KvType, _flag(_CONTEXT, "--cache-type-k", "-ctk")] = _env(
        "LLAMA_ARG_CACHE_TYPE_K", "f16", "Data type of keys in the KV cache."
    )
    cache_type_v: Annotated[KvType, _flag(_CONTEXT, "--cache-type-v", "-ctv")] = _env(
        "LLAMA_ARG_CACHE_TYPE_V", "f16", "Data type of values in the KV cache."
    )

    cache_prompt: Annotated[Switch, _flag(_CACHE, "--cache-prompt", negative="--no-cache-prompt")] = _env(
        "LLAMA_ARG_CACHE_PROMPT", True, "Reuse cached prefixes, unless a request declines."
    )
    cache_ram: Annotated[int | None, _flag(_CACHE, "--cache-ram", "-cram")] = _env(
        "LLAMA_ARG_CACHE_RAM",
        None,
        "MiB for checkpoints outside the context; -1 means no limit, 0 none. By default a share of the free memory.",
        ge=-1,
    )
    cache_parked: Annotated[int | None, _flag(_CACHE, "--cache-parked")] = _own(
        None,
        "MiB for checkpoints inside the context, beside running requests. By default a share of the free memory.",
        ge=0,
    )
    cache_dir: Annotated[PathText | None, _flag(_CACHE, "--cache-dir", converter=_text)] = _own(
        None, "A directory in which checkpoints outlive the process. By default they are kept in memory only."
    )
    cache_disk: Annotated[int | None, _flag(_CACHE, "--cache-disk")] = _own(
        None, "Most MiB that --cache-dir may take. By default a quarter of the free space there, at most 64 GiB."
    )
    cache_share_keys: Annotated[Switch, _flag(_CACHE, "--cache-share-keys")] = _own(
        False, "Let clients with different API keys share one cache."
    )
    keep_replies: Annotated[Switch, _flag(_CACHE, "--keep-replies", negative="--no-keep-replies")] = _own(
        True, "Read a returned reply as the model wrote it, even if the client respaced or reordered its JSON."
    )
    hold_time: Annotated[Switch, _flag(_CACHE, "--hold-time", negative="--no-hold-time")] = _own(
        True, "Tell a chat template that asks for the time when the conversation began, throughout the conversation."
    )
    keep_tool_order: Annotated[Switch, _flag(_CACHE, "--keep-tool-order", negative="--no-keep-tool-order")] = _own(
        True, "Keep tools, and the keys of their schemas, in the order in which they were first sent."
    )
    reproducible: Annotated[Switch, _flag(_CACHE, "--reproducible")] = _own(
        False, "Make output independent of the cache and of other requests; slower."
    )

    host: Annotated[str, _flag(_SERVER, "--host")] = _env("LLAMA_ARG_HOST", "127.0.0.1", "Address to listen on.")
    port: Annotated[int, _flag(_SERVER, "--port")] = _env(
        "LLAMA_ARG_PORT", 8080, "Port to listen on; 0 takes a free port.", ge=0, le=65535
    )
    api_key: Annotated[Csv, _flag(_SERVER, "--api-key", is_empty=True)] = _env(
        "LLAMA_API_KEY", [], "Keys that clients must send, comma-separated; may be repeated.", repr=False
    )
    api_key_file: Annotated[PathText | None, _flag(_SERVER, "--api-key-file", converter=_text)] = _env(
        "LLAMA_ARG_API_KEY_FILE", None, "A file of API keys, one on each line; lines that start with # are comments."
    )
    sse_ping_interval: Annotated[int, _flag(_SERVER, "--sse-ping-interval")] = _env(
        "LLAMA_ARG_SSE_PING_INTERVAL",
        30,
        "Seconds of silence after which a stream sends a comment; -1 means never.",
        ge=-1,
    )
    slot_save_path: Annotated[PathText | None, _flag(_SERVER, "--slot-save-path", converter=_text)] = _env(
        "LLAMA_ARG_SLOT_SAVE_PATH", None, "A directory for POST /slots/{id}?action=save and restore; needed for both."
    )
    response_store: Annotated[int, _flag(_SERVER, "--response-store")] = _own(
        64, "MiB of memory for responses that clients can continue by previous_response_id; 0 keeps none.", ge=0
    )
    embeddings: Annotated[Switch, _flag(_SERVER, "--embeddings", "--embedding", negative="--no-embeddings")] = _env(
        "LLAMA_ARG_EMBEDDINGS", True, "Serve /v1/embeddings, which takes memory from the first request on."
    )
    slots: Annotated[Switch, _flag(_SERVER, "--slots", negative="--no-slots")] = _env(
        "LLAMA_ARG_ENDPOINT_SLOTS", True, "Serve GET /slots."
    )
    cors_origins: Annotated[str, _flag(_SERVER, "--cors-origins")] = _env(
        "LLAMA_ARG_CORS_ORIGINS",
        "*",
        "Origins of web pages that may call, comma-separated; localhost means any page served from this machine.",
    )
    cors_methods: Annotated[str, _flag(_SERVER, "--cors-methods")] = _env(
        "LLAMA_ARG_CORS_METHODS", "GET, POST, DELETE, OPTIONS", "Methods that such pages may use."
    )
    cors_headers: Annotated[str, _flag(_SERVER, "--cors-headers")] = _env(
        "LLAMA_ARG_CORS_HEADERS", "*", "Headers that such pages may send; * allows all that they request."
    )
    cors_credentials: Annotated[Switch, _flag(_SERVER, "--cors-credentials", negative="--no-cors-credentials")] = _env(
        "LLAMA_ARG_CORS_CREDENTIALS", True, "Let such pages send credentials."
    )

    chat_template: Annotated[str, _flag(_TEMPLATE, "--chat-template", is_empty=True)] = _env(
        "LLAMA_ARG_CHAT_TEMPLATE", "", "A Jinja template, or chatml, in place of the model's own."
    )
    chat_template_file: Annotated[PathText | None, _flag(_TEMPLATE, "--chat-template-file", converter=_text)] = _env(
        "LLAMA_ARG_CHAT_TEMPLATE_FILE", None, "A file with a Jinja template, in place of the model's own."
    )
    chat_template_kwargs: Annotated[JsonText, _flag(_TEMPLATE, "--chat-template-kwargs", is_empty=True)] = _env(
        "LLAMA_ARG_CHAT_TEMPLATE_KWARGS", {}, "Variables for the template, as a JSON object."
    )
    drop_billing_header: Annotated[
        Switch, _flag(_TEMPLATE, "--drop-billing-header", negative="--no-drop-billing-header")
    ] = _own(True, "Leave out Claude Code's x-anthropic-billing-header, which differs between requests.")

    n_predict: Annotated[int, _flag(_SAMPLING, "--n-predict", "--predict", "-n")] = _env(
        "LLAMA_ARG_N_PREDICT", -1, "Most tokens to generate; -1 generates until the context is full.", ge=-1
    )
    seed: Annotated[int, _flag(_SAMPLING, "--seed", "-s")] = _own(-1, "Seed; -1 means a random one.", ge=-1, lt=2**32)
    temperature: Annotated[float, _flag(_SAMPLING, "--temp", "--temperature")] = _env(
        "LLAMA_ARG_TEMPERATURE", 0.8, "Temperature; 0 is greedy.", ge=0, allow_inf_nan=False
    )
    top_k: Annotated[int, _flag(_SAMPLING, "--top-k")] = _env(
        "LLAMA_ARG_TOP_K", 40, "Number of likeliest tokens to keep; 0 keeps all.", ge=0, le=INT32_MAX
    )
    top_p: Annotated[float, _flag(_SAMPLING, "--top-p")] = _env(
        "LLAMA_ARG_TOP_P", 0.95, "Keep the likeliest tokens whose probabilities reach this sum.", ge=0, le=1
    )
    min_p: Annotated[float, _flag(_SAMPLING, "--min-p")] = _env(
        "LLAMA_ARG_MIN_P", 0.05, "Least probability of a token, relative to the likeliest one.", ge=0, le=1
    )
    repeat_last_n: Annotated[int, _flag(_SAMPLING, "--repeat-last-n")] = _own(
        64, "How many tokens penalties look back.", ge=-1
    )
    repeat_penalty: Annotated[float, _flag(_SAMPLING, "--repeat-penalty")] = _env(
        "LLAMA_ARG_REPEAT_PENALTY", 1.0, "Penalty on repeated tokens; 1 means none.", gt=0, allow_inf_nan=False
    )
    presence_penalty: Annotated[float, _flag(_SAMPLING, "--presence-penalty")] = _env(
        "LLAMA_ARG_PRESENCE_PENALTY", 0.0, "Penalty on tokens that occurred; 0 means none.", allow_inf_nan=False
    )
    frequency_penalty: Annotated[float, _flag(_SAMPLING, "--frequency-penalty")] = _env(
        "LLAMA_ARG_FREQUENCY_PENALTY",
        0.0,
        "Penalty on tokens for each occurrence; 0 means none.",
        allow_inf_nan=False,
    )
    samplers: Annotated[str, _flag(_SAMPLING, "--samplers")] = _own(
        ";".join(SAMPLERS), "The chain of samplers, separated by semicolons."
    )

    verbosity: Annotated[int, _flag(_LOG, "--verbosity", "--log-verbosity", "-lv")] = _env(
        "LLAMA_ARG_LOG_VERBOSITY",
        3,
        "1 logs errors, 2 adds warnings, 3 a line for each request, 4 and 5 details.",
        ge=0,
    )

    @field_validator("parallel")
    @classmethod
    def _choose_parallel(cls, value: int) -> int:
        if value == 0:
            raise ValueError("a server needs at least one slot; pass 1 or more, or -1 for the default")
        return 4 if value == -1 else value

    @field_validator("cache_disk")
    @classmethod
    def _check_cache_disk(cls, value: int | None) -> int | None:
        if value is not None and value < 1:
            # A limit of 0 would remove everything stored; whoever passes 0 wants no limit instead.
            raise ValueError("pass at least 1 MiB, or leave out --cache-dir to store nothing")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        if self.chat_template and self.chat_template_file is not None:
            raise ValueError("--chat-template and --chat-template-file exclude each other; pass one of them")
        if self.cache_disk is not None and self.cache_dir is None:
            raise ValueError("--cache-disk limits the size of --cache-dir; pass both, or neither")
        return self

    @property
    def model_name(self) -> str:
        """The name that responses give the model."""
        return self.alias[0] if self.alias else Path(self.model).name

    def sampling(self) -> SamplingParams:
        """The sampling defaults, for requests that set none."""
        names = ["seed", "temperature", "top_k", "top_p", "min_p", "repeat_last_n", "repeat_penalty"]
        names += ["presence_penalty", "frequency_penalty"]
        samplers = tuple(name for name in self.samplers.split(";") if name)
        return SamplingParams(**{name: getattr(self, name) for name in names}, samplers=samplers)
