"""Structured output over HTTP, from tiny models that would never write it by themselves."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field

from tests.kit.models import model_path
from tests.kit.served import Served, served

CHAT, COMPLETION, NATIVE = "/v1/chat/completions", "/v1/completions", "/completion"


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Literal["cup", "plate"]
    name: Annotated[str, Field(max_length=8)]
    sizes: Annotated[list[Annotated[int, Field(ge=0, le=99)]], Field(min_length=1, max_length=3)]
    is_new: bool | None


SCHEMA = Item.model_json_schema()
FORMAT = {"type": "json_schema", "json_schema": {"name": "item", "schema": SCHEMA, "strict": True}}
GBNF = 'root ::= "(" [a-f]{2,5} ")" | "none"'
LARK = 'start: "[" NUMBER ("," NUMBER){0,3} "]"\nNUMBER: /[0-9]{1,3}/'
REGEX = r"[A-Z]{3}-\d{2,4}"


@pytest.fixture(scope="module", params=["qwen35", "lfm2-window"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(model_path(request.param), "-c", "4096", "-np", "4") as server:
        yield server


def body_of(prompt: str, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    # Tiny models never end their reasoning, and what is asked for begins after it.
    is_plain = {"chat_template_kwargs": {"enable_thinking": False}}
    return {"temperature": 1.0, "max_tokens": 400, "messages": messages, "prompt": prompt, **is_plain, **fields}


def post(server: Served, path: str, prompt: str = "Say something.", **fields: Any) -> dict[str, Any]:
    response = server.client.post(path, json=body_of(prompt, **fields))
    assert response.status_code == 200, response.text
    return dict(response.json())


def said_in(path: str, choice: dict[str, Any]) -> str:
    if path == CHAT:
        return str((choice.get("message") or choice["delta"]).get("content") or "")
    return str(choice["content" if path == NATIVE else "text"])


def texts(server: Served, path: str, **fields: Any) -> list[str]:
    """The replies of one request, whole."""
    body = post(server, path, **fields)
    return [said_in(path, choice) for choice in body.get("choices", [body])]


def streamed(server: Served, path: str, **fields: Any) -> str:
    request = body_of("Say something.", stream=True, **fields)
    said = ""
    with server.client.stream("POST", path, json=request) as response:
        for line in response.iter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line.removeprefix("data: "))
                said += "".join(said_in(path, choice) for choice in chunk.get("choices", [chunk]))
    return said


def check(name: str, said: str) -> None:
    if name in ("response_format", "json_schema"):
        Item.model_validate_json(said)
    else:
        pattern = {"grammar": r"\([a-f]{2,5}\)|none", "lark": r"\[\d{1,3}(,\d{1,3}){0,3}\]", "regex": REGEX}[name]
        assert re.fullmatch(pattern, said)


@pytest.mark.parametrize("path", [CHAT, COMPLETION, NATIVE])
@pytest.mark.parametrize(
    ("name", "value"),
    [("response_format", FORMAT), ("json_schema", SCHEMA), ("grammar", GBNF), ("lark", LARK), ("regex", REGEX)],
)
def test_replies_are_what_was_asked_for(server: Served, path: str, name: str, value: Any) -> None:
    for seed in range(4):
        check(name, texts(server, path, seed=seed, **{name: value})[0])
        check(name, streamed(server, path, seed=seed, **{name: value}))
    [greedy] = texts(server, path, temperature=0, **{name: value})
    check(name, greedy)
    [odd] = texts(server, path, seed=1, top_k=1000, mirostat=2, ignore_eos=True, repeat_penalty=1.3, **{name: value})
    check(name, odd)


def test_any_object(server: Served) -> None:
    ends = set()
    for seed in range(4):
        body = post(server, CHAT, seed=seed, response_format={"type": "json_object"}, max_tokens=2000)
        choice = body["choices"][0]
        ends.add(choice["finish_reason"])
        if choice["finish_reason"] == "stop":
            assert isinstance(json.loads(choice["message"]["content"]), dict)
        else:
            assert choice["message"]["content"].startswith("{")
    assert "stop" in ends, "no reply was whole"


def test_several_replies_at_once(server: Served) -> None:
    replies = texts(server, CHAT, response_format=FORMAT, n=3, seed=5)
    assert len(set(replies)) == 3
    for said in replies:
        check("response_format", said)


def test_replies_that_end_early(server: Served) -> None:
    stopped = post(server, CHAT, response_format=FORMAT, seed=2, stop=['"sizes"'])["choices"][0]
    assert stopped["finish_reason"] == "stop"
    assert re.search(r'"name"\s*:\s*".*"\s*,\s*$', stopped["message"]["content"], re.DOTALL)
    cut_off = post(server, CHAT, response_format=FORMAT, seed=2, max_tokens=7)["choices"][0]
    assert cut_off["finish_reason"] == "length"
    assert cut_off["message"]["content"].startswith("{")


def test_a_client_that_goes_away_harms_nobody(server: Served) -> None:
    request = body_of("Go on.", stream=True, regex="[a-z]+", max_tokens=-1, ignore_eos=True)
    with server.client.stream("POST", CHAT, json=request) as response:
        assert next(response.iter_lines())
    for name, value in (("regex", REGEX), ("grammar", GBNF)):
        check(name, texts(server, CHAT, **{name: value})[0])


def first_token(server: Served, prompt: str, **fields: Any) -> dict[str, Any]:
    body = post(server, NATIVE, prompt, n_predict=1, n_probs=10, **fields)
    token: dict[str, Any] = body["completion_probabilities"][0]
    return token


def logprobs(token: dict[str, Any]) -> list[float]:
    return [top["logprob"] for top in token["top_logprobs"]]


# The first allows few tokens, the second most.
@pytest.mark.parametrize("regex", ["[a-f]{3}", "[^a-m]{3,9}"])
def test_nothing_of_a_grammar_is_left_in_what_is_cached(server: Served, regex: str) -> None:
    """The probabilities after a prompt are the model's own: under a grammar, and where a grammar was before."""
    for word in ("time", "day", "night", "sea"):
        prompt = f"Once upon a {word}, under {regex},"
        masked = [first_token(server, prompt, regex=regex) for _ in range(2)]
        free = [first_token(server, prompt, temperature=0, cache_prompt=is_cached) for is_cached in (True, False)]
        assert all(re.fullmatch(regex, 3 * token["token"][0]) for token in masked)
        assert free[0]["token"] == free[1]["token"]
        for token in (*masked, free[0]):
            assert logprobs(token) == pytest.approx(logprobs(free[1]), abs=0.02)


def test_probabilities_after_sampling_are_those_under_the_grammar(server: Served) -> None:
    token = first_token(server, "Once", regex="[a-f]{3}", post_sampling_probs=True)
    assert all(re.fullmatch("[a-f]+", top["token"]) for top in token["top_probs"])


def test_a_grammar_that_takes_too_much_ends_its_reply_alone(server: Served) -> None:
    request = body_of("Go on.", regex="((a{0,100}){0,100}){0,100}", ignore_eos=True)
    response: httpx.Response = server.client.post(COMPLETION, json=request)
    assert response.status_code == 400
    assert "grammar" in response.json()["error"]["message"]
    check("regex", texts(server, CHAT, regex=REGEX)[0])
