"""The jobs of one request, and how to listen to them."""

from dataclasses import dataclass

from segue.loop.job import Job
from segue.serving.events import Keep, keep_nothing


@dataclass(frozen=True, slots=True)
class GenerationPlan:
    """The jobs of all choices of all prompts, in order, and how to listen to them.

    `is_live`: each piece is passed on at once. `shown` are control tokens whose text belongs to the reply. `keep` is
    called with each reply.
    """

    jobs: tuple[Job, ...]
    stops: tuple[str, ...]
    t_max_predict_ms: int
    is_live: bool
    shown: frozenset[int] = frozenset()
    keep: Keep = keep_nothing
