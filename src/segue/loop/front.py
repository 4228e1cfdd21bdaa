"""The loop as other threads see it."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from segue.cache.snapshot import SlotSnapshot
from segue.engine.sampling import SamplingParams
from segue.engine.state import Bytes
from segue.loop.end import JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.job import Job
from segue.loop.totals import LoopTotals


class Listener(Protocol):
    """Receives a job's events, on the engine's thread, which waits for each call: be quick and never block."""

    def on_progress(self, progress: Progress) -> None:
        """Called at the start of a prompt, then after each batch, if the job wants progress."""

    def on_token(self, token: TokenOut) -> bool:
        """Called for each generated token; return True to end the reply here (a stop string is complete)."""

    def on_end(self, end: JobEnd) -> None:
        """Called exactly once, last, when the job has ended."""


class Ticket(Protocol):
    """A submitted job."""

    @property
    def id(self) -> int:
        """A number that names the job in the log."""

    def cancel(self) -> None:
        """Ask the loop to stop the job soon; any thread, any number of times. `on_end` is still called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """The state of one slot for `/slots`. `namespace` and the counts are those of its request; "" and 0 without one.

    So are `sampling`, None without a request, and `n_remain`, the tokens that may still be generated (-1: any number).
    """

    id: int
    namespace: str
    is_processing: bool
    id_task: int
    n_ctx: int
    n_prompt_tokens: int
    n_prompt_tokens_processed: int
    n_prompt_tokens_cache: int
    n_decoded: int
    sampling: SamplingParams | None = None
    n_remain: int = -1


class LoopFront(Protocol):
    """The loop as HTTP sees it. All methods may be called from any thread."""

    def submit(self, job: Job, listener: Listener) -> Ticket:
        """Queue a job."""

    def slots(self) -> tuple[SlotView, ...]:
        """A snapshot of the slots."""

    @property
    def totals(self) -> LoopTotals:
        """What the loop has done so far."""

    @property
    def n_waiting(self) -> int:
        """The requests that wait for a slot."""

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":
        """Pack the path that a slot served last, empty if it was in another namespace; None means try again soon.

        The future raises SnapshotError if the path has checkpoints and none can be copied (`SlotSnapshots.pack`).
        """

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":
        """Unpack a snapshot's arrays; the future gives the tokens restored. Raises SnapshotError for unusable arrays.

        The future raises DamagedError if the arrays of a checkpoint have the wrong number or sizes.
        """

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":
        """Forget the end of the path that a slot served last; the future gives how many tokens are lost."""

    @property
    def n_ctx(self) -> int:
        """The most tokens that one prompt and its reply may have together."""
