"""Random requests at once, in random sizes of everything: each reply is that of its path alone."""

import random
from dataclasses import dataclass, field

import pytest

from segue.drafting.chain import ChainedDrafter
from segue.drafting.drafter import Drafter
from segue.drafting.tree import TreeDrafter
from segue.loop.end import EndReason, ErrorType
from segue.loop.totals import LoopTotals
from segue.memory import MemoryKind
from segue.policy.prompt_marks import Breakpoint, PromptMarks
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.guesser import Guesser
from tests.kit.rig import Heard
from tests.loop.fake_rig import FakeRig, Sizes

BEHAVIOURS = ("patient",) * 8 + ("cancelling",) * 2 + ("stopping", "failing")


@dataclass
class Client:
    """Asks once, and behaves as told: it may cancel, stop or fail after `n_events`."""

    prompt: list[int]
    n_predict: int
    behaviour: str
    n_events: int
    heard: Heard = field(default_factory=Heard)

    def ask(self, rig: FakeRig, marks: PromptMarks, **job: object) -> None:
        if self.behaviour == "stopping":
            self.heard.stop_after = self.n_events + 1
        elif self.behaviour != "patient":
            self.heard.on_each = self.on_each
        rig.send(self.prompt, self.n_predict, marks=marks, heard=self.heard, **job)

    def on_each(self) -> None:
        self.n_events -= 1
        if self.n_events < 0 and self.behaviour == "failing":
            raise RuntimeError("a client failed")
        if self.n_events < 0 and self.heard.submission is not None:
            self.heard.submission.cancel()

    def check(self, kind: MemoryKind, sizes: Sizes) -> None:
        """Assert that the reply is right, and that it ended for no other reason than this client's."""
        end = self.heard.wait()
        if not 0 < len(self.prompt) < sizes.n_ctx:
            assert end.reason is EndReason.CANCELLED or end.error is not None
            assert end.error is None or end.error.type in (ErrorType.INVALID_REQUEST, ErrorType.EXCEED_CONTEXT)
            return
        n_left = sizes.n_ctx - len(self.prompt)
        expected = expected_reply(kind, self.prompt, n_left if self.n_predict < 0 else min(self.n_predict, n_left))
        assert self.heard.tokens == expected[: len(self.heard.tokens)]
        assert end.timings.predicted_n == len(self.heard.tokens)
        allowed = {
            "patient": (EndReason.LIMIT,),
            "cancelling": (EndReason.LIMIT, EndReason.CANCELLED),
            "stopping": (EndReason.LIMIT, EndReason.WORD),
            "failing": (EndReason.LIMIT, EndReason.ERROR),
        }
        assert end.reason in allowed[self.behaviour], end.error
        is_alone_in_full_cells = sizes.n_cells < sizes.n_ctx * sizes.n_slots and end.truncated
        if end.reason is EndReason.LIMIT and not is_alone_in_full_cells:
            assert self.heard.tokens == expected
        if end.report is not None:
            report = end.report
            lost = report.no_checkpoint_here + report.evicted + report.last_token
            lost += report.incompatible + report.cheaper_to_read + report.not_fetched
            assert report.n_prompt == len(self.prompt) == report.n_reused + report.n_read
            assert report.n_read == report.new + lost
            assert end.timings.cache_n == report.n_reused
            # Who had to give way may have had to read some of it again, or less than was thought.
            if end.reason in (EndReason.LIMIT, EndReason.WORD) and sizes.n_cells >= 2000:
                assert end.timings.prompt_n == report.n_read


def random_sizes(rng: random.Random, *, reproducible: bool) -> Sizes:
    n_slots, n_ctx, n_ubatch = rng.choice((1, 2, 4, 6)), rng.choice((40, 100, 200)), rng.choice((8, 16, 32))
    return Sizes(
        n_slots=n_slots,
        n_ctx=n_ctx,
        n_cells=n_ctx if reproducible else rng.choice((n_ctx, n_ctx + 8, 2 * n_ctx, 2000)),
        n_parked=rng.choice((0, 1, 2, 4, 8)),
        n_host_bytes=rng.choice((0, 300, 1000, 3000, 1 << 20)),
        n_batch=n_ubatch * rng.choice((1, 2, 4)),
        n_ubatch=n_ubatch,
    )


def random_prompt(rng: random.Random, known: list[list[int]], n_ctx: int) -> list[int]:
    """A path that is known, or the start of one, with an edit here and something new there."""
    prompt = list(rng.choice(known))
    change = rng.random()
    if change < 0.3:
        prompt = prompt[: rng.randint(0, len(prompt))]
    if change < 0.45 and prompt:
        prompt[rng.randrange(len(prompt))] = rng.randrange(4)
    if change < 0.8:
        prompt += [rng.randrange(4) for _ in range(rng.choice((0, 1, 2, 3, 9, 17, 40)))]
    if change > 0.95:
        prompt = [rng.randrange(4) for _ in range(rng.randint(1, n_ctx + 5))]
    return prompt


def random_marks(rng: random.Random, n_prompt: int) -> PromptMarks:
    if n_prompt < 3 or rng.random() < 0.4:
        return PromptMarks()
    ends = sorted(rng.sample(range(1, n_prompt), min(n_prompt - 1, rng.randint(1, 5))))
    volatile = sorted(rng.sample(range(1, n_prompt), min(n_prompt - 1, rng.randint(0, 2))))
    breakpoints = (Breakpoint(rng.choice(ends), 300.0),) if rng.random() < 0.1 else ()
    return PromptMarks(tuple(ends), tuple(volatile), breakpoints, rng.randint(0, len(ends)))


def random_drafter(rng: random.Random, kind: MemoryKind, n_ctx: int) -> Drafter:
    """One that has read what is repeated, one that knows what comes, or both."""
    history = TreeDrafter(rng.choice((100, 5000)))
    guesser = Guesser(
        lambda prompt: expected_reply(kind, prompt.tolist(), n_ctx - len(prompt)),
        rng.choice((0.0, 0.5, 0.8, 1.0)),
        seed=rng.randrange(1000),
    )
    return rng.choice((history, guesser, ChainedDrafter([history, guesser])))


def run(kind: MemoryKind, seed: int, n_rounds: int, *, has_drafts: bool = False) -> LoopTotals:
    """Serve random requests, and check each reply and then the whole cache; returns what the loop has done."""
    rng = random.Random(seed)
    reproducible = rng.random() < 0.12 and not has_drafts
    sizes = random_sizes(rng, reproducible=reproducible)
    idle_s = rng.choice((None, 0.0))
    drafter = random_drafter(rng, kind, sizes.n_ctx) if has_drafts else None
    rig = FakeRig(kind, sizes, reproducible=reproducible, idle_s=idle_s, drafter=drafter)
    known = [[rng.randrange(4) for _ in range(rng.randint(1, sizes.n_ctx - 1))]]
    for _ in range(n_rounds):
        with rig.held():
            clients = []
            for _ in range(rng.choice((1, 1, 2, 4, 6))):
                prompt = random_prompt(rng, known, sizes.n_ctx)
                n_predict = rng.choice((0, 1, 2, 3, 4, 8, 20, -1))
                clients.append(Client(prompt, n_predict, rng.choice(BEHAVIOURS), rng.randint(0, 8)))
                clients[-1].ask(
                    rig,
                    random_marks(rng, len(prompt)),
                    namespace=rng.choice(("", "", "", "other")),
                    id_slot=rng.choice((-1, -1, -1, 0, 1, 99)),
                    use_cache=rng.random() > 0.08,
                    wants_progress=rng.random() < 0.5,
                    may_be_interrupted=rng.random() < 0.5,
                    n_probs=rng.choice((0, 0, 3)),
                )
        for client in clients:
            client.check(kind, sizes)
            known.append(client.prompt + client.heard.tokens)
            rig.check()
        assert not any(view.is_processing for view in rig.loop.slots())
        known = known[-12:]
    rig.close()
    return rig.loop.totals


@pytest.mark.parametrize("seed", range(6))
def test_every_reply_is_that_of_its_path_alone(kind: MemoryKind, seed: int) -> None:
    run(kind, seed, n_rounds=12)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 140))
def test_every_one_of_many_replies_is_that_of_its_path_alone(kind: MemoryKind, seed: int) -> None:
    run(kind, seed, n_rounds=12)


@pytest.mark.parametrize("seed", range(3))
def test_every_reply_is_the_same_with_drafts(kind: MemoryKind, seed: int) -> None:
    run(kind, seed, n_rounds=8, has_drafts=True)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_every_one_of_many_replies_is_the_same_with_drafts(kind: MemoryKind) -> None:
    totals = [run(kind, seed, n_rounds=12, has_drafts=True) for seed in range(100, 140)]
    assert sum(one.n_drafted for one in totals) > sum(one.n_accepted for one in totals) > 1000
