"""A GGUF model: its weights, metadata and vocabulary."""

import ctypes
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import llama_cpp

from segue.engine import libllama
from segue.engine.errors import ModelError
from segue.engine.kv_overrides import Value, kv_overrides, replaced
from segue.engine.model_files import digest, has_mtp, has_tensor
from segue.engine.placement import TensorPlace, buffer_overrides
from segue.engine.vocabulary import Vocabulary
from segue.memory import MemoryKind

_ROPE_FACTORS = ("rope_factors_long.weight", "rope_factors_short.weight")
_SPLIT_MODES = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
_INT32_MAX = 2**31 - 1
_SECTIONED_ROPES = (llama_cpp.LLAMA_ROPE_TYPE_MROPE, llama_cpp.LLAMA_ROPE_TYPE_IMROPE)
_LOAD_MODES = {"auto": -1, "none": 0, "mmap": 1, "mlock": 2, "mmap+mlock": 3, "dio": 4}
_LAZY_MODES = {"off": 0, "auto": 1, "on": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParams:
    """The loading of a model: llama-server's `-ngl`, `--device`, split flags, memory mapping and metadata overrides.

    libllama chooses the `devices` if they are None; none at all keep the model and all computing on the CPU.
    `tensor_places` are patterns for single tensors, with the buffers to hold them; the first that matches counts.
    One that `is_dry` has no weights: its contexts tell what they would take, and cannot compute.
    If it `may_unload`, its vocabulary is loaded a second time, and outlives its weights.
    With `loads_mtp`, layers that predict further tokens are loaded too, where the file has them.
    """

    n_gpu_layers: int = -1
    devices: tuple[str, ...] | None = None
    split_mode: str = "layer"
    tensor_split: tuple[float, ...] = ()
    main_gpu: int = 0
    tensor_places: tuple[TensorPlace, ...] = ()
    load_mode: str = "auto"
    lazy_mode: str = "auto"
    repacks: bool = True
    avoids_host_buffers: bool = False
    checks_tensors: bool = False
    is_dry: bool = False
    overrides: tuple[tuple[str, Value], ...] = ()
    may_unload: bool = False
    loads_mtp: bool = False


class Model:
    """The weights of a GGUF file. Loading raises ModelError with one line for the user; reading is thread-safe.

    `on_progress` is called with the share loaded, 0 to 1, on the loading thread. `digest` identifies the weights.
    Contexts longer than `n_ctx_short_rope` use other RoPE factors; None if the model has one set, or none.
    If it `has_sections`, positions have several numbers each, for images, and may jump forward (M-RoPE).
    `n_ctx_most` is how many tokens it can attend to: its training context, or more if its file has RoPE scaling.
    If it `has_mtp`, its layers that predict further tokens are loaded.
    """

    def __init__(
        self, path: Path, params: ModelParams | None = None, on_progress: Callable[[float], None] | None = None
    ) -> None:
        libllama.start()
        _check_file(path)
        self.path = path
        with _reading(path):
            self.digest = digest(path)
        params = params or ModelParams()
        self.overrides = params.overrides
        with _reading(path):
            self.has_mtp = params.loads_mtp and has_mtp(path)
            has_rope_factors = has_tensor(path, *_ROPE_FACTORS)
        self._params = replace(params, loads_mtp=self.has_mtp)
        self.handle: int | None = None
        self.load(on_progress)
        # With more than one such layer, libllama would abort.
        self.has_mtp &= int(llama_cpp.llama_model_n_layer_nextn(self.handle)) == 1
        self._words = self.handle
        if self._params.may_unload:
            self._words = _load(path, ModelParams(overrides=self.overrides), None, vocab_only=True)
        self.vocabulary = Vocabulary(llama_cpp.llama_model_get_vocab(self._words))
        self.meta: Mapping[str, str] = replaced(self._read_meta(), self.overrides)
        if llama_cpp.llama_model_has_encoder(self.handle) or not llama_cpp.llama_model_has_decoder(self.handle):
            raise ModelError(f"{path.name} is not a decoder-only language model; Segue cannot serve it")
        self.n_swa = int(llama_cpp.llama_model_n_swa(self.handle))
        self.kind = self._kind()
        self.has_sections = llama_cpp.llama_model_rope_type(self.handle) in _SECTIONED_ROPES
        self.n_ctx_train = int(llama_cpp.llama_model_n_ctx_train(self.handle))
        self.n_ctx_most = max(self.n_ctx_train, self._n_ctx_scaled())
        self.n_ctx_short_rope = self._n_ctx_original() if has_rope_factors else None
        self.n_params = int(llama_cpp.llama_model_n_params(self.handle))
        self.n_embd = int(llama_cpp.llama_model_n_embd(self.handle))
        self.size_bytes = int(llama_cpp.llama_model_size(self.handle))
        self.active_bytes = int(self.size_bytes * self._active_share())
        self.description = self._describe()
        self.name = self.meta.get("general.name") or path.stem
        template = llama_cpp.llama_model_chat_template(self.handle, None)
        self.chat_template: str | None = template.decode("utf-8", "replace") if template else None

    def load(self, on_progress: Callable[[float], None] | None = None) -> None:
        """Load the weights, at first or after `unload`. Raises ModelError, also for a file that is not the same."""
        self.handle = _load(self.path, self._params, on_progress)
        # States computed with other weights must never be stored under the digest of this file.
        with _reading(self.path):
            is_same = digest(self.path) == self.digest
        if not is_same:
            self.unload()
            raise ModelError(f"{self.path} changed while it was loaded; start again once it is whole")

    def unload(self) -> None:
        """Free the weights, if they are loaded; all contexts of this model must be unloaded before."""
        if self.handle is not None:
            llama_cpp.llama_model_free(self.handle)
        self.handle = None

    def close(self) -> None:
        """Free the weights and the vocabulary; all contexts of this model must be closed before."""
        if self._words != self.handle:
            llama_cpp.llama_model_free(self._words)
        self.unload()

    def _kind(self) -> MemoryKind:
        if llama_cpp.llama_model_is_recurrent(self.handle):
            return MemoryKind.RECURRENT
        if llama_cpp.llama_model_is_hybrid(self.handle):
            return MemoryKind.HYBRID_WINDOW if self.n_swa > 0 else MemoryKind.HYBRID
        return MemoryKind.SLIDING_WINDOW if self.n_swa > 0 else MemoryKind.ATTENTION

    def _n_ctx_original(self) -> int:
        architecture = self.meta.get("general.architecture", "")
        return int(self.meta.get(f"{architecture}.rope.scaling.original_context_length", self.n_ctx_train))

    def _n_ctx_scaled(self) -> int:
        """The original context extended by RoPE scaling, or 0; most files already give it as the training context."""
        prefix = f"{self.meta.get('general.architecture', '')}.rope.scaling"
        n_ctx, factor = self.meta.get(f"{prefix}.original_context_length", "0"), self.meta.get(f"{prefix}.factor", "0")
        return int(int(n_ctx) * float(factor))

    def _active_share(self) -> float:
        """The share of the weights that one token uses; in a model with experts, all weights count as experts'."""
        architecture = self.meta.get("general.architecture", "")
        n_experts = int(self.meta.get(f"{architecture}.expert_count", 0))
        return int(self.meta.get(f"{architecture}.expert_used_count", n_experts)) / n_experts if n_experts else 1.0

    def _describe(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_desc(self.handle, buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace")

    def _read_meta(self) -> dict[str, str]:
        meta = {}
        key, value = ctypes.create_string_buffer(256), ctypes.create_string_buffer(4096)
        for i in range(llama_cpp.llama_model_meta_count(self.handle)):
            llama_cpp.llama_model_meta_key_by_index(self.handle, i, key, len(key))
            llama_cpp.llama_model_meta_val_str_by_index(self.handle, i, value, len(value))
            meta[key.value.decode("utf-8", "replace")] = value.value.decode("utf-8", "replace")
        return meta


@contextmanager
def open_vocabulary(path: Path) -> Iterator[Vocabulary]:
    """The vocabulary of a GGUF file until the block ends, without the weights. Raises ModelError."""
    libllama.start()
    _check_file(path)
    handle = _load(path, ModelParams(), None, vocab_only=True)
    try:
        yield Vocabulary(llama_cpp.llama_model_get_vocab(handle))
    finally:
        llama_cpp.llama_model_free(handle)


def _check_file(path: Path) -> None:
    if not path.exists():
        raise ModelError(f"no such model file: {path}")
    if not path.is_file():
        raise ModelError(f"not a file: {path}")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if magic != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file (it starts with {magic!r}); convert the model to GGUF first")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or path}: {error.strerror}") from error


def _load(
    path: Path, params: ModelParams, on_progress: Callable[[float], None] | None, *, vocab_only: bool = False
) -> int:
    native = llama_cpp.llama_model_default_params()
    native.vocab_only = vocab_only
    native.n_gpu_layers = min(max(params.n_gpu_layers, -1), _INT32_MAX)
    native.split_mode = _SPLIT_MODES[params.split_mode]
    native.main_gpu = min(params.main_gpu, _INT32_MAX)
    native.load_mode, native.lazy_mode = _LOAD_MODES[params.load_mode], _LAZY_MODES[params.lazy_mode]
    native.use_extra_bufts, native.no_host = params.repacks, params.avoids_host_buffers
    native.check_tensors = params.checks_tensors
    if params.is_dry:
        native.no_alloc, native.load_mode = True, _LOAD_MODES["none"]
    native.load_mtp = params.loads_mtp
    keep_alive: list[object] = []
    if params.overrides:
        overrides = kv_overrides(params.overrides)
        keep_alive.append(overrides)
        native.kv_overrides = overrides
    if params.devices is not None:
        try:
            devices = libllama.device_handles(params.devices)
        except ValueError as error:
            raise ModelError(f"--device: {error}") from error
        keep_alive.append(devices)
        native.devices = ctypes.cast(devices, ctypes.c_void_p)
    if params.tensor_places:
        try:
            places = buffer_overrides(params.tensor_places)
        except ValueError as error:
            raise ModelError(f"--override-tensor: {error}") from error
        keep_alive.append(places)
        native.tensor_buft_overrides = ctypes.cast(places, ctypes.c_void_p)
    if params.tensor_split:
        n_most = llama_cpp.llama_max_devices()
        if len(params.tensor_split) > n_most:
            raise ModelError(f"--tensor-split has {len(params.tensor_split)} shares, for at most {n_most} devices")
        split = (ctypes.c_float * n_most)(*params.tensor_split)
        keep_alive.append(split)
        native.tensor_split = split
    if on_progress:

        @llama_cpp.llama_progress_callback  # type: ignore[untyped-decorator]
        def progress(share: float, _data: object) -> bool:
            on_progress(share)
            return True

        keep_alive.append(progress)
        native.progress_callback = progress
    libllama.pop_errors()
    handle = llama_cpp.llama_model_load_from_file(str(path).encode(), native)
    if not handle:
        reason = "; ".join(libllama.pop_errors()) or "libllama gave no reason"
        raise ModelError(f"cannot load {path}: {reason}")
    return handle  # type: ignore[no-any-return]
