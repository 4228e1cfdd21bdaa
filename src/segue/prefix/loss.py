"""The ways in which a checkpoint can be lost."""

from enum import StrEnum


class Loss(StrEnum):
    """Why a checkpoint that a prompt could use no longer exists."""

    EVICTED = "evicted"
    DAMAGED = "damaged"
