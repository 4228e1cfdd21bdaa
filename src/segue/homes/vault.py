"""The disk home: checkpoints are written behind the host, and fetched back into it."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from segue.engine.fingerprint import differences
from segue.homes.catalogue import load
from segue.homes.disk.directory import Directory
from segue.homes.disk.fingerprints import parsed
from segue.homes.disk.index import Index
from segue.homes.entry import Entry
from segue.homes.fetching import Fetching
from segue.homes.price import Prices
from segue.homes.saving import Saving
from segue.homes.shelf import Shelf
from segue.homes.space import Space
from segue.homes.strangers import Strangers
from segue.homes.worker import Worker
from segue.homes.writing import remove

log = logging.getLogger("segue.cache")


class Vault:
    """What of a space is on disk. Its two threads touch files alone; all else belongs to the engine's thread.

    What they have done is taken over by `settle`; `wake` is called, from any thread, when there is something.
    """

    def __init__(
        self,
        space: Space,
        directory: Directory,
        fingerprint: Mapping[str, str],
        limit_bytes: int,
        prices: Prices,
        wake: Callable[[], None],
    ) -> None:
        self._space = space
        self._directory = directory
        model = directory.index.model_id(json.dumps(fingerprint, sort_keys=True))
        _explain_others(directory.index, model, fingerprint)
        self._began = space.clock()
        self.n_loaded, misplaced = load(space, directory.index, model)
        for scope, tokens in directory.lost_paths(model):
            space.tree(scope).mark_damaged(tokens)
        self._writer = Worker("segue-disk-write", wake)
        self._reader = Worker("segue-disk-read", wake)
        strangers = Strangers(directory.index, model)
        self._shelf = Shelf(space, limit_bytes, directory.used_bytes, strangers, self._wall, self._remove)
        self._saving = Saving(space, self._shelf, self._writer, directory, model, self._wall)
        self._fetching = Fetching(space, self._shelf, self._reader, directory, prices)
        if misplaced:
            self._remove(misplaced)
        self._shelf.make_room(lambda: 0)
        n_left = sum(checkpoint.is_stored for checkpoint in space.checkpoints())
        if n_left < self.n_loaded:
            log.warning("%d stored checkpoints go: they take more than --cache-disk allows", self.n_loaded - n_left)
            self.n_loaded = n_left

    @property
    def used_bytes(self) -> int:
        """What all files take, those of other models and the one that is being written included."""
        return self._shelf.used_bytes

    @property
    def is_busy(self) -> bool:
        """Whether a thread has something to do, or has done something that is not settled."""
        return self._writer.n_pending > 0 or self._reader.n_pending > 0

    @property
    def is_idle(self) -> bool:
        """Whether all is stored for which there is room, and the threads have nothing to do."""
        return self._saving.is_done and not self.is_busy

    def note(self, checkpoint: Entry) -> None:
        """Hear of a checkpoint that is new, or has logits now: it is stored when there is time."""
        self._saving.note(checkpoint)

    def settle(self) -> None:
        """Take over what the threads have done."""
        self._fetching.let_go()
        self._writer.settle()
        self._reader.settle()

    def step(self) -> bool:
        """Copy one piece of an unsaved checkpoint to the host, or hand a copied one to the writer; False if idle."""
        return self._saving.step()

    def bytes_to_fetch(self, checkpoint: Entry, *, with_logits: bool) -> int:
        """What must come from the disk, in bytes of memory, before a checkpoint can be restored."""
        return self._fetching.bytes_to_fetch(checkpoint, with_logits=with_logits)

    def fetch(self, checkpoint: Entry, *, with_logits: bool) -> bool:
        """Begin to fetch a checkpoint, unless that is under way (`Fetching.fetch`).

        Once it has come it stays until the second `settle` after that, or is lost for a reason that the log has.
        """
        return self._fetching.fetch(checkpoint, with_logits=with_logits)

    def drop(self, checkpoint: Entry) -> None:
        """Forget what is stored of a checkpoint."""
        self._shelf.drop(checkpoint)

    def close(self, timeout_s: float) -> None:
        """Store what there is time for, and let the directory go."""
        give_up = time.monotonic() + timeout_s
        self._saving.retry()
        while not self.is_idle and time.monotonic() < give_up:
            if not self.step():
                time.sleep(0.002)
            self.settle()
        # What is settled may ask the writer for more.
        self._reader.close()
        while self._writer.n_pending:
            self._writer.wait()
        used = [
            (checkpoint.row, self._wall(checkpoint.last_used), checkpoint.n_hits)
            for checkpoint in self._space.checkpoints()
            if checkpoint.row is not None and checkpoint.n_hits and checkpoint.last_used > self._began
        ]
        if used:
            self._writer.submit(partial(self._touch, used, give_up), lambda _: None, _warn)
        self._writer.close()
        self._directory.close()

    def _wall(self, at: float) -> float:
        return time.time() - (self._space.clock() - at)

    def _remove(self, rows: Sequence[int]) -> None:
        self._writer.submit(partial(remove, self._directory, rows), lambda _: None, _warn)

    def _touch(self, used: Sequence[tuple[int, float, int]], give_up: float) -> None:
        """On the writer's thread."""
        for row, last_used, n_hits in used:
            self._directory.index.touch(row, last_used, n_hits)
            if time.monotonic() > give_up:
                return


def _warn(error: Exception) -> None:
    log.warning("the index of the disk could not be changed: %s", error)


def _explain_others(index: Index, model: int, fingerprint: Mapping[str, str]) -> None:
    """Say why what was stored under other fingerprints is not used."""
    for number, rows in index.all_checkpoints().items():
        if number != model:
            found = differences(parsed(index.fingerprints()[number]), fingerprint)
            log.info("%d stored checkpoints are of no use here: %s", len(rows), found)
