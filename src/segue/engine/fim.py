"""The fill-in-the-middle tokens of a vocabulary."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FimTokens:
    """The tokens before the prefix, the suffix and the middle of a fill-in-the-middle prompt.

    `repository` and `file` go before the name of a repository or a file; -1 where a vocabulary lacks them.
    """

    prefix: int
    suffix: int
    middle: int
    repository: int = -1
    file: int = -1
