"""The models of bodies: to tell what is wrong in one costs little, however long it is."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel, ValidationError

from segue.api.anthropic.requests import MessagesRequest
from segue.api.intake.requests import (
    ChatRequest,
    CompletionRequest,
    DetokenizeRequest,
    EmbeddingsRequest,
    InfillRequest,
    SlotRequest,
    TokenizeRequest,
)
from segue.api.responses.request import ResponsesRequest

MODELS: tuple[type[BaseModel], ...] = (
    *(ChatRequest, CompletionRequest, InfillRequest, EmbeddingsRequest, TokenizeRequest, DetokenizeRequest),
    *(SlotRequest, MessagesRequest, ResponsesRequest),
)
N_ITEMS, N_ERRORS = 5000, 200


def fields() -> Iterator[tuple[type[BaseModel], str]]:
    for model in MODELS:
        for name in model.model_fields:
            yield model, name


def n_errors(model: type[BaseModel], name: str, items: list[object]) -> int:
    try:
        model.model_validate({name: items})
    except ValidationError as error:
        return sum(wrong["loc"][0] == name for wrong in error.errors(include_input=False))
    return 0


@pytest.mark.parametrize("item", [None, 1.5, "x", [], {}, {"text": 1}], ids=str)
def test_a_list_of_wrong_items_makes_few_errors(item: object) -> None:
    counts = {f"{model.__name__}.{name}": n_errors(model, name, [item] * N_ITEMS) for model, name in fields()}
    assert max(counts.values()) > 0
    assert {where: n for where, n in counts.items() if n > N_ERRORS} == {}
