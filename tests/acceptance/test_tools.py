"""Programs that measure servers and look for faults in them."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.clients import BENCHY, SCHEMATHESIS
from tests.kit.acted import acted

pytestmark = pytest.mark.acceptance

BOOK = "http://127.0.0.1/book.txt"
WORDS = ("It", "was", "night", "and", "the", "wind", "blew", "over", "hills")


def test_benchy_measures_with_and_without_a_known_prefix(tmp_path: Path) -> None:
    program = BENCHY.program("llama-benchy")
    tokenizer = tmp_path / "tokenizer.json"
    vocabulary = {word: number for number, word in enumerate(("?", *WORDS))}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "?"}
    tokenizer.write_text(json.dumps({"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "model": model}))
    # It takes a book that it has fetched before from its cache.
    cache = tmp_path / ".cache" / "llama-benchy"
    cache.mkdir(parents=True)
    (cache / f"{hashlib.md5(BOOK.encode()).hexdigest()}.txt").write_text(" ".join(WORDS * 500))
    with acted(lambda _: "Nothing new.") as server:
        command = [program, "--base-url", f"{server.url}/v1", "--model", "m", "--tokenizer", str(tokenizer)]
        command += ["--book-url", BOOK, "--pp", "64", "--depth", "256", "--tg", "8", "--runs", "1", "--skip-coherence"]
        command += ["--enable-prefix-caching", "--latency-mode", "none", "--format", "json", "--exit-on-first-fail"]
        command += ["--save-result", str(tmp_path / "result.json")]
        done = subprocess.run(command, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        measured = json.loads((tmp_path / "result.json").read_text())["benchmarks"]
        assert measured
        last = server.exchanges[-1].end
        assert last is not None
        assert last.timings.cache_n > last.timings.prompt_n


def test_no_request_that_the_description_allows_breaks_the_server(tmp_path: Path) -> None:
    program = SCHEMATHESIS.program("schemathesis")
    # 501 says that a field asks for what is not there; the description cannot say that.
    expected = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n'
    (tmp_path / "schemathesis.toml").write_text(expected)
    with acted(lambda _: "Fine.") as server:
        command = [program, "run", f"{server.url}/openapi.json", "--checks", "not_a_server_error", "--seed", "1"]
        command += ["--phases", "fuzzing", "--max-examples", "20", "--request-timeout", "60"]
        done = subprocess.run(command, cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:]
