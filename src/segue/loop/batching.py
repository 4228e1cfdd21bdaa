"""What to read next: one token of every reply, and as much of the prompts as fits beside them."""

from collections.abc import Iterator

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.loop.slot import Phase, Slot

_N_SMALL = 128


class Batching:
    """Fills batches. Prompts are read oldest first; beside replies they get one physical batch at a time.

    Replies take as many calls as they need: there may be more of them than a call can read tokens. Where they fill a
    physical batch, prompts get calls of their own, so that they are read at all.

    Where there is recurrent state, libllama gives each sequence the same number of tokens in a physical batch, so that
    prompts of unlike lengths make many small ones. There prompts share a call only while they are few tokens.
    """

    def __init__(self, engine: Engine, *, is_reproducible: bool) -> None:
        self._engine = engine
        self._is_reproducible = is_reproducible

    def fill(self, slots: list[Slot]) -> Iterator[tuple[list[Chunk], list[Slot]]]:
        """The decode calls of one turn; reproducible output needs a call of its own for every sequence."""
        replies = [slot for slot in slots if slot.phase is Phase.GENERATING]
        prompts = [slot for slot in slots if slot.phase is Phase.READING]
        if self._is_reproducible:
            for slot in replies + prompts:
                if slot.phase in (Phase.GENERATING, Phase.READING):
                    yield [self._chunk(slot, self._engine.n_ubatch)], [slot]
            return
        if not prompts:
            yield from self._replies(replies)
            return
        has_window = self._engine.shape.kind.has_window
        room = (self._engine.n_ubatch if replies else self._engine.n_batch) - len(replies)
        if has_window or room < 1:
            yield from self._one_by_one(replies, prompts, room if room > 0 else self._engine.n_ubatch)
            return
        members = {slot.lane: (self._chunk(slot, 1), slot) for slot in replies}
        n_shared = _N_SMALL if self._engine.shape.kind.has_recurrent else room
        n_taken = 0
        for slot in sorted(prompts, key=_age):
            if n_taken >= room:
                break
            chunk = self._chunk(slot, room - n_taken)
            if n_taken and n_taken + len(chunk.inputs) > n_shared:
                break
            n_taken += len(chunk.inputs)
            members[slot.lane] = (chunk, slot)
        if members:
            ordered = [members[lane] for lane in sorted(members)]
            yield [chunk for chunk, _ in ordered], [slot for _, slot in ordered]

    def _replies(self, replies: list[Slot]) -> Iterator[tuple[list[Chunk], list[Slot]]]:
        """The next token of each reply; one that a call before ended is left out of the next."""
        n_most = self._engine.n_batch
        while replies := sorted((slot for slot in replies if slot.phase is Phase.GENERATING), key=_lane):
            members, replies = replies[:n_most], replies[n_most:]
            yield [self._chunk(slot, 1) for slot in members], members

    def _one_by_one(
        self, replies: list[Slot], prompts: list[Slot], room: int
    ) -> Iterator[tuple[list[Chunk], list[Slot]]]:
        """All replies in as few calls as go, then each prompt in its own.

        libllama would split any other batch into several physical ones, and while it finds cells for the later ones it
        forgets window cells that the first one still needs.
        """
        yield from self._replies(replies)
        for slot in sorted(prompts, key=_age):
            if room > 0 and slot.phase is Phase.READING:
                chunk = self._chunk(slot, room)
                room -= len(chunk.inputs)
                yield [chunk], [slot]

    def _chunk(self, slot: Slot, n_max: int) -> Chunk:
        """The next tokens of a slot, up to its next cut."""
        n_read = self._engine.length(slot.lane)
        if slot.phase is Phase.GENERATING:
            return Chunk(slot.lane, slot.unread(n_read), LAST_ROW)
        end = min(slot.cuts[0].n_tokens if slot.cuts else slot.n_target, slot.n_target, n_read + n_max)
        return Chunk(slot.lane, slot.tokens[n_read:end], LAST_ROW if end == slot.n_target else ())


def _lane(slot: Slot) -> int:
    return slot.lane


def _age(slot: Slot) -> int:
    return slot.submission.id if slot.submission else 0
