"""Single tensors on a device: whether it can compute with one of a size, and copies to it and back."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from segue.engine import libllama

_F16 = 1
# More than what ggml keeps of a tensor besides its data.
_N_BYTES_TENSOR = 4096


@contextmanager
def device_tensor(device: str, n_bytes: int) -> Iterator[int]:
    """The handle of a tensor in a device's memory until the block ends. Raises MemoryError if there is no room."""
    library = libllama.ggml()
    backend = library.ggml_backend_dev_init(library.ggml_backend_dev_by_name(device.encode()), None)
    context = library.ggml_init(libllama.InitParams(_N_BYTES_TENSOR, None, True))
    tensor = library.ggml_new_tensor_1d(context, _F16, -(-n_bytes // 2))
    buffer = library.ggml_backend_alloc_ctx_tensors(context, backend) if backend else None
    try:
        if not buffer:
            raise MemoryError(f"{device} has no room for {n_bytes} bytes")
        yield tensor
    finally:
        if buffer:
            library.ggml_backend_buffer_free(buffer)
        library.ggml_free(context)
        if backend:
            library.ggml_backend_free(backend)


def copy_in(tensor: int, data: "ctypes.Array[ctypes.c_char]") -> None:
    """Copy host memory into a tensor of its size."""
    libllama.ggml().ggml_backend_tensor_set(tensor, data, 0, len(data))


def copy_out(tensor: int, data: "ctypes.Array[ctypes.c_char]") -> None:
    """Copy a tensor into host memory of its size."""
    libllama.ggml().ggml_backend_tensor_get(tensor, data, 0, len(data))


def holds_tensor(device: str, n_bytes: int) -> bool:
    """Whether a device can compute with a tensor of this size, if it has the memory: some APIs limit it.

    True for a name that is not a device's, such as that of several devices together.
    """
    library = libllama.ggml()
    handle = library.ggml_backend_dev_by_name(device.encode())
    if not handle:
        return True
    context = library.ggml_init(libllama.InitParams(_N_BYTES_TENSOR, None, True))
    try:
        tensor = library.ggml_new_tensor_1d(context, _F16, -(-n_bytes // 2))
        return bool(library.ggml_backend_dev_supports_op(handle, tensor))
    finally:
        library.ggml_free(context)
