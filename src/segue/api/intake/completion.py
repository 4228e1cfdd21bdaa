"""Plans the jobs of a completion."""

from segue.api.intake.constraints import wanted_by
from segue.api.intake.plan import make_plan
from segue.api.intake.prompts import from_completion
from segue.api.intake.requests import CompletionRequest
from segue.serving.errors import not_supported
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service


def make_completion_plan(service: Service, request: CompletionRequest, namespace: str) -> GenerationPlan:
    """Make the jobs of a completion. Slow on long prompts. Raises ApiError."""
    if request.best_of is not None and request.best_of > request.n_choices:
        raise not_supported("Field 'best_of': it is not supported beyond n")
    prompts = from_completion(service.backend, request.prompt, namespace)
    return make_plan(service, request, prompts, namespace, n_probs=request.n_wanted_probs, wanted=wanted_by(request))
