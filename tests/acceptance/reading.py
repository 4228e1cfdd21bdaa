"""What a server may read of a prompt, given what it has read and said before."""

from collections.abc import Sequence

import numpy as np

from segue.demo.vocabulary import IM_END
from segue.loop.job import Tokens
from tests.acceptance.part import SPOKEN
from tests.kit.acted import Acted
from tests.kit.actor import Exchange
from tests.kit.cue import Cue, read_cue

_N_SHOWN = 80


def check_turn(server: Acted, exchanges: Sequence[Exchange], n_earlier: int, *, forgets: bool = False) -> None:
    """Check the exchanges behind the first `n_earlier`: a call, its result, and nothing read twice.

    `forgets`: the template leaves things out of earlier turns.
    """
    spoken = turns(server, exchanges[n_earlier:])
    assert [cue.is_result for _, cue in spoken] == [False, True]
    assert SPOKEN in server.loop.text(spoken[1][0].prompt[len(spoken[0][0].path) :])
    for exchange, cue in spoken:
        earlier = exchanges[: exchanges.index(exchange)]
        if cue.is_result or (n_earlier and not forgets):
            assert_goes_on(server, exchange, earlier)
        if cue.is_result or n_earlier:
            assert_reads_what_is_new(exchange, earlier)


def turns(server: Acted, exchanges: Sequence[Exchange]) -> list[tuple[Exchange, Cue]]:
    """The exchanges in which the client offers tools, not those of its errands, such as titles."""
    cues = [(exchange, read_cue(server.loop.text(exchange.prompt))) for exchange in exchanges]
    return [(exchange, cue) for exchange, cue in cues if cue.tools]


def assert_goes_on(server: Acted, exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Fail, with what differs, unless a prompt begins with an earlier prompt and all of its reply."""
    longest = max((other.path for other in earlier), key=lambda path: n_shared(exchange.prompt, path))
    n = n_shared(exchange.prompt, longest)
    said, sent = (server.loop.text(tokens[n : n + _N_SHOWN]) for tokens in (longest, exchange.prompt))
    assert n == len(longest), f"the prompt has {sent!r} where the server had said {said!r}"


def assert_reads_what_is_new(exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Fail if more of a prompt was read than what comes behind what must be known.

    One token more is due: a reply's last token, the one that ends it, was drawn but never read.
    """
    assert exchange.end is not None
    n_new = len(exchange.prompt) - max(n_known(exchange.prompt, other) for other in earlier)
    assert exchange.end.timings.prompt_n <= n_new + 1


def n_known(prompt: Tokens, earlier: Exchange) -> int:
    """Tokens of a prompt that must be known from an earlier exchange.

    Those are all of it, or where its reply does not go on, its prompt up to the end of its last message: a checkpoint
    stands there, since what a generation prompt adds is what comes back changed. 0 where not even that is shared.
    """
    n = n_shared(prompt, earlier.path)
    n_messages = int(np.flatnonzero(earlier.prompt == IM_END)[-1]) + 1
    return n if n == len(earlier.path) else n_messages if n >= n_messages else 0


def n_shared(one: Tokens, other: Tokens) -> int:
    """How many tokens two paths begin with in common."""
    n = min(len(one), len(other))
    differing = np.flatnonzero(one[:n] != other[:n])
    return int(differing[0]) if len(differing) else n
