"""Sampling under a mask: the chain sees what is allowed, and the logits stay as they are."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, NO_TOKEN, Choice, Chunk, Logits
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from tests.kit.conversation import text
from tests.kit.models import model_path
from tests.kit.rig import EXACT

PROMPT = text(1, 40)


class Only:
    """Allows the same tokens every time, and remembers what came."""

    def __init__(self, tokens: Sequence[int], n_vocab: int) -> None:
        ids = np.array(tokens, np.intp)
        rest = np.setdiff1d(np.arange(n_vocab), ids)
        self._choice = Choice(rest, is_rest=True) if len(rest) < len(ids) else Choice(ids)
        self.accepted: list[int] = []

    def choice(self) -> Choice:
        return self._choice

    def accept(self, token: int) -> None:
        self.accepted.append(token)


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    model = Model(model_path("qwen35"))
    params = ContextParams(n_cells=256, n_seq_max=1, n_batch=64, n_ubatch=64, **EXACT)
    context = Context(model, params, measure(model, params))
    context.decode([Chunk(0, PROMPT, LAST_ROW)])
    yield context
    context.close()
    model.close()


@pytest.fixture
def logits(context: Context) -> Iterator[Logits]:
    """Those after the prompt; the same after the test as before."""
    before = context.logits(-1).copy()
    yield before.copy()
    assert np.array_equal(context.logits(-1), before)


def draw(context: Context, logits: Logits | None, params: SamplingParams, allowed: Sequence[int], n: int) -> list[int]:
    mask = Only(allowed, context.n_vocab)
    chain = context.sampler(params, PROMPT, mask)
    tokens = [chain.sample(-1) if logits is None else chain.sample_from(logits) for _ in range(n)]
    chain.close()
    assert mask.accepted == [token for token in tokens if token != NO_TOKEN]
    return tokens


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(seed=1),
        SamplingParams(seed=1, temperature=0.0),
        SamplingParams(seed=1, top_k=1),
        SamplingParams(seed=1, samplers=("typ_p",), typical_p=0.5),
        SamplingParams(seed=1, samplers=("top_n_sigma", "temperature"), top_n_sigma=1.0),
        SamplingParams(seed=1, xtc_probability=1.0, xtc_threshold=0.01),
        SamplingParams(seed=1, mirostat=1),
        SamplingParams(seed=1, mirostat=2),
        SamplingParams(seed=1, repeat_penalty=1.5, dry_multiplier=1.0),
        SamplingParams(seed=1, samplers=("adaptive_p",), adaptive_target=0.5),
        SamplingParams(seed=1, ignore_eos=True, logit_bias=((33, 1e38), (35, -1e38))),
    ],
)
def test_only_what_is_allowed_is_drawn(context: Context, logits: Logits, params: SamplingParams) -> None:
    order = np.argsort(logits).tolist()
    for allowed in (sorted(order[:5]), sorted(order[:-5])):
        drawn = draw(context, None, params, allowed, 30)
        assert set(drawn) <= set(allowed)
        assert draw(context, logits, params, allowed, 30) == drawn
    for source in (None, logits):
        assert draw(context, source, params, [70], 2) == [70, 70]


def test_where_all_is_allowed_the_mask_changes_nothing(context: Context, logits: Logits) -> None:
    params = SamplingParams(seed=3, temperature=1.5)
    free = context.sampler(params, PROMPT)
    expected = [free.sample(-1) for _ in range(30)]
    free.close()
    for source in (None, logits):
        assert draw(context, source, params, range(context.n_vocab), 30) == expected


def test_allowed_tokens_keep_their_odds(context: Context, logits: Logits) -> None:
    pair = np.argsort(logits)[-2:]
    params = SamplingParams(seed=1, temperature=1.0, samplers=("temperature",))
    share = draw(context, logits, params, pair.tolist(), 4000).count(int(pair[1])) / 4000
    assert share == pytest.approx(1 / (1 + np.exp(logits[pair[0]] - logits[pair[1]])), abs=0.03)


def test_a_grammar_is_stronger_than_a_bias(context: Context, logits: Logits) -> None:
    ends = sorted(context.model.vocabulary.eog_tokens)
    forbidding = SamplingParams(seed=1, ignore_eos=True, logit_bias=((70, -np.inf), (80, -np.inf)))
    for source in (None, logits):
        assert set(draw(context, source, forbidding, ends, 5)) <= set(ends)
        assert set(draw(context, source, forbidding, [70, 80], 5)) == {70 if logits[70] > logits[80] else 80}
        assert set(draw(context, source, forbidding, [70, 90, *ends], 5)) == {90}
    everything = SamplingParams(seed=1, logit_bias=tuple((token, -np.inf) for token in range(context.n_vocab)))
    for source in (None, logits):
        assert draw(context, source, everything, range(100), 1) == [int(np.argmax(logits[:100]))]


def test_nothing_is_drawn_where_nothing_is_allowed(context: Context, logits: Logits) -> None:
    for source in (None, logits):
        assert draw(context, source, SamplingParams(seed=1), [], 2) == [NO_TOKEN, NO_TOKEN]


def test_candidates_are_those_that_are_allowed(context: Context, logits: Logits) -> None:
    for allowed in ([40, 90, 120], [90], []):
        chain = context.sampler(
            SamplingParams(seed=1, samplers=("temperature",), temperature=1.0), PROMPT, Only(allowed, context.n_vocab)
        )
        ids, probabilities = chain.candidates(logits)
        chain.close()
        assert sorted(ids.tolist()) == allowed
        assert probabilities.sum() == pytest.approx(1.0 if allowed else 0.0)
        assert (np.diff(probabilities) <= 0).all()
