"""libllama's functions for multi-token prediction: exported, but with C++ names, and part of no stable interface."""

import ctypes
import functools
from dataclasses import dataclass
from typing import Any, Final, cast

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from segue.engine import libllama

Rows = NDArray[np.float32]

_FLOATS = ctypes.POINTER(ctypes.c_float)
_NAMES: Final = {
    "set_rows": (
        "llama_set_embeddings_nextn",
        "_Z26llama_set_embeddings_nextnP13llama_contextbb",
        "?llama_set_embeddings_nextn@@YAXPEAUllama_context@@_N1@Z",
    ),
    "rows": (
        "llama_get_embeddings_nextn",
        "_Z26llama_get_embeddings_nextnP13llama_context",
        "?llama_get_embeddings_nextn@@YAPEAMPEAUllama_context@@@Z",
    ),
}
"""Each function under its names: the plain one, and those that compilers for Unix and for Windows give it."""


@dataclass(frozen=True, slots=True)
class NextN:
    """The functions: contexts hand out the hidden row of each token that they read, as the model's last block left it.

    libllama can limit the rows to the tokens whose logits are asked for. Of draft contexts it then hands out wrong
    ones, unless these are all tokens.
    """

    _set_rows: Any
    _rows: Any

    def keep_rows(self, context: int) -> None:
        """Let a context keep the hidden rows of each call."""
        self._set_rows(context, True, False)

    def rows(self, context: int, n: int, n_embd: int) -> Rows:
        """The rows of the `n` tokens of the last call, in the order of the batch; a view, valid until the next call."""
        return cast(Rows, np.ctypeslib.as_array(self._rows(context), (n, n_embd)))


@functools.cache
def find_nextn() -> NextN | None:
    """The functions, None where this build of libllama lacks one of them."""
    libllama.start()
    set_rows, rows = (_find(names) for names in _NAMES.values())
    if set_rows is None or rows is None:
        return None
    set_rows.restype, set_rows.argtypes = None, [ctypes.c_void_p, ctypes.c_bool, ctypes.c_bool]
    rows.restype, rows.argtypes = _FLOATS, [ctypes.c_void_p]
    return NextN(set_rows, rows)


def _find(names: tuple[str, ...]) -> Any:
    library = llama_cpp.llama_cpp._lib
    return next((getattr(library, name) for name in names if hasattr(library, name)), None)
