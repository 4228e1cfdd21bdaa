"""The demo against real servers."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from segue.cli import main
from segue.demo.error import DemoError
from segue.demo.play import ask_all, demonstrate
from segue.demo.reply import DemoReply
from segue.demo.script import steps
from segue.demo.server import Server, running
from segue.demo.stage import Stage, stage
from tests.kit.models import model_path
from tests.kit.waiting import PATIENCE_S, wait_until

N_SUFFIX = 13  # "<|im_start|>assistant\n<think>\n", which no history holds
N_HEADER = 6  # "<|im_start|>user\n"
DEMO = [sys.executable, "-m", "segue", "demo"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    flags = ("--ctx-size", "16384", "--threads", "1")
    with running(model_path("qwen35"), flags, tmp_path / "server.log") as server:
        server.wait(lambda _: None)
        yield server


@pytest.fixture
def shown() -> Iterator[Stage]:
    with stage(Console(file=StringIO())) as shown:
        yield shown


def test_what_each_step_reads(server: Server, shown: Stage) -> None:
    script = steps()
    answers = ask_all(server, script, shown, use_cache=True)
    by_name: dict[str, DemoReply] = {step.name: answer for step, answer in zip(script, answers, strict=True)}
    first, follow_up, other = by_name["first question"], by_name["follow-up"], by_name["branch B"]

    assert (first.n_read, first.reason) == (first.n_prompt, "new")
    for name in ("the same again", "undo two turns", "back to A"):
        assert (by_name[name].n_read, by_name[name].reason) == (0, "all known")
    for name, before in (("follow-up", first), ("reasoning cut", follow_up), ("B goes on", other)):
        assert by_name[name].n_reused == before.n_prompt - N_SUFFIX
        assert (by_name[name].start, by_name[name].reason) == ("message end", f"new, {N_SUFFIX - 2} again")
    for name, before in (("tool result", follow_up), ("another result", by_name["tool result"])):
        assert (by_name[name].n_reused, by_name[name].reason) == (before.n_prompt, "new")
    for name in ("branch B", "new chat"):
        assert (by_name[name].start, by_name[name].reason) == ("message end", f"new, {N_HEADER} again")
    n_time = len("2026-05-04 10:4")
    later, latest = by_name["a minute later"], by_name["another minute"]
    assert (later.start, later.reason) == ("before date", f"new, {n_time} again")
    assert (latest.start, latest.reason) == ("fork", "new")
    assert latest.n_reused == later.n_reused + n_time


def test_a_short_run_prints_its_table_once() -> None:
    file = StringIO()
    assert demonstrate(None, Console(file=file, width=80), steps()[:3]) == 0
    lines = file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines[3:6]] == ["yes"] * 3
    assert sum("first question" in line for line in lines) == 1
    assert "times faster. All replies are the same" in " ".join(file.getvalue().split())


@pytest.mark.parametrize(("name", "why"), [("none.gguf", "No such file"), ("text.gguf", "not a GGUF file")])
def test_a_model_that_cannot_be_served(name: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    assert main(["demo", "--model", str(tmp_path / name)]) == 1
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert err.startswith("segue: ")
    assert why in err
    assert err.count("\n") == 1


def test_a_request_that_is_refused(server: Server, shown: Stage) -> None:
    long = steps()[0]
    message = {"role": "user", "content": "x" * 20_000}
    too_long = type(long)(long.name, (*long.messages[:1], message), long.tools)
    with pytest.raises(DemoError, match="refused a request: prompt is too long: 2"):
        list(ask_all(server, [too_long], shown, use_cache=True))


def test_a_server_that_dies(server: Server, shown: Stage) -> None:
    answers = ask_all(server, steps(), shown, use_cache=True)
    next(answers)
    server_processes()[0].kill()
    with pytest.raises(DemoError, match="exit code -9") as caught:
        list(answers)
    assert "request 1" in caught.value.log


def server_processes(of: int | None = None) -> list[psutil.Process]:
    return [child for child in psutil.Process(of).children() if "serve" in child.cmdline()]


def listens(process: psutil.Process) -> bool:
    return any(connection.status == psutil.CONN_LISTEN for connection in process.net_connections("tcp"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_server_too(number: int, code: int, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # A shell lets what it starts in the background ignore Ctrl-C, and that is passed on.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(DEMO, stdout=pipe, stderr=pipe, text=True, env=environment, preexec_fn=heed) as demo:
        # A signal between the fork and the return of Popen would find no server to end yet.
        wait_until(lambda: any(map(listens, server_processes(demo.pid))), "a server that listens")
        (server_process,) = server_processes(demo.pid)
        demo.send_signal(number)
        _, err = demo.communicate(timeout=PATIENCE_S)
    assert (demo.returncode, err) == (code, "")
    assert not server_process.is_running()
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_the_whole_demo_in_a_pipe() -> None:
    run = subprocess.run(DEMO, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}, check=True)
    lines = run.stdout.splitlines()
    assert run.stderr == ""
    assert "\x1b" not in run.stdout
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines[3 : 3 + len(steps())]] == ["yes"] * len(steps())
    found = re.search(r"([0-9.]+) times faster\. All replies are the same", " ".join(run.stdout.split()))
    assert found
    assert float(found[1]) > 1
