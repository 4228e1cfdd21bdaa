"""The disk tier: entries are written behind the host, and fetched back into it."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from segue.cache.entries.entry import Entry
from segue.cache.tiers.base import Usage
from segue.cache.tiers.disk.fetching import Fetches
from segue.cache.tiers.disk.shared import SharedDisk
from segue.cache.tiers.disk.storing import StoreQueue
from segue.cache.tiers.disk.usage import DiskUsage
from segue.cache.tiers.disk.worker import Worker
from segue.cache.tiers.disk.writing import ModelDirectory
from segue.cache.tiers.entry_rows import attach_rows
from segue.cache.tiers.host import HostTier
from segue.cache.tiers.lower import UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.policy.prices import Prices
from segue.storage.fingerprints import differences, parsed
from segue.storage.index import Index
from segue.storage.rows import EntryRow

log = logging.getLogger("segue.cache")


class DiskTier:
    """Entries on disk, written behind the host and fetched back into it. Belongs to the engine's thread.

    Between opening and closing, only the disk's two threads touch files. `collect` takes over their results; `wake` is
    called, from any thread, when there is something.
    """

    name = "disk"

    def __init__(
        self,
        above: UpperTiers,
        disk: SharedDisk,
        fingerprint: Mapping[str, str],
        prices: Prices,
        wake: Callable[[], None],
    ) -> None:
        self._above = above
        self._disk = disk
        directory = self._directory = disk.directory
        text = json.dumps(fingerprint, sort_keys=True)
        model = directory.index.model_id(text)
        place = ModelDirectory(directory, model, text)
        self._began = above.entries.clock()
        self._share = disk.join(model, wake)
        try:
            self.n_loaded = self._load(model, fingerprint)
        except BaseException:
            disk.leave(self._share)
            raise
        self._writer = Worker(disk.writer, wake)
        self._reader = Worker(disk.reader, wake)
        self._share.count_existing(_stored_bytes(above))
        self._stored = StoredEntries(above, self._share.count, self._remove)
        self._usage = DiskUsage(above, self._share, self._stored, self._wall, self._remove)
        self._storing = StoreQueue(above, self._stored, self._usage, self._writer, place, self._wall)
        self._fetching = Fetches(above, self._stored, self._reader, directory, prices)
        self._usage.reserve(lambda: 0)
        n_left = sum(entry.is_stored for entry in above.entries.all())
        if n_left < self.n_loaded:
            log.warning("%d stored checkpoints go: they take more than --cache-disk allows", self.n_loaded - n_left)
            self.n_loaded = n_left

    @property
    def is_busy(self) -> bool:
        """Whether a thread has something to do, or has done something that is not collected."""
        return self._writer.n_pending > 0 or self._reader.n_pending > 0

    @property
    def is_idle(self) -> bool:
        """Whether all is stored for which there is room, and neither the threads nor another tier are at work on it."""
        return self._storing.is_done and not self.is_busy and not self._share.is_waiting

    def has(self, entry: Entry) -> bool:
        """Whether the entry is on disk."""
        return entry.is_stored

    def cost(self, entry: Entry, *, with_logits: bool = True) -> int:
        """The most bytes of host memory that fetching an entry can take, 0 if all that a restore needs is in memory."""
        return self._fetching.cost(entry, with_logits=with_logits)

    def put(self, entry: Entry, source: HostTier) -> bool:  # noqa: ARG002
        """Queue an entry that is new, or has logits now, to be stored when there is time and room; always True."""
        self._storing.add(entry)
        return True

    def get(self, entry: Entry, target: HostTier, *, with_logits: bool = True) -> bool:  # noqa: ARG002
        """Begin to fetch an entry, unless that is under way (`Fetches.fetch`).

        If it cannot be read it is lost, for a reason that is in the log.
        """
        return self._fetching.fetch(entry, with_logits=with_logits)

    def drop(self, entry: Entry) -> None:
        """Drop the stored parts of an entry."""
        self._stored.drop(entry)

    def usage(self) -> Usage:
        """Bytes of all files, those of other models and the one that is being written included."""
        return Usage(self._disk.used_bytes, self._disk.limit_bytes)

    def maintain(self) -> bool:
        """Copy one piece of an entry to the host, or hand a copied one to the writer; False if nothing can be done."""
        return self._storing.store_next()

    def collect(self) -> None:
        """Take over the results of the threads."""
        self._fetching.release_arrived()
        self._writer.collect()
        self._reader.collect()
        self._usage.make_room_for_others()
        if self._share.was_answered():
            self._storing.recheck_room()

    def close(self, timeout_s: float) -> None:
        """Store as much as there is time for, and leave the directory."""
        give_up = time.monotonic() + timeout_s
        self._storing.retry()
        while not self.is_idle and time.monotonic() < give_up:
            if not self.maintain():
                time.sleep(0.002)
            self.collect()
        # A collected result may give the writer more to do.
        self._reader.finish()
        self._writer.finish()
        used = [
            (entry.stored.key, self._wall(entry.last_used), entry.n_hits)
            for entry in self._above.entries.all()
            if entry.stored is not None and entry.n_hits and entry.last_used > self._began
        ]
        if used:
            self._writer.submit(partial(self._touch, used, give_up), lambda _: None, _warn)
        self._writer.finish()
        self._disk.leave(self._share)

    def _load(self, model: int, fingerprint: Mapping[str, str]) -> int:
        """Make known all that the directory has of the model; how many entries."""
        index = self._directory.index
        _explain_others(index, model, fingerprint)
        n_loaded, misplaced = attach_rows(self._above, index.segments(model), index.checkpoints(model))
        for namespace, tokens in self._directory.lost_paths(model):
            self._above.entries.tree(namespace).mark_damaged(tokens)
        if misplaced:
            self._disk.remove_rows(misplaced)
        return n_loaded

    def _wall(self, at: float) -> float:
        return time.time() - (self._above.entries.clock() - at)

    def _remove(self, rows: Sequence[EntryRow]) -> None:
        self._writer.submit(partial(self._directory.remove_rows, rows), lambda _: None, _warn)

    def _touch(self, used: Sequence[tuple[bytes, float, int]], give_up: float) -> None:
        """On the writer's thread."""
        for key, last_used, n_hits in used:
            self._directory.index.touch(key, last_used, n_hits)
            if time.monotonic() > give_up:
                return


def _stored_bytes(above: UpperTiers) -> int:
    """The bytes that the files of all entries take."""
    segments = {one for entry in above.entries.all() if entry.segment is not None for one in entry.segment.up()}
    n_bytes = sum(segment.n_stored_bytes for segment in segments)
    return n_bytes + sum(entry.stored.n_bytes for entry in above.entries.all() if entry.stored is not None)


def _warn(error: Exception) -> None:
    log.warning("the index of the disk could not be changed: %s", error)


def _explain_others(index: Index, model: int, fingerprint: Mapping[str, str]) -> None:
    """Log why checkpoints stored under other fingerprints are not used."""
    for number, rows in index.all_checkpoints().items():
        if number != model:
            found = differences(parsed(index.fingerprints()[number]), fingerprint)
            log.info("%d stored checkpoints are of no use here: %s", len(rows), found)
