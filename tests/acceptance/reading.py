"""What a server may read of a prompt, given what it has read and said before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.acceptance.part import SPOKEN
from tests.kit.acted import Acted
from tests.kit.actor import Exchange
from tests.kit.cue import Cue, read_cue

_N_SHOWN = 80


class NotEchoedError(AssertionError):
    """A prompt does not begin with what was read and said before."""


@dataclass(frozen=True, slots=True)
class Known:
    """The longest beginning of a prompt that earlier exchanges share: `n_tokens`, out of those of `path`."""

    n_tokens: int
    path: np.ndarray


def find_known(exchange: Exchange, earlier: Sequence[Exchange]) -> Known:
    """How much of a prompt was read or said before."""
    known = Known(0, exchange.prompt[:0])
    for path in (other.path for other in earlier):
        n = min(len(path), len(exchange.prompt))
        differing = np.flatnonzero(path[:n] != exchange.prompt[:n])
        n_common = int(differing[0]) if len(differing) else n
        if n_common > known.n_tokens:
            known = Known(n_common, path)
    return known


def assert_goes_on(server: Acted, exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Raise NotEchoedError, with what differs, unless a prompt begins with an earlier prompt and all of its reply."""
    known = find_known(exchange, earlier)
    if known.n_tokens < len(known.path) or not known.n_tokens:
        end = known.n_tokens + _N_SHOWN
        said = server.loop.text(known.path[known.n_tokens : end])
        sent = server.loop.text(exchange.prompt[known.n_tokens : end])
        raise NotEchoedError(f"the client sent back {sent!r} where the server had said {said!r}")


def assert_reads_what_is_new(exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Fail if more of a prompt was read than what no earlier exchange begins with.

    One token more is due: a reply's last token, the one that ends it, was drawn but never read.
    """
    assert exchange.end is not None
    n_new = len(exchange.prompt) - find_known(exchange, earlier).n_tokens
    assert exchange.end.timings.prompt_n <= n_new + 1


def turns(server: Acted, exchanges: list[Exchange]) -> list[tuple[Exchange, Cue]]:
    """The exchanges in which the agent itself speaks, not those of its errands, such as titles."""
    cues = [(exchange, read_cue(server.loop.text(exchange.prompt))) for exchange in exchanges]
    return [(exchange, cue) for exchange, cue in cues if cue.tools]


def check_turn(server: Acted, exchanges: list[Exchange], n_earlier: int) -> None:
    """Check the exchanges behind the first `n_earlier`: a call, its result, and nothing read twice."""
    spoken = turns(server, exchanges[n_earlier:])
    assert [cue.is_result for _, cue in spoken] == [False, True]
    assert SPOKEN in server.loop.text(spoken[1][0].prompt[len(spoken[0][0].path) :])
    for exchange, cue in spoken:
        earlier = exchanges[: exchanges.index(exchange)]
        if n_earlier or cue.is_result:
            assert_goes_on(server, exchange, earlier)
            assert_reads_what_is_new(exchange, earlier)
