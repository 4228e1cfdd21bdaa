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
_CPU = 0
# Graphics cards, and graphics that are part of a processor.
_GPUS = (1, 2)
_TEXT = 8
_NUMA = {"distribute": 1, "isolate": 2, "numactl": 3}


_SizePointer = ctypes.POINTER(ctypes.c_size_t)


class _Lines(threading.local):
    """The error lines of one thread, and all lines while it records: libllama logs on the thread that called it."""

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=8)
        self.recorded: list[str] | None = None


_lines = _Lines()


class InitParams(ctypes.Structure):
    """How ggml makes a context for tensors."""

    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


class _GgufParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _on_log(level: int, text: bytes, _data: object) -> None:
    line = text.decode("utf-8", "replace").rstrip()
    if level == _ERROR and line:
        _lines.errors.append(line)
    if _lines.recorded is not None:
        _lines.recorded.append(line)
    if log.isEnabledFor(logging.DEBUG) and line:
        log.debug("%s", line)


@functools.cache
def start() -> None:
    """Start libllama; further calls do nothing. Its messages go to this module's logger at debug level."""
    llama_cpp.llama_log_set(_on_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()


def system_info() -> str:
    """The features that libllama was built with, by backend: `CPU : AVX2 = 1 | FMA = 1 | `."""
    start()
    return llama_cpp.llama_print_system_info().decode()  # type: ignore[no-any-return]


def use_numa(strategy: str) -> None:
    """Prepare for a machine with several NUMA nodes, before a model is loaded; one of llama-server's `--numa`."""
    start()
    llama_cpp.llama_numa_init(_NUMA[strategy])


def version() -> str:
    """The version of the binding, and that of its library, which the user may have replaced."""
    return f"{llama_cpp.__version__}, ggml {ggml().ggml_version().decode()}"


def pop_errors() -> list[str]:
    """Return and clear the latest error lines of libllama on this thread, oldest first."""
    lines = list(_lines.errors)
    _lines.errors.clear()
    return lines


@contextmanager
def recorded() -> Iterator[list[str]]:
    """All lines that libllama logs on this thread until the block ends; lines of debugging among them.

    A block within has its lines for itself.
    """
    start()
    outer, lines = _lines.recorded, list[str]()
    _lines.recorded = lines
    try:
        yield lines
    finally:
        _lines.recorded = outer


def has_tensor(path: Path, names: Iterable[str]) -> bool:
    """Whether a GGUF file has a tensor of one of these names. Raises OSError."""
    with _gguf(path) as handle:
        return any(ggml().gguf_find_tensor(handle, name.encode()) >= 0 for name in names)


def architecture(path: Path) -> str:
    """The architecture that a GGUF file names, empty if it names none. Raises OSError."""
    with _gguf(path) as handle:
        key = ggml().gguf_find_key(handle, b"general.architecture")
        is_text = key >= 0 and ggml().gguf_get_kv_type(handle, key) == _TEXT
        return ggml().gguf_get_val_str(handle, key).decode("utf-8", "replace") if is_text else ""


def tensor_sizes(path: Path) -> list[tuple[str, int]]:
    """The names of a GGUF file's tensors, with their bytes. Raises OSError."""
    library = ggml()
    with _gguf(path) as handle:
        count = range(library.gguf_get_n_tensors(handle))
        return [
            (library.gguf_get_tensor_name(handle, i).decode(), int(library.gguf_get_tensor_size(handle, i)))
            for i in count
        ]


def complete_bytes(path: Path) -> int:
    """How many bytes a GGUF file has by its header. Raises OSError."""
    library = ggml()
    with _gguf(path) as handle:
        count = range(library.gguf_get_n_tensors(handle))
        ends = [library.gguf_get_tensor_offset(handle, i) + library.gguf_get_tensor_size(handle, i) for i in count]
        return int(library.gguf_get_data_offset(handle)) + max(ends) if ends else 0


@contextmanager
def _gguf(path: Path) -> Iterator[int]:
    """The handle of a GGUF file's header until the block ends."""
    library = ggml()
    handle = library.gguf_init_from_file(str(path).encode(), _GgufParams(no_alloc=True))
    if not handle:
        raise OSError(errno.EINVAL, "not a complete GGUF file", str(path))
    try:
        yield handle
    finally:
        library.gguf_free(handle)


def device_handles(names: tuple[str, ...]) -> "ctypes.Array[ctypes.c_void_p]":
    """The handles of the named devices, null-terminated as libllama requires. Raises ValueError for an unknown name.

    The CPU is not among them: it holds whatever is on no other device.
    """
    library = ggml()
    handles = []
    for name in names:
        handle = library.ggml_backend_dev_by_name(name.encode())
        if not handle or library.ggml_backend_dev_type(handle) == _CPU:
            known = ", ".join(name for i, name in enumerate(device_names()) if device_type(i) != _CPU)
            advice = f"it has {known}; none keeps the model on the CPU" if known else "it has none but the CPU"
            raise ValueError(f"this build of libllama has no device named {name!r} to use; {advice}")
        handles.append(handle)
    return (ctypes.c_void_p * (len(handles) + 1))(*handles, None)


def n_devices() -> int:
    """How many devices this build of libllama finds."""
    return int(ggml().ggml_backend_dev_count())


def device_name(index: int) -> str:
    """The name of a device, such as CPU or Vulkan0."""
    library = ggml()
    return library.ggml_backend_dev_name(library.ggml_backend_dev_get(index)).decode()  # type: ignore[no-any-return]


def device_description(index: int) -> str:
    """The name of a device's hardware, as its driver gives it."""
    library = ggml()
    text: bytes = library.ggml_backend_dev_description(library.ggml_backend_dev_get(index))
    return text.decode("utf-8", "replace")


def device_type(index: int) -> int:
    """The type of a device: ggml's 0 for a CPU, 1 for a GPU, 2 for an integrated one, 3 for an accelerator."""
    library = ggml()
    return int(library.ggml_backend_dev_type(library.ggml_backend_dev_get(index)))


def device_memory(index: int) -> tuple[int, int]:
    """The free and the total bytes of a device's memory, as its driver gives them."""
    library = ggml()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.ggml_backend_dev_memory(library.ggml_backend_dev_get(index), ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def buffer_types() -> dict[str, int]:
    """The handles of the types of buffers that may hold weights, by name: one for each device that has memory."""
    library = ggml()
    handles = (
        library.ggml_backend_dev_buffer_type(library.ggml_backend_dev_get(index)) for index in range(n_devices())
    )
    return {library.ggml_backend_buft_name(handle).decode(): handle for handle in handles if handle}


def has_gpu() -> bool:
    """Whether this build of libllama finds a GPU."""
    return any(device_type(index) in _GPUS for index in range(n_devices()))


def device_names() -> list[str]:
    """The names of the devices that this build of libllama can use."""
    return [device_name(index) for index in range(n_devices())]


@functools.cache
def ggml() -> ctypes.CDLL:
    """The library, with the signatures of the functions that Segue calls; those of libllama are in the binding."""
    start()
    library = llama_cpp.llama_cpp._lib
    signatures: dict[str, tuple[object, list[object]]] = {
        "ggml_backend_dev_by_name": (ctypes.c_void_p, [ctypes.c_char_p]),
        "ggml_backend_dev_count": (ctypes.c_size_t, []),
        "ggml_backend_dev_get": (ctypes.c_void_p, [ctypes.c_size_t]),
        "ggml_backend_dev_type": (ctypes.c_int, [ctypes.c_void_p]),
        "ggml_backend_dev_name": (ctypes.c_char_p, [ctypes.c_void_p]),
        "ggml_backend_dev_description": (ctypes.c_char_p, [ctypes.c_void_p]),
        "ggml_backend_dev_memory": (None, [ctypes.c_void_p, _SizePointer, _SizePointer]),
        "ggml_backend_dev_buffer_type": (ctypes.c_void_p, [ctypes.c_void_p]),
        "ggml_backend_buft_name": (ctypes.c_char_p, [ctypes.c_void_p]),
        "ggml_init": (ctypes.c_void_p, [InitParams]),
        "ggml_new_tensor_1d": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int64]),
        "ggml_free": (None, [ctypes.c_void_p]),
        "ggml_backend_dev_init": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
        "ggml_backend_free": (None, [ctypes.c_void_p]),
        "ggml_backend_alloc_ctx_tensors": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]),
        "ggml_backend_buffer_free": (None, [ctypes.c_void_p]),
        "ggml_backend_tensor_set": (
            None,
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t],
        ),
        "ggml_backend_tensor_get": (
            None,
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t],
        ),
        "ggml_backend_dev_supports_op": (ctypes.c_bool, [ctypes.c_void_p, ctypes.c_void_p]),
        "ggml_version": (ctypes.c_char_p, []),
        "gguf_init_from_file": (ctypes.c_void_p, [ctypes.c_char_p, _GgufParams]),
        "gguf_find_tensor": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        "gguf_get_n_tensors": (ctypes.c_int64, [ctypes.c_void_p]),
        "gguf_get_tensor_name": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_get_tensor_size": (ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_get_data_offset": (ctypes.c_size_t, [ctypes.c_void_p]),
        "gguf_get_tensor_offset": (ctypes.c_size_t, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_find_key": (ctypes.c_int64, [ctypes.c_void_p, ctypes.c_char_p]),
        "gguf_get_kv_type": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_get_val_str": (ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int64]),
        "gguf_free": (None, [ctypes.c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library  # type: ignore[no-any-return]
