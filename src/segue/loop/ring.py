"""States inside a reply that streams, for a client that interrupts it and goes on from what it has."""

from collections import deque

from segue.cache.entries.entry import Entry
from segue.cache.state_cache import StateCache
from segue.engine.base import Engine
from segue.loop.slot import Slot
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

    def turn(self, slot: Slot) -> None:
        """Take a state of a reply if one is due, and let one go that is not needed any more; the lane has just read."""
        assert slot.submission is not None
        job = slot.submission.job
        if self._is_off or not job.may_be_interrupted:
            return
        n_read = self._engine.length(slot.lane)
        n_reply = n_read - len(job.tokens)
        states = self._states.get(slot.id)
        if states and len(states) > 1 and states[1].n_tokens <= n_read - _N_COVERED:
            self._cache.let_go(states.popleft())
        if n_reply > 0 and n_reply % _N_SPACING == 0:
            taken = self._cache.take_passing(slot.lane, slot.tokens[:n_read], Origin.STRIDE)
            if taken is not None:
                self._states.setdefault(slot.id, deque()).append(taken)

    def begin(self, slot: Slot) -> None:
        """The next request of a slot stands where it starts: the states of the last reply go that nobody has used."""
        for checkpoint in self._over.pop(slot.id, ()):
            self._cache.let_go(checkpoint)

    def end(self, slot: Slot, *, is_interrupted: bool) -> None:
        """The reply of a slot is over: its states stay for good if its client surely lacks the end of it."""
        states = self._states.pop(slot.id, None)
        if states and is_interrupted:
            for checkpoint in states:
                self._cache.keep(checkpoint)
        elif states:
            self._over[slot.id] = states
