"""Files that tests write once and share between runs and processes."""

import os
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Final

# All that decides what is in a model's file.
_SOURCES: Final = (
    "segue.demo.layers",
    "segue.demo.model_file",
    "segue.demo.tiny_model",
    "segue.demo.vocabulary",
    "tests.kit.architectures",
    "tests.kit.families",
    "tests.kit.family_models",
    "tests.kit.layers",
    "tests.kit.models",
    "tests.kit.mtp_models",
    "tests.kit.word_pieces",
)


def written_once(name: str, write: Callable[[Path], None], version: str | None = None) -> Path:
    """Where `write` has put the file `name`; called only if no process has done so since the kit last changed.

    `version`, if given, stands in for the kit's sources. The file appears whole or not at all, also where several
    processes write it at once.
    """
    directory = Path(tempfile.gettempdir()) / f"segue-kit-{version or _sources_digest()}"
    path = directory / name
    if not path.exists():
        directory.mkdir(exist_ok=True)
        handle, unfinished = tempfile.mkstemp(prefix=f"{name}.", dir=directory)
        os.close(handle)
        try:
            write(Path(unfinished))
            os.replace(unfinished, path)
        except BaseException:
            os.unlink(unfinished)
            raise
    return path


@cache
def _sources_digest() -> str:
    sources = (Path(str(import_module(module).__file__)) for module in _SOURCES)
    return sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()[:16]
