"""Starts libllama once, and passes its log to Python's logging."""

import ctypes
import errno
import functools
import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import llama_cpp

log = logging.getLogger(__name__)

_ERROR = 4
# Graphics cards, and graphics that are part of a processor.
_GPUS = (1, 2)
_TEXT = 8
_NUMA = {"distribute": 1, "isolate": 2, "numactl": 3}


class _Errors(threading.local):
    """The error lines of one thread: libllama logs errors on the thread that called it."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=8)


_errors = _Errors()


class _GgufParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _data: object) -> None:
    line = text.decode("utf-8", "replace").rstrip()
    if level == _ERROR and line:
        _errors.lines.append(line)
    if log.isEnabledFor(logging.DEBUG) and line:
        log.debug("%s", line)


@functools.cache
def start() -> None:
    """Start libllama; further calls do nothing. Its messages go to this module's logger at debug level."""
    llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def use_numa(strategy: str) -> None:
    """Prepare for a machine with several NUMA nodes, before a model is loaded; one of llama-server's `--numa`."""
    start()
    llama_cpp.llama_numa_init(_NUMA[strategy])


def version() -> str:
    """The version of the binding, and that of its library, which the user may have replaced."""
    return f"{llama_cpp.__version__}, ggml {_ggml().ggml_version().decode()}"


def pop_errors() -> list[str]:
    """Return and clear the latest error lines of libllama on this thread, oldest first."""
    lines = list(_errors.lines)
    _errors.lines.clear()
    return lines


def has_tensor(path: Path, names: Iterable[str]) -> bool:
    """Whether a GGUF file has a tensor of one of these names. Raises OSError."""
    with _opened(path) as handle:
        return any(_ggml().gguf_find_tensor(handle, name.encode()) >= 0 for name in names)


def architecture(path: Path) -> str:
    """The architecture that a GGUF file names, empty if it names none. Raises OSError."""
    with _opened(path) as handle:
        key = _ggml().gguf_find_key(handle, b"general.architecture")
        is_text = key >= 0 and _ggml().gguf_get_kv_type(handle, key) == _TEXT
        return _ggml().gguf_get_val_str(handle, key).decode("utf-8", "replace") if is_text else ""


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = _ggml().gguf_init_from_file(str(path).encode(), _GgufParams(no_alloc=True))
    if not handle:
        raise OSError(errno.EINVAL, "not a complete GGUF file", str(path))
    try:
        yield handle
    finally:
        _ggml().gguf_free(handle)


def device_handles(names: tuple[str, ...]) -> "ctypes.Array[ctypes.c_void_p]":
    """The handles of the named devices, null-terminated as libllama requires. Raises ValueError for an unknown name."""
    ggml = _ggml()
    handles = []
    for name in names:
        handle = ggml.ggml_backend_dev_by_name(name.encode())
        if not handle:
            known = ", ".join(device_names()) or "none"
            raise ValueError(f"no device named {name!r}; this build of libllama has: {known}")
        handles.append(handle)
    return (ctypes.c_void_p * (len(handles) + 1))(*handles, None)


def has_gpu() -> bool:
    """Whether this build of libllama finds a GPU."""
    ggml = _ggml()
    devices = (ggml.ggml_backend_dev_get(i) for i in range(ggml.ggml_backend_dev_count()))
    return any(ggml.ggml_backend_dev_type(device) in _GPUS for device in devices)


def device_names() -> list[str]:
    """The names of the devices that this build of libllama can use."""
    ggml = _ggml()
    count = ggml.ggml_backend_dev_count()
    return [ggml.ggml_backend_dev_name(ggml.ggml_backend_dev_get(i)).decode() for i in range(count)]


@functools.cache
def _ggml() -> ctypes.CDLL:
    start()
    library = llama_cpp.llama_cpp._lib
    signatures: dict[str, tuple[object, list[object]]] = {
        "ggml_backend_dev_by_name": (ctypes.c_void_p, [ctypes.c_char_p]),
        "ggml_backend_dev_count": (ctypes.c_size_t, []),
        "ggml_backend_dev_get": (ctypes.c_void_p, [ctypes.c_size_t]),
        "ggml_backend_dev_type": (ctypes.c_int, [ctypes.c_void_p]),
        "ggml_backend_dev_name": (ctypes.c_char_p, [ctypes.c_void_p]),
        "ggml_version": (ctypes.c_char_p, []),
        "gguf_init_from_file": (ctypes.c_void_p, [ctypes.c_char_p, _GgufParams]),
        "gguf_find_tensor": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        "gguf_find_key": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        "gguf_get_kv_type": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_get_val_str": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_free": (None, [ctypes.c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library  # type: ignore[no-any-return]
