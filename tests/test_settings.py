"""Settings from flags and variables."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from segue.engine.sampling import SamplingParams
from segue.settings import Settings


def test_defaults_are_llama_servers() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.ctx_size, settings.parallel) == ("127.0.0.1", 8080, 0, 4)
    assert (settings.batch_size, settings.ubatch_size, settings.sse_ping_interval) == (2048, 512, 30)
    assert settings.cache_ram is None
    assert settings.sampling() == SamplingParams()


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "LLAMA_ARG_MODEL": "m.gguf",
        "LLAMA_ARG_N_PARALLEL": "-1",
        "LLAMA_ARG_N_GPU_LAYERS": "all",
        "LLAMA_ARG_CACHE_PROMPT": "disabled",
        "LLAMA_ARG_ENDPOINT_SLOTS": "0",
        "LLAMA_ARG_ALIAS": "a, b",
        "LLAMA_ARG_TENSOR_SPLIT": "3,1",
        "LLAMA_ARG_OVERRIDE_TENSOR": "exps=CPU,attn=Vulkan0",
        "LLAMA_ARG_CPU_MOE": "1",
        "LLAMA_ARG_N_CPU_MOE": "7",
        "LLAMA_ARG_CHAT_TEMPLATE_KWARGS": '{"a": 1}',
        "LLAMA_API_KEY": "k1,k2",
        "LLAMA_ARG_REASONING": "off",
        "LLAMA_ARG_THINK": "none",
        "LLAMA_ARG_THINK_BUDGET": "0",
        "LLAMA_ARG_THINK_BUDGET_MESSAGE": "Enough.",
        "LLAMA_ARG_TEMPERATURE": "0.1",
        "LLAMA_ARG_PRESENCE_PENALTY": "0.2",
        "LLAMA_ARG_FREQUENCY_PENALTY": "0.3",
        "SEGUE_REPRODUCIBLE": "true",
        "SEGUE_CACHE_PARKED": "64",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.model, settings.parallel, settings.n_gpu_layers) == ("m.gguf", 4, "all")
    assert (settings.cache_prompt, settings.slots, settings.reproducible) == (False, False, True)
    assert (settings.alias, settings.tensor_split, settings.cache_parked) == (["a", "b"], (3.0, 1.0), 64)
    assert settings.override_tensor == [("exps", "CPU"), ("attn", "Vulkan0")]
    assert (settings.cpu_moe, settings.n_cpu_moe, settings.n_cpu_ffn) == (True, 7, 0)
    assert (settings.chat_template_kwargs, settings.api_key) == ({"a": 1}, ["k1", "k2"])
    assert (settings.reasoning, settings.reasoning_format, settings.reasoning_budget) == ("off", "none", 0)
    assert settings.reasoning_budget_message == "Enough."
    sampling = settings.sampling()
    assert (sampling.temperature, sampling.presence_penalty, sampling.frequency_penalty) == (0.1, 0.2, 0.3)


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_PORT", "1234")
    assert Settings().port == 1234
    assert Settings(port=99).port == 99


def test_unrelated_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "MODEL", "SEED", "DEVICE", "TEMPERATURE"):
        monkeypatch.setenv(name, "7")
    assert Settings() == Settings(host="127.0.0.1")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"alias": ["first", "second"], "model": "/x/y.gguf"}, "first"),
        ({"model": "/x/y.gguf"}, "y.gguf"),
        ({"model": "/x/y.gguf", "hf_repo": "user/y:Q8_0"}, "user/y:Q8_0"),
        ({"model": str(Path("z.gguf"))}, "z.gguf"),
    ],
)
def test_the_models_name(settings: dict[str, Any], name: str) -> None:
    assert Settings(**settings).model_name == name


@pytest.mark.parametrize(
    "settings",
    [
        {"port": 65536},
        {"parallel": 0},
        {"ctx_size": -1},
        {"n_gpu_layers": "some"},
        {"cache_ram": -2},
        {"cache_type_k": "q3"},
        {"load_mode": "fast"},
        {"temperature": "hot"},
        {"chat_template_kwargs": "[1"},
        {"chat_template_kwargs": "[1]"},
        {"tensor_split": "a,b"},
        {"chat_template": "x", "chat_template_file": "y"},
        {"cache_dir": ""},
        {"slot_save_path": ""},
        {"cache_dir": "x", "cache_disk": 0},
        {"cache_disk": 5},
        {"no_such_setting": 1},
        {"chat_template_kwargs": {"enable_thinking": "false"}},
        {"chat_template_kwargs": '{"messages": []}'},
        {"timeout": 10**400},
        {"sse_ping_interval": 10**400},
        {"embd_normalize": 10**400},
        {"cors_origins": "https://ä.example"},
        {"cors_methods": "GET\r\nX: y"},
        {"cors_headers": "€"},
    ],
)
def test_values_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**settings)


def test_an_empty_variable_is_not_the_current_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_CACHE_DIR", "")
    with pytest.raises(ValidationError, match="the path is empty"):
        Settings()


def test_keys_are_not_shown() -> None:
    assert "sesame" not in repr(Settings(api_key=["sesame"]))
