"""From settings to what drafts."""

import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

from segue.build import Built, build
from segue.demo.model_file import write_model
from segue.demo.vocabulary import write_vocabulary
from segue.engine import nextn
from segue.engine.errors import EngineError, ModelError
from segue.loop.job import Job
from segue.policy.prompt_marks import PromptMarks
from segue.settings import Settings
from tests.kit.architectures import Sizes, llama
from tests.kit.conversation import text
from tests.kit.models import bert_path, model_path
from tests.kit.mtp_models import mtp_path
from tests.kit.rig import GREEDY, Heard
from tests.kit.unmeasured import FreeRows
from tests.kit.waiting import PATIENCE_S, wait_until
from tests.kit.word_pieces import write_word_pieces


@pytest.fixture(autouse=True)
def free_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """No clock decides how much is drafted."""
    monkeypatch.setattr("segue.loop.speculation.RowCosts", FreeRows)


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log has heard of drafters."""
    names = ("segue.drafters", "segue.draft_model")
    return [record.getMessage() for record in caplog.records if record.name in names]


def _settings(model: Path, **more: Any) -> Settings:
    usual: dict[str, Any] = {"ctx_size": 1024, "parallel": 2, "threads": 1, "flash_attn": "off"}
    return Settings(model=str(model), **(usual | more))


def _built(model: Path, **more: Any) -> Built:
    return build(_settings(model, **more), lambda _: None, lambda *_: None)


def _reply(built: Built) -> Heard:
    heard = Heard()
    built.loop.submit(Job(tokens=text(1, 50), marks=PromptMarks(), n_predict=40, sampling=GREEDY), heard)
    heard.wait()
    return heard


def _drafted(model: Path, **more: Any) -> tuple[list[int], int, int]:
    built = _built(model, **more)
    try:
        heard = _reply(built)
        assert heard.end is not None
        return heard.tokens, heard.end.timings.draft_n, heard.end.timings.draft_n_accepted
    finally:
        built.close()


def test_layers_for_further_tokens_draft_unless_told_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "segue.drafters")
    path = mtp_path("qwen35-mtp-agrees")
    plain = _drafted(path, spec_type=["none"])
    assert plain[1] == 0
    assert not _told(caplog)
    for more in ({}, {"spec_type": ["draft-mtp"]}):
        tokens, n_drafted, n_accepted = _drafted(path, **more)
        assert tokens == plain[0]
        assert n_accepted >= 0.8 * n_drafted > 10
        assert _told(caplog).pop() == "replies are drafted by tree, draft-mtp"
    _drafted(path, spec_type=["ngram-mod"])
    assert _told(caplog).pop() == "replies are drafted by tree"
    assert _drafted(path, reproducible=True)[1] == 0


def test_that_there_are_no_such_layers_is_said_where_they_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "segue.drafters")
    _drafted(model_path("qwen35"))
    assert not _told(caplog)
    _drafted(model_path("qwen35"), spec_type=["draft-mtp"])
    assert _told(caplog) == ["--spec-type draft-mtp: the model has no layers for further tokens that Segue can use"]


def test_without_libllamas_functions_for_these_layers_they_are_left_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "segue.drafters")
    monkeypatch.setattr(nextn, "_NAMES", {"set_rows": ("no_such_function",), "rows": ("no_such_function",)})
    nextn.find_nextn.cache_clear()
    try:
        built = _built(mtp_path("qwen35-mtp"))
        assert not built.model.has_mtp
        built.close()
    finally:
        nextn.find_nextn.cache_clear()
    assert _told(caplog) == ["this libllama cannot use the model's layers for further tokens; they do not draft"]


@pytest.mark.parametrize("draft", ["llama", "qwen35"])
def test_a_second_model_drafts(draft: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "segue.drafters")
    path = model_path("qwen35")
    plain = _drafted(path, spec_type=["none"], model_draft=str(model_path(draft)))
    tokens, n_drafted, n_accepted = _drafted(path, model_draft=str(model_path(draft)))
    assert _told(caplog) == ["replies are drafted by tree, draft-simple"]
    assert tokens == plain[0]
    assert n_drafted > 0
    assert n_accepted > 10 or draft != "qwen35"


def _with_another_token(writer: GGUFWriter) -> None:
    write_vocabulary(writer)
    writer.kv_data[0]["tokenizer.ggml.tokens"].value[100] = "another"


@pytest.mark.parametrize(
    ("vocabulary", "reason"),
    [
        (write_word_pieces, "the vocabularies are of unlike types"),
        (_with_another_token, "token 100 is not the same in both vocabularies"),
    ],
)
def test_a_model_of_another_vocabulary_is_refused_in_a_line(
    tmp_path: Path, vocabulary: Callable[[GGUFWriter], None], reason: str
) -> None:
    path = tmp_path / "draft.gguf"
    write_model(path, llama(Sizes()), seed=0, vocabulary=vocabulary)
    told = f"--model-draft: draft.gguf cannot draft for qwen35.gguf, since {reason}; pass a model with the same"
    with pytest.raises(ModelError, match=told):
        _built(model_path("qwen35"), model_draft=str(path))


def test_an_encoder_cannot_draft(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_model(path, llama(Sizes()), seed=0, vocabulary=write_word_pieces)
    with pytest.raises(ModelError, match="is an encoder"):
        _built(path, model_draft=str(bert_path()))


def test_a_draft_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match=r"no such model file: nowhere\.gguf"):
        _built(model_path("qwen35"), model_draft="nowhere.gguf")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"spec_type": ["draft-mtp"]}, "--spec-type draft-mtp leaves it out"),
        ({"parallel": 101, "batch_size": 101}, "with so many slots, this model drafts nothing; fewer --parallel do"),
        ({"parallel": 86, "batch_size": 86}, "a draft model serves 85 slots; pass a smaller --parallel"),
        ({"spec_type": ["none"]}, ""),
        ({"reproducible": True}, ""),
    ],
)
def test_a_draft_model_that_cannot_be_used_is_not_loaded(
    flags: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "segue.draft_model")
    built = _built(model_path("qwen35"), model_draft=str(model_path("llama")), **flags)
    try:
        assert built.draft_model is None
        of_model = [message for message in _told(caplog) if message.startswith("--model-draft")]
        assert of_model == [f"--model-draft is not used: {told}"] * bool(told)
    finally:
        built.close()


def test_the_memory_that_drafting_takes_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "segue.build")
    path = mtp_path("qwen35-mtp")
    found = []
    for more in ({"spec_type": ["none"]}, {"spec_type": ["tree"]}, {}, {"model_draft": str(model_path("llama"))}):
        _built(path, **more).close()
        line = next(message for message in reversed(caplog.messages) if "tokens a request" in message)
        sizes = re.search(r", (\d+) MiB for drafts: (\d+) of cells and (\d+) of buffers$", line)
        found.append([int(size) for size in sizes.groups()] if sizes else [])
    none, history, mtp, model = found
    assert none == []
    assert history == [36, 0, 36]
    assert mtp[2] > history[2]
    assert model[1] >= mtp[1]
    assert model[2] > mtp[2]


@pytest.mark.parametrize("draft", ["", "llama", "qwen35"])
def test_what_drafts_sleeps_and_wakes_with_the_model(draft: str, tmp_path: Path) -> None:
    path = mtp_path("qwen35-mtp-agrees") if not draft else model_path("qwen35")
    more: dict[str, Any] = {"sleep_idle_seconds": 1}
    if draft:
        more["model_draft"] = str(shutil.copy(model_path(draft), tmp_path / "draft.gguf"))
    built = _built(path, **more)
    try:
        first = _reply(built)
        for _ in range(2):
            wait_until(built.unload, "a model without work")
            if draft:
                assert built.draft_model is not None
                assert built.draft_model.handle is None
            built.load()
            again = _reply(built)
            assert again.tokens == first.tokens
            assert again.end is not None
            assert again.end.timings.draft_n > 0
            built.loop.call(built.loop.cache.check_integrity).result(PATIENCE_S)
        wait_until(built.unload, "a model without work")
    finally:
        # It ends as well while it is unloaded.
        built.close()


def test_without_its_draft_model_a_server_does_not_wake(tmp_path: Path) -> None:
    draft, aside = tmp_path / "draft.gguf", tmp_path / "aside.gguf"
    shutil.copy(model_path("llama"), draft)
    built = _built(model_path("qwen35"), model_draft=str(draft), sleep_idle_seconds=1)
    try:
        first = _reply(built)
        wait_until(built.unload, "a model without work")
        draft.rename(aside)
        for _ in range(2):
            with pytest.raises(ModelError, match=r"cannot load .*draft\.gguf"):
                built.load()
            assert built.model.handle is None
            assert isinstance(built.loop.call(lambda: built.engine.span(0)).exception(PATIENCE_S), EngineError)
        aside.rename(draft)
        built.load()
        assert _reply(built).tokens == first.tokens
    finally:
        built.close()
