"""Drafts tokens for replies, has them verified in the call that reads the last one, and takes back what was wrong."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from segue.common_prefix import n_equal
from segue.drafting.drafter import NO_DRAFT, Draft, Drafter, DraftRequest
from segue.drafting.lengths import Prospect, Worth, choose_lengths
from segue.drafting.row_costs import RowCosts
from segue.engine.base import LAST_ROW, Chunk, Engine, Tokens
from segue.engine.errors import EngineError, NoRoomError
from segue.loop.reply_drafts import ReplyDrafts, Verification
from segue.loop.request import Request

N_ROWS_DRAFTED: Final = 64
"""Rows of logits that a call with drafts may have; each takes memory for the whole vocabulary."""
_N_UNREAD_MOST: Final = 9
"""A reply that must read more tokens than these gets no drafts, so that what is read again stays little."""
_N_TRIAL_MOST: Final = 8


class Speculation:
    """Verifies several tokens of a reply in one call of the engine. Belongs to the engine's thread.

    Between two calls, a sequence has read a prefix of its path, as without drafts; where a draft did not hold, it may
    lack more than the last token. Sequences from `first_shadow` on, one for each slot, hold what is rolled back to.
    """

    def __init__(self, engine: Engine, drafter: Drafter | None, *, first_shadow: int, n_ctx: int) -> None:
        self._engine = engine
        self._drafter = drafter
        self._first_shadow = first_shadow
        self._n_ctx = n_ctx
        self._has_recurrent = engine.shape.kind.has_recurrent
        self._has_window = engine.shape.kind.has_window
        self._costs = RowCosts()
        self._n_calls_without = 0

    def begin(self, request: Request) -> None:
        """Begin to draft a reply, whose prompt has been read."""
        if self._drafter is not None:
            prompt, report = request.job.tokens, request.report
            reply = self._drafter.begin(request.job.namespace, prompt, report.n_known if report is not None else 0)
            request.drafts = ReplyDrafts(drafter=reply, n_followed=len(prompt), n_calls_without=self._n_calls_without)

    def chunks(self, replies: list[Request]) -> list[Chunk]:
        """The next call for these replies: what each has not read yet, and drafts where they are worth their cost."""
        if not self._costs.knows(len(replies)):
            # Without knowing what plain calls cost, nobody could tell whether drafts are worth theirs.
            return self._without_drafts(replies)
        self._prepare(replies)
        proposals = [self._propose(request) for request in replies]
        if not any(draft.tokens for draft in proposals):
            return self._without_drafts(replies)
        prospects = [
            Prospect(self.n_unread(request), len(draft.tokens), draft.probability)
            for request, draft in zip(replies, proposals, strict=True)
        ]
        # In a second physical batch, a window would overwrite what may have to come back.
        n_most = min(self._engine.n_rows_max, self._engine.n_ubatch)
        lengths = choose_lengths(
            prospects,
            self._costs,
            are_equal=self._has_recurrent or self._has_window,
            reads_again=self._has_recurrent,
            n_tokens_most=n_most,
        )
        chunks = [
            self._chunk(request, draft, n_drafts)
            for request, draft, n_drafts in zip(replies, proposals, lengths, strict=True)
        ]
        if self._has_window and len({len(chunk.inputs) for chunk in chunks}) > 1:
            # There was no room for a mark.
            return self._without_drafts(replies)
        return chunks

    def plain(self, request: Request) -> Chunk:
        """The chunk of a reply without drafts."""
        return Chunk(request.seq, request.unread(self._engine.length(request.seq)), LAST_ROW)

    def withdraw(self, requests: list[Request]) -> list[Chunk] | None:
        """The chunks of a call that could not be read, without drafts; None if it had none."""
        if not any(request.drafts is not None and request.drafts.verification for request in requests):
            return None
        return self._without_drafts(requests)

    def drafts(self, request: Request) -> Tokens:
        """The tokens that the last call has verified for a reply; the reply may go on with them, one by one."""
        found = request.drafts.verification if request.drafts is not None else None
        return found.drafts if found is not None else _NOTHING

    def resolve(self, request: Request) -> None:
        """Take back the drafts that are not in the path, and count those that are.

        Call it whenever the path has grown, or a call has failed.
        """
        drafts = request.drafts
        if drafts is None:
            return
        if drafts.n_followed < request.n_tokens:
            for token in request.unread(drafts.n_followed).tolist():
                drafts.drafter.accept(token)
            drafts.n_followed = request.n_tokens
        verification, drafts.verification = drafts.verification, None
        if verification is None:
            return
        n_read, n_certain = self._engine.length(request.seq), verification.n_certain
        n_valid = n_certain + n_equal(request.tokens[n_certain:], verification.drafts)
        if n_read > n_valid:
            if verification.mark is None:
                self._engine.rewind(request.seq, n_valid)
            else:
                self._engine.roll_back(request.seq, verification.mark)
        if verification.mark is not None:
            self._engine.release(verification.mark)
        if n_read >= n_certain and verification.n_proposed:
            n_accepted = min(n_valid - n_certain, verification.n_proposed)
            drafts.n_drafted += verification.n_proposed
            drafts.n_accepted += n_accepted
            drafts.drafter.verified(verification.n_proposed, n_accepted)

    def read_owed(self, request: Request) -> None:
        """Read what a reply owes at its end, so that its state is kept where it would stand without drafts."""
        self.resolve(request)
        if request.drafts is None:
            return
        owed = request.unread(self._engine.length(request.seq))[:-1]
        if len(owed):
            try:
                self._engine.decode([Chunk(request.seq, owed)])
            except EngineError:
                # The state is kept where it stands, or not at all: that costs tokens later, and is never wrong.
                return

    def record(self, n_tokens: int, seconds: float) -> None:
        """Record how long a call with nothing but replies took."""
        if self._drafter is not None:
            self._costs.record(n_tokens, seconds)

    def n_unread(self, request: Request) -> int:
        """How many tokens of its path a reply has not read yet; one, unless a draft did not hold."""
        return request.n_tokens - self._engine.length(request.seq)

    def _without_drafts(self, requests: list[Request]) -> list[Chunk]:
        """A call for these replies without drafts. With a window, each reads equally many tokens.

        Where cells are scarce, libllama tries to compute sequences of unlike lengths in several physical batches, and
        finds cells for a later one by overwriting those of windows that a sequence of an earlier one still needs.
        """
        for request in requests:
            self.resolve(request)
        chunks = [self.plain(request) for request in requests]
        if not self._has_window:
            return chunks
        n_least = min((len(chunk.inputs) for chunk in chunks), default=0)
        return [chunk if len(chunk.inputs) == n_least else Chunk(chunk.seq, chunk.inputs[:n_least]) for chunk in chunks]

    def _prepare(self, replies: list[Request]) -> None:
        """Tell the drafter how many tokens each reply may get."""
        if self._drafter is None:
            return
        self._n_calls_without += 1
        worth = Worth(self._costs, len(replies), self._has_recurrent, self._drafter.trial_s)
        n_calls_most = max(
            (request.drafts.n_calls_without for request in replies if request.drafts is not None), default=0
        )
        n_trial = worth.n_of_trial(n_calls_most, _N_TRIAL_MOST)
        for request in replies:
            drafts = request.drafts
            if drafts is not None:
                self.resolve(request)
                drafts.n_most = self._n_most(request)
                # Trials of several replies at once cost less than one after another.
                drafts.is_trial = n_trial > 0 and 2 * drafts.n_calls_without >= n_calls_most
                if drafts.is_trial:
                    drafts.n_most, drafts.n_calls_without = min(drafts.n_most, n_trial), 0
        self._drafter.prepare(_wanted(replies), worth)

    def _n_most(self, request: Request) -> int:
        """How many tokens may be drafted for a reply."""
        if self.n_unread(request) > _N_UNREAD_MOST:
            return 0
        job = request.job
        n_most = min(job.draft_limits.n_max, self._n_ctx - request.n_tokens - 1)
        if job.n_predict >= 0:
            n_most = min(n_most, job.n_predict - request.n_generated - 1)
        return max(0, n_most)

    def _propose(self, request: Request) -> Draft:
        """A draft as long as may be of use; in a trial it counts as sure to hold."""
        drafts, limits = request.drafts, request.job.draft_limits
        if drafts is None:
            return NO_DRAFT
        draft = drafts.drafter.propose(drafts.n_most) if drafts.n_most else NO_DRAFT
        drafts.n_calls_without += 1
        if draft.probability < limits.p_min or len(draft.tokens) < limits.n_min:
            return NO_DRAFT
        return Draft(draft.tokens, 1.0) if draft.tokens and drafts.is_trial else draft

    def _chunk(self, request: Request, draft: Draft, n_drafts: int) -> Chunk:
        if request.drafts is None or n_drafts <= 0:
            return self.plain(request)
        seq, mark = request.seq, None
        if self._has_recurrent:
            try:
                mark = self._engine.mark(seq, self._first_shadow + seq)
            except NoRoomError:
                return self.plain(request)
        unread = request.unread(self._engine.length(seq))
        proposed = draft.tokens[:n_drafts]
        drafts = np.full(n_drafts, unread[-1], np.int32)
        drafts[: len(proposed)] = proposed
        request.drafts.verification = Verification(request.n_tokens, drafts, len(proposed), mark)
        request.drafts.n_calls_without = self._n_calls_without = 0
        inputs = np.concatenate([unread, drafts])
        return Chunk(seq, inputs, tuple(range(len(unread) - 1, len(inputs))))


def _wanted(replies: list[Request]) -> Iterator[DraftRequest]:
    for request in replies:
        drafts = request.drafts
        if drafts is not None and drafts.n_most:
            yield DraftRequest(drafts.drafter, request.seq, request.tokens, drafts.n_most, is_trial=drafts.is_trial)


_NOTHING: Final = np.empty(0, np.int32)
