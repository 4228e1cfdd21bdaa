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
from segue.drafting.limits import DraftLimits

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


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ({}, DraftLimits(16, 1, 0.25)),
        ({"speculative.n_max": 3}, DraftLimits(3, 1, 0.25)),
        ({"speculative.n_max": 99}, DraftLimits(16, 1, 0.25)),
        ({"speculative.n_max": 0, "speculative.n_min": 2, "speculative.p_min": 0.75}, DraftLimits(0, 2, 0.75)),
        ({"speculative.p_min": None, "speculative.type": "ngram-mod"}, DraftLimits(16, 1, 0.25)),
    ],
)
def test_a_request_says_how_much_is_drafted_for_it(fields: dict[str, object], limits: DraftLimits) -> None:
    request = CompletionRequest.model_validate({"prompt": "x", **fields})
    assert request.draft_limits(DraftLimits(16, 1, 0.25)) == limits
