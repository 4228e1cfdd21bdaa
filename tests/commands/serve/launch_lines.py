"""Lines with which users start llama-server, with files in place of their placeholders."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_suffix(".txt")


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """Where a line was posted, and its arguments."""

    source: str
    text: str

    def arguments(self, model: Path, folder: Path) -> list[str]:
        """The arguments, with paths in `folder`; those that a server must find there are written."""
        template = folder / "template.jinja"
        template.write_text("{% for message in messages %}{{ message.content }}{% endfor %}")
        placeholders = {
            "MODEL": str(model),
            "TEMPLATE": str(template),
            "FOLDER": str(folder),
            "LOG": str(folder / "log.txt"),
            "MMPROJ": str(folder / "mmproj.gguf"),
            "DRAFT": str(folder / "draft.gguf"),
        }
        return [placeholders.get(token, token) for token in shlex.split(self.text)]

    @property
    def repo(self) -> str:
        """The repository on Hugging Face that the line names, with a quantisation or without; or an empty text."""
        tokens = shlex.split(self.text)
        return tokens[tokens.index("-hf") + 1] if "-hf" in tokens else ""


def launch_lines() -> list[LaunchLine]:
    """All lines that were collected."""
    return list(_lines(_FILE.read_text(encoding="utf-8")))


def put_into_cache(repo: str, model: Path, cache: Path) -> None:
    """Lay a model where llama-server keeps a repository of Hugging Face."""
    name, _, quant = repo.partition(":")
    snapshot = cache / f"models--{name.replace('/', '--')}" / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    (snapshot / f"{name.rpartition('/')[2]}-{quant or 'Q4_K_M'}.gguf").symlink_to(model)


def _lines(text: str) -> Iterator[LaunchLine]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            source, _, arguments = line.partition(" ")
            yield LaunchLine(source, arguments.strip())
