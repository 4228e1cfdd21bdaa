"""What a server may read of a prompt, given what it has read and said before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.kit.acted import Acted
from tests.kit.actor import Exchange

_N_SHOWN = 80


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
    """Fail, with what differs, unless a prompt begins with all of an earlier prompt and its reply."""
    known = find_known(exchange, earlier)
    if known.n_tokens < len(known.path) or not known.n_tokens:
        end = known.n_tokens + _N_SHOWN
        said = server.loop.text(known.path[known.n_tokens : end])
        sent = server.loop.text(exchange.prompt[known.n_tokens : end])
        raise AssertionError(f"the client sent back {sent!r} where the server had said {said!r}")


def assert_reads_what_is_new(exchange: Exchange, earlier: Sequence[Exchange]) -> None:
    """Fail if more of a prompt was read than what no earlier exchange begins with.

    One token more is due: a reply's last token, the one that ends it, was drawn but never read.
    """
    assert exchange.end is not None
    n_new = len(exchange.prompt) - find_known(exchange, earlier).n_tokens
    assert exchange.end.timings.prompt_n <= n_new + 1
