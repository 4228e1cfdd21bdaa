"""Draws the next token of a request, reports it to the listener, and decides whether the reply ends there."""

import numpy as np

from segue.engine.base import NO_TOKEN, Engine, Logits
from segue.loop.end import EndReason
from segue.loop.events import Candidate, TokenOut
from segue.loop.request import Request


class Reply:
    """Draws tokens for requests and tells their listeners. Belongs to the engine's thread."""

    def __init__(self, engine: Engine, n_ctx: int) -> None:
        self._engine = engine
        self._n_ctx = n_ctx

    def first(self, request: Request, row: int | None, logits: Logits) -> EndReason | None:
        """Draw the first token, from a row of the last decode or from kept logits; why it is the last, if it is."""
        job = request.job
        mask = None if job.make_mask is None else job.make_mask()
        request.sampler = self._engine.sampler(job.sampling, request.tokens, mask)
        request.forcer = None if job.make_forcer is None else job.make_forcer()
        return self._next(request, row, logits)

    def next(self, request: Request, row: int) -> EndReason | None:
        """Draw one more token from a row of the last decode; why it is the last, if it is."""
        return self._next(request, row, None)

    def _next(self, request: Request, row: int | None, logits: Logits | None) -> EndReason | None:
        job = request.job
        forced = None if request.forcer is None else request.forcer.forced()
        top: tuple[Candidate, ...] = ()
        logprob = None
        if job.n_probs > 0:
            if logits is None:
                assert row is not None
                logits = self._engine.logits(row)
            ids, logprobs = self._distribution(request, logits, forced)
        token = self._draw(request, row, logits) if forced is None else self._force(request, forced)
        if token == NO_TOKEN:
            return EndReason.EOS
        if job.n_probs > 0:
            top = tuple(
                Candidate(int(i), float(p)) for i, p in zip(ids[: job.n_probs], logprobs[: job.n_probs], strict=True)
            )
            own = logprobs[ids == token]
            logprob = float(own[0]) if len(own) else float("-inf")
        request.append(token)
        is_eog = self._engine.is_eog(token)
        timings = request.timings() if job.wants_timings else None
        stop = request.listener.on_token(TokenOut(token, is_eog, logprob, top, request.n_generated, timings))
        if is_eog:
            return EndReason.EOS
        if stop:
            return EndReason.WORD
        if 0 <= job.n_predict <= request.n_generated or request.n_tokens >= self._n_ctx:
            return EndReason.LIMIT
        if request.forcer is not None:
            request.forcer.accept(token)
        return None

    @staticmethod
    def _draw(request: Request, row: int | None, logits: Logits | None) -> int:
        assert request.sampler is not None
        if row is not None:
            return request.sampler.sample(row)
        assert logits is not None
        return request.sampler.sample_from(logits)

    @staticmethod
    def _force(request: Request, token: int) -> int:
        assert request.sampler is not None
        request.sampler.accept(token)
        return token

    def _distribution(self, request: Request, logits: Logits, forced: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and natural log-probabilities, best first; after sampling, a forced token leaves no other."""
        assert request.sampler is not None
        if request.job.post_sampling_probs:
            if forced is not None:
                return np.array([forced], np.int32), np.zeros(1)
            ids, probabilities = request.sampler.candidates(logits)
            with np.errstate(divide="ignore"):
                return ids, np.log(probabilities)
        order = np.argsort(-logits, kind="stable").astype(np.int32)
        ordered = logits[order].astype(np.float64)
        return order, ordered - ordered[0] - np.log(np.exp(ordered - ordered[0]).sum())
