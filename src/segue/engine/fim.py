"""The tokens with which a vocabulary marks a gap in a text."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FimTokens:
    """Tokens before what precedes a gap, before what follows it, and where the filling begins.

    `repository` and `file` stand before a repository's name and a file's; -1 where a vocabulary has none.
    """

    prefix: int
    suffix: int
    middle: int
    repository: int = -1
    file: int = -1
