"""GET /metrics: llama-server's series."""

from collections.abc import Mapping

import httpx

from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live


def series(response: httpx.Response) -> Mapping[str, float]:
    """The values by name. Each has its help and its type before it."""
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = iter(response.text.splitlines())
    found = {}
    for help_, type_, line in zip(lines, lines, lines, strict=True):
        name, value = line.split(" ")
        assert help_.startswith(f"# HELP {name} ")
        assert type_ in (f"# TYPE {name} counter", f"# TYPE {name} gauge")
        found[name.removeprefix("llamacpp:")] = float(value)
    return found


def test_they_count_what_requests_report() -> None:
    with live(FakeLoop(n_waiting=3), metrics=True) as server:
        bodies = [server.post("/completion", prompt="one two", n_predict=n).json() for n in (1, 4, 16)]
        timings = [body["timings"] for body in bodies]
        response = server.http.get("/metrics")
        assert (b"Process-Start-Time-Unix", str(server.service.created).encode()) in response.headers.raw
        found = series(response)
        for name, field in (
            ("prompt_tokens_total", "prompt_n"),
            ("prompt_tokens_cached_total", "cache_n"),
            ("tokens_predicted_total", "predicted_n"),
        ):
            assert found[name] == sum(timing[field] for timing in timings) > 0
        assert found["prompt_seconds_total"] == sum(timing["prompt_ms"] for timing in timings) / 1000
        assert found["n_tokens_max"] == sum(timings[-1][field] for field in ("prompt_n", "cache_n", "predicted_n"))
        assert (found["requests_processing"], found["requests_deferred"]) == (0, 3)


def test_rates_are_those_since_the_last_scrape() -> None:
    with live(metrics=True) as server:
        server.post("/completion", prompt="one", n_predict=5)
        # The loop of the test takes 2 ms for a token that it reads, and 4 for one that it generates.
        first = series(server.http.get("/metrics"))
        assert (first["prompt_tokens_seconds"], first["predicted_tokens_seconds"]) == (500, 250)
        second = series(server.http.get("/metrics"))
        assert (second["prompt_tokens_seconds"], second["predicted_tokens_seconds"]) == (0, 0)
        assert second["tokens_predicted_total"] == 5


def test_without_the_flag_there_are_none(server: Live) -> None:
    response = server.http.get("/metrics")
    assert (response.status_code, response.json()["error"]["type"]) == (501, "not_supported_error")
    assert "--metrics" in response.json()["error"]["message"]
