"""The session that a client names goes to the loop, whatever it calls it, and changes no reply."""

from typing import Any

import pytest

from segue.api.replies.session import session_of
from tests.kit.live import Live

HELLO = [{"role": "user", "content": "Hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/completions": {"prompt": "Hello"},
    "/completion": {"prompt": "Hello"},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 9},
}


@pytest.mark.parametrize("path", BODIES)
def test_every_api_hears_of_it(server: Live, path: str) -> None:
    named: tuple[dict[str, str], ...] = ({}, {"X-Session-Id": "one"}, {"X-Session-Affinity": "two"})
    for headers in named:
        assert server.http.post(path, json={**BODIES[path], "seed": 1}, headers=headers).status_code == 200
    jobs = server.loop.jobs[-3:]
    assert [job.session for job in jobs] == ["", "one", "two"]
    assert len({job.tokens.tobytes() for job in jobs}) == len({job.sampling for job in jobs}) == 1


@pytest.mark.parametrize(
    "name",
    ["x-session-id", "x-session-affinity", "x-claude-code-session-id", "session-id", "session_id", "thread-id"],
)
def test_the_names_that_clients_use(server: Live, name: str) -> None:
    server.http.post("/v1/chat/completions", json={"messages": HELLO}, headers={name: "abc"})
    assert server.loop.jobs[-1].session == "abc"


def test_the_first_that_says_something_counts_and_no_more_than_is_needed() -> None:
    assert session_of({"x-session-id": "", "session_id": "a", "thread-id": "b"}) == "a"
    assert len(session_of({"thread-id": "x" * 5000})) == 200
    assert session_of({"accept": "*/*"}) == ""
