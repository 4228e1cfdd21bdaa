"""Lines of llama-server's users start Segue."""

import os
from pathlib import Path

import pytest

from segue.commands.serve.command_line import read_line
from segue.commands.serve.hub import find_model
from segue.commands.serve.start import check_model_file, check_slot_folder, make_service
from tests.commands.serve.launch_lines import LaunchLine, launch_lines, put_into_cache
from tests.kit.models import model_path
from tests.kit.served import served

LINES = launch_lines()
# Each starts a server of its own; a part of them, of all kinds of memory, is enough for every run of the tests.
STARTED = 6
MODELS = ("qwen35", "lfm2", "gemma3", "lfm2-window", "falcon-h1", "qwen35moe", "llama")


def named(line: LaunchLine) -> str:
    return line.source


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CACHE", str(tmp_path / "cache"))


def test_there_are_enough_of_them_from_as_many_places() -> None:
    assert len({line.source for line in LINES}) == len(LINES) >= 30


@pytest.mark.parametrize("line", LINES, ids=named)
def test_a_line_is_understood_and_passes_all_checks_before_the_model_is_loaded(
    line: LaunchLine, tmp_path: Path
) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF and so on")
    if line.repo:
        put_into_cache(line.repo, model, tmp_path / "cache")
    read = read_line(line.arguments(model, tmp_path), {})
    settings = read.settings()
    found = settings.model_copy(update={"model": find_model(settings, os.environ)})
    check_model_file(found)
    check_slot_folder(found)
    make_service(found)
    assert len(read.warnings) == len({warning.partition(": ")[2] for warning in read.warnings})


def check_start(line: LaunchLine, model: Path, folder: Path) -> None:
    if line.repo:
        put_into_cache(line.repo, model, folder / "cache")
    # Only the address is another one: those of the lines are taken here, or belong to other machines.
    flags = [*line.arguments(model, folder), "--host", "127.0.0.1", "--port", "0"]
    with served(model, *flags) as server:
        key = flags[flags.index("--api-key") + 1] if "--api-key" in flags else "any"
        server.client.headers["Authorization"] = f"Bearer {key}"
        reply = server.chat([{"role": "user", "content": "What does this function do?"}])
        assert reply["usage"]["completion_tokens"] == 6
        models = server.client.get("/v1/models").json()["data"]
        assert models[0]["id"] == (flags[flags.index("--alias") + 1] if "--alias" in flags else models[0]["id"])


@pytest.mark.parametrize("i", range(STARTED))
def test_a_part_of_them_starts_and_replies(i: int, tmp_path: Path) -> None:
    check_start(LINES[i * len(LINES) // STARTED], model_path(MODELS[i % len(MODELS)]), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(("i", "line"), list(enumerate(LINES)), ids=[named(line) for line in LINES])
def test_all_of_them_start_and_reply(i: int, line: LaunchLine, tmp_path: Path) -> None:
    check_start(line, model_path(MODELS[i % len(MODELS)]), tmp_path)
