"""From settings to a running loop."""

import logging
import shutil
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llguidance import LLTokenizer
from numpy.typing import NDArray

from segue.api.replies.normalization import normalized
from segue.build import Built, build
from segue.drafting.tree import N_BYTES_MOST
from segue.engine import libllama
from segue.engine.base import Chunk
from segue.engine.devices import Device, DeviceKind, list_devices
from segue.engine.errors import EngineError, ModelError
from segue.engine.model import Model, ModelParams
from segue.engine.placement import TensorPlace, dense_on_host, experts_on_host
from segue.grammar.constraint import from_regex
from segue.grammar.tokenizer import GrammarVocabulary, make_tokenizer
from segue.loop.job import Job, Tokens
from segue.policy.prompt_marks import PromptMarks
from segue.settings import Settings
from tests.kit.conversation import text
from tests.kit.models import N_CTX_BERT, bert_path, model_path
from tests.kit.rig import GREEDY, Heard
from tests.kit.waiting import PATIENCE_S, wait_until


def test_the_first_grammar_finds_the_vocabulary_taken_in_and_loading_does_not_wait_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    takers: list[str] = []
    is_built = threading.Event()

    def take_in(vocabulary: GrammarVocabulary) -> LLTokenizer:
        takers.append(threading.current_thread().name)
        assert is_built.wait(PATIENCE_S), "loading waits"
        return make_tokenizer(vocabulary)

    monkeypatch.setattr("segue.grammar.compiler.make_tokenizer", take_in)
    settings = Settings(model=str(model_path("qwen35")), ctx_size=512, parallel=1, threads=1)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        is_built.set()
        built.compiler.compile(from_regex("a"))
        assert takers == ["segue-grammar"]
    finally:
        is_built.set()
        built.close()


@pytest.mark.parametrize("reproducible", [False, True])
def test_an_encoder_embeds_and_generates_nothing(tmp_path: Path, reproducible: bool) -> None:
    settings = Settings(model=str(bert_path()), threads=1, cache_dir=tmp_path, reproducible=reproducible)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert not built.can_generate
        assert built.embeddings.n_tokens == N_CTX_BERT
        vector = built.embeddings.embed(np.full(N_CTX_BERT, 7, np.int32)).result(timeout=PATIENCE_S)
        assert vector.ndim == 2
        assert np.linalg.norm(normalized(vector, 2)) == pytest.approx(1, abs=1e-5)
        built.loop.call(built.loop.cache.check_integrity).result(timeout=PATIENCE_S)
    finally:
        built.close()


def test_other_models_generate() -> None:
    settings = Settings(model=str(model_path("mamba2")), ctx_size=512, parallel=1, threads=1)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert built.can_generate
    finally:
        built.close()


def test_a_directory_is_told_of_with_its_limit_and_what_was_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "segue.build")
    model = str(model_path("qwen35"))
    settings = Settings(model=model, ctx_size=512, parallel=1, threads=1, cache_dir=tmp_path, cache_disk=5)
    build(settings, lambda _: None, lambda *_: None).close()
    assert f"{tmp_path} may take 5 MiB; checkpoints found in it: 0" in caplog.messages


@pytest.mark.parametrize("name", ["llama", "mamba2"])
def test_a_request_gets_no_more_than_the_model_was_trained_with_and_the_log_says_so(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(model=str(model_path(name)), ctx_size=140_000, parallel=1, threads=1)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert built.loop.n_ctx == 131_072
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
            "--ctx-size 140000 exceeds the 131072 tokens that the model was trained with; no request gets more"
        ]
    finally:
        built.close()
    caplog.clear()
    build(settings.model_copy(update={"ctx_size": 512}), lambda _: None, lambda *_: None).close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_context_that_is_extended_may_exceed_what_the_model_was_trained_with(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = Settings(model=str(model_path("llama")), ctx_size=140_000, parallel=1, threads=1, rope_scale=2)
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert built.loop.n_ctx == 140_000
    finally:
        built.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(("ctx_size", "n_cells"), [(0, 1024), (2048, 2048)])
def test_requests_may_be_kept_below_the_cells_that_they_share(ctx_size: int, n_cells: int) -> None:
    settings = Settings(
        model=str(model_path("llama")),
        ctx_size=ctx_size,
        kv_unified_per_slot=512,
        parallel=2,
        threads=1,
        cache_parked=0,
    )
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert (built.loop.n_ctx, built.engine.n_cells) == (512, n_cells)
    finally:
        built.close()


def test_a_model_is_loaded_as_the_flags_say() -> None:
    settings = Settings(
        model=str(model_path("llama")),
        ctx_size=512,
        parallel=1,
        threads=1,
        override_kv=[("general.name", "other"), ("llama.context_length", 777)],
        load_mode="dio",
        lazy_mode="off",
        repack=False,
        no_host=True,
        check_tensors=True,
        numa="distribute",
        kv_offload=False,
        op_offload=False,
    )
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert built.model.n_ctx_train == 777
    finally:
        built.close()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({}, ""),
        ({"n_gpu_layers": 0, "device": ["none"]}, ""),
        ({"n_gpu_layers": 99, "split_mode": "tensor"}, "--n-gpu-layers, --split-mode"),
        ({"device": ["CUDA0", "CUDA1"], "tensor_split": [3, 1], "main_gpu": 1}, "--device, --tensor-split, --main-gpu"),
        ({"override_tensor": "attn=CUDA1"}, "--override-tensor"),
        ({"override_tensor": "attn=CPU", "cpu_moe": True, "n_cpu_moe": 3, "n_cpu_ffn": 1}, ""),
    ],
)
def test_a_line_for_gpus_runs_on_the_cpu_where_there_are_none(
    flags: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libllama, "has_gpu", lambda: False)
    settings = Settings(model=str(model_path("llama")), ctx_size=512, parallel=1, threads=1, **flags)
    build(settings, lambda _: None, lambda *_: None).close()
    line = f"libllama finds no GPU: the model runs on the CPU, without regard to {told}"
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [line] * bool(told)


def test_a_pattern_that_libllama_cannot_use_is_refused_with_a_gpu_or_without() -> None:
    settings = Settings(model=str(model_path("llama")), override_tensor="(=CPU")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"^--override-tensor: '\('"):
        build(settings, lambda _: None, lambda *_: None)


def test_a_pattern_that_matches_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(model=str(model_path("llama")), ctx_size=256, parallel=1, override_tensor=[("exps", "CPU")])
    build(settings, lambda _: None, lambda *_: None).close()
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["--override-tensor: 'exps' matches no tensor of llama.gguf"]


@pytest.mark.parametrize(
    ("flags", "places"),
    [
        ({}, ()),
        (
            {"n_cpu_moe": 1, "override_tensor": [("a", "CPU"), ("b", "V")]},
            (("a", "CPU"), ("b", "V"), experts_on_host(1)),
        ),
        ({"n_cpu_ffn": 2, "cpu_moe": True}, (experts_on_host(), dense_on_host(2))),
    ],
)
def test_where_there_is_a_gpu_tensors_go_where_the_flags_say(
    flags: dict[str, Any], places: tuple[TensorPlace, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ModelParams] = []

    def load(_path: Path, params: ModelParams) -> Model:
        asked.append(params)
        raise ModelError("no more of it")

    monkeypatch.setattr(libllama, "has_gpu", lambda: True)
    monkeypatch.setattr("segue.engine.fitting.Model", load)
    with pytest.raises(ModelError, match="no more of it"):
        build(Settings(model=str(model_path("llama")), **flags), lambda _: None, lambda *_: None)
    assert [params.tensor_places for params in asked] == [places]
    assert asked[0].devices is None


def test_metadata_that_libllama_cannot_use_is_told() -> None:
    settings = Settings(model=str(model_path("llama")), override_kv=[("llama.block_count", -1)])
    with pytest.raises(ModelError, match="--override-kv: libllama cannot load"):
        build(settings, lambda _: None, lambda *_: None)


@pytest.mark.parametrize("cache_ram", [64, 0])
@pytest.mark.parametrize("reproducible", [False, True])
def test_what_was_read_outlives_the_weights(model_name: str, reproducible: bool, cache_ram: int) -> None:
    settings = Settings(
        model=str(model_path(model_name)),
        ctx_size=1024,
        parallel=2,
        threads=1,
        cache_ram=cache_ram,
        reproducible=reproducible,
        sleep_idle_seconds=1,
    )
    prompts = [text(1, 300), np.concatenate((text(1, 200), text(2, 150))), text(3, 250)]
    built = build(settings, lambda _: None, lambda *_: None)

    def ask(prompt: Tokens) -> Heard:
        heard = Heard()
        job = Job(tokens=prompt, sampling=GREEDY, marks=PromptMarks(), n_predict=6)
        built.loop.submit(job, heard)
        assert heard.wait().error is None
        return heard

    def embed() -> NDArray[np.float32]:
        return built.embeddings.embed(prompts[0]).result(PATIENCE_S)

    try:
        for prompt in prompts:
            ask(prompt)
        first, vectors = [ask(prompt) for prompt in prompts], embed()
        for _ in range(2):
            wait_until(built.unload, "a model without work")
            built.loop.call(built.loop.cache.check_integrity).result(PATIENCE_S)
            assert built.model.handle is None
            assert built.vocabulary.tokenize("a text", add_special=True, parse_special=True).size
            assert isinstance(ask_for_nothing(built), EngineError)
            built.load()
            again = [ask(prompt) for prompt in prompts]
            built.loop.call(built.loop.cache.check_integrity).result(PATIENCE_S)
            if cache_ram:
                assert [heard.n_read for heard in again] == [heard.n_read for heard in first]
            assert [heard.tokens for heard in again] == [heard.tokens for heard in first]
            assert np.array_equal(embed(), vectors)
        # The last reply's end was parked alone; reproducible mode keeps none.
        wait_until(built.unload, "a model without work")
        built.load()
        said = np.asarray(again[-1].tokens, np.int32)
        onward = ask(np.concatenate((prompts[-1], said, text(4, 5))))
        if cache_ram and not reproducible:
            assert onward.n_read <= 1 + 5
    finally:
        built.close()


def ask_for_nothing(built: Built) -> BaseException | None:
    """What the engine says to a job, with no weights."""
    return built.loop.call(lambda: built.engine.decode([Chunk(0, np.zeros(1, np.int32))])).exception(PATIENCE_S)


def test_a_model_at_work_is_not_unloaded() -> None:
    settings = Settings(model=str(model_path("llama")), ctx_size=512, threads=1, sleep_idle_seconds=1)
    built = build(settings, lambda _: None, lambda *_: None)
    unloaded: list[Future[bool]] = []
    heard = Heard(on_each=lambda: unloaded.append(built.loop.vacate(built.engine.unload_context)))
    try:
        job = Job(tokens=text(1, 20), sampling=GREEDY, marks=PromptMarks(), n_predict=6)
        built.loop.submit(job, heard)
        assert heard.wait().error is None
        assert [one.result(PATIENCE_S) for one in unloaded[:-1]] == [False] * 5
    finally:
        built.close()


def test_a_file_that_changed_meanwhile_is_refused_until_it_is_back(tmp_path: Path) -> None:
    path, other = tmp_path / "model.gguf", tmp_path / "aside.gguf"
    shutil.copy(model_path("llama"), path)
    built = build(
        Settings(model=str(path), ctx_size=512, threads=1, sleep_idle_seconds=1), lambda _: None, lambda *_: None
    )
    try:
        wait_until(built.unload, "a model without work")
        path.rename(other)
        with pytest.raises(ModelError, match="cannot load"):
            built.load()
        shutil.copy(model_path("mamba2"), path)
        with pytest.raises(ModelError, match="changed"):
            built.load()
        assert built.model.handle is None
        other.replace(path)
        built.load()
        heard = Heard()
        built.loop.submit(Job(tokens=text(1, 20), sampling=GREEDY, marks=PromptMarks(), n_predict=6), heard)
        assert heard.wait().error is None
        wait_until(built.unload, "a model without work")
    finally:
        # It ends as well while it is unloaded.
        built.close()


def test_replies_that_outnumber_a_batch_are_the_same(model_name: str) -> None:
    """On a real context, with three times as many replies as a call can read tokens."""
    replies = []
    for n_batch, n_ubatch in ((2048, 512), (2, 1)):
        model = str(model_path(model_name))
        settings = Settings(
            model=model,
            ctx_size=512,
            parallel=6,
            threads=1,
            cache_type_k="f32",
            cache_type_v="f32",
            flash_attn="off",
            batch_size=n_batch,
            ubatch_size=n_ubatch,
        )
        built = build(settings, lambda _: None, lambda *_: None)
        try:
            asked = [Heard() for _ in range(6)]
            for i, heard in enumerate(asked):
                built.loop.submit(Job(tokens=text(i, 20 + i), sampling=GREEDY, marks=PromptMarks(), n_predict=6), heard)
            assert all(heard.wait().error is None for heard in asked)
            built.loop.call(built.loop.cache.check_integrity).result(timeout=PATIENCE_S)
            replies.append([heard.tokens for heard in asked])
        finally:
            built.close()
    assert replies[0] == replies[1]


def simulate(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    """Give the machine a graphics card with so much free memory, of which libllama knows nothing."""
    card = Device("GPU0", "simulated", DeviceKind.GPU, free_bytes, free_bytes)
    listed = list_devices()
    monkeypatch.setattr("segue.engine.fitting.list_devices", lambda: [card, *listed])
    monkeypatch.setattr(libllama, "has_gpu", lambda: True)


def test_a_graphics_card_decides_on_the_context_and_the_log_shows_what_lies_where(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "segue.build")
    simulate(monkeypatch, 24 << 20)
    settings = Settings(model=str(model_path("llama")), parallel=1, threads=1, fit_target=(8,))
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        # 16 MiB for a model of 0.4 MiB, and cells of 256 bytes.
        assert 40_000 < built.loop.n_ctx < 65_536
        assert built.loop.n_ctx <= built.engine.n_cells
    finally:
        built.close()
    table = next(message for message in caplog.messages if "tokens a request" in message)
    assert "GPU0" in table
    assert "host" in table


def test_a_context_that_no_memory_holds_is_refused_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(monkeypatch, 24 << 20)
    settings = Settings(model=str(model_path("llama")), parallel=1, threads=1, ctx_size=100_000, n_gpu_layers=99)
    with pytest.raises(ModelError, match=r"^a context of 100000 cells .* more than GPU0 has .*; try [^\n]*$"):
        build(settings.model_copy(update={"fit_target": (0,)}), lambda _: None, lambda *_: None)


def test_without_fitting_the_log_says_by_how_much_it_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    simulate(monkeypatch, 8 << 20)
    settings = Settings(model=str(model_path("llama")), parallel=1, threads=1, fit="off", fit_target=(0,))
    built = build(settings, lambda _: None, lambda *_: None)
    try:
        assert built.loop.n_ctx == 131_072
    finally:
        built.close()
    assert any("GPU0 lacks " in message and "--fit on" in message for message in caplog.messages)


def test_weights_that_the_host_cannot_keep_are_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # 32 MiB for copies, what drafts takes, and less than the weights and a context of 256 tokens take.
    listed = [replace(device, free_bytes=(32 << 20) + N_BYTES_MOST + 400_000) for device in list_devices()]
    monkeypatch.setattr("segue.engine.fitting.list_devices", lambda: listed)
    settings = Settings(
        model=str(model_path("llama")), parallel=1, threads=1, ctx_size=256, ubatch_size=32, cache_parked=0
    )
    build(settings, lambda _: None, lambda *_: None).close()
    assert any("weights exceed the free memory of the host" in message for message in caplog.messages)
