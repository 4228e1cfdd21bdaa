"""The ids of checkpoints: their keys in hexadecimal, which users may shorten."""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

_N_LEAST: Final = 4
_N_SHOWN: Final = 8
_BEGINNING: Final = re.compile(rf"[0-9A-Fa-f]{{{_N_LEAST},}}")


def check_beginnings(_: object, beginnings: str | Iterable[str]) -> None:
    """Raise ValueError, which describes an id, unless each text can be the beginning of one."""
    for beginning in [beginnings] if isinstance(beginnings, str) else beginnings:
        if not _BEGINNING.fullmatch(beginning):
            raise ValueError(
                f"{beginning!r} is not an id: give at least {_N_LEAST} of the digits that segue cache ls shows"
            )


def shortened(ids: Iterable[str]) -> dict[str, str]:
    """The beginning of each id that ls shows: 8 digits, or as many as distinguish it from all others."""
    ordered = sorted(ids)
    n_shared = [_n_shared(*pair) for pair in pairwise(ordered)]
    return {
        id_: id_[: max(_N_SHOWN, before + 1, after + 1)]
        for id_, before, after in zip(ordered, [0, *n_shared], [*n_shared, 0], strict=False)
    }


def _n_shared(one: str, other: str) -> int:
    """The number of leading digits that two ids share."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
