"""`segue doctor` finds what is wrong with setups that were broken on purpose, and the line that it gives mends them."""

import os
import re
import resource
import shlex
import shutil
import socket
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from gguf import GGUFWriter, Keys

from segue.cli import main
from segue.commands.doctor import check_memory, examination
from segue.commands.doctor.cards import Card
from segue.commands.doctor.processor import Processor
from segue.demo.model_file import write_model
from segue.demo.vocabulary import write_vocabulary
from segue.drafting.tree import N_BYTES_MOST
from segue.engine import fitting
from segue.engine.cgroup import MemoryLimit
from segue.engine.devices import Device, DeviceKind
from segue.engine.errors import EngineError
from segue.engine.probe import LibraryFacts
from segue.storage.directory import Directory
from tests.kit.architectures import Sizes, llama
from tests.kit.models import model_path
from tests.kit.mtp_models import mtp_path

MIB, GIB = 1 << 20, 1 << 30
CPU = Device("CPU", "AMD Ryzen", DeviceKind.CPU, 12 * GIB, 16 * GIB)
LIBRARY = LibraryFacts("0.3.36, ggml 0.25", {"CPU": ("AVX2", "FMA", "OPENMP")}, (CPU,))


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing wrong; the model's file and directories are real."""
    monkeypatch.setattr(examination, "probe", lambda: LIBRARY)
    monkeypatch.setattr(examination, "processor", lambda: Processor("AMD Ryzen", frozenset({"AVX2", "FMA"}), 8))
    monkeypatch.setattr(examination, "find_cards", list)
    monkeypatch.setattr(examination, "memory_speed", lambda: 10.0 * GIB)
    monkeypatch.setattr(examination, "read_speed", lambda _: 2.0 * GIB)
    monkeypatch.setattr(examination, "write_speed", lambda _: 1.0 * GIB)
    monkeypatch.setattr(fitting, "list_devices", lambda: [CPU])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "model.gguf"
    path.parent.mkdir()
    path.symlink_to(model_path("llama"))
    return path


class Report:
    """What the doctor printed, and with which exit code."""

    def __init__(self, *arguments: object, capsys: pytest.CaptureFixture[str]) -> None:
        self.code = main(["doctor", "--port", "0", *map(str, arguments)])
        self.text = capsys.readouterr().out

    @property
    def wrong(self) -> list[str]:
        return re.findall(r"^wrong: (.*)$", self.text, re.MULTILINE)

    @property
    def mends(self) -> list[str]:
        return re.findall(r"^wrong: .*\n  (.*)$", self.text, re.MULTILINE)


@pytest.fixture
def examined(capsys: pytest.CaptureFixture[str]) -> Callable[..., Report]:
    def run(*arguments: object) -> Report:
        return Report(*arguments, capsys=capsys)

    return run


Examine = Callable[..., Report]


def expect(report: Report, text: str, mend: str) -> None:
    """One thing is wrong."""
    assert len(report.wrong) == len(report.mends) == 1, report.text
    assert re.search(text, report.wrong[0]), report.wrong
    assert re.search(mend, report.mends[0]), report.mends
    assert (report.code, "1 thing to mend" in report.text) == (1, True)


def expect_mended(report: Report, examined: Examine) -> None:
    """The line that was given has nothing wrong."""
    again = examined(*shlex.split(report.mends[0])[2:])
    assert (again.code, again.wrong) == (0, []), again.text


def test_a_sound_setup(model: Path, tmp_path: Path, examined: Examine) -> None:
    report = examined("-m", model, "-c", 4096, "--cache-dir", tmp_path / "new" / "cache")
    assert (report.code, report.wrong) == (0, []), report.text
    assert "Nothing is wrong." in report.text
    assert not (tmp_path / "new").exists()
    for part in ("AMD Ryzen, 8 cores: AVX2, FMA", "12.0 GiB of 16.0 GiB free", "10.0 GiB/s", "131,072", "these flags"):
        assert part in report.text
    assert examined().code == 0


def test_what_drafting_takes(examined: Examine) -> None:
    path = mtp_path("qwen35-mtp")
    found = []
    for flags in (("--spec-type", "none"), ("--spec-type", "tree"), (), ("-md", str(model_path("llama")))):
        report = examined("-m", path, "-c", 4096, *flags)
        assert report.code == 0, report.text
        text = " ".join(report.text.split())
        sizes = re.search(r"(\d+) MiB for drafts: (\d+) of cells and (\d+) of buffers", text)
        assert (" buffers drafts in all " in text) == bool(sizes)
        found.append(int(sizes[1]) if sizes else 0)
    none, history, mtp, model = found
    assert 0 == none < history < mtp < model


def test_a_draft_model_that_is_not_there(model: Path, examined: Examine) -> None:
    report = examined("-m", model, "-c", 4096, "-md", model.with_name("draft.gguf"))
    expect(report, "no such model file: .*draft.gguf", "")


def test_a_model_that_is_not_there(model: Path, examined: Examine) -> None:
    report = examined("-m", model.with_name("modle.gguf"))
    expect(report, "cannot read the model .*modle.gguf: No such file", f"--model {model}$")
    expect_mended(report, examined)


def test_a_file_that_is_no_model(model: Path, examined: Examine) -> None:
    path = model.with_name("model.bin")
    path.write_text("PK and so on")
    report = examined("-m", path)
    expect(report, r"model\.bin is not a GGUF file", f"--model {model}$")
    expect_mended(report, examined)


@pytest.mark.parametrize(("share", "text"), [(0.9, "is cut off: it has .* of .* bytes"), (0.001, "header of")])
def test_a_file_that_is_cut_off(share: float, text: str, model: Path, examined: Examine) -> None:
    path = model.with_name("short.gguf")
    path.write_bytes(model.read_bytes()[: int(share * model.stat().st_size)])
    expect(examined("-m", path), text, r"^hf download USER/MODEL --include 'short\*\.gguf' --local-dir .*models ")


def test_a_vocabulary_without_weights(model: Path, examined: Examine) -> None:
    path = model.with_name("vocabulary.gguf")
    writer = GGUFWriter(path, "llama")
    write_vocabulary(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    expect(examined("-m", path), r"vocabulary\.gguf holds a vocabulary, and no weights", r"--model MODEL\.gguf$")


def test_a_part_that_is_missing(model: Path, examined: Examine) -> None:
    path = model.with_name("big-00001-of-00002.gguf")
    shutil.copy(model, path)
    expect(examined("-m", path), r"without big-00002-of-00002\.gguf", r"^hf download .*'big\*\.gguf'")


def test_a_context_that_does_not_fit(model: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(CPU, free_bytes=40 * MIB + N_BYTES_MOST, total_bytes=128 * MIB)
    monkeypatch.setattr(fitting, "list_devices", lambda: [small])
    report = examined("-m", model, "-c", 131_072, "-np", 1, "-ub", 64)
    expect(report, "131,?072", r"--ctx-size [1-9]\d+$")
    assert "--cache-type-k q8_0" in report.text
    expect_mended(report, examined)


def test_weights_that_memory_cannot_hold(model: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(CPU, free_bytes=100_000, total_bytes=200_000)
    monkeypatch.setattr(examination, "probe", lambda: replace(LIBRARY, devices=(small,)))
    monkeypatch.setattr(check_memory, "memory_limit", lambda: None)
    expect(examined("-m", model), "of this machine are free: parts .* from the disk", r"--model SMALLER\.gguf$")
    monkeypatch.setattr(check_memory, "memory_limit", lambda: MemoryLimit(200_000, 100_000))
    report = examined("-m", model)
    expect(report, "of the limit of this container are free", "^docker update --memory 1g --memory-swap 1g CONTAINER$")


def test_a_cache_directory_that_cannot_be_made(tmp_path: Path, examined: Examine) -> None:
    (tmp_path / "file").touch()
    report = examined("--cache-dir", tmp_path / "file" / "cache")
    expect(report, "cannot be made: .*file is a file$", "--cache-dir DIRECTORY$")


def test_a_cache_directory_on_a_read_only_or_full_disk(
    tmp_path: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * MIB))
    expect(examined("--cache-dir", tmp_path), "is full: 3 MiB are free", "--cache-dir DIRECTORY$")
    monkeypatch.setattr(os, "access", lambda *_: False)
    expect(examined("--cache-dir", tmp_path), "cannot be written", "--cache-dir DIRECTORY$")
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    expect(examined("--cache-dir", tmp_path), "file system that is read-only$", "--cache-dir DIRECTORY$")


def test_a_cache_directory_of_an_older_format(tmp_path: Path, examined: Examine) -> None:
    Directory(tmp_path / "cache").close()
    with sqlite3.connect(tmp_path / "cache" / "index.sqlite") as database:
        database.execute("PRAGMA user_version = 3")
    report = examined("--cache-dir", tmp_path / "cache")
    expect(report, "another version of Segue .format 3", "--cache-dir .*cache-new$")
    expect_mended(report, examined)


def test_a_port_that_is_taken(examined: Examine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        report = examined("--port", port)
        expect(report, f"cannot listen on 127.0.0.1:{port}: Address already in use", r"--port \d+$")
        expect_mended(report, examined)


def test_a_library_for_another_processor(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "processor", lambda: Processor("Intel Atom", frozenset({"SSE3"}), 8))
    expect(examined(), "another processor: this one has no AVX2, FMA", 'CMAKE_ARGS="-DGGML_NATIVE=ON" pip install')
    monkeypatch.setattr(examination, "processor", lambda: Processor("a new one", frozenset({"AVX2", "FMA", "F16C"}), 8))
    assert "advice: this processor has F16C" in examined().text


def test_a_library_that_cannot_be_loaded(model: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> LibraryFacts:
        raise EngineError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(examination, "probe", fail)
    expect(examined("-m", model), "cannot be loaded: libcudart", "pip install --no-cache-dir --force-reinstall")


def test_a_card_that_libllama_was_not_built_for(examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "find_cards", lambda: [Card("NVIDIA", "CUDA")])
    expect(examined(), "card of NVIDIA, and libllama was built without", 'CMAKE_ARGS="-DGGML_CUDA=ON" pip install')
    assert examined("--device", "none").code == 0
    card = Device("CUDA0", "RTX", DeviceKind.GPU, 20 * GIB, 24 * GIB)
    monkeypatch.setattr(examination, "probe", lambda: replace(LIBRARY, devices=(card, CPU)))
    assert examined().code == 0


def test_a_limit_of_locked_memory(model: Path, examined: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8192, 8192))
    monkeypatch.setattr(check_memory, "_may_lock", lambda: False)
    report = examined("-m", model, "--mlock")
    expect(report, "this user may lock 0.00 GiB", f"^ulimit -l unlimited && segue serve --port 0 -m {model} --mlock$")
    assert examined("-m", model).code == 0
    monkeypatch.setattr(check_memory, "_may_lock", lambda: True)
    assert examined("-m", model, "--mlock").code == 0


def test_more_threads_than_cores(examined: Examine) -> None:
    report = examined("-t", 64, "--threads-batch", 9)
    expect(report, "--threads 64 and --threads-batch 9: this process may use 8 cores", "--threads 8 --threads-batch 8$")
    expect_mended(report, examined)


@pytest.mark.parametrize(("template", "text"), [(None, "no chat template, and ChatML"), ("{% if", "own .* is broken")])
def test_a_chat_template_that_is_missing_or_broken(
    template: str | None, text: str, tmp_path: Path, examined: Examine
) -> None:
    def write(writer: GGUFWriter) -> None:
        write_vocabulary(writer)
        writer.kv_data[0].pop(Keys.Tokenizer.CHAT_TEMPLATE)
        if template is not None:
            writer.add_chat_template(template)

    write_model(tmp_path / "model.gguf", llama(Sizes()), seed=0, vocabulary=write)
    expect(examined("-m", tmp_path / "model.gguf"), text, r"--chat-template-file TEMPLATE\.jinja$")


def test_a_template_of_ones_own_that_is_broken(model: Path, tmp_path: Path, examined: Examine) -> None:
    (tmp_path / "t.jinja").write_text("{% for")
    report = examined("-m", model, "--chat-template-file", tmp_path / "t.jinja")
    expect(report, "template", f"-m {model}$")
    expect_mended(report, examined)


@pytest.mark.parametrize(
    ("places", "text", "left"),
    [
        ("exps=CPU,attn=CPU", "'exps' matches no tensor", " --override-tensor attn=CPU$"),
        ("attn(=CPU", "no regular expression", r"model\.gguf$"),
        ("attn=CUDA9", "no buffers named 'CUDA9'; it has .*CPU", r"model\.gguf$"),
    ],
)
def test_a_pattern_that_means_nothing(places: str, text: str, left: str, model: Path, examined: Examine) -> None:
    report = examined("-m", model, "-ot", places)
    expect(report, text, left)
    expect_mended(report, examined)


def test_several_things_are_mended_in_one_line(model: Path, tmp_path: Path, examined: Examine) -> None:
    report = examined("-m", model.with_name("modle.gguf"), "-t", 99, "--slot-save-path", tmp_path / "no")
    assert len(report.wrong) == 3
    assert "3 things to mend" in report.text
    line = report.text.partition("All flags mended:\n")[2].splitlines()[0]
    assert (
        line.split() == f"segue serve --port 0 --slot-save-path {tmp_path / 'no'} --threads 8 --model {model}".split()
    )


def test_a_line_that_is_not_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--ctx", "5"]) == 2
    assert capsys.readouterr().err.startswith("segue: unknown flag --ctx")
    assert main(["doctor", "-ngl", "foo"]) == 2
    assert main(["doctor", "--help"]) == 0
    assert "fixes it" in capsys.readouterr().out
