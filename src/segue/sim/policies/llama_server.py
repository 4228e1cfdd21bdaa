"""`llama_server`: the rule of llama.cpp's server for models whose memory cannot be rewound.

Source: tools/server/server-context.cpp (`get_available_slot`, `create_checkpoint`, the restore in `update_slots`) and
server-task.cpp (`server_prompt_cache`) at build b10434, with pull requests 16391 (host prompt cache), 20288 (two
checkpoints near a prompt's end) and 24176 (one at the start of each user message).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from segue.common_prefix import n_equal
from segue.prefix.branch import Tokens
from segue.sim.capacity import Capacity
from segue.sim.model import SimulatedModel
from segue.sim.policy import Counts
from segue.sim.request import TraceRequest

_N_SLOTS: Final = 4
_N_CHECKPOINTS_MOST: Final = 32
_N_MIN_STEP_TOKENS: Final = 8192
_N_TAIL_TOKENS: Final = (4 + 512, 4)
_SIMILARITY: Final = 0.1
_KEEP_SLOT: Final = 0.5
_KEEP_CACHED: Final = 0.25


@dataclass(eq=False, slots=True)
class Saved:
    """One entry of a slot's list: the state after the first `n_tokens` blocks of the slot's prompt.

    `task` counts the request that took it.
    """

    n_tokens: int
    task: int = 0
    n_hits: int = 0


@dataclass(eq=False, slots=True)
class Prompt:
    """The contents of a slot, or its copy in the host's prompt cache: all tokens, and its checkpoints by end."""

    tokens: Tokens
    checkpoints: list[Saved] = field(default_factory=list)
    last_used: float = -1.0


class LlamaServer:
    """Four slots, each with a list of at most 32 checkpoints, and prompts of former slots on the host.

    A request takes the slot that shares more than a tenth of its prompt, most first, else the one unused the longest.
    A slot that would lose more than half of what it holds is saved to the host first, and the better of it and a host
    prompt goes on. The host gives up the oldest. Checkpoints are taken before user messages, 8,192 tokens apart, before
    the last one always, and 516 and 4 tokens before the prompt's end; a full list gives up one that stands too near to
    its predecessor, else the oldest.

    The capacity bounds the host's prompts and the slots' checkpoints together. Where they exceed it, the oldest prompt
    goes, then the oldest checkpoint of the slot unused the longest. A prompt on the host is a whole copy.
    """

    def __init__(self, capacity: Capacity, model: SimulatedModel, n_block_tokens: int) -> None:
        self._capacity = capacity
        self._n_bytes_state = model.n_bytes_state
        self._n_bytes_block = model.n_bytes_cell * n_block_tokens
        self._n_block_tokens = n_block_tokens
        self._slots = [Prompt(np.empty(0, dtype=np.int32)) for _ in range(_N_SLOTS)]
        self._host: list[Prompt] = []
        self._task = self._n_taken = self._n_read_back = self._n_bytes_peak = 0

    @property
    def counts(self) -> Counts:
        """The work so far; copies of a state count once as taken."""
        return Counts(self._n_taken, self._n_read_back, self._n_bytes_peak)

    def serve(self, request: TraceRequest) -> int:
        """Choose a slot, start from its contents, and leave it at the request's end."""
        self._task += 1
        slot = self._slots[self._choose(request)]
        n_start = self._restore(slot, request)
        self._take(slot, request, n_start)
        slot.tokens = request.whole
        slot.last_used = request.at_s
        self._make_room()
        return n_start

    def _choose(self, request: TraceRequest) -> int:
        shared = [n_equal(request.path, slot.tokens) for slot in self._slots]
        i = max(range(_N_SLOTS), key=lambda i: shared[i])
        if shared[i] > _SIMILARITY * len(request.path):
            if shared[i] >= _KEEP_SLOT * len(self._slots[i].tokens):
                return i
        else:
            i = min(range(_N_SLOTS), key=lambda i: self._slots[i].last_used)
        self._slots[i] = self._swap(self._slots[i], request.path)
        return i

    def _swap(self, slot: Prompt, path: Tokens) -> Prompt:
        """Save a slot's prompt to the host; returns the contents that it continues with."""
        if len(slot.tokens) and not any(n_equal(slot.tokens, p.tokens) == len(slot.tokens) for p in self._host):
            self._host = [p for p in self._host if n_equal(slot.tokens, p.tokens) < len(p.tokens)]
            self._host.append(replace(slot, checkpoints=list(slot.checkpoints)))
        best, n_best = slot, n_equal(path, slot.tokens)
        for prompt in self._host:
            n = n_equal(path, prompt.tokens)
            keeps_more = n * len(best.tokens) > n_best * len(prompt.tokens)
            if n >= _KEEP_CACHED * len(prompt.tokens) and keeps_more and n > n_best:
                best, n_best = prompt, n
        if best is not slot:
            self._host.remove(best)
        return best

    def _restore(self, slot: Prompt, request: TraceRequest) -> int:
        """The start of reading: the slot's end if the prompt shares all of it, else its last usable checkpoint."""
        n_past = n_equal(request.path, slot.tokens)
        if n_past == len(slot.tokens) and n_past < request.n_prompt_tokens / self._n_block_tokens:
            n_start = n_past
        else:
            usable = [saved for saved in slot.checkpoints if self._is_usable(saved, n_past, request)]
            n_start = usable[-1].n_tokens if usable else 0
            if usable:
                self._n_read_back += usable[-1].n_hits == 0
                usable[-1].n_hits += 1
        slot.checkpoints = [saved for saved in slot.checkpoints if self._stays(saved, n_past, request)]
        return n_start

    def _is_usable(self, saved: Saved, n_past: int, request: TraceRequest) -> bool:
        """Whether reading can go on from a checkpoint of a slot that shares `n_past` blocks with the prompt."""
        del request
        return saved.n_tokens <= n_past

    def _stays(self, saved: Saved, n_past: int, request: TraceRequest) -> bool:
        """Whether a checkpoint stays in the list once the slot has been rewound."""
        del request
        return saved.n_tokens <= n_past

    def _take(self, slot: Prompt, request: TraceRequest, n_start: int) -> None:
        n_step = _N_MIN_STEP_TOKENS // self._n_block_tokens
        last_user = request.user_starts[-1] if request.user_starts else -1
        tail = [(request.n_prompt_tokens - n) // self._n_block_tokens for n in _N_TAIL_TOKENS]
        for position in sorted({*request.user_starts, *tail}):
            if position <= n_start:
                continue
            since = position - (slot.checkpoints[-1].n_tokens if slot.checkpoints else -n_step)
            if position in tail or position == last_user or since > n_step:
                self._add(slot, position)

    def _add(self, slot: Prompt, position: int) -> None:
        slot.checkpoints = [saved for saved in slot.checkpoints if saved.n_tokens != position]
        if len(slot.checkpoints) >= _N_CHECKPOINTS_MOST:
            del slot.checkpoints[next(self._near(slot.checkpoints), 0)]
        slot.checkpoints.append(Saved(position, self._task))
        self._n_taken += 1

    def _near(self, saved: Sequence[Saved]) -> Iterator[int]:
        """Which of them, but the first and the last, earlier requests took too near to the one before."""
        n_step = _N_MIN_STEP_TOKENS // self._n_block_tokens
        for i in range(1, len(saved) - 1):
            if saved[i].task != self._task and saved[i].n_tokens - saved[i - 1].n_tokens < n_step:
                yield i

    def _make_room(self) -> None:
        while self._is_over():
            oldest = min((s for s in self._slots if s.checkpoints), key=lambda slot: slot.last_used, default=None)
            if self._host:
                del self._host[0]
            elif oldest is not None:
                del oldest.checkpoints[0]
            else:
                break
        self._n_bytes_peak = max(self._n_bytes_peak, self._n_bytes)

    def _is_over(self) -> bool:
        return self._n_states > self._capacity.n_checkpoints or self._n_bytes > self._capacity.n_bytes

    @property
    def _n_states(self) -> int:
        return sum(1 + len(p.checkpoints) for p in self._host) + sum(len(slot.checkpoints) for slot in self._slots)

    @property
    def _n_bytes(self) -> int:
        n_blocks = sum(len(prompt.tokens) for prompt in self._host)
        return self._n_states * self._n_bytes_state + n_blocks * self._n_bytes_block
