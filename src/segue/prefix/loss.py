"""What a checkpoint was lost to."""

from enum import StrEnum


class Loss(StrEnum):
    """Why a checkpoint that would be of use is gone."""

    EVICTED = "evicted"
    DAMAGED = "damaged"
