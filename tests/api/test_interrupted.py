"""A reply that its client interrupts is read as the model wrote it, as far as the client has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from segue.loop.job import Job
from tests.api.test_kept_replies import PATH, TEMPLATE, USER, prompts, template
from tests.kit.byte_vocabulary import END, ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

__all__ = ["template"]
KEEPS_THOUGHTS = TEMPLATE.replace("message.reasoning_content and loop.last or message", "message").replace(
    " and messages[-1].role == 'tool'", ""
)
NEXT = {"role": "user", "content": "and then?"}
DOOR = 260
SAID = [
    *b"Once upon a time there was a ",
    DOOR,
    *b", behind which there was another ",
    DOOR,
    *b", and behind that a wall.",
]
TEXT = b"".join(b"door" if token == DOOR else bytes([token]) for token in SAID).decode()


class WithDoor(ByteVocabulary):
    """Has a token for a word that it writes letter by letter, as a model may write what a tokeniser would not."""

    n_tokens = 261

    def piece(self, token: int) -> bytes:
        return b"door" if token == DOOR else super().piece(token)

    def is_control(self, token: int) -> bool:
        return token != DOOR and super().is_control(token)


def slowly(tokens: list[int], n_stalled: int) -> FakeLoop:
    """A loop that says so many tokens to the first request, and then waits until nobody listens any more."""

    def stalling() -> Iterator[int]:
        yield from tokens[:n_stalled]
        loop.delay_s = 30.0
        yield END

    def reply(_: Job) -> Iterator[int]:
        loop.delay_s = 0.0
        return stalling() if len(loop.jobs) == 1 else iter([END])

    loop = FakeLoop(reply=reply)
    return loop


def interrupt(server: Live, n_chars: int, path: str = PATH, **body: Any) -> None:
    """Read a stream until it has said so many characters, and close it."""
    said = ""
    with server.http.stream("POST", path, json={"stream": True, "messages": [USER], **body}) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                delta = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]
                said += (delta.get("reasoning_content") or "") + (delta.get("content") or "")
            if len(said) >= n_chars:
                return
    raise AssertionError(f"the stream ended after {said!r}")


def answered(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def text_tokens(text: str) -> list[int]:
    return [*text.encode()]


@pytest.mark.parametrize(
    ("n_chars", "tokens"),
    [
        (1, SAID[:1]),
        (29, SAID[:29]),
        (31, [*SAID[:29], *b"do"]),
        (33, SAID[:30]),
        (40, SAID[:37]),
    ],
    ids=["first", "before a token", "inside a token", "behind a token", "later"],
)
def test_what_the_client_has_is_read_as_it_was_written(template: Path, n_chars: int, tokens: list[int]) -> None:
    with live(slowly(SAID, 45), chat_template_file=template, vocabulary=WithDoor()) as server:
        interrupt(server, 48)
        for following in ([NEXT], [NEXT, answered("no"), NEXT]):
            server.post(PATH, messages=[USER, answered(TEXT[:n_chars]), *following], max_tokens=1)
        first, second, third = prompts(server)
        written = [*first, *tokens, END]
        assert second[: len(written)] == written
        assert third[: len(written)] == written


def test_a_reply_that_a_stop_string_ended(template: Path) -> None:
    with live(FakeLoop(reply=lambda _: [*SAID, END]), chat_template_file=template, vocabulary=WithDoor()) as server:
        said = server.post(PATH, messages=[USER], stop=["or, behind"]).json()["choices"][0]["message"]["content"]
        assert said == "Once upon a time there was a do"
        server.post(PATH, messages=[USER, answered(said), NEXT], max_tokens=1)
        first, second = prompts(server)
        assert second[: len(first) + 32] == [*first, *SAID[:29], *b"do", END]


def test_a_reply_that_the_client_has_continued(template: Path) -> None:
    with live(slowly(SAID, 45), chat_template_file=template, vocabulary=WithDoor()) as server:
        interrupt(server, 48)
        server.post(PATH, messages=[USER, answered(TEXT[:40])], max_tokens=1)
        first, second = prompts(server)
        assert second == [*first, *SAID[:37]]


def test_a_reply_that_ended_before_its_client_stopped(template: Path) -> None:
    with live(FakeLoop(reply=lambda _: [*SAID, END]), chat_template_file=template, vocabulary=WithDoor()) as server:
        interrupt(server, 3)
        server.post(PATH, messages=[USER, answered(TEXT[:40]), NEXT], max_tokens=1)
        first, second = prompts(server)
        assert second[: len(first) + 38] == [*first, *SAID[:37], END]


def test_a_short_text_behind_thoughts_that_say_it_too(tmp_path: Path) -> None:
    path = tmp_path / "template.jinja"
    path.write_text(KEEPS_THOUGHTS)
    thought = [*b"<think>\n", *(b"The end. " * 12), *b"\n</think>\n\n"]
    with live(
        slowly([*thought, *b"The ", *SAID], len(thought) + 34), chat_template_file=path, vocabulary=WithDoor()
    ) as server:
        interrupt(server, 12 * 9 + 36)
        server.post(PATH, messages=[USER, answered("The " + TEXT[:33]), NEXT], max_tokens=1)
        first, second = prompts(server)
        written = [*first, *thought, *b"The ", *SAID[:30], END]
        assert second[: len(written)] == written


def test_another_text_stays_as_it_is(template: Path) -> None:
    with live(slowly(SAID, 45), chat_template_file=template, vocabulary=WithDoor()) as server:
        interrupt(server, 48)
        server.post(PATH, messages=[USER, answered("a door"), NEXT], max_tokens=1)
        first, second = prompts(server)
        assert second[: len(first) + 7] == [*first, *b"a door", END]


def test_reasoning_that_was_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "template.jinja"
    path.write_text(KEEPS_THOUGHTS)
    thought = [*b"<think>\n", *SAID]
    with live(slowly(thought, 50), chat_template_file=path, vocabulary=WithDoor()) as server:
        interrupt(server, 34)
        said = answered("", reasoning_content=TEXT[:33])
        server.post(PATH, messages=[USER, said, NEXT], max_tokens=1)
        first, second = prompts(server)
        written = [*first, *b"<think>\n", *SAID[:30]]
        assert second[: len(written)] == written


def test_nothing_is_found_across_keys(template: Path) -> None:
    keys: Any = {"api_key": ["one", "two"]}
    with live(slowly(SAID, 45), chat_template_file=template, vocabulary=WithDoor(), **keys) as server:
        server.http.headers["Authorization"] = "Bearer one"
        interrupt(server, 48)
        server.http.headers["Authorization"] = "Bearer two"
        server.post(PATH, messages=[USER, answered(TEXT[:33]), NEXT], max_tokens=1)
        first, second = prompts(server)
        assert second[: len(first) + 34] == [*first, *text_tokens(TEXT[:33]), END]
