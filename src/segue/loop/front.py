"""The loop as other threads see it."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from segue.cache.snapshot import SlotSnapshot
from segue.engine.cells import Bytes
from segue.loop.end import JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.job import Job


class Listener(Protocol):
    """Hears of a job's progress. Called on the engine thread, which waits for it: be quick and never block."""

    def on_progress(self, progress: Progress) -> None:
        """Hear how far the prompt is: once at the start, then after each batch; only if the job wants progress."""

    def on_token(self, token: TokenOut) -> bool:
        """Hear one token was generated; returning True ends the reply here (a stop string is complete)."""

    def on_end(self, end: JobEnd) -> None:
        """Hear the job is over; called exactly once, last."""


class Ticket(Protocol):
    """A submitted job."""

    @property
    def id(self) -> int:
        """A number that names the job in the log."""

    def cancel(self) -> None:
        """Ask the loop to stop the job soon; any thread, any number of times. `on_end` still follows."""


@dataclass(frozen=True, slots=True)
class SlotView:
    """What `/slots` shows of one slot. `namespace` and the counts are those of its request; "" and 0 without one."""

    id: int
    namespace: str
    is_processing: bool
    id_task: int
    n_ctx: int
    n_prompt_tokens: int
    n_prompt_tokens_processed: int
    n_prompt_tokens_cache: int
    n_decoded: int


class LoopFront(Protocol):
    """The loop as HTTP sees it. All methods may be called from any thread."""

    def submit(self, job: Job, listener: Listener) -> Ticket:
        """Queue a job."""

    def slots(self) -> tuple[SlotView, ...]:
        """A snapshot of the slots."""

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":
        """Pack the path that a slot served last, empty if it was in another namespace; None: ask again in a moment.

        SnapshotError if there is something and nothing of it can be had (`SlotSnapshots.pack`).
        """

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":
        """Unpack a snapshot's arrays; how many tokens. Raises SnapshotError for what cannot be used here.

        The future's error is DamagedError where arrays are not what the snapshot says.
        """

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":
        """Forget the end of the path that a slot served last; how many tokens."""

    @property
    def n_ctx(self) -> int:
        """The most tokens that one prompt and its reply may have."""
