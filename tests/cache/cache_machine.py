"""The cache under any sequence of calls, on simulated memory with hardly any room."""

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from segue.memory import MemoryKind
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import tokens_of
from tests.cache.desk import N_RUNNING, Desk, Path

NAMESPACES = ("", "other")
TAILS = st.lists(st.integers(0, 2), max_size=12).map(tuple)


class StateCacheMachine(RuleBasedStateMachine):
    """Whatever is opened, read, kept, dropped and moved: what is restored is right, and no room is lost."""

    kind: MemoryKind
    desk: Desk

    @initialize(
        n_parked=st.integers(0, 4),
        limit_host_bytes=st.sampled_from((0, 200, 600, 1500, 1 << 20)),
        n_cells=st.sampled_from((24, 48, 400)),
        n_idle_cells=st.sampled_from((0, 10, 400)),
    )
    def begin(self, n_parked: int, limit_host_bytes: int, n_cells: int, n_idle_cells: int) -> None:
        self.desk = Desk(
            self.kind, n_parked=n_parked, limit_host_bytes=limit_host_bytes, n_cells=n_cells, n_idle_cells=n_idle_cells
        )

    @precondition(lambda self: len(self.desk.paths) < N_RUNNING)
    @rule(data=st.data(), tail=TAILS, namespace=st.sampled_from(NAMESPACES), use_cache=st.integers(0, 9))
    def open(self, data: st.DataObject, tail: Path, namespace: str, use_cache: int) -> None:
        prompt = self.known_path(data, namespace) + tail
        if prompt:
            self.desk.start(self.desk.idle_seq(), prompt, namespace=namespace, use_cache=use_cache > 0)

    @precondition(lambda self: len(self.desk.paths) < N_RUNNING)
    @rule(data=st.data(), namespace=st.sampled_from(NAMESPACES))
    def repeat(self, data: st.DataObject, namespace: str) -> None:
        """Go on from a checkpoint, as a client does that sends the same again."""
        prompt = self.known_path(data, namespace)
        seq = self.desk.idle_seq()
        if prompt and self.desk.start(seq, prompt, namespace=namespace):
            self.desk.read(seq, prompt[len(self.desk.paths[seq]) :])

    @precondition(lambda self: self.desk.paths)
    @rule(data=st.data(), tail=TAILS)
    def read_on(self, data: st.DataObject, tail: Path) -> None:
        self.desk.read(self.busy_seq(data), tail)

    @precondition(lambda self: self.desk.paths)
    @rule(
        data=st.data(),
        tail=TAILS,
        origin=st.sampled_from(Origin),
        with_logits=st.booleans(),
        is_pinned=st.integers(0, 9),
    )
    def take(self, data: st.DataObject, tail: Path, origin: Origin, with_logits: bool, is_pinned: int) -> None:
        seq = self.busy_seq(data)
        logits = self.desk.read(seq, tail)
        if self.desk.paths.get(seq):
            self.desk.save(seq, origin, logits=logits if with_logits else None, pin_s=1e6 if is_pinned == 0 else 0.0)

    @precondition(lambda self: self.desk.paths)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.desk.close(self.busy_seq(data))

    @precondition(lambda self: self.desk.paths)
    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        self.desk.release(self.busy_seq(data))

    @precondition(lambda self: 0 < len(self.desk.paths) < N_RUNNING)
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self.desk.move(self.busy_seq(data), self.desk.idle_seq())

    @rule()
    def free_cells(self) -> None:
        self.desk.cache.make_room()

    @rule()
    def tidy(self) -> None:
        self.desk.cache.maintain(0.0)

    @precondition(lambda self: not self.desk.paths)
    @rule()
    def vacate(self) -> None:
        self.desk.cache.vacate()
        assert not any(self.desk.engine.length(seq) for seq in range(self.desk.engine.n_seq_max))

    @invariant()
    def is_whole(self) -> None:
        if hasattr(self, "desk"):
            self.desk.check()

    def busy_seq(self, data: st.DataObject) -> int:
        """Some sequence in use."""
        return data.draw(st.sampled_from(sorted(self.desk.paths)))

    def known_path(self, data: st.DataObject, namespace: str) -> Path:
        """A prefix of a path that is known, mostly one that ends at a checkpoint or a running sequence."""
        desk = self.desk
        known: set[Path] = {tuple(tokens_of(c).tolist()) for c in desk.cache.entries.tree(namespace).checkpoints()}
        known |= {path for seq, path in desk.paths.items() if desk.namespaces[seq] == namespace}
        path: Path = data.draw(st.sampled_from(sorted(known | {()})))
        n_cut = data.draw(st.sampled_from((0, 0, 0, 0, 1, 2, 7, 12)))
        return path[: max(0, len(path) - n_cut)]
