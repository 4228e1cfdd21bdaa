"""How flags change the encoding of positions."""

import pytest

from segue.engine.rope import RopeParams


@pytest.mark.parametrize(
    ("rope", "n_ctx"),
    [
        (RopeParams(), 0),
        (RopeParams(scaling="yarn", freq_scale=0.25), 4000),
        (RopeParams(scaling="yarn", freq_scale=0.25, yarn_orig_ctx=500), 2000),
        (RopeParams(freq_scale=0.5), 2000),
        (RopeParams(scaling="none", freq_scale=0.5), 0),
        (RopeParams(freq_scale=2.0), 0),
    ],
)
def test_how_long_a_context_becomes(rope: RopeParams, n_ctx: int) -> None:
    assert rope.n_ctx(1000) == n_ctx


def test_what_is_as_in_the_file_is_not_described() -> None:
    assert RopeParams().described() == ""
    assert RopeParams(yarn_beta_fast=32.0).described() == "yarn_beta_fast 32.0"
