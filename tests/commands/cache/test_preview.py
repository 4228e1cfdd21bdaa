from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.preview import previews
from segue.engine.errors import ModelError
from segue.engine.model import open_vocabulary
from segue.engine.model_files import digest
from segue.storage.directory import Directory
from tests.commands.cache.making import NEW, add, id_of
from tests.kit.models import model_path
from tests.storage.making import on_chain

TEXT = "never seen" * 30 + "\x1b[31m red\n\tand  a long tail that ends. " + "z" * 160


@pytest.fixture
def model() -> Path:
    return model_path("llama")


def test_the_end_of_a_prompt(tmp_path: Path, model: Path) -> None:
    with open_vocabulary(model) as vocabulary:
        tokens = vocabulary.tokenize(TEXT, add_special=False, parse_special=False)
        end = b"".join(vocabulary.piece(int(token)) for token in tokens[-200:]).decode()
    tokens = np.array([*tokens, -7, 10**6], np.int32)
    row = on_chain(len(tokens), tokens=tokens)
    with closing(Directory(tmp_path / "cache")) as directory:
        add(directory, {"model": digest(model)}, [], row)
        add(directory, NEW, [], row)
    texts = previews(DirectoryContents.read(tmp_path / "cache"), model)
    assert list(texts) == [id_of({"model": digest(model)}, tokens)]
    (text,) = texts.values()
    assert len(text) <= 60
    assert text.isprintable()
    assert text[:10] in " ".join(end.split())


def test_a_model_that_is_none(contents: DirectoryContents, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model file"):
        previews(contents, tmp_path / "none.gguf")
    (tmp_path / "torn.gguf").write_bytes(b"GGUF and so on")
    with pytest.raises(ModelError, match="cannot load"):
        previews(contents, tmp_path / "torn.gguf")
