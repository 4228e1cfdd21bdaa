"""The command line, with a fake loop behind it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from cyclopts import App

from segue import __version__
from segue.cli import LAZY, app, main
from tests.kit.waiting import PATIENCE_S, wait_until


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF and so on")
    return path


@contextmanager
def segue(*arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "error", "-m", "tests.kit.fake_segue", *arguments]
    env = {**os.environ, **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    with segue(*arguments, **environment) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
        return process.returncode, out + err


def address(process: "subprocess.Popen[str]") -> str:
    """Wait for the line that tells the address."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("no address")


def stop(process: "subprocess.Popen[str]", number: int) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, err


@pytest.mark.parametrize(("n", "slots"), [("1", "1 slot"), ("2", "2 slots")])
def test_serve_counts_its_slots(gguf: Path, n: str, slots: str) -> None:
    with segue("serve", "-m", str(gguf), "--port", "0", "-np", n) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
    assert f", {slots}, loaded in" in line


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_serve_tells_its_address_and_ends_cleanly(gguf: Path, number: int, code: int) -> None:
    with segue("serve", "-m", str(gguf), "--port", "0", "-c", "512", "--jinja") as process:
        url = address(process)
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as http:
            assert http.get("/health").json() == {"status": "ok"}
            assert http.get("/v1/models").json()["data"][0]["id"] == "tiny.gguf"
            assert http.get("/props").json()["default_generation_settings"]["n_ctx"] == 512
            assert http.post("/v1/completions", json={"prompt": "secret", "max_tokens": 2}).status_code == 200
        returned, log = stop(process, number)
    assert returned == code
    assert "Traceback" not in log
    assert re.search(r"request 0 on slot 0, prompt 7: 0 reused, 7 read in 14 ms \(7 new\), 2 generated", log)
    assert "secret" not in log


def test_ctrl_c_ends_running_streams_with_an_error(gguf: Path) -> None:
    with segue("serve", "-m", str(gguf), "--port", "0") as process:
        body = {"prompt": "x", "stream": True}
        with httpx.stream("POST", f"{address(process)}/v1/completions", json=body, timeout=PATIENCE_S) as response:
            lines = response.iter_lines()
            next(lines)
            process.send_signal(signal.SIGINT)
            events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        returned, log = stop(process, signal.SIGINT)
    assert returned == 130
    assert "Traceback" not in log
    assert events[-1]["error"]["type"] == "unavailable_error"


def is_open(port: int) -> bool:
    with socket.socket() as end:
        return end.connect_ex(("127.0.0.1", port)) == 0


def test_serve_answers_while_the_model_loads_and_can_be_stopped(gguf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with segue("serve", "-m", str(gguf), "--port", str(port), FAKE_BUILD="endless") as process:
        wait_until(lambda: is_open(port), "an open port")
        response = httpx.get(f"http://127.0.0.1:{port}/health", timeout=PATIENCE_S)
        assert response.json()["error"] | {"progress": 0.5} == {
            "code": 503,
            "message": "Loading model",
            "type": "unavailable_error",
            "progress": 0.5,
        }
        returned, log = stop(process, signal.SIGINT)
    assert returned == 130
    assert "Traceback" not in log


def test_a_model_that_cannot_be_loaded(gguf: Path) -> None:
    code, printed = run("serve", "-m", str(gguf), "--port", "0", FAKE_BUILD="torn")
    assert (code, printed) == (1, "segue: model.gguf is torn; download it again\n")
    code, printed = run("serve", "-m", str(gguf), "--port", "0", FAKE_BUILD="bug")
    assert code == 1
    assert printed.endswith("segue: loading failed: ZeroDivisionError\n")
    code, printed = run("serve", "-m", str(gguf), "--port", "0", "--chat-template", "{% if %}")
    assert code == 1
    assert "--chat-template-file" in printed
    code, printed = run("serve", "-m", str(gguf), "--port", "0", "--logit-bias", "260+1")
    assert (code, printed) == (1, "segue: --logit-bias: token 260 is not in the vocabulary of 260\n")


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("segue: ")
    assert err.count("\n") == 1
    return err


def test_vertex_ai_names_the_port(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIP_MODE", "PREDICTION")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("AIP_HTTP_PORT", str(port))
        assert main(["serve", "-m", str(gguf), "--port", "0"]) == 1
        assert f"{port}" in one_line(capsys)
    monkeypatch.setenv("AIP_HTTP_PORT", "http")
    assert main(["serve", "-m", str(gguf)]) == 2
    assert "AIP_HTTP_PORT: " in one_line(capsys)


def test_what_cannot_start(gguf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("hello")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, part in (
            ([], "-m"),
            (["--alias", "all"], "no model: pass the GGUF file with -m, or a repository with -hf"),
            (["-m", str(tmp_path / "none.gguf")], "No such file"),
            (["-m", str(tmp_path)], "directory"),
            (["-m", str(text)], "not a GGUF file"),
            (["-m", str(gguf), "--port", port], "choose another --port"),
            (["-m", str(gguf), "--host", "256.0.0.1"], "--host"),
            (
                ["-m", str(gguf), "--chat-template", "llama33"],
                "'llama33' is neither one of llama.cpp's formats nor Jinja",
            ),
            (["-m", str(gguf), "--chat-template", "{% if %}"], "pass another one with --chat-template-file"),
            (["-m", str(gguf), "--chat-template-file", str(tmp_path / "none")], "--chat-template-file: cannot read"),
            (["-m", str(tmp_path / "none.gguf"), "--offline"], "No such file"),
            (["-m", str(gguf), "--slot-save-path", str(tmp_path / "none")], "--slot-save-path: "),
            (["-m", str(gguf), "--cache-dir", str(text)], "text.gguf"),
            (["-m", str(gguf), "--slot-save-path", str(text)], "text.gguf is not a directory; make"),
            (["-m", str(gguf), "--log-file", str(tmp_path / "none" / "log")], "--log-file: cannot write"),
            (["-hf", "user/tiny", "--offline"], "--hf-repo: user/tiny is not in"),
            (["-m", str(gguf), "--ssl-key-file", "key", "--ssl-cert-file", "none.pem"], "--ssl-cert-file: cannot read"),
            (["-m", str(gguf), "--api-key-file", str(tmp_path / "none")], "--api-key-file"),
        ):
            assert main(["serve", *arguments]) == 1
            assert part in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--port", "70000"], "--port: "),
        (["--port"], "--port needs a value"),
        (["-m", "--port", "1"], "-m needs a value"),
        (["-c", "many"], "--ctx-size: "),
        (["-fa", "maybe"], "--flash-attn: pass 'on', 'off' or 'auto'\n"),
        (["-ngl", "foo"], "--n-gpu-layers: pass a whole number or 'auto' or 'all'\n"),
        (["-ngl", "1.5"], "--n-gpu-layers: pass a whole number or 'auto' or 'all'\n"),
        (["-sm", "some"], "--split-mode: pass 'none', 'layer', 'row' or 'tensor'\n"),
        (["--numa", "some"], "--numa: pass 'distribute', 'isolate' or 'numactl'\n"),
        (["-ts", "1,half"], "--tensor-split: pass a number\n"),
        (["-ts", "1,-1"], "--tensor-split: Input should be greater than or equal to 0"),
        (["-ts", "1,nan"], "--tensor-split: Input should be a finite number"),
        (["-ncmoe", "-1"], "--n-cpu-moe: Input should be greater than or equal to 0"),
        (["-ot", "exps"], "--override-tensor: 'exps' is not PATTERN=BUFFER"),
        (["-ot", "a{1,2}=CPU"], "--override-tensor: 'a{1' is not PATTERN=BUFFER; commas separate these"),
        (["--slots=perhaps"], "--slots: pass on or off\n"),
        (["-np", "0"], "--parallel: a server needs at least one slot"),
        (["--cache-ram", "-2"], "--cache-ram: "),
        (["--cachram", "5"], "did you mean --cache-ram?"),
        (["-ctz", "q8_0"], "unknown flag -ctz; segue serve --help shows all flags"),
        (["--no-flash-attn"], "unknown flag --no-flash-attn; segue serve --help shows all flags"),
        (["-flash-attn", "on"], "unknown flag -flash-attn; did you mean --flash-attn?"),
        (["--batch-size", "2147483648"], "--batch-size: Input should be less than or equal to 2147483647"),
        (["--ubatch-size", "0"], "--ubatch-size: Input should be greater than or equal to 1"),
        (["-c", "2147483648"], "--ctx-size: Input should be less than or equal to 2147483647"),
        (["-np", "201"], "--parallel: Input should be less than or equal to 200"),
        (["-t", "513"], "--threads: Input should be less than or equal to 512"),
        (["-tb", "513"], "--threads-batch: Input should be less than or equal to 512"),
        (["--top-k", "2147483648"], "--top-k: Input should be less than or equal to 2147483647"),
        (["--presence-penalty", "nan"], "--presence-penalty: Input should be a finite number"),
        (["--temp", "inf"], "--temp: Input should be a finite number"),
        (["--qqqqqq"], "--help"),
        (["--lora", "a.gguf"], "--lora is not taken: adapters are not supported yet"),
        (["--ssl-key-file", "key.pem"], "--ssl-key-file and --ssl-cert-file belong together"),
        (["--api-prefix", "llm"], "--api-prefix: a prefix starts with a slash"),
        (["--override-kv", "a=b"], "--override-kv: 'a=b' is not KEY=TYPE:VALUE"),
        (["--logit-bias", "1+nan"], "--logit-bias: '1+nan' is neither TOKEN+BIAS nor TOKEN-BIAS"),
        (["--logit-bias", "1+inf"], "--logit-bias: '1+inf' is neither TOKEN+BIAS nor TOKEN-BIAS"),
        (["--logit-bias", "x+1"], "--logit-bias: 'x+1' is neither TOKEN+BIAS nor TOKEN-BIAS"),
        (["--rope-scale", "2", "--rope-freq-scale", "0.5"], "pass one of them"),
        (["model.gguf"], "passed with --model"),
        (["-t", "-1", "5"], "'5' belongs to no flag"),
        (["--chat-template", "a{", "--chat-template-file", "b"], "exclude each other"),
        (["--cache-dir", ""], "--cache-dir: the path is empty"),
        (["--cache-dir="], "--cache-dir: the path is empty"),
        (["--slot-save-path", ""], "--slot-save-path: the path is empty"),
        (["--cache-disk", "5"], "--cache-disk limits the size of --cache-dir"),
        (["--cache-disk", "0", "--cache-dir", "x"], "--cache-disk: pass at least 1 MiB, or leave out --cache-dir"),
        (["--cache-disk", "-1", "--cache-dir", "x"], "--cache-disk: pass at least 1 MiB"),
        (["--chat-template-kwargs", "{"], "--chat-template-kwargs"),
    ],
)
def test_a_command_line_that_cannot_be_understood(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    assert part in one_line(capsys)


def test_a_line_of_llama_server_without_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "model.gguf", "-c", "4096"]) == 2
    assert one_line(capsys) == "segue: -m is a flag of segue serve: put serve before it\n"


def test_what_is_printed_in_place_of_serving(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, start in (("--version", __version__), ("--list-devices", "Available devices:\n  "), ("-h", "Usage:")):
        assert main(["serve", "-c", "4096", flag]) == 0
        assert capsys.readouterr().out.startswith(start)


def test_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__
    assert main([]) == 0
    assert "serve" in capsys.readouterr().out
    assert main(["srve"]) == 2
    assert 'Did you mean "serve"?' in one_line(capsys)


def test_help_names_every_flag_with_its_variable_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for part in ("--ctx-size -c", "LLAMA_ARG_CTX_SIZE", "--reproducible", "Chats", "[default: 2048]"):
        assert part in text


@pytest.mark.parametrize("path", LAZY)
def test_a_command_that_is_imported_late_has_its_own_help(path: str) -> None:
    module, _, name = path.partition(":")
    command = getattr(import_module(module), name)
    assert isinstance(command, App)
    assert command.help == app[name].help == LAZY[path]
