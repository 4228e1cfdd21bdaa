"""The loop over simulated memory: hold it, ask it for replies, and look inside."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np

from segue.cache.entries.entry import NO_SEQ
from segue.cache.state_cache import StateCache
from segue.drafting.drafter import Drafter
from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason
from segue.loop.job import Job
from segue.loop.loop import Loop
from segue.loop.runner import OnEnd
from segue.memory import MemoryKind
from segue.policy.prices import Prices
from segue.policy.prompt_marks import PromptMarks
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.fake_engine.numbers import N_VOCAB
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.holding import held
from tests.kit.rig import Heard
from tests.kit.unmeasured import FreeRows, Unmeasured
from tests.kit.waiting import PATIENCE_S

_N_ROWS = 32
GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much room there is; plenty unless a test asks for less."""

    n_slots: int = 4
    n_ctx: int = 400
    n_cells: int = 2000
    n_parked: int = 8
    n_host_bytes: int = 1 << 20
    n_idle_cells: int = 100
    n_batch: int = 32
    n_ubatch: int = 16


class FakeRig:
    """A running loop over a FakeEngine. Without `idle_s` nothing depends on how long it was idle."""

    def __init__(
        self,
        kind: MemoryKind,
        sizes: Sizes = Sizes(),
        *,
        reproducible: bool = False,
        idle_s: float | None = None,
        drafter: Drafter | None = None,
        on_end: OnEnd = lambda _id, _end: None,
        prices: Prices | None = None,
    ) -> None:
        self.kind = kind
        self.sizes = sizes
        n_parked = 0 if reproducible else sizes.n_parked
        self.engine = FakeEngine(
            kind,
            n_cells=sizes.n_ctx if reproducible else sizes.n_cells,
            n_seq_max=sizes.n_slots + (0 if reproducible else 1 + n_parked) + (sizes.n_slots if drafter else 0),
            n_batch=sizes.n_batch,
            n_ubatch=sizes.n_ubatch,
            n_rows=_N_ROWS if drafter else 0,
            is_unified=not reproducible,
        )
        self.cache = StateCache(
            self.engine,
            sizes.n_slots,
            n_parked,
            sizes.n_host_bytes,
            sizes.n_idle_cells,
            prices=prices or Unmeasured(),
        )
        with patch("segue.loop.speculation.RowCosts", FreeRows):
            self.loop = Loop(
                self.engine,
                self.cache,
                n_slots=sizes.n_slots,
                n_ctx=sizes.n_ctx,
                is_reproducible=reproducible,
                idle_s=idle_s,
                drafter=drafter,
                on_end=on_end,
            )
        self.loop.start()

    def held(self) -> AbstractContextManager[None]:
        """Keep the engine's thread from going on: what is submitted meanwhile arrives at once."""
        return held(self.loop)

    def send(
        self,
        tokens: Sequence[int],
        n_predict: int = 4,
        *,
        marks: PromptMarks | None = None,
        heard: Heard | None = None,
        **job: object,
    ) -> Heard:
        """Submit a job; does not wait."""
        heard = heard or Heard()
        fields: dict[str, object] = {"sampling": GREEDY} | job
        heard.submission = self.loop.submit(
            Job(tokens=np.asarray(tokens, np.int32), marks=marks or PromptMarks(), n_predict=n_predict, **fields),  # type: ignore[arg-type]
            heard,
        )
        return heard

    def ask(self, tokens: Sequence[int], n_predict: int = 4, **job: object) -> Heard:
        """Submit a job, wait for its end and see that the reply is right and the cache whole."""
        heard = self.send(tokens, n_predict, **job)  # type: ignore[arg-type]
        end = heard.wait()
        assert end.reason is not EndReason.ERROR, end.error
        assert heard.tokens == expected_reply(self.kind, tokens, n_predict)
        self.check()
        return heard

    def check(self) -> None:
        """Assert the invariants of everything that is cached, and that nothing is held for nobody."""
        self.loop.call(self._check).result(timeout=PATIENCE_S)

    def _check(self) -> None:
        self.cache.check_integrity()
        evictor = self.cache.evictor
        parked = [c.seq for c in evictor.entries.all() if c.seq != NO_SEQ]
        everyone = range(self.sizes.n_slots + 1, self.sizes.n_slots + 1 + evictor.device.n_parked)
        assert sorted(parked + evictor.device.free_seqs) == list(everyone)
        assert self.engine.occupied() <= {*parked, *evictor.device.owners.running}
        assert self.engine.n_open_samplers == sum(
            view.is_processing and view.n_decoded > 0 for view in self.loop.slots()
        )

    def close(self) -> None:
        """End the loop; everything that ran is over and nothing of it is left in seqs."""
        self.loop.close()
        self.cache.check_integrity()
        assert not self.cache.device.owners.running
        assert self.engine.n_open_samplers == 0


def text(seed: int, n_tokens: int) -> list[int]:
    """Tokens that no other seed gives."""
    tokens: list[int] = np.random.default_rng(seed).integers(0, N_VOCAB - 1, n_tokens).tolist()
    return tokens
