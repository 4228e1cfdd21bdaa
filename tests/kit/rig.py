"""The whole server below HTTP, on a tiny model: ask it for replies and look inside."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from segue.cache.eviction import Evictor
from segue.cache.state_cache import StateCache
from segue.cache.tiers.disk.shared import SharedDisk
from segue.cache.tiers.lower import LowerTier
from segue.drafting.drafter import Drafter
from segue.engine.base import Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.fingerprint import fingerprint
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason, JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.inbox import Submission
from segue.loop.job import Job, Tokens
from segue.loop.loop import Loop
from segue.policy.prompt_marks import PromptMarks
from segue.storage.directory import Directory
from tests.kit.unmeasured import FreeRows, Unmeasured
from tests.kit.waiting import PATIENCE_S, wait_until

# Flash attention and 16-bit cells would let logits move so far with batch sizes that equality meant little.
EXACT: Final[dict[str, Any]] = {"flash_attention": "off", "type_k": "f32", "type_v": "f32", "n_threads": 1}
MakeDrafter = Callable[[Engine], Drafter]
MakeLower = Callable[[Evictor, Callable[[], None]], LowerTier]

_N_ROWS = 64
GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


@dataclass
class Heard:
    """A listener that remembers."""

    tokens: list[int] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    stop_after: int = 1 << 30
    on_each: Callable[[], None] | None = None
    end: JobEnd | None = None
    submission: Submission | None = None

    def on_progress(self, progress: Progress) -> None:
        self.progress.append(progress)
        if self.on_each:
            self.on_each()

    def on_token(self, token: TokenOut) -> bool:
        self.tokens.append(token.token)
        if len(token.top) > 1:
            self.margins.append(token.top[0].logprob - token.top[1].logprob)
        if self.on_each:
            self.on_each()
        return len(self.tokens) >= self.stop_after

    def on_end(self, end: JobEnd) -> None:
        self.end = end
        self.ended.set()

    def wait(self) -> JobEnd:
        assert self.ended.wait(PATIENCE_S), "no answer"
        assert self.end is not None
        return self.end

    @property
    def n_read(self) -> int:
        """Prompt tokens read."""
        assert self.end is not None
        return self.end.timings.prompt_n


class Rig:
    """A loop over a real engine. Without `idle_s` nothing depends on how long it was idle.

    `make_lower` makes a tier to take the place of a disk, `make_drafter` a drafter that needs the engine.
    """

    def __init__(
        self,
        path: Path,
        *,
        n_slots: int = 4,
        n_ctx: int = 4096,
        n_cells: int = 16384,
        n_parked: int = 16,
        n_host_bytes: int = 64 << 20,
        n_idle_cells: int = 300,
        n_batch: int = 512,
        n_ubatch: int = 128,
        reproducible: bool = False,
        flash_attention: str = "off",
        idle_s: float | None = None,
        cache_dir: Path | None = None,
        n_disk_bytes: int = 1 << 30,
        make_lower: MakeLower | None = None,
        drafter: Drafter | None = None,
        make_drafter: MakeDrafter | None = None,
        **params: Any,
    ) -> None:
        has_drafts = drafter is not None or make_drafter is not None
        context = ContextParams(
            n_cells=n_ctx if reproducible else n_cells,
            n_seq_max=n_slots if reproducible else (2 * n_slots if has_drafts else n_slots) + 1 + n_parked,
            n_batch=n_batch,
            n_ubatch=n_ubatch,
            n_rows=_N_ROWS if has_drafts else 0,
            is_unified=not reproducible,
            **(EXACT | {"flash_attention": flash_attention} | params),
        )
        self.engine, found = self.open_engine(path, context)
        self.shape = self.engine.shape
        self.cache = StateCache(
            self.engine,
            n_slots,
            0 if reproducible else n_parked,
            n_host_bytes,
            n_idle_cells,
            fingerprint=found,
            **self.cache_options(),
        )
        with patch("segue.loop.speculation.RowCosts", FreeRows):
            self.loop = Loop(
                self.engine,
                self.cache,
                n_slots=n_slots,
                n_ctx=n_ctx,
                is_reproducible=reproducible,
                idle_s=idle_s,
                drafter=drafter if make_drafter is None else make_drafter(self.engine),
            )
        if make_lower is not None:
            self.cache.evictor.lower = make_lower(self.cache.evictor, self.loop.wake)
        elif cache_dir is not None:
            self.cache.open_disk(SharedDisk(Directory(cache_dir), n_disk_bytes), self.loop.wake)
        self.has_ended = False
        self.loop.start()

    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:
        """The engine to serve with, and what its states belong to."""
        self.model = Model(path)
        engine = Context(self.model, params, measure(self.model, params))
        return engine, fingerprint(engine, params)

    def cache_options(self) -> dict[str, Any]:
        """More options of the cache: what copies and reading cost."""
        return {"prices": Unmeasured()}

    def close_engine(self) -> None:
        """Free the model."""
        assert isinstance(self.engine, Context)
        self.engine.close()
        self.model.close()

    def send(
        self,
        tokens: Sequence[int] | Tokens,
        n_predict: int = 8,
        *,
        marks: PromptMarks | None = None,
        heard: Heard | None = None,
        **job: object,
    ) -> Heard:
        """Submit a job; does not wait."""
        heard = heard or Heard()
        array = np.asarray(tokens, np.int32)
        fields: dict[str, Any] = {"sampling": GREEDY, "n_probs": 2} | job
        sampling = fields["sampling"]
        assert sampling.temperature == 0 or sampling.seed != SamplingParams().seed, "pass a seed"
        heard.submission = self.loop.submit(
            Job(tokens=array, marks=marks or PromptMarks(), n_predict=n_predict, **fields),
            heard,
        )
        return heard

    def ask(self, tokens: Sequence[int] | Tokens, n_predict: int = 8, **job: object) -> Heard:
        """Submit a job and wait for its end; the cache is whole afterwards."""
        heard = self.send(tokens, n_predict, **job)  # type: ignore[arg-type]
        end = heard.wait()
        assert end.reason is not EndReason.ERROR, end.error
        self.check()
        return heard

    def check(self) -> None:
        """Assert the invariants of everything that is cached."""
        self.loop.call(self.cache.check_integrity).result(timeout=PATIENCE_S)

    def wait_until_stored(self) -> None:
        """Return once all that can be on disk is."""

        def is_idle() -> bool:
            return self.cache.evictor.lower.is_idle

        wait_until(lambda: self.loop.call(is_idle).result(), "a disk that is done")

    def end(self) -> None:
        """Check a last time, and end as a server does that is told to stop."""
        if not self.has_ended:
            self.check()
            self.loop.close()
            self.has_ended = True

    def close(self) -> None:
        """End, and free the model."""
        self.end()
        self.close_engine()
