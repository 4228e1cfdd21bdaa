"""Which contexts fit, with which flags."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from segue.draft_model import uses_draft_model, with_draft_model
from segue.drafters import wants_mtp
from segue.engine.errors import ModelError
from segue.engine.fitting import Fitting
from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.errors import FitError
from segue.parameters import asked_of, context_params, model_params
from segue.settings import Settings

_STEP = 1024
_OTHERS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("--cache-type-k q8_0 --cache-type-v q8_0", {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}),
    ("--parallel 1", {"parallel": 1}),
    ("--cpu-moe", {"cpu_moe": True}),
)


@dataclass(frozen=True, slots=True)
class ContextThatFits:
    """Flags in addition to the setup's, and the largest `--ctx-size` that can be asked for with them."""

    flags: str
    n_ctx: int


class Fitter:
    """Tries contexts for a model that has no weights in memory. Close it after use; raises ModelError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        params = replace(model_params(settings), loads_mtp=wants_mtp(settings))
        self.fitting = Fitting(Path(settings.model), params, partial(context_params, settings))
        self.asked = asked_of(settings, self.fitting)
        if uses_draft_model(settings, self.fitting.model):
            self.asked = with_draft_model(self.asked, settings, self.fitting)

    def close(self) -> None:
        """Free what was tried."""
        self.fitting.close()

    def choose(self) -> FitChoice:
        """The choice that a server would make now. Raises FitError."""
        return self._choose(self.asked)

    def largest(self) -> int:
        """The largest context that a request could be given, in steps of 1,024; 0 if none fits."""
        low, high = 0, -(-self.asked.n_ctx_most // _STEP)
        if self._fits(self.asked.n_ctx_most):
            return self.asked.n_ctx_most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(middle * _STEP) else (low, middle)
        return low * _STEP

    def _choose(self, asked: Asked) -> FitChoice:
        return self.fitting.choose(asked, self.settings.fit_target)

    def _fits(self, n_ctx: int) -> bool:
        try:
            self._choose(replace(self.asked, n_ctx=n_ctx))
        except (FitError, ModelError):
            return False
        return True


def contexts_that_fit(fitter: Fitter) -> Iterator[ContextThatFits]:
    """The largest context with the setup's flags; if it is not the model's whole one, with further flags too."""
    n_ctx = fitter.largest()
    yield ContextThatFits("", n_ctx)
    if n_ctx >= fitter.asked.n_ctx_most:
        return
    for flags, changes in _OTHERS:
        settings = fitter.settings.model_copy(update=changes)
        if settings == fitter.settings or ("cpu_moe" in changes and not fitter.fitting.has_devices):
            continue
        try:
            with closing(Fitter(settings)) as other:
                yield ContextThatFits(flags, other.largest())
        except ModelError:
            continue
