"""Each field of a request in llama-server's README is taken, or on the list of those that are not."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from segue.api.anthropic.requests import MessagesRequest
from segue.api.intake.requests import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbeddingsRequest,
    InfillRequest,
    RerankRequest,
    SlotRequest,
    TokenizeRequest,
)
from tests.acceptance.clients import SOURCES, require

TAKES: dict[str, type[BaseModel]] = {
    "/completion": CompletionRequest,
    "/tokenize": TokenizeRequest,
    "/detokenize": DetokenizeRequest,
    "/apply-template": ChatRequest,
    "/embedding": EmbeddingsRequest,
    "/reranking": RerankRequest,
    "/infill": InfillRequest,
    "/slots/{id_slot}?action=save": SlotRequest,
    "/slots/{id_slot}?action=restore": SlotRequest,
    "/v1/chat/completions": ChatRequest,
    "/v1/messages": MessagesRequest,
}


def fields(readme: str) -> Iterator[tuple[str, str]]:
    """The endpoints that take requests, each with the fields of its requests, as the README lists them."""
    for section in re.split(r"^### ", readme, flags=re.M)[1:]:
        path = re.match(r"(?:\*\*)?POST(?:\*\*)? `([^`]+)`", section)
        if path and path[1] in TAKES:
            request = re.split(r"^\*\*Response|^\*\*Example|^\*Response|^- Note: In streaming", section, flags=re.M)[0]
            for line in request.splitlines():
                found = re.match(r"\s*(?:- )?`([a-z_]+)` ?(?::|\()", line)
                if found:
                    yield path[1], found[1]


@pytest.mark.acceptance
def test_every_field_of_the_readme_is_taken_or_listed() -> None:
    require(SOURCES)
    (readme,) = SOURCES.directory.glob("*/vendor/llama.cpp/tools/server/README.md")
    with (Path(__file__).parent / "fields.toml").open("rb") as file:
        listed = {field["name"] for field in tomllib.load(file)["field"]}
    found = list(fields(readme.read_text()))
    assert {path for path, _ in found} == TAKES.keys()
    left = {(path, name) for path, name in found if name not in TAKES[path].model_fields}
    assert {name for _, name in left} <= listed, left
    assert listed <= {name for _, name in left}, "a listed field is taken, or no longer in the README"
