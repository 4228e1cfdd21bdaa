"""Which model to serve, and how to load it."""

from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import Group
from pydantic import BeforeValidator, field_validator
from pydantic_settings import NoDecode

from segue.settings.fields import INT32_MAX, Csv, LastCsv, LastCsvNumbers, OnOff, SettingsGroup, Switch, env, flag, own

_MODEL = Group("Model", sort_key=1)

LoadMode = Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"]
Override = tuple[str, bool | int | float | str]
TensorPlace = tuple[str, str]


def _pairs(value: object, read: Callable[[str], tuple[str, object]]) -> object:
    """From texts, comma-separated, to pairs."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        return value
    texts = [item for part in parts if isinstance(part, str) for item in part.split(",") if item]
    return [read(text) for text in texts] + [part for part in parts if not isinstance(part, str)]


def _overrides(value: object) -> object:
    return _pairs(value, _override)


def _tensor_places(value: object) -> object:
    return _pairs(value, _tensor_place)


def _tensor_place(text: str) -> TensorPlace:
    pattern, _, buffer = text.partition("=")
    if not (pattern and buffer):
        raise ValueError(f"{text!r} is not PATTERN=BUFFER; commas separate these, so that a pattern can have none")
    return pattern, buffer


def _override(text: str) -> Override:
    key, _, rest = text.partition("=")
    kind, colon, value = rest.partition(":")
    form = f"{text!r} is not KEY=TYPE:VALUE with int, float, bool or str as its type"
    if not (key and colon) or max(len(key.encode()), len(value.encode())) > 127:
        raise ValueError(form)
    if kind == "bool" and value in ("true", "false"):
        return key, value == "true"
    if kind in ("int", "float"):
        return key, int(value) if kind == "int" else float(value)
    if kind == "str":
        return key, value
    raise ValueError(form)


class ModelSettings(SettingsGroup):
    """Which model to serve, and how to load it."""

    model: Annotated[str, flag(_MODEL, "--model", "-m", is_empty=True)] = env(
        "LLAMA_ARG_MODEL", "", "The GGUF file, or the first part of a split one."
    )
    model_url: Annotated[str, flag(_MODEL, "--model-url", "-mu", is_empty=True)] = env(
        "LLAMA_ARG_MODEL_URL", "", "Where llama-server downloaded the model from, if it is in llama.cpp's cache."
    )
    hf_repo: Annotated[str, flag(_MODEL, "--hf-repo", "-hf", "-hfr", is_empty=True)] = env(
        "LLAMA_ARG_HF_REPO", "", "The model's repository on Hugging Face: USER/MODEL, or USER/MODEL:QUANT."
    )
    hf_file: Annotated[str, flag(_MODEL, "--hf-file", "-hff", is_empty=True)] = env(
        "LLAMA_ARG_HF_FILE", "", "The file in --hf-repo, in place of the one that the quantisation names."
    )
    hf_token: Annotated[str, flag(_MODEL, "--hf-token", "-hft", is_empty=True)] = env(
        "HF_TOKEN", "", "The access token for Hugging Face.", repr=False
    )
    offline: Annotated[Switch, flag(_MODEL, "--offline")] = env(
        "LLAMA_ARG_OFFLINE", False, "Take --hf-repo from the caches of this machine alone."
    )
    alias: Annotated[Csv, flag(_MODEL, "--alias", "-a", is_empty=True)] = env(
        "LLAMA_ARG_ALIAS",
        [],
        "Names of the model for clients, comma-separated; responses show the one that sorts first."
        " By default the file's name.",
    )
    tags: Annotated[Csv, flag(_MODEL, "--tags", is_empty=True)] = env(
        "LLAMA_ARG_TAGS", [], "Tags that GET /v1/models shows, comma-separated."
    )
    override_kv: Annotated[
        list[Override],
        NoDecode,
        BeforeValidator(_overrides),
        flag(_MODEL, "--override-kv", is_empty=True),
    ] = own([], "Metadata of the file to replace, as KEY=TYPE:VALUE, comma-separated; types: int, float, bool, str.")
    n_gpu_layers: Annotated[int | Literal["auto", "all"], flag(_MODEL, "--n-gpu-layers", "--gpu-layers", "-ngl")] = env(
        "LLAMA_ARG_N_GPU_LAYERS", "auto", "Layers to put on GPUs: a number, auto or all."
    )
    device: Annotated[LastCsv, flag(_MODEL, "--device", "-dev", is_empty=True)] = env(
        "LLAMA_ARG_DEVICE", (), "Devices to use, comma-separated; none keeps the whole model on the CPU."
    )
    split_mode: Annotated[Literal["none", "layer", "row", "tensor"], flag(_MODEL, "--split-mode", "-sm")] = env(
        "LLAMA_ARG_SPLIT_MODE", "layer", "How to split the model over GPUs."
    )
    tensor_split: Annotated[LastCsvNumbers, flag(_MODEL, "--tensor-split", "-ts", is_empty=True)] = env(
        "LLAMA_ARG_TENSOR_SPLIT", (), "Shares of the GPUs, comma-separated, such as 3,1."
    )
    main_gpu: Annotated[int, flag(_MODEL, "--main-gpu", "-mg")] = env(
        "LLAMA_ARG_MAIN_GPU",
        0,
        "The GPU, counted from 0, for a model that is not split; -1 is the CPU.",
        ge=-1,
        le=INT32_MAX,
    )
    override_tensor: Annotated[
        list[TensorPlace],
        NoDecode,
        BeforeValidator(_tensor_places),
        flag(_MODEL, "--override-tensor", "-ot", is_empty=True),
    ] = env(
        "LLAMA_ARG_OVERRIDE_TENSOR",
        [],
        "Buffers for single tensors, as PATTERN=BUFFER, comma-separated: PATTERN is a regular expression, BUFFER the"
        " name of a device, such as CPU. The first that matches counts, before the flags below.",
    )
    cpu_moe: Annotated[Switch, flag(_MODEL, "--cpu-moe", "-cmoe")] = env(
        "LLAMA_ARG_CPU_MOE", False, "Keep all experts in host memory."
    )
    n_cpu_moe: Annotated[int, flag(_MODEL, "--n-cpu-moe", "-ncmoe")] = env(
        "LLAMA_ARG_N_CPU_MOE", 0, "Keep the experts of the first N layers in host memory.", ge=0
    )
    n_cpu_ffn: Annotated[int, flag(_MODEL, "--n-cpu-ffn", "-ncffn")] = env(
        "LLAMA_ARG_N_CPU_FFN", 0, "Keep the dense feed-forward weights of the first N layers in host memory.", ge=0
    )
    load_mode: Annotated[LoadMode, flag(_MODEL, "--load-mode", "-lm")] = env(
        "LLAMA_ARG_LOAD_MODE", "auto", "How to hold the file in memory; mlock keeps it from being swapped out."
    )
    lazy_mode: Annotated[Literal["auto", "on", "off"], OnOff, flag(_MODEL, "--lazy-mode", "-lzm")] = env(
        "LLAMA_ARG_LAZY_MODE", "auto", "Whether to read the rows of some large tensors from disk as they are needed."
    )
    numa: Annotated[Literal["", "distribute", "isolate", "numactl"], flag(_MODEL, "--numa", is_empty=True)] = env(
        "LLAMA_ARG_NUMA", "", "How to use a machine with several NUMA nodes."
    )
    repack: Annotated[Switch, flag(_MODEL, "--repack", negative=("-nr", "--no-repack"))] = env(
        "LLAMA_ARG_REPACK", True, "Rearrange weights for the CPU's instructions."
    )
    no_host: Annotated[Switch, flag(_MODEL, "--no-host")] = env(
        "LLAMA_ARG_NO_HOST", False, "Keep weights out of pinned host memory, so that other buffers may hold them."
    )
    check_tensors: Annotated[Switch, flag(_MODEL, "--check-tensors")] = own(
        False, "Look for invalid values in the weights while loading."
    )

    @field_validator("tensor_split", mode="before")
    @classmethod
    def _take_slashes(cls, value: object) -> object:
        return value.replace("/", ",") if isinstance(value, str) else value
