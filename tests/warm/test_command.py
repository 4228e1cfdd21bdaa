"""`segue warm` against a real server, and against none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.models import model_path
from tests.kit.served import served

CHAT = {"messages": [{"role": "system", "content": "Be brief. " * 30}, {"role": "user", "content": "Hello"}]}


def warm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "segue", "warm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_was_read_ahead_is_not_read_again(tmp_path: Path) -> None:
    chat, text = tmp_path / "chat.json", tmp_path / "text.txt"
    chat.write_text(json.dumps(CHAT))
    text.write_text("Once upon a time. " * 20)
    with served(model_path("qwen35"), "-c", "2048") as server:
        url = str(server.client.base_url)
        done = warm(str(chat), str(text), "--url", url)
        assert done.returncode == 0, done.stderr
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["chat.json", "text.txt"]
        assert server.chat(CHAT["messages"])["timings"]["prompt_n"] == 0
        again = warm(str(text), "--url", url)
        assert "0 of them read now" in again.stdout


@pytest.mark.parametrize(("name", "content"), [("a.json", "{}"), ("a.json", "no JSON"), ("a.txt", "")])
def test_a_file_without_a_prompt_is_refused_in_a_line(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    done = warm(str(path))
    assert done.returncode == 1
    assert done.stderr.startswith("segue: ")
    assert len(done.stderr.splitlines()) == 1


def test_no_server_is_said_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    done = warm(str(path), "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "start one with segue serve" in done.stderr
    assert "Traceback" not in done.stderr
