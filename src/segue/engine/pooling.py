"""How the tokens of a text make its embedding."""

from collections.abc import Mapping
from enum import IntEnum


class Pooling(IntEnum):
    """How the tokens of a text make its embedding: each keeps its own, or all make one; RANK makes a score of it.

    The numbers are libllama's; importing it takes long, and the API starts before the model is loaded.
    """

    NONE = 0
    MEAN = 1
    CLS = 2
    LAST = 3
    RANK = 4


_CHOSEN = frozenset(Pooling) - {Pooling.NONE}


def pooling_of(meta: Mapping[str, str], wanted: str = "") -> Pooling:
    """The pooling of this name in lower case, else what the model's file says, else the mean.

    A file that says nothing is that of a model that generates: its users want one vector a text.
    """
    if wanted:
        return Pooling[wanted.upper()]
    told = int(meta.get(f"{meta.get('general.architecture', '')}.pooling_type", Pooling.NONE))
    return Pooling(told) if told in _CHOSEN else Pooling.MEAN
