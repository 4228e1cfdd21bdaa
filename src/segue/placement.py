"""Where the weights of a model lie, by the settings."""

import logging

from segue.engine import libllama
from segue.engine.model import ModelParams
from segue.settings import Settings

log = logging.getLogger(__name__)

# What the flags that place a model are by default.
_NO_PLACES: tuple[object, ...] = ("auto", [])


def model_params(settings: Settings) -> ModelParams:
    """How to load a model, and where to put its layers."""
    if not libllama.has_gpu():
        settings = _without_gpus(settings)
    layers = settings.n_gpu_layers
    no_devices = settings.device == ["none"]
    return ModelParams(
        n_gpu_layers=0 if no_devices else layers if isinstance(layers, int) else -1,
        devices=() if no_devices else tuple(settings.device),
        split_mode=settings.split_mode,
        tensor_split=tuple(settings.tensor_split),
        main_gpu=settings.main_gpu,
        load_mode=settings.load_mode,
        lazy_mode=settings.lazy_mode,
        repacks=settings.repack,
        avoids_host_buffers=settings.no_host,
        checks_tensors=settings.check_tensors,
        overrides=tuple(settings.override_kv),
    )


def _without_gpus(settings: Settings) -> Settings:
    """The settings for a libllama without a GPU: where a line places the model changes no reply."""
    plain = {"n_gpu_layers": 0, "device": ["none"], "split_mode": "layer", "tensor_split": [], "main_gpu": 0}
    unlike = [name for name, value in plain.items() if getattr(settings, name) not in (value, *_NO_PLACES)]
    if unlike:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unlike)
        log.warning("libllama finds no GPU: the model runs on the CPU, without regard to %s", flags)
    return settings.model_copy(update=plain)
