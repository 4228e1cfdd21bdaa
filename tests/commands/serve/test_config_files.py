"""llama.cpp's files of flags."""

from pathlib import Path

import pytest

from segue.commands.serve.command_line import ServeLine, read_line
from segue.commands.serve.config_files import config_options
from segue.commands.serve.errors import FlagError

FILE = """\
; a comment
version = 1
ctx-size = 4096   # behind a value
fa=on
LLAMA_ARG_N_PARALLEL = 3
no-warmup = true
jinja = 1

[other:Q8_0]
ctx-size = 1
[ * ]
port = 9000
fa = off
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "llama.cpp" / "config.ini"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def read(tmp_path: Path, text: str, *arguments: str, **environment: str) -> ServeLine:
    write(tmp_path, text)
    environment["XDG_CONFIG_HOME"] = str(tmp_path)
    return read_line(arguments, environment, config_options(environment, tmp_path / "none.ini"))


def test_options_are_flags_or_variables(tmp_path: Path) -> None:
    line = read(tmp_path, FILE)
    assert line.values == {"port": "9000", "flash_attn": "on", "ctx_size": "4096", "parallel": "3"}
    assert line.warnings == []


def test_variables_and_arguments_override_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "512")
    line = read(tmp_path, FILE, "--port", "1", LLAMA_ARG_CTX_SIZE="512")
    settings = line.settings()
    assert (settings.ctx_size, settings.port, settings.parallel) == (512, 1, 3)


def test_arguments_that_may_be_repeated_do_not_add_to_them(tmp_path: Path) -> None:
    line = read(tmp_path, "api-key = a", "--api-key", "b", "--api-key", "c")
    assert line.settings().api_key == ["b", "c"]


def test_the_users_file_overrides_the_systems(tmp_path: Path) -> None:
    system, user = write(tmp_path / "etc", "ctx-size = 1\nport = 2"), tmp_path / "home"
    write(user, "port = 3")
    options = config_options({"XDG_CONFIG_HOME": str(user)}, system)
    assert read_line([], {}, options).values == {"ctx_size": "1", "port": "3"}


def test_without_files_there_are_no_options(tmp_path: Path) -> None:
    assert config_options({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path / "none.ini") == []
    assert config_options({"HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}, tmp_path / "x" / "none.ini") == []


def test_what_is_not_taken_is_told(tmp_path: Path) -> None:
    line = read(tmp_path, "swa-full = 1\nno-such-thing = 2\nno-mmap = off\nmmproj = x.gguf")
    assert [warning.partition(":")[0] for warning in line.warnings] == [
        "passed over --swa-full",
        "passed over no-such-thing",
        "passed over --mmproj",
    ]
    assert line.values == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ctx-size = 1\nnonsense", "line 2: neither a section nor an option"),
        ("lora = a.gguf", "--lora is not taken: adapters .* config.ini"),
        ("\udc80", "cannot read"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(FlagError, match=message):
        read_line([], environment, config_options(environment, tmp_path / "none.ini"))
