"""The cache with a disk under any sequence of calls: restarted, killed, its files damaged meanwhile."""

from contextlib import ExitStack

import hypothesis.strategies as st
from hypothesis.stateful import initialize, precondition, rule

from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import tokens_of
from tests.cache.cache_machine import NAMESPACES, TAILS, StateCacheMachine
from tests.cache.damage import Damage, damage
from tests.cache.desk import N_RUNNING, Path
from tests.cache.disk_desk import DiskDesk, Hands, quick_directory


class DiskMachine(StateCacheMachine):
    """As without a disk; and what is on disk is right, or is known to be lost."""

    desk: DiskDesk
    is_harmed = False

    @initialize(
        n_parked=st.integers(0, 4),
        limit_host_bytes=st.sampled_from((0, 600, 1500, 6000, 1 << 20)),
        n_cells=st.sampled_from((24, 48, 400)),
        n_idle_cells=st.sampled_from((0, 10, 400)),
        limit_disk_bytes=st.sampled_from((0, 700, 2500, 1 << 20)),
    )
    def begin(
        self, n_parked: int, limit_host_bytes: int, n_cells: int, n_idle_cells: int, limit_disk_bytes: int
    ) -> None:
        self.hands = Hands()
        self.left = ExitStack()
        directory = self.left.enter_context(quick_directory())
        self.desk = DiskDesk(
            self.kind,
            directory / "cache",
            hands=self.hands,
            limit_disk_bytes=limit_disk_bytes,
            n_parked=n_parked,
            limit_host_bytes=limit_host_bytes,
            n_cells=n_cells,
            n_idle_cells=n_idle_cells,
        )

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.end()
            self.left.close()

    @precondition(lambda self: len(self.desk.paths) < N_RUNNING)
    @rule(data=st.data(), tail=TAILS, namespace=st.sampled_from(NAMESPACES))
    def serve(self, data: st.DataObject, tail: Path, namespace: str) -> None:
        """What a request does: a prompt is read and kept with its logits, then a reply."""
        prompt = (*self.known_path(data, namespace), *tail, 1)
        seq = self.desk.idle_seq()
        if not self.desk.start(seq, prompt, namespace=namespace):
            return
        logits = self.desk.read(seq, prompt[len(self.desk.paths[seq]) :])
        if logits is not None:
            self.desk.save(seq, Origin.PROMPT_END, logits=logits)
        if seq in self.desk.paths and self.desk.read(seq, (2, 1)) is not None:
            self.desk.close(seq)

    @rule()
    def store(self) -> None:
        self.desk.store()

    @rule(n_jobs=st.integers(0, 3), n_steps=st.integers(0, 5))
    def work(self, n_jobs: int, n_steps: int) -> None:
        """Let the threads get on, and the cache."""
        for _ in range(n_jobs):
            self.hands.work()
        for _ in range(n_steps):
            self.desk.cache.collect()
            self.desk.cache.maintain(0.0)

    @precondition(lambda self: bool(self.desk.files))
    @rule()
    def restart(self) -> None:
        self.desk.restart()

    @precondition(lambda self: bool(self.desk.files))
    @rule(is_idle=st.booleans())
    def crash(self, is_idle: bool) -> None:
        """Be killed. What had been written is there again, but for what was damaged."""
        if is_idle:
            self.desk.store()
        stored = self.stored()
        self.desk.crash()
        assert self.stored() <= stored or not is_idle
        assert not is_idle or self.is_harmed or self.stored() == stored

    @precondition(lambda self: bool(self.desk.files))
    @rule(data=st.data(), how=st.sampled_from(Damage))
    def harm(self, data: st.DataObject, how: Damage) -> None:
        self.is_harmed = True
        self.desk.is_swapped |= how is Damage.SWAPPED
        damage(self.desk.files, data.draw(st.integers(0, 1 << 30)), how)

    @rule(fails=st.booleans())
    def fail(self, fails: bool) -> None:
        """Let the disk be unreadable, or readable again."""
        self.desk.directory.fails = fails

    @rule(data=st.data(), namespace=st.sampled_from(NAMESPACES))
    def fetch(self, data: st.DataObject, namespace: str) -> None:
        """Begin to fetch something that nobody waits for."""
        far = [c for c in self.desk.cache.entries.tree(namespace).checkpoints() if not self.desk.is_near(c)]
        if far:
            self.desk.fetch(data.draw(st.sampled_from(sorted(far, key=lambda c: tokens_of(c).tolist()))))

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """Make room on the host."""
        self.desk.cache.evictor.stored_room(data.draw(st.integers(0, self.desk.cache.host.budget.limit_bytes)))

    def stored(self) -> set[tuple[str, Path]]:
        trees = self.desk.cache.entries.trees
        return {
            (namespace, tuple(tokens_of(c).tolist()))
            for namespace in trees
            for c in trees[namespace].checkpoints()
            if c.is_stored
        }
