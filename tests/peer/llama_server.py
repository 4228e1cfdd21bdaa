"""llama-server as the wheel of xllamacpp holds it, behind llama-server's own flags.

Run: python llama_server.py --model model.gguf --port 8080 ...
It needs nothing of Segue's: it runs where xllamacpp is installed, which may be elsewhere. It serves until it is
told to stop.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xllamacpp
from xllamacpp import llama_pooling_type as pooling

_POOLINGS = {
    "none": pooling.LLAMA_POOLING_TYPE_NONE,
    "mean": pooling.LLAMA_POOLING_TYPE_MEAN,
    "cls": pooling.LLAMA_POOLING_TYPE_CLS,
    "last": pooling.LLAMA_POOLING_TYPE_LAST,
    "rank": pooling.LLAMA_POOLING_TYPE_RANK,
}
_VERBOSE = 10

Setter = Callable[[Any, str], None]


def _set(path: str, convert: Callable[[str], object] = int) -> Setter:
    """Set the attribute at a path of a CommonParams."""
    *parents, name = path.split(".")

    def set_(params: Any, text: str) -> None:
        for parent in parents:
            params = getattr(params, parent)
        setattr(params, name, convert(text))

    return set_


def _switch(path: str, value: object) -> Setter:
    return _set(path, lambda _: value)


def _rank(params: Any, _: str) -> None:
    params.embedding = True
    params.pooling_type = pooling.LLAMA_POOLING_TYPE_RANK


def _flash(text: str) -> object:
    return getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[text]}")


def _fit_target(params: Any, text: str) -> None:
    # The first counts where there are no devices.
    params.fit_params_target = [int(text) << 20, *params.fit_params_target[1:]]


_FLASH = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}


def _type(text: str) -> object:
    return getattr(xllamacpp.ggml_type, f"GGML_TYPE_{text.upper()}")


def _reasoning_format(text: str) -> object:
    return getattr(xllamacpp.common_reasoning_format, f"COMMON_REASONING_FORMAT_{text.upper().replace('-', '_')}")


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")}


def _list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")]


def _threads(params: Any, text: str) -> None:
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(text)


_VALUED: dict[str, Setter] = {
    "--model": _set("model.path", str),
    "--port": _set("port"),
    "--host": _set("hostnames", _list),
    "--temp": _set("sampling.temp", float),
    "--seed": _set("sampling.seed"),
    "--alias": _set("model_alias", _names),
    "--tags": _set("model_tags", _names),
    "--batch-size": _set("n_batch"),
    "--ubatch-size": _set("n_ubatch"),
    "--ctx-size": _set("n_ctx"),
    "--fit-target": _fit_target,
    "--fit-ctx": _set("fit_params_min_ctx"),
    "--parallel": _set("n_parallel"),
    "--predict": _set("n_predict"),
    "--n-predict": _set("n_predict"),
    "--threads": _threads,
    "--slot-save-path": _set("slot_save_path", lambda text: f"{text.rstrip('/')}/"),
    "--api-key": _set("api_keys", _list),
    "--pooling": _set("pooling_type", _POOLINGS.__getitem__),
    "-fa": _set("flash_attn_type", _flash),
    "-ctk": _set("cache_type_k", _type),
    "-ctv": _set("cache_type_v", _type),
    "--chat-template": _set("chat_template", str),
    "--chat-template-file": _set("chat_template", lambda text: Path(text).read_text()),
    "--reasoning": _set("enable_reasoning", {"on": 1, "off": 0, "auto": -1}.__getitem__),
    "--reasoning-format": _set("reasoning_format", _reasoning_format),
    "--cache-ram": _set("cache_ram_mib"),
    "--sleep-idle-seconds": _set("sleep_idle_seconds"),
    "--cors-origins": _set("cors_origins", str),
    "--media-path": _set("media_path", lambda text: f"{text.rstrip('/')}/"),
}
_SWITCHES: dict[str, Setter] = {
    "--embedding": _switch("embedding", True),
    "--embeddings": _switch("embedding", True),
    "--reranking": _rank,
    "--metrics": _switch("endpoint_metrics", True),
    "--props": _switch("endpoint_props", True),
    "--kv-unified": _switch("kv_unified", True),
    "--swa-full": _switch("swa_full", True),
    "--slots": _switch("endpoint_slots", True),
    "--no-slots": _switch("endpoint_slots", False),
    "--verbose": _switch("verbosity", _VERBOSE),
    "--context-shift": _switch("ctx_shift", True),
    "--no-ui": _switch("ui", False),
    "--jinja": _switch("use_jinja", True),
    "--no-jinja": _switch("use_jinja", False),
    "--no-mmproj": _switch("no_mmproj", True),
    "--no-cache-idle-slots": _switch("cache_idle_slots", False),
    "--offline": _switch("offline", True),
    "--cont-batching": _switch("cont_batching", True),
    "--backend_sampling": _switch("sampling.backend_sampling", True),
    "--ui-mcp-proxy": _switch("ui_mcp_proxy", True),
}


def params_of(arguments: list[str]) -> Any:
    """The parameters of a command line. Exits at a flag that is not in the tables."""
    params = xllamacpp.CommonParams()
    rest = iter(arguments)
    for name in rest:
        if name in _SWITCHES:
            _SWITCHES[name](params, "")
        elif name in _VALUED:
            _VALUED[name](params, next(rest))
        else:
            sys.exit(f"llama_server.py does not know {name}")
    return params


def main() -> None:
    """Serve."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = xllamacpp.Server(params_of(sys.argv[1:]))
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
