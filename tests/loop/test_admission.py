import numpy as np

from segue.cache.state_cache import StateCache
from segue.engine.base import Chunk
from segue.engine.sampling import SamplingParams
from segue.loop.admission import Admission
from segue.loop.inbox import Inbox, Submission
from segue.loop.job import Job
from segue.loop.request import Phase, Request
from segue.memory import MemoryKind
from segue.policy.prompt_marks import PromptMarks
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.rig import Heard
from tests.loop.fake_rig import text


class Waiting:
    """A request that reads a prompt, and others that ask whether to wait for it."""

    def __init__(self, kind: MemoryKind, prompt: list[int], n_read: int, *, namespace: str = "") -> None:
        self.engine = FakeEngine(kind, n_ubatch=32)
        self.cache = StateCache(self.engine, 4, 3, 1 << 20, 1 << 20)
        self.admission = Admission(self.engine, self.cache, is_reproducible=False)
        self.reading = self.request(0, prompt, namespace=namespace)
        plan = self.admission.plan(self.reading)
        self.reading.seq = 0
        self.admission.start(self.reading, plan, self.cache.restore(0, plan))
        self.reading.phase = Phase.PREFILL
        if n_read:
            self.engine.decode([Chunk(0, self.reading.tokens[:n_read])])

    def request(self, number: int, prompt: list[int], *, namespace: str = "", use_cache: bool = True) -> Request:
        job = Job(
            tokens=np.asarray(prompt, np.int32),
            sampling=SamplingParams(),
            marks=PromptMarks(),
            namespace=namespace,
            use_cache=use_cache,
        )
        return Request(submission=Submission(number, job, Heard(), Inbox()), id_slot=number)

    def waits_until(self, prompt: list[int], *, namespace: str = "", use_cache: bool = True) -> int:
        """How far the one that reads must have read; 0 if nobody waits."""
        follower = self.request(1, prompt, namespace=namespace, use_cache=use_cache)
        leader = self.admission.follow(follower, self.admission.plan(follower), [self.reading, follower])
        assert leader is None or leader[0] is self.reading
        return leader[1] if leader else 0


def test_a_request_waits_for_the_part_that_another_is_about_to_read(kind: MemoryKind) -> None:
    prompt = text(1, 60)
    desk = Waiting(kind, prompt, 20)
    assert desk.waits_until(prompt[:40] + text(2, 9)) == 40
    assert desk.waits_until(prompt) == 60
    assert desk.waits_until(prompt[:20] + text(2, 9)) == 0
    assert desk.waits_until(text(2, 60)) == 0


def test_the_one_that_reads_stops_where_the_paths_part(kind: MemoryKind) -> None:
    prompt = text(1, 60)
    desk = Waiting(kind, prompt, 20)
    desk.waits_until(prompt[:40] + text(2, 9))
    assert [position.n_tokens for position in desk.reading.positions] == [40, 60]


def test_the_last_token_of_a_shorter_prompt_is_left_for_its_logits(kind: MemoryKind) -> None:
    prompt = text(1, 60)
    desk = Waiting(kind, prompt, 20)
    assert desk.waits_until(prompt[:40]) == 39


def test_nobody_waits_for_another_namespace_or_without_the_cache(kind: MemoryKind) -> None:
    prompt = text(1, 60)
    desk = Waiting(kind, prompt, 20, namespace="mine")
    assert desk.waits_until(prompt, namespace="yours") == 0
    assert desk.waits_until(prompt, namespace="mine", use_cache=False) == 0
    assert desk.waits_until(prompt, namespace="mine") == 60


def test_what_is_read_is_shared_within_a_namespace_alone(kind: MemoryKind) -> None:
    prompt = text(1, 60)
    desk = Waiting(kind, prompt, 20, namespace="mine")
    for namespace, is_shared in (("yours", False), ("mine", kind is MemoryKind.ATTENTION)):
        asking = desk.request(1, prompt[:30] + text(2, 9), namespace=namespace)
        found = desk.admission.save_shared(asking, desk.admission.plan(asking), [desk.reading, asking])
        assert found == is_shared
        assert len(desk.cache.entries.tree("mine")) == is_shared
