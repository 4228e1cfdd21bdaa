"""GET /metrics: llama-server's series under their names, in the text format of Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from segue.engine.base import EmbeddingTotals
from segue.loop.totals import LoopTotals
from segue.serving.errors import not_supported
from segue.serving.service import Service

_TEXT = "text/plain; version=0.0.4"


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    kind: str
    help: str
    value: float

    def __str__(self) -> str:
        name = f"llamacpp:{self.name}"
        return f"# HELP {name} {self.help}\n# TYPE {name} {self.kind}\n{name} {self.value}\n"


class _Meter:
    """Turns totals into series; the rates are those since the last time."""

    def __init__(self) -> None:
        self._loop, self._embeddings = LoopTotals(), EmbeddingTotals()

    def read(self, loop: LoopTotals, embeddings: EmbeddingTotals, *, n_running: int, n_waiting: int) -> str:
        """The text of all series."""
        n_read, read_s = loop.n_read + embeddings.n_tokens, loop.read_ms / 1000 + embeddings.seconds
        last, last_embeddings = self._loop, self._embeddings
        self._loop, self._embeddings = loop, embeddings
        n_new = n_read - last.n_read - last_embeddings.n_tokens
        new_s = read_s - last.read_ms / 1000 - last_embeddings.seconds
        generated_s = (loop.generated_ms - last.generated_ms) / 1000
        busy = _ratio(loop.n_served, loop.n_calls)
        n_calls = loop.n_calls + embeddings.n_texts
        series = [
            *_counters(
                prompt_tokens_total=("Prompt tokens read, without those from the cache", n_read),
                prompt_tokens_cached_total=("Prompt tokens reused from the cache", loop.n_cached),
                prompt_seconds_total=("Seconds until prompts were read", read_s),
                tokens_predicted_total=("Tokens generated", loop.n_generated),
                tokens_predicted_seconds_total=("Seconds in which they were generated", loop.generated_ms / 1000),
                n_decode_total=("Calls that read a batch of tokens", n_calls),
                n_tokens_max=("Most tokens of a prompt with its reply", loop.n_longest),
                spec_decode_num_draft_tokens_total=("Tokens drafted", loop.n_drafted),
                spec_decode_num_accepted_tokens_total=("Drafted tokens that were accepted", loop.n_accepted),
                spec_decode_num_drafts_total=("Drafts that were verified", 0),
            ),
            *_gauges(
                prompt_tokens_seconds=("Prompt tokens read a second since the last scrape", _ratio(n_new, new_s)),
                predicted_tokens_seconds=(
                    "Tokens generated a second since the last scrape",
                    _ratio(loop.n_intervals - last.n_intervals, generated_s),
                ),
                requests_processing=("Requests that have a slot", n_running),
                requests_deferred=("Requests that wait for a slot", n_waiting),
                n_busy_slots_per_decode=("Slots in use at a call, on average", busy),
            ),
        ]
        return "".join(map(str, series))


def router(service: Service) -> APIRouter:
    """The route."""
    routes, meter = APIRouter(), _Meter()

    @routes.get("/metrics", response_model=None)
    async def metrics() -> Response:
        """Show what the server has done, for Prometheus; a request counts once it has ended."""
        if not service.settings.metrics:
            raise not_supported("GET /metrics is switched off; start the server with --metrics")
        loop, embeddings = service.backend.loop, service.backend.embeddings
        n_running = sum(slot.is_processing for slot in loop.slots())
        text = meter.read(loop.totals, embeddings.totals, n_running=n_running, n_waiting=loop.n_waiting)
        response = PlainTextResponse(text, media_type=_TEXT)
        # As llama-server writes it: Starlette would take its capitals.
        response.raw_headers.append((b"Process-Start-Time-Unix", str(service.created).encode()))
        return response

    return routes


def _counters(**told: tuple[str, float]) -> Iterator[_Series]:
    return (_Series(name, "counter", text, value) for name, (text, value) in told.items())


def _gauges(**told: tuple[str, float]) -> Iterator[_Series]:
    return (_Series(name, "gauge", text, value) for name, (text, value) in told.items())


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else 0.0
