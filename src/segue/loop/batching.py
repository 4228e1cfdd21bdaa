"""Fills batches: one token of every reply, and as many prompt tokens as fit beside them."""

from collections.abc import Iterator
from itertools import accumulate

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.loop.request import Phase, Request
from segue.loop.speculation import Speculation

_N_SMALL = 128


class Batching:
    """Fills batches. Prompts are read oldest first; beside replies they get one physical batch at a time.

    Replies may take several calls, since together they may have more unread tokens than `n_batch`. If they fill a
    physical batch, prompts get calls of their own, so that they still make progress.

    With recurrent state, libllama gives each sequence the same number of tokens in a physical batch, so prompts of
    different lengths make many small batches. Such prompts share a call only while they have few tokens.
    """

    def __init__(self, engine: Engine, speculation: Speculation, *, is_reproducible: bool) -> None:
        self._engine = engine
        self._speculation = speculation
        self._is_reproducible = is_reproducible

    def fill(self, requests: list[Request]) -> Iterator[tuple[list[Chunk], list[Request]]]:
        """The decode calls of one turn; reproducible output needs a call of its own for every sequence."""
        replies = [request for request in requests if request.phase is Phase.DECODE]
        prompts = [request for request in requests if request.phase is Phase.PREFILL]
        if self._is_reproducible:
            for request in replies + prompts:
                if request.phase in (Phase.DECODE, Phase.PREFILL):
                    yield [self._chunk(request, self._engine.n_ubatch)], [request]
            return
        if not prompts:
            yield from self._replies(replies)
            return
        has_window = self._engine.shape.kind.has_window
        n_of_replies = sum(map(self._speculation.n_unread, replies))
        room = (self._engine.n_ubatch if replies else self._engine.n_batch) - n_of_replies
        if has_window or room < 1:
            yield from self._one_by_one(replies, prompts, room if room > 0 else self._engine.n_ubatch)
            return
        members = {request.seq: (self._chunk(request, 1), request) for request in replies}
        n_shared = _N_SMALL if self._engine.shape.kind.has_recurrent else room
        n_taken = 0
        for request in sorted(prompts, key=_id):
            if n_taken >= room:
                break
            chunk = self._chunk(request, room - n_taken)
            if n_taken and n_taken + len(chunk.inputs) > n_shared:
                break
            n_taken += len(chunk.inputs)
            members[request.seq] = (chunk, request)
        if members:
            ordered = [members[seq] for seq in sorted(members)]
            yield [chunk for chunk, _ in ordered], [request for _, request in ordered]

    def _replies(self, replies: list[Request]) -> Iterator[tuple[list[Chunk], list[Request]]]:
        """The next token of each reply, without the replies that an earlier call of this turn ended."""
        while replies := sorted((request for request in replies if request.phase is Phase.DECODE), key=_seq):
            n_read = accumulate(map(self._speculation.n_unread, replies))
            n_members = sum(n <= self._engine.n_batch for n in n_read)
            members, replies = replies[:n_members], replies[n_members:]
            yield self._speculation.chunks(members), members

    def _one_by_one(
        self, replies: list[Request], prompts: list[Request], room: int
    ) -> Iterator[tuple[list[Chunk], list[Request]]]:
        """All replies in as few calls as possible, then each prompt in a call of its own.

        libllama would split any other batch into several physical ones, and, to find cells for the later ones,
        overwrite window cells that the first one still needs.
        """
        yield from self._replies(replies)
        for request in sorted(prompts, key=_id):
            if room > 0 and request.phase is Phase.PREFILL:
                chunk = self._chunk(request, room)
                room -= len(chunk.inputs)
                yield [chunk], [request]

    def _chunk(self, request: Request, n_max: int) -> Chunk:
        """The next tokens of a request, up to its next checkpoint position."""
        n_read = self._engine.length(request.seq)
        if request.phase is Phase.DECODE:
            return self._speculation.plain(request)
        end = min(
            request.positions[0].n_tokens if request.positions else request.n_target, request.n_target, n_read + n_max
        )
        return Chunk(request.seq, request.tokens[n_read:end], LAST_ROW if end == request.n_target else ())


def _seq(request: Request) -> int:
    return request.seq


def _id(request: Request) -> int:
    return request.id
