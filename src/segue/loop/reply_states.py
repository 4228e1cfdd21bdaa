"""Keeps states inside a streaming reply, for a client that interrupts it and continues from the part it received."""

from collections import deque

from segue.cache.entries.entry import Entry
from segue.cache.state_cache import StateCache
from segue.engine.base import Engine
from segue.loop.request import Request
from segue.prefix.checkpoint import Origin

_N_SPACING = 40
_N_COVERED = 128


class ReplyStates:
    """Keeps a state every 40 tokens of a reply, enough to cover the last 128 tokens: four states, briefly five.

    Only for replies whose clients may continue from inside them, and only if the memory cannot drop a tail. A client
    may have stopped reading before the reply ended, so the last states stay until the slot's next request has begun.
    Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, cache: StateCache, *, is_reproducible: bool) -> None:
        self._engine = engine
        self._cache = cache
        self._is_off = is_reproducible or engine.shape.kind.rewinds
        self._states: dict[int, deque[Entry]] = {}
        self._over: dict[int, deque[Entry]] = {}
        self._n_saved: dict[int, int] = {}

    def update(self, request: Request) -> None:
        """Save a state of a reply if one is due, and drop one that is no longer needed; call after each token."""
        job = request.job
        if self._is_off or not job.may_be_interrupted:
            return
        n_read = self._engine.length(request.seq)
        n_reply = n_read - len(job.tokens)
        states = self._states.get(request.id_slot)
        if states and len(states) > 1 and states[1].n_tokens <= n_read - _N_COVERED:
            self._cache.temporary.remove(states.popleft())
        # A call may have read several tokens of the reply.
        n_due = n_reply // _N_SPACING
        if n_due > self._n_saved.get(request.id, 0):
            self._n_saved[request.id] = n_due
            saved = self._cache.save(request.seq, request.tokens[:n_read], Origin.STRIDE, is_temporary=True)
            if saved is not None:
                self._states.setdefault(request.id_slot, deque()).append(saved)

    def begin(self, request: Request) -> None:
        """Drop the unused states of a slot's last reply, once the slot's next request stands at its start."""
        for checkpoint in self._over.pop(request.id_slot, ()):
            self._cache.temporary.remove(checkpoint)

    def end(self, request: Request, *, is_interrupted: bool) -> None:
        """End the reply of a slot: keep its states permanently if its client certainly lacks the reply's end."""
        self._n_saved.pop(request.id, None)
        states = self._states.pop(request.id_slot, None)
        if states and is_interrupted:
            for checkpoint in states:
                self._cache.temporary.keep(checkpoint)
        elif states:
            self._over[request.id_slot] = states
