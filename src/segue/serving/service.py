"""The state of one server: the model once it is loaded, and until then the progress of loading."""

import time
from dataclasses import dataclass, field
from enum import StrEnum

from segue.engine.sampling import SamplingParams
from segue.serving.backend import Backend
from segue.serving.errors import UNAVAILABLE, ApiError
from segue.serving.farewells import Farewells
from segue.serving.keys import KeyRing
from segue.serving.reports import Reports
from segue.serving.sleeper import Sleeper
from segue.settings import Settings


class LoadingPhase(StrEnum):
    """The progress of loading."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(kw_only=True)
class Service:
    """One server process. It is made before the model is loaded; `attach`, from any thread, makes it ready."""

    settings: Settings
    keys: KeyRing
    sampling: SamplingParams
    reports: Reports = field(default_factory=Reports)
    farewells: Farewells = field(default_factory=Farewells)
    created: int = field(default_factory=lambda: int(time.time()))
    progress: float = 0.0
    phase: LoadingPhase = LoadingPhase.LOADING
    failure: str = ""
    sleeper: Sleeper | None = None
    _backend: Backend | None = None

    def attach(self, backend: Backend, sleeper: Sleeper | None = None) -> None:
        """Start to serve a model, which sleeps between requests if there is a `sleeper`."""
        self._backend = backend
        self.sleeper = sleeper
        self.progress = 1.0
        self.phase = LoadingPhase.READY

    def fail(self, message: str) -> None:
        """Give up: loading failed."""
        self.failure = message
        self.phase = LoadingPhase.FAILED

    @property
    def backend(self) -> Backend:
        """The loaded model. Raises ApiError while there is none."""
        if self._backend is None:
            raise self.unavailable()
        return self._backend

    @property
    def is_asleep(self) -> bool:
        """Whether the model is unloaded until the next request."""
        return self.sleeper is not None and self.sleeper.is_asleep

    def unavailable(self, **details: object) -> ApiError:
        """Say why no model is there, with further fields for the error object."""
        message = "The model could not be loaded" if self.phase is LoadingPhase.FAILED else "Loading model"
        return ApiError(UNAVAILABLE, message, details=details)

    @property
    def model_name(self) -> str:
        """The name that responses give the model, as `Settings.model_name` chooses it."""
        return self.settings.model_name
