"""Fits a model to the devices of this machine, before its weights are loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from segue.engine.context_params import ContextParams
from segue.engine.devices import Device, DeviceKind, list_devices
from segue.engine.dry_run import DryContext, dry_context, dry_mtp_context, figures
from segue.engine.errors import ModelError
from segue.engine.layout import read_layout
from segue.engine.model import Model, ModelParams
from segue.engine.pattern_trial import matched_tensors
from segue.engine.placement import HOST
from segue.fit.asked import Asked
from segue.fit.buffers import N_CELLS_MEASURED
from segue.fit.choice import FitChoice
from segue.fit.choose import choose
from segue.fit.layout import ModelLayout
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.placement import Placement
from segue.fit.sizes import n_parked_most, n_seq_max

_POOLED = ("row", "tensor")
_MAPPED = ("auto", "mmap")
_TARGET_MIB = 1024
"""What stays free on devices for which a list of figures has none, as in llama-server."""
_COPIED_LEAST = 32 << 20


class Fitting:
    """A model without its weights, on which placements and sizes are tried. Close it before the model is loaded.

    `context` makes the parameters of a context with so many cells and sequences. One thread at a time; raises
    ModelError.
    """

    def __init__(self, path: Path, params: ModelParams, context: Callable[[int, int], ContextParams]) -> None:
        self._path = path
        self.model_params = params
        self._context = context
        self._contexts: dict[tuple[ModelParams, ContextParams], DryContext] = {}
        self._mtp_contexts: dict[ContextParams, DryContext] = {}
        self._n_batch_most = 1
        self._gpus = _used(list_devices(), params)
        self.model = self._dry(params)
        self._models = {params: self.model}
        self._layout = _layout(self.model)

    def close(self) -> None:
        """Free what was tried."""
        for model in self._models.values():
            model.close()

    def choose(self, asked: Asked, target_mib: Sequence[int], *, are_weights_loaded: bool = False) -> FitChoice:
        """Choose placement and sizes for what is free now. Raises FitError.

        `target_mib` shall stay free on each device; a single number stands for all.
        """
        # A context is no smaller for being tried as a larger one, but its batches would be larger.
        self._n_batch_most = (1 + asked.n_slots) * asked.n_ctx or asked.n_ctx_train
        small, large = (self._try(self.model_params, n_cells, 1) for n_cells in N_CELLS_MEASURED)
        memory = figures(self.model, self._params(1, 1), small, large)
        if self.model.has_mtp:
            # The layers for multi-token prediction attend as one of the others, with cells of their own.
            n_bytes_cell = max(layer.n_bytes_cell for layer in memory.layers)
            memory = memory.with_drafts(n_bytes_cell, self._mtp_buffers(asked, memory.n_bytes_row))
        cpu = next(device for device in list_devices() if device.kind is DeviceKind.CPU)
        # Cells are first joined in a separate buffer before they are loaded.
        has_copies = asked.is_unified and memory.n_bytes_cell > 0
        copied = max(_COPIED_LEAST, 2 * int(memory.n_bytes_state)) + int(memory.n_bytes_state) if has_copies else 0
        host = HostMemory(max(0, cpu.free_bytes - copied), cpu.total_bytes, self.maps_weights, are_weights_loaded)
        return choose(self._memories(target_mib), host, self._layout, memory, asked, self._compute)

    def params(self, placement: Placement) -> ModelParams:
        """The parameters that load the model so placed."""
        is_usual = len(self._gpus) == 1 and placement.n_on_devices > self.n_layers and not placement.override
        if not self._gpus or self._is_pooled or is_usual:
            return self.model_params
        places = self.model_params.tensor_places
        if placement.override:
            places = (*places, (placement.override, HOST))
        split = tuple(map(float, placement.n_on)) if len(self._gpus) > 1 and placement.n_on_devices else ()
        return replace(self.model_params, n_gpu_layers=placement.n_on_devices, tensor_split=split, tensor_places=places)

    @cached_property
    def tensor_places(self) -> tuple[tuple[frozenset[str], str], ...]:
        """The tensors that the user has placed, with the buffers for them; nothing without devices.

        libllama says which ones a pattern means, since its regular expressions are not Python's. Takes a second or two.
        """
        places = self.model_params.tensor_places if self.has_devices else ()
        if not places:
            return ()
        matched = matched_tensors(self._path, [pattern for pattern, _ in places])
        return tuple(zip(matched, (buffer for _, buffer in places), strict=True))

    @property
    def maps_weights(self) -> bool:
        """Whether weights in the host's memory are the file's own pages, which can leave it."""
        return self.model_params.load_mode in _MAPPED

    @property
    def has_devices(self) -> bool:
        """Whether anything but the host's memory can hold the model."""
        return bool(self._gpus)

    @property
    def n_layers(self) -> int:
        """The layers of the model, without its output."""
        return self._layout.n_layers

    @property
    def _is_pooled(self) -> bool:
        return self.model_params.split_mode in _POOLED and len(self._gpus) > 1

    def _memories(self, target_mib: Sequence[int]) -> list[DeviceMemory]:
        usual = target_mib[0] if len(target_mib) == 1 else _TARGET_MIB
        targets = [(target_mib[i] if i < len(target_mib) else usual) << 20 for i in range(len(self._gpus))]
        devices = [
            DeviceMemory(gpu.name, gpu.free_bytes, gpu.total_bytes, target, gpu.kind is DeviceKind.IGPU)
            for gpu, target in zip(self._gpus, targets, strict=True)
        ]
        if not self._is_pooled:
            return devices
        # Every layer lies on all of them, so the smallest decides.
        least = min(devices, key=lambda device: device.budget_bytes)
        count = len(devices)
        return [
            DeviceMemory(
                "+".join(device.name for device in devices),
                count * least.free_bytes,
                count * least.total_bytes,
                count * least.target_bytes,
                least.is_shared,
            )
        ]

    def _mtp_buffers(self, asked: Asked, n_bytes_row: int) -> int:
        """What multi-token prediction takes for computing, with a row for each sequence that there may be."""
        params = self._params(N_CELLS_MEASURED[1], 1)
        if params not in self._mtp_contexts:
            self._mtp_contexts[params] = dry_mtp_context(self.model, params)
        n_bytes = sum(self._mtp_contexts[params].buffers.values())
        return n_bytes + n_bytes_row * (n_seq_max(asked, n_parked_most(asked)) - 1)

    def _compute(self, placement: Placement, n_cells: int, n_seq_max: int) -> Mapping[str, int]:
        buffers = self._try(self.params(placement), n_cells, n_seq_max).buffers
        if not self._is_pooled:
            return buffers
        names = [gpu.name for gpu in self._gpus]
        most = max(buffers.get(name, 0) for name in names)
        return {"+".join(names): most * len(names), **{n: size for n, size in buffers.items() if n not in names}}

    def _try(self, params: ModelParams, n_cells: int, n_seq_max: int) -> DryContext:
        context = self._params(n_cells, n_seq_max)
        key = (params, context)
        if key not in self._contexts:
            if params not in self._models:
                self._models[params] = self._dry(params)
            self._contexts[key] = dry_context(self._models[params], context)
        return self._contexts[key]

    def _params(self, n_cells: int, n_seq_max: int) -> ContextParams:
        params = self._context(n_cells, n_seq_max)
        return replace(params, n_ubatch=max(1, min(params.n_ubatch, params.n_batch, self._n_batch_most)))

    def _dry(self, params: ModelParams) -> Model:
        return Model(self._path, replace(params, is_dry=True))


def _layout(model: Model) -> ModelLayout:
    try:
        return read_layout(model.path, model.meta, loads_mtp=model.has_mtp)
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or model.path}: {error.strerror}") from error


def _used(devices: Sequence[Device], params: ModelParams) -> list[Device]:
    """The devices that libllama uses with these parameters, in its order."""
    gpus = [device for device in devices if device.is_gpu]
    if params.devices is not None:
        named = {device.name: device for device in devices}
        gpus = [named[name] for name in params.devices if name in named]
    elif any(device.kind is DeviceKind.GPU for device in gpus):
        gpus = [device for device in gpus if device.kind is DeviceKind.GPU]
    if params.split_mode == "none" and gpus:
        gpus = gpus[params.main_gpu : params.main_gpu + 1] if params.main_gpu >= 0 else []
    return gpus
