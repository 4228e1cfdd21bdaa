"""A slot: one of the server's N places for a request."""

from dataclasses import dataclass, field

import numpy as np

from segue.loop.front import SlotView
from segue.loop.inbox import Submission
from segue.loop.job import Tokens
from segue.loop.request import Request


@dataclass(slots=True, eq=False)
class Slot:
    """A place and the request in it, if any. `last` is the path of the previous request, with its namespace."""

    id: int
    request: Request | None = None
    last: tuple[str, Tokens] = field(default_factory=lambda: ("", np.empty(0, np.int32)))

    def begin(self, submission: Submission) -> Request:
        """Assign the idle slot to a job."""
        self.request = Request(submission=submission, id_slot=self.id)
        return self.request

    def clear(self) -> None:
        """Free the slot, but remember the path of its request."""
        if self.request is not None:
            request, self.request = self.request, None
            self.last = (request.job.namespace, request.tokens.copy())

    def view(self, n_ctx: int) -> SlotView:
        """The view for `/slots`; any thread, so the request may end at any moment."""
        request = self.request
        if request is None:
            return SlotView(
                id=self.id,
                namespace="",
                is_processing=False,
                id_task=-1,
                n_ctx=n_ctx,
                n_prompt_tokens=0,
                n_prompt_tokens_processed=0,
                n_prompt_tokens_cache=0,
                n_decoded=0,
            )
        n_predict, n_decoded = request.job.n_predict, request.n_generated
        return SlotView(
            id=self.id,
            namespace=request.job.namespace,
            is_processing=True,
            id_task=request.id,
            n_ctx=n_ctx,
            n_prompt_tokens=len(request.job.tokens),
            n_prompt_tokens_processed=request.n_read,
            n_prompt_tokens_cache=request.n_cached,
            n_decoded=n_decoded,
            sampling=request.job.sampling,
            n_remain=-1 if n_predict < 0 else max(0, n_predict - n_decoded),
        )
