"""The sequences that requests run on, kept dense: libllama splits a batch whose sequence ids have gaps."""

from segue.cache.running import RunningSequences
from segue.loop.request import NO_SEQ, Request


class SequencePool:
    """The sequences `0..n_seqs-1` of the engine. With `can_move`, the ones in use are always the lowest."""

    def __init__(self, n_seqs: int, running: RunningSequences, *, can_move: bool) -> None:
        self._requests: list[Request | None] = [None] * n_seqs
        self._running = running
        self._can_move = can_move

    def assign(self, request: Request) -> int:
        """Give a request the lowest free sequence; there is one for each slot."""
        request.seq = self._requests.index(None)
        self._requests[request.seq] = request
        return request.seq

    def withdraw(self, request: Request) -> None:
        """Take an emptied sequence from its request, and close the gap with the highest one."""
        seq, request.seq = request.seq, NO_SEQ
        self._requests[seq] = None
        top = max((i for i, other in enumerate(self._requests) if other is not None), default=NO_SEQ)
        if top > seq and self._can_move:
            self._running.move(top, seq)
            moved = self._requests[top]
            assert moved is not None
            moved.seq = seq
            self._requests[seq], self._requests[top] = moved, None
