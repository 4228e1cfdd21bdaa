"""The real command, in a process of its own."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from segue.cli import main
from segue.commands.cache.contents import DirectoryContents
from segue.storage.directory import Directory
from tests.commands.cache.making import IDS, fill, filled
from tests.kit.waiting import PATIENCE_S
from tests.storage.making import alone

COMMANDS = {
    "ls": ["ls"],
    "show": ["show", IDS[1]],
    "verify": ["verify"],
    "rm": ["rm", IDS[1]],
    "prune": ["prune", "--older-than", "30d"],
    "pin": ["pin", IDS[1]],
}


def segue_cache(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "segue", "cache", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S)


def test_one_directory_from_look_to_removal(path: Path) -> None:
    at = {"SEGUE_CACHE_DIR": str(path)}
    listed = segue_cache("ls", **at)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.splitlines()[-1].startswith("6 checkpoints of 2 models: ")
    assert segue_cache("verify", **at).stdout.startswith("9 files of ")
    shown = segue_cache("show", IDS[2][:4], **at)
    assert shown.stdout.split()[:2] == ["checkpoint", IDS[2]]
    removed = segue_cache("rm", IDS[1], IDS[3][:8], **at)
    assert removed.stdout.startswith("2 checkpoints removed: ")
    assert segue_cache("pin", IDS[4][:4].upper(), **at).stdout == "1 checkpoint pinned\n"
    pruned = segue_cache("prune", "--older-than", "30d", "--to-mib", "0", **at)
    assert pruned.stdout.startswith("2 checkpoints removed: ")
    report = json.loads(segue_cache("ls", "--json", **at).stdout)
    assert [(entry["id"], entry["is_pinned"]) for entry in report["checkpoints"]] == [(IDS[4], True), (IDS[5], True)]
    assert segue_cache("verify", **at).stdout.endswith(": all clean\n")


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_reader_that_has_seen_enough(more: list[str], path: Path) -> None:
    command = [sys.executable, "-m", "segue", "cache", "ls", *more, "--cache-dir", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_a_directory_in_use(tmp_path: Path) -> None:
    at = str(tmp_path / "cache")
    with filled(tmp_path / "cache"):
        for name in ("ls", "show"):
            run = segue_cache(*COMMANDS[name], "--cache-dir", at)
            assert (run.returncode, run.stderr) == (0, "")
        dry = segue_cache("prune", "--to-mib", "0", "--dry-run", "--cache-dir", at)
        assert dry.stdout.startswith("5 checkpoints would be removed: ")
        for name in ("verify", "rm", "prune", "pin"):
            run = segue_cache(*COMMANDS[name], "--cache-dir", at)
            assert (run.returncode, run.stdout) == (1, "")
            assert run.stderr.startswith("segue: cannot use the cache directory ")
            assert f"process {os.getpid()} uses it" in run.stderr
            assert run.stderr.count("\n") == 1
        assert len(DirectoryContents.read(tmp_path / "cache").checkpoints) == 6


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that fails."""
    assert main(["cache", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("segue: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_cache_directory(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*COMMANDS[name], "--cache-dir"]
    assert "not a cache directory" in failing(capsys, *command, str(tmp_path / "none"))
    assert "not a cache directory" in failing(capsys, *command, str(tmp_path))
    (tmp_path / "file").touch()
    assert "not a directory" in failing(capsys, *command, str(tmp_path / "file"))
    (tmp_path / "index.sqlite").write_bytes(b"GGUF" * 2000)
    assert "it is damaged or is not an index" in failing(capsys, *command, str(tmp_path))
    (tmp_path / "index.sqlite").write_bytes(b"")
    assert "not an index of Segue" in failing(capsys, *command, str(tmp_path))
    assert {file.name for file in tmp_path.iterdir()} == {"file", "index.sqlite"}


@pytest.mark.parametrize("name", ["show", "rm", "pin"])
def test_an_id_that_two_begin_with_changes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Directory(tmp_path)) as directory:
        for key in (15 * b"a" + b"1", 15 * b"a" + b"2"):
            directory.index.add(directory.index.model_id('{"model": "a"}'), [], alone(1, key=key))
    assert "has several checkpoints 61616161; give more digits" in failing(
        capsys, name, "61616161", "--cache-dir", str(tmp_path)
    )
    assert [checkpoint.row.pinned for checkpoint in DirectoryContents.read(tmp_path).checkpoints] == [False, False]
    assert main(["cache", name, 15 * "61" + "32", "--cache-dir", str(tmp_path)]) == 0


@pytest.mark.parametrize("name", ["show", "rm", "pin"])
def test_a_wrong_id_changes_nothing(name: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [IDS[1]] if name != "show" else []
    assert "has no checkpoint 9999;" in failing(capsys, name, *more, "9999", "--cache-dir", str(path))
    assert [checkpoint.row.pinned for checkpoint in DirectoryContents.read(path).find([IDS[1]])] == [False]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_damaged_index(name: str, share: float, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = path / "index.sqlite"
    data = bytearray(index.read_bytes())
    page = int(share * len(data)) // 4096 * 4096
    data[page : page + 4096] = b"\xa5" * 4096
    index.write_bytes(data)
    assert "it is damaged" in failing(capsys, *COMMANDS[name], "--cache-dir", str(path))


def test_verify_says_what_is_wrong(path: Path, contents: DirectoryContents, capsys: pytest.CaptureFixture[str]) -> None:
    torn, gone = contents.find([IDS[2]])[0].row.file, contents.find([IDS[3]])[0].row.file
    assert torn is not None
    assert gone is not None
    (path / "blobs" / torn).write_bytes((path / "blobs" / torn).read_bytes()[:-1])
    (path / "blobs" / gone).unlink()
    assert main(["cache", "verify", "--cache-dir", str(path)]) == 1
    lost, damaged, last = capsys.readouterr().out.splitlines()
    assert lost == f"checkpoint {IDS[3]} lost a file or was damaged, and is forgotten"
    assert f"{torn} is damaged" in damaged
    assert last.endswith(" read: 2 faults found")
    assert main(["cache", "rm", IDS[2], "--cache-dir", str(path)]) == 0
    assert main(["cache", "verify", "--cache-dir", str(path)]) == 0


def test_pins_come_and_go(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for off, line in ((["--off"], "2 checkpoints no longer pinned"), ([], "2 checkpoints pinned")):
        assert main(["cache", "pin", IDS[5], IDS[1], *off, "--cache-dir", str(path)]) == 0
        assert capsys.readouterr().out.strip() == line
        assert {checkpoint.row.pinned for checkpoint in DirectoryContents.read(path).find([IDS[1], IDS[5]])} == {
            not off
        }


def test_prune_keeps_what_was_used_since(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = DirectoryContents.read(path).used_bytes
    for more in (["--dry-run"], []):
        assert main(["cache", "prune", "--other-models", *more, "--cache-dir", str(path)]) == 0
        assert capsys.readouterr().out.startswith(f"1 checkpoint {'would be ' * len(more)}removed: ")
    assert {checkpoint.id for checkpoint in DirectoryContents.read(path).checkpoints} == {
        IDS[number] for number in range(1, 6)
    }
    assert DirectoryContents.read(path).used_bytes < before


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["prune"], "prune needs a condition"),
        (["prune", "--older-than", "soon"], "--older-than"),
        (["prune", "--to-mib", "-1"], "--to-mib"),
        (["ls", "--preview"], "--preview and --model go together"),
        (["ls", "-m", "x.gguf"], "--preview and --model go together"),
        (["rm"], "IDS"),
        (["show", "nonsense"], "'nonsense' is not an id: give at least 4 of the digits that segue cache ls shows"),
        (["show", "abc"], "'abc' is not an id"),
        (["show", "abcd\n"], "is not an id"),
        (["rm", "abcd", "1"], "'1' is not an id"),
        (["pin", "abcd%"], "'abcd%' is not an id"),
        (["lss"], "lss"),
    ],
)
def test_a_command_line_that_cannot_be_understood(
    arguments: list[str], part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path)
    assert main(["cache", *arguments, "--cache-dir", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert part in err
    assert err.count("\n") == 1


def test_the_directory_must_be_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEGUE_CACHE_DIR", raising=False)
    assert main(["cache", "ls"]) == 2
    assert "--cache-dir" in capsys.readouterr().err
