"""OpenAI's own client."""

from collections.abc import Iterator

import openai
import pytest

from tests.kit.live import Live, live


@pytest.fixture(scope="module")
def keyed() -> Iterator[Live]:
    with live(api_key=["k"]) as running:
        yield running


@pytest.fixture
def client(keyed: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{keyed.url}/v1", api_key="k", max_retries=0) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], seed=3, logprobs=True, top_logprobs=2, n=2
    )
    assert [choice.message.role for choice in reply.choices] == ["assistant", "assistant"]
    assert reply.choices[0].message.content
    assert reply.choices[0].logprobs is not None
    tokens = reply.choices[0].logprobs.content
    assert tokens is not None
    assert "".join(token.token for token in tokens) == reply.choices[0].message.content
    assert reply.usage is not None
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 0


def test_chat_streamed(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
            seed=3,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.endswith("-3")
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == len(text) + 1


def test_completions(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="m", prompt=["a", "b"], max_tokens=4, logprobs=1)
    assert [len(choice.text) for choice in reply.choices] == [4, 4]
    assert reply.choices[0].logprobs is not None
    assert reply.choices[0].logprobs.tokens == list(reply.choices[0].text)
    streamed = client.completions.create(model="m", prompt="a", max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == reply.choices[0].text


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["fake.gguf"]


def test_errors_have_types(client: openai.OpenAI, keyed: Live) -> None:
    with pytest.raises(openai.BadRequestError, match="n"):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], n=0)
    with pytest.raises(openai.NotFoundError):
        client.moderations.create(model="m", input="x")
    wrong = openai.OpenAI(base_url=f"{keyed.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong.models.list()
    wrong.close()
