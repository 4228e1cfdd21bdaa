"""OpenAI's own client, on its Responses API."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.responses import FunctionToolParam
from pydantic import BaseModel

from tests.api.responses.kit import REPLY, says
from tests.kit.live import Live, live

TOOL: FunctionToolParam = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": False}


class Place(BaseModel):
    city: str


@pytest.fixture
def client() -> Iterator[openai.OpenAI]:
    with live(says(REPLY), api_key=["k"]) as running, _client(running) as client:
        yield client


def _client(running: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.url}/v1", api_key="k", max_retries=0)


def test_create(client: openai.OpenAI) -> None:
    response = client.responses.create(model="m", input="u", instructions="i", tools=[TOOL])
    assert response.output_text == "I look."
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 9
    assert client.responses.retrieve(response.id).output == response.output
    call = response.output[-1]
    assert call.type == "function_call"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "x"}
    again = client.responses.create(model="m", input=[output], previous_response_id=response.id)  # type: ignore[list-item]
    assert again.status == "completed"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.responses.retrieve(response.id)


def test_create_streamed(client: openai.OpenAI) -> None:
    texts, thoughts, kinds = [], [], []
    for event in client.responses.create(model="m", input="u", tools=[TOOL], stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            texts.append(event.delta)
        elif event.type == "response.reasoning_text.delta":
            thoughts.append(event.delta)
    assert ("".join(texts), "".join(thoughts)) == ("I look.", "Hm, well.")
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")


def test_stream_helper(client: openai.OpenAI) -> None:
    with client.responses.stream(model="m", input="u", tools=[TOOL]) as stream:
        n_events = sum(1 for _ in stream)
        response = stream.get_final_response()
    assert n_events > 10
    assert response.output_text == "I look."
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]


def test_parse() -> None:
    with live(says('{"city": "Ulm"}'), api_key=["k"]) as running, _client(running) as client:
        response = client.responses.parse(model="m", input="u", text_format=Place)
        assert running.loop.jobs[-1].make_mask is not None
        assert response.output_parsed == Place(city="Ulm")
        with client.responses.stream(model="m", input="u", text_format=Place) as stream:
            assert stream.get_final_response().output_parsed == Place(city="Ulm")


def test_errors(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Previous response with id 'resp_0' not found"):
        client.responses.create(model="m", input="u", previous_response_id="resp_0")
