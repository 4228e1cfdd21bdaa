"""llama.cpp's own tests of its server, run against either server with models of ours.

Run: python -m tests.peer.llama_tests segue|llama SOURCES [ARGUMENTS OF PYTEST...]
SOURCES is llama.cpp's folder in the sources of llama-cpp-python, which `make clients` fetches.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from tests.acceptance.clients import PEER
from tests.peer.models import embedder_path, reranker_path, storyteller_path

ROOT: Final = Path(__file__).parents[2]
TABLE: Final = Path(__file__).with_name("llama_tests.toml")
_VOCABULARY: Final = Path("models/ggml-vocab-bert-bge.gguf")
_SERVER: Final = """#!/bin/sh
PYTHONPATH={path} exec {python} {command} {which} '{models}' "$@"
"""
_COMMAND: Final = Path(__file__).with_name("command.py")
_CONFTEST: Final = Path(__file__).with_name("llama_conftest.py")


class StaleError(Exception):
    """A substitution no longer fits llama.cpp's tests."""


def run(which: str, sources: Path, arguments: Sequence[str] = ()) -> dict[str, str]:
    """What became of each test: passed, failed or skipped, by `file::test[case]`."""
    table = tomllib.loads(TABLE.read_text())
    with tempfile.TemporaryDirectory(prefix="segue-llama-tests-") as name:
        folder = Path(name)
        tests = _prepare(folder, sources, table["substitutions"])
        server = folder / "server"
        server.write_text(
            _SERVER.format(
                path=f"{ROOT}:{ROOT / 'src'}",
                python=PEER.python if which == "llama" else sys.executable,
                command=_COMMAND,
                which=which,
                models=json.dumps(_models(sources / _VOCABULARY)),
            )
        )
        server.chmod(0o755)
        environment = os.environ | {"LLAMA_SERVER_BIN_PATH": str(server)}
        left_out = [f"--ignore=unit/{file}" for file in table["left_out"]]
        command = [PEER.python, "-m", "pytest", "-q", "-m", "not slow", "--junitxml=report.xml", *left_out, *arguments]
        subprocess.run(
            [*command, *(() if any("::" in a or ".py" in a for a in arguments) else ("unit",))],
            cwd=tests,
            env=environment,
            check=False,
        )
        return _outcomes(tests / "report.xml")


def _models(vocabulary: Path) -> dict[str, str]:
    stand_ins = {
        "storyteller": storyteller_path(),
        "embedder": embedder_path(vocabulary),
        "reranker": reranker_path(vocabulary),
    }
    return {name: str(path) for name, path in stand_ins.items()}


def _prepare(folder: Path, sources: Path, substitutions: Sequence[Sequence[str]]) -> Path:
    """A copy of the tests in a tree as they expect it, with what depends on the model replaced."""
    tests = folder / "tools" / "server" / "tests"
    shutil.copytree(sources / "tools" / "server" / "tests", tests)
    (folder / "models").symlink_to(sources / "models")
    shutil.copy(_CONFTEST, tests / "conftest.py")
    for file, old, new in substitutions:
        path = tests / "unit" / file
        text = path.read_text()
        if old not in text:
            raise StaleError(f"{file} does not have {old!r}")
        path.write_text(text.replace(old, new))
    return tests


def _outcomes(report: Path) -> dict[str, str]:
    cases = ElementTree.parse(report).getroot().iter("testcase")
    outcomes = {}
    for case in cases:
        name = f"{case.attrib['classname'].removeprefix('unit.')}.py::{case.attrib['name']}"
        kinds = {child.tag for child in case}
        outcomes[name] = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    return outcomes


def main() -> None:
    """Run, and print what became of each test."""
    which, sources, *arguments = sys.argv[1:]
    outcomes = run(which, Path(sources).resolve(), arguments)
    out = os.environ.get("OUTCOMES")
    if out:
        Path(out).write_text("".join(f"{o}\t{n}\n" for n, o in outcomes.items()))
    print(f"{sum(o == 'passed' for o in outcomes.values())} of {len(outcomes)} passed")


if __name__ == "__main__":
    main()
