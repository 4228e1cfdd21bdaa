"""Drawing tokens."""

import numpy as np

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.engine.sampling import SamplingParams
from tests.engine.conformance.subject import Subject, text

_GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


class Sampling(Subject):
    """A sampler draws from a row as from its logits."""

    def test_a_sampler_draws_from_a_row_as_from_its_logits(self, engine: Engine) -> None:
        row = engine.decode([Chunk(0, text(1, 20), LAST_ROW)])[0][0]
        logits = engine.logits(row).copy()
        sampler = engine.sampler(_GREEDY, text(1, 20))
        token = sampler.sample(row)
        assert token == sampler.sample_from(logits)
        assert not engine.is_eog(token)
        assert np.array_equal(engine.logits(row), logits)
        sampler.close()
