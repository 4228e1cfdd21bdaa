"""States inside a reply that streams, for a client that interrupts it and goes on from what it has."""

from collections import deque

from segue.cache.entries.entry import Entry
from segue.cache.state_cache import StateCache
from segue.engine.base import Engine
from segue.loop.request import Request
from segue.prefix.checkpoint import Origin

_N_SPACING = 40
_N_COVERED = 128


class Ring:
    """Keeps a state every 40 tokens of a reply while it is needed to cover the last 128: four states, briefly five.

    Only for replies whose clients may go on from inside them, and only where the memory cannot drop a tail. A client
    can have stopped reading a reply that has ended meanwhile, so the last states stay until the slot's next request
    has begun. Belongs to the engine's thread.
    """

    def __init__(self, engine: Engine, cache: StateCache, *, is_reproducible: bool) -> None:
        self._engine = engine
        self._cache = cache
        self._is_off = is_reproducible or engine.shape.kind.rewinds
        self._states: dict[int, deque[Entry]] = {}
        self._over: dict[int, deque[Entry]] = {}

    def update(self, request: Request) -> None:
        """After a token was read: save a state of a reply if one is due, and drop one that is no longer needed."""
        job = request.job
        if self._is_off or not job.may_be_interrupted:
            return
        n_read = self._engine.length(request.seq)
        n_reply = n_read - len(job.tokens)
        states = self._states.get(request.id_slot)
        if states and len(states) > 1 and states[1].n_tokens <= n_read - _N_COVERED:
            self._cache.temporary.drop(states.popleft())
        if n_reply > 0 and n_reply % _N_SPACING == 0:
            saved = self._cache.save(request.seq, request.tokens[:n_read], Origin.STRIDE, is_temporary=True)
            if saved is not None:
                self._states.setdefault(request.id_slot, deque()).append(saved)

    def begin(self, request: Request) -> None:
        """The next request of a slot stands where it starts: drop the states of its last reply that nobody has used."""
        for checkpoint in self._over.pop(request.id_slot, ()):
            self._cache.temporary.drop(checkpoint)

    def end(self, request: Request, *, is_interrupted: bool) -> None:
        """The reply of a slot is over: its states stay for good if its client surely lacks the end of it."""
        states = self._states.pop(request.id_slot, None)
        if states and is_interrupted:
            for checkpoint in states:
                self._cache.temporary.keep(checkpoint)
        elif states:
            self._over[request.id_slot] = states
