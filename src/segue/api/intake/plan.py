"""Makes the jobs of a request from its prompts."""

from collections.abc import Sequence
from dataclasses import replace

from segue.api.intake.chat import PreparedChat
from segue.api.intake.constraints import Wanted, make_mask
from segue.api.intake.requests import GenerationFields
from segue.chat.tokens.tokenizer import EncodedPrompt
from segue.loop.job import Job, MakeForcer
from segue.serving.errors import invalid
from segue.serving.events import Keep, keep_nothing
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

MAX_JOBS = 1024


def make_plan(
    service: Service,
    request: GenerationFields,
    prompts: Sequence[EncodedPrompt],
    namespace: str,
    *,
    n_probs: int,
    wanted: Wanted | None,
    shown: frozenset[int] = frozenset(),
    keep: Keep = keep_nothing,
    make_forcer: MakeForcer | None = None,
) -> GenerationPlan:
    """Make the jobs; a prompt's choices differ by their seed. Slow where there is a grammar. Raises ApiError."""
    settings = service.settings
    sampling = request.sampling(service.sampling, service.backend.vocabulary)
    # llama.vim counts on without end, and llama-server begins again at the first slot.
    id_slot = -1 if request.id_slot is None or request.id_slot < 0 else request.id_slot % settings.parallel
    stops = tuple(request.stops or settings.reverse_prompt)
    if settings.special:
        shown |= frozenset(service.backend.controls.values())
    mask = make_mask(service.backend.compiler, wanted)
    seeds = [
        sampling.seed if sampling.seed < 0 else (sampling.seed + choice) % (2**32 - 1)
        for choice in range(request.n_choices)
    ]
    if len(prompts) * len(seeds) > MAX_JOBS:
        raise invalid(f"A request has at most {MAX_JOBS} replies in all; this one asks for {len(prompts) * len(seeds)}")
    jobs = tuple(
        Job(
            tokens=prompt.tokens,
            marks=prompt.marks,
            sampling=replace(sampling, seed=seed),
            n_predict=request.limit(settings.n_predict),
            namespace=namespace,
            id_slot=id_slot,
            use_cache=settings.cache_prompt if request.cache_prompt is None else request.cache_prompt,
            n_probs=n_probs,
            post_sampling_probs=bool(request.post_sampling_probs),
            wants_progress=bool(request.return_progress and request.stream),
            wants_timings=bool(request.timings_per_token or (request.t_max_predict_ms or 0) > 0),
            may_be_interrupted=bool(request.stream or stops),
            draft_limits=request.draft_limits(settings.draft_limits),
            make_mask=mask,
            make_forcer=make_forcer,
        )
        for prompt in prompts
        for seed in seeds
    )
    t_max_predict_ms = request.t_max_predict_ms or 0
    return GenerationPlan(jobs, stops, t_max_predict_ms, is_live=bool(request.stream), shown=shown, keep=keep)


def make_chat_plan(
    service: Service, request: GenerationFields, chat: PreparedChat, namespace: str, *, n_probs: int
) -> GenerationPlan:
    """Make the jobs of a conversation. Raises ApiError."""
    shown = service.backend.shown
    return make_plan(
        service,
        request,
        [chat.prompt],
        namespace,
        n_probs=n_probs,
        wanted=chat.wanted,
        shown=shown,
        keep=chat.keep,
        make_forcer=chat.make_forcer,
    )
