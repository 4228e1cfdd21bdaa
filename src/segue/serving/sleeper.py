"""Unloads the model while it gets no requests, and loads it again for the next one."""

import logging
import threading
import time
from concurrent.futures import Future
from typing import Protocol

from segue.engine.errors import EngineError
from segue.serving.errors import UNAVAILABLE, ApiError

log = logging.getLogger(__name__)

_RETRY_S = 0.5


class Unloadable(Protocol):
    """Something that can be unloaded. Both methods block until it is done; no request may be served in between."""

    def unload(self) -> bool:
        """Free the model; False, with nothing done, while there is work."""

    def load(self) -> None:
        """Load it again. Raises EngineError, with everything still unloaded."""


class Sleeper:
    """Unloads a model `idle_s` seconds after its last request. `close` it before the model; any thread may call it.

    A request that needs the model is between `enter` and `leave`.
    """

    def __init__(self, model: Unloadable, idle_s: float) -> None:
        self._model = model
        self._idle_s = idle_s
        self._condition = threading.Condition()
        self._n_requests = 0
        self._until = time.monotonic() + idle_s
        self._waiting: list[Future[None]] = []
        self._is_closed = False
        self.is_asleep = False
        self._thread = threading.Thread(target=self._run, name="segue-sleep", daemon=True)
        self._thread.start()

    def enter(self) -> "Future[None]":
        """Begin a request; the future is done once the model is loaded.

        It raises ApiError if that fails; then, too, `leave` must be called.
        """
        awake: Future[None] = Future()
        with self._condition:
            self._n_requests += 1
            if self._is_closed:
                awake.set_exception(ApiError(UNAVAILABLE, "The server is shutting down"))
            elif self.is_asleep:
                self._waiting.append(awake)
                self._condition.notify()
            else:
                awake.set_result(None)
        return awake

    def leave(self) -> None:
        """End a request."""
        with self._condition:
            self._n_requests -= 1
            self._until = time.monotonic() + self._idle_s
            self._condition.notify()

    def close(self) -> None:
        """Stop, and refuse the requests that wait for the model."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._condition:
            while not self._is_closed:
                if self.is_asleep and self._waiting:
                    self._wake()
                elif not self.is_asleep and not self._n_requests and self._until <= time.monotonic():
                    self._sleep()
                else:
                    self._condition.wait(self._rest_s())
            self._answer(ApiError(UNAVAILABLE, "The server is shutting down"))

    def _rest_s(self) -> float | None:
        is_due = not (self.is_asleep or self._n_requests)
        return max(0.0, self._until - time.monotonic()) if is_due else None

    def _sleep(self) -> None:
        """Unload. The lock is free meanwhile, so that requests can queue up behind it."""
        self.is_asleep = True
        self._condition.release()
        try:
            is_done = self._model.unload()
        except Exception:
            log.exception("the model could not be unloaded")
            is_done = False
        finally:
            self._condition.acquire()
        if is_done:
            log.info("asleep after %g s without a request; the next one loads the model again", self._idle_s)
        else:
            self.is_asleep = False
            self._until = time.monotonic() + min(self._idle_s, _RETRY_S)
            self._answer(None)

    def _wake(self) -> None:
        self._condition.release()
        started = time.perf_counter()
        error = None
        try:
            self._model.load()
        except EngineError as reason:
            error = ApiError(UNAVAILABLE, f"The model could not be loaded again: {reason}")
        except Exception:
            log.exception("the model could not be loaded again")
            error = ApiError(UNAVAILABLE, "The model could not be loaded again")
        finally:
            self._condition.acquire()
        if error is None:
            self.is_asleep = False
            log.info("awake again, loaded in %.1f s", time.perf_counter() - started)
        else:
            log.error("%s", error)
        self._answer(error)

    def _answer(self, error: ApiError | None) -> None:
        """Tell those who wait that the model is loaded, or why not."""
        waiting, self._waiting = self._waiting, []
        for awake in waiting:
            # A client that has gone has cancelled its future.
            if awake.set_running_or_notify_cancel():
                if error is None:
                    awake.set_result(None)
                else:
                    awake.set_exception(error)
