"""The drafts of one reply, and those that its running call verifies."""

from dataclasses import dataclass, field

from segue.drafting.drafter import ReplyDrafter
from segue.engine.base import Mark, Tokens


@dataclass(slots=True, eq=False)
class Verification:
    """A call that reads the path up to `n_certain` tokens, and then `drafts`, the first `n_proposed` of a drafter.

    The others fill up the call. `mark` is the sequence before the call, None where its tail can be dropped.
    """

    n_certain: int
    drafts: Tokens = field(repr=False)
    n_proposed: int
    mark: Mark | None


@dataclass(slots=True, eq=False, kw_only=True)
class ReplyDrafts:
    """The drafts of one reply: its drafter has followed the path up to `n_followed` tokens.

    The next call may verify up to `n_most` drafts. It `is_trial` after many calls without any.
    """

    drafter: ReplyDrafter
    n_followed: int
    n_most: int = 0
    is_trial: bool = False
    n_drafted: int = 0
    n_accepted: int = 0
    n_calls_without: int = 0
    verification: Verification | None = None
