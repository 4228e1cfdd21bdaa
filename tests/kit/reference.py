"""What a model says to a prompt when nothing is cached: the truth that every cached run is compared with."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.engine.base import LAST_ROW, Chunk, Logits
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from segue.memory import MemoryShape
from tests.kit.rig import EXACT, GREEDY, Heard

Tokens = NDArray[np.int32]

_N_TRIES = 64


class Reference:
    """An engine that reads every prompt from its start, one sequence a call."""

    def __init__(self, path: Path, n_ctx: int = 8192) -> None:
        self.model = Model(path)
        params = ContextParams(n_cells=n_ctx, n_seq_max=4, n_batch=512, n_ubatch=128, **EXACT)
        self.shape: MemoryShape = measure(self.model, params)
        self.engine = Context(self.model, params, self.shape)
        self.noise = self._measure_noise()

    def close(self) -> None:
        """Free the model."""
        self.engine.close()
        self.model.close()

    def read(self, tokens: Tokens, splits: tuple[int, ...] = (), seq: int = 0) -> Logits:
        """The logits after a prompt, split at these counts; the sequence stands there afterwards."""
        bounds = [0, *splits, len(tokens)]
        rows: list[tuple[int, ...]] = []
        for start, end in pairwise(bounds):
            for i in range(start, end, self.engine.n_batch):
                part = tokens[i : min(i + self.engine.n_batch, end)]
                rows = self.engine.decode([Chunk(seq, part, LAST_ROW if i + len(part) == len(tokens) else ())])
        return self.engine.logits(rows[0][0]).copy()

    def reply(self, tokens: Tokens, n_predict: int) -> tuple[list[int], list[float]]:
        """Greedy reply, and by how much each token won over the second best."""
        logits = self.read(tokens).copy()
        logits[self._ends()] = -np.inf
        said: list[int] = []
        margins: list[float] = []
        for _ in range(n_predict):
            second, best = np.partition(logits, -2)[-2:]
            said.append(int(logits.argmax()))
            margins.append(float(best - second))
            row = self.engine.decode([Chunk(0, np.array(said[-1:], np.int32), LAST_ROW)])[0][0]
            logits = self.engine.logits(row).copy()
            logits[self._ends()] = -np.inf
        self.engine.drop(0)
        return said, margins

    def agrees(self, tokens: Sequence[int] | Tokens, heard: Heard, sampling: SamplingParams = GREEDY) -> None:
        """Assert that a reply is the uncached one; a token may differ only where two were as good as equal."""
        if sampling != GREEDY:
            self._agrees_drawn(np.asarray(tokens, np.int32), heard, sampling)
            return
        said, margins = self.reply(np.asarray(tokens, np.int32), len(heard.tokens))
        for i, (mine, theirs) in enumerate(zip(said, heard.tokens, strict=True)):
            if mine != theirs:
                print(f"token {i}: {theirs} instead of {mine}, ahead by {margins[i]:.2e}; noise is {self.noise:.2e}")
                assert margins[i] <= self.noise, "the reply differs from the uncached one"
                return

    def _agrees_drawn(self, prompt: Tokens, heard: Heard, sampling: SamplingParams) -> None:
        """The same for a reply that a chain of samplers draws; where it differs, noise must make the chain do so."""
        read = [self.read(prompt)]
        chain = self.engine.sampler(sampling, prompt)
        for i, theirs in enumerate(heard.tokens):
            mine = chain.sample_from(read[i])
            if mine != theirs:
                assert self._may_draw(theirs, prompt, read, sampling), f"token {i}: {theirs} instead of {mine}"
                break
            row = self.engine.decode([Chunk(0, np.array([mine], np.int32), LAST_ROW)])[0][0]
            read.append(self.engine.logits(row).copy())
        chain.close()
        self.engine.drop(0)

    def _may_draw(self, token: int, prompt: Tokens, read: list[Logits], sampling: SamplingParams) -> bool:
        """Whether a token is drawn from the last of these logits, if those are off by no more than the noise."""
        for seed in range(_N_TRIES):
            off = np.random.default_rng(seed).uniform(-self.noise, self.noise, len(read[-1])).astype(np.float32)
            chain = self.engine.sampler(sampling, prompt)
            drawn = [chain.sample_from(logits) for logits in (*read[:-1], read[-1] + off)]
            chain.close()
            if drawn[-1] == token:
                print(f"token {len(drawn) - 1}: {token} is drawn with noise of {self.noise:.2e}")
                return True
        return False

    def _ends(self) -> list[int]:
        return list(self.model.vocabulary.eog_tokens)

    def _measure_noise(self) -> float:
        """How far logits move with the split and with the rest of a batch: the same 16 tokens, read in four ways."""
        most = 0.0
        prompts = [np.random.default_rng(seed).integers(0, 256, 400 + 16).astype(np.int32) for seed in range(4)]
        whole = []
        for prompt in prompts:
            whole.append(self.read(prompt))
            self.engine.drop(0)
        for prompt, logits in zip(prompts, whole, strict=True):
            for splits in ((400,), (1, 63, 200), tuple(range(400, 416))):
                most = max(most, float(np.abs(self.read(prompt, splits) - logits).max()))
                self.engine.drop(0)
        for seq, prompt in enumerate(prompts):
            self.read(prompt[:400], seq=seq)
        for i in range(400, 416):
            rows = self.engine.decode([Chunk(seq, p[i : i + 1], LAST_ROW) for seq, p in enumerate(prompts)])
        for seq, ((row,), logits) in enumerate(zip(rows, whole, strict=True)):
            most = max(most, float(np.abs(self.engine.logits(row) - logits).max()))
            self.engine.drop(seq)
        return 2 * most
