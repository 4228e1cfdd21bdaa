"""`segue warm` against a real server, and against none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from segue.cli import main
from tests.kit.models import model_path
from tests.kit.served import served
from tests.kit.waiting import PATIENCE_S

CHAT = {"messages": [{"role": "system", "content": "Be brief. " * 30}, {"role": "user", "content": "Hello"}]}


def warm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "segue", "warm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


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
        again = warm(str(text), "--url", f"{url}/v1/")
        assert "0 of them read now" in again.stdout


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("a.json", "{}", 'is JSON without messages; a chat is {"messages": [{"role": "user", "content": "..."}]}'),
        ("a.json", '{"messages": 1}', "is JSON without messages"),
        ("a.json", "1", "is JSON without messages"),
        ("a.json", "no JSON", "is not valid JSON: line 1, column 1: "),
        ("a.json", '{"messages":\n}', "is not valid JSON: line 2, column 1: "),
        ("a.json", "[" * 100_000, "a nesting that is too large"),
        ("a.json", "[]", "is a chat without a message"),
        ("a.json", '{"messages": []}', "is a chat without a message"),
        ("a.json", '[{"role": "user"}, 2]', "its message 2 is not an object"),
        ("a.json", " \n", "is empty"),
        ("a.txt", "", "is empty"),
    ],
)
def test_a_file_without_a_prompt_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, wrong: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert main(["warm", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"segue: {path} ")
    assert wrong in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("url", ["nonsense", "localhost:8080", "http://", "http://x:y", "ftp://x", ""])
def test_what_is_no_url_is_told_what_one_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    (tmp_path / "a.txt").write_text("text")
    assert main(["warm", str(tmp_path / "a.txt"), "--url", url]) == 2
    error = capsys.readouterr().err
    assert f"{url!r} is not the address of a server, such as http://127.0.0.1:8080" in error
    assert error.count("\n") == 1


def test_no_server_is_said_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    done = warm(str(path), "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "start one with segue serve" in done.stderr
    assert "Traceback" not in done.stderr
