"""Drafts with a second, smaller model of the same vocabulary."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from typing_extensions import override

from segue.drafting.draft_lane import N_SHADOWS, DraftLane
from segue.drafting.drafter import ReplyDrafter, Tokens
from segue.drafting.pace import Held
from segue.drafting.paced import PacedDraft, PacedDrafter, PacedReply
from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.engine.errors import EngineError, NoRoomError

log = logging.getLogger(__name__)

_N_USUAL_MOST: Final = 16
_N_READ_MOST: Final = 512
"""Tokens that are read before a call: a long prompt is read in pieces, so that other replies do not wait for it."""


def n_sequences(n_slots: int) -> int:
    """How many sequences the engine of a draft model needs."""
    return n_slots * (1 + N_SHADOWS)


@dataclass(slots=True, eq=False)
class _Course:
    """The draft for one reply: its lane reads `inputs` in the next call, the drafts so far are `drafted`."""

    reply: "_ModelReply"
    lane: DraftLane
    inputs: Tokens
    n_most: int
    drafted: list[int]


class ModelDrafter(PacedDrafter):
    """A Drafter over the engine of another model, with `n_sequences`. It reads the prompts of replies, too.

    A lane keeps its path after the reply, so the namespace's next prompt that goes on from it is not read again. Tokens
    from `n_vocab` on are never drafted: the model that is drafted for has no others.
    """

    def __init__(self, engine: Engine, n_slots: int, n_vocab: int) -> None:
        super().__init__()
        self._engine = engine
        self._n_vocab = min(n_vocab, engine.n_vocab)
        starts = range(n_slots, n_slots * (1 + N_SHADOWS), N_SHADOWS)
        self._lanes = [
            DraftLane(engine, seq, range(start, start + N_SHADOWS))
            for seq, start in zip(range(n_slots), starts, strict=True)
        ]

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        free = [lane for lane in self._lanes if not lane.is_in_use]
        lane = max(free, key=lambda lane: (lane.n_shared(namespace, prompt), -len(lane.tokens)))
        lane.begin(namespace)
        return _ModelReply(self.of_all, lane)

    @override
    def draft(self, asked: Sequence[PacedDraft]) -> int:
        courses = []
        for one in asked:
            assert isinstance(one.reply, _ModelReply)
            # The draft model may lack the last tokens of the vocabulary, which hardly occur.
            inputs = one.reply.lane.follow(np.minimum(one.wanted.path, self._engine.n_vocab - 1))
            courses.append(_Course(one.reply, one.reply.lane, inputs, one.n, []))
        is_usual = all(len(course.inputs) <= _N_USUAL_MOST for course in courses)
        try:
            self._draft(self._catch_up(courses))
        except EngineError:
            # Nothing depends on drafts.
            log.exception("the draft model failed")
            self._clear(courses)
        return max(len(course.drafted) for course in courses) if is_usual else 0

    def clear(self) -> None:
        """Forget all paths, while no reply runs."""
        for lane in self._lanes:
            lane.clear()

    def _catch_up(self, courses: list[_Course]) -> list[_Course]:
        """Read what replies lack, up to a limit in all; returns those that lack little."""
        room = min(_N_READ_MOST, self._engine.n_batch)
        ready = []
        for course in courses:
            if len(course.inputs) <= room:
                room -= len(course.inputs)
                ready.append(course)
            elif room:
                self._read([Chunk(course.lane.seq, course.inputs[:room])], [course])
                room = 0
        return ready

    def _draft(self, courses: list[_Course]) -> None:
        """Draft for all replies in the same calls."""
        is_first = True
        while courses:
            rows = self._read([Chunk(course.lane.seq, course.inputs, LAST_ROW) for course in courses], courses)
            best = [int(self._engine.logits(own[0])[: self._n_vocab].argmax()) for own in rows]
            for course, token in zip(courses, best if rows else [], strict=bool(rows)):
                if is_first:
                    course.lane.mark(is_prompt=course.reply.is_new)
                    course.reply.is_new = False
                course.drafted.append(token)
                course.reply.prepared = course.drafted
                course.inputs = np.array([token], np.int32)
            is_first = False
            courses = [course for course in courses if rows and not self._is_done(course)]

    def _is_done(self, course: _Course) -> bool:
        return len(course.drafted) >= course.n_most or self._engine.is_eog(course.drafted[-1])

    def _read(self, chunks: list[Chunk], courses: list[_Course]) -> list[tuple[int, ...]]:
        """Read a call; nothing, and no rows, if there is no room even without the paths of replies that have ended."""
        try:
            rows = self._engine.decode(chunks)
        except NoRoomError:
            idle = [lane for lane in self._lanes if not lane.is_in_use and len(lane.tokens)]
            for lane in idle:
                lane.clear()
            if not idle:
                return []
            return self._read(chunks, courses)
        for chunk, course in zip(chunks, courses, strict=True):
            course.lane.read(course.inputs[: len(chunk.inputs)])
        return rows

    @staticmethod
    def _clear(courses: list[_Course]) -> None:
        for course in courses:
            course.lane.clear()
            course.reply.prepared = ()


class _ModelReply(PacedReply):
    def __init__(self, of_all: Held, lane: DraftLane) -> None:
        super().__init__(of_all)
        self.lane = lane
        self.is_new = True

    @override
    def close(self) -> None:
        self.lane.is_in_use = False
