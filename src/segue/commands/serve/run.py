"""`segue serve`: listens, loads the model meanwhile, and serves until a signal arrives."""

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn
from anyio import to_thread
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from typing_extensions import override

from segue.api.app import create_app
from segue.commands.serve.errors import StartError
from segue.commands.serve.hub import find_draft_model, find_model
from segue.commands.serve.listeners import bind, check_certificate, close, open_hosts, url_of
from segue.commands.serve.start import (
    LoadedModel,
    check_cache_folder,
    check_model_file,
    check_slot_folder,
    make_backend,
    make_service,
    open_log,
)
from segue.engine.errors import EngineError
from segue.loop.end import JobEnd
from segue.serving.service import LoadingPhase, Service
from segue.serving.sleeper import Sleeper
from segue.settings import Settings
from segue.watch.log import log_request

GRACE_S = 2
"""How long running requests may go on after a signal."""
# Longer than the pools of clients and proxies keep theirs: a request sent as its connection closes would be lost.
_KEEP_ALIVE_S = 75
INTERRUPTED = 130
_STACK_BYTES = 128 << 20
"""What llguidance needs at most, on any thread, for a grammar of the sizes that are taken; it cannot be stopped."""

Build = Callable[[Settings, Callable[[float], None], Callable[[int, JobEnd], None]], LoadedModel]

log = logging.getLogger(__name__)


def serve(settings: Settings, build: Build, warnings: Sequence[str] = ()) -> int:
    """Serve until SIGINT (returns 130) or SIGTERM (0); 1 if the server cannot start, after one line that says why.

    `build` loads the model, on a thread of its own, while requests are already answered with 503. The log begins with
    `warnings`. Call from the main thread.
    """
    console = Console(stderr=True)
    threading.stack_size(_STACK_BYTES)
    try:
        open_log(settings, console)
        for warning in warnings:
            log.warning("%s", warning)
        found = {"model": find_model(settings), "model_draft": find_draft_model(settings)}
        settings = settings.model_copy(update=found)
        check_model_file(settings)
        check_slot_folder(settings)
        check_cache_folder(settings)
        check_certificate(settings)
        service = make_service(settings)
        listeners = bind(settings)
    except StartError as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    for host in open_hosts(listeners) if not service.keys.has_keys else ():
        log.warning("whoever reaches %s may use this server: no --api-key is set", host)
    urls = [url_of(listener, settings) for listener in listeners]
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_keyfile=settings.ssl_key_file,
        ssl_certfile=settings.ssl_cert_file,
    )
    server = _Server(config, settings.threads_http)
    loader = _Loader(service, build, console, urls, server)
    signals = _Signals(server)
    try:
        with signals:
            loader.start()
            server.run(sockets=listeners)
    finally:
        close(listeners, settings)
    loader.finish(signals.exit_code)
    if service.phase is LoadingPhase.FAILED:
        print(f"segue: {service.failure}", file=sys.stderr)
        return 1
    return signals.exit_code


class _Server(uvicorn.Server):
    """A server with a number of threads for what would hold up its event loop; -1 leaves it as it is."""

    def __init__(self, config: uvicorn.Config, n_threads: int) -> None:
        super().__init__(config)
        self._n_threads = n_threads

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._n_threads > 0:
            to_thread.current_default_thread_limiter().total_tokens = self._n_threads
        await super().startup(sockets)


class _Signals:
    """Takes the signals that uvicorn does not, and those that it raises again once it has stopped."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self.exit_code = 0

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _: FrameType | None) -> None:
        self._server.should_exit = True
        if number == signal.SIGINT:
            self.exit_code = INTERRUPTED


class _Loader:
    """Loads the model on a thread of its own and makes the service ready, or stops the server."""

    def __init__(
        self, service: Service, build: Build, console: Console, urls: Sequence[str], server: uvicorn.Server
    ) -> None:
        self._service = service
        self._build = build
        self._console = console
        self._urls = urls
        self._server = server
        self._built: LoadedModel | None = None
        self._thread = threading.Thread(target=self._load, name="segue-load", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def finish(self, exit_code: int) -> None:
        """End what was loaded. libllama cannot be told to stop loading: then the process ends here and now."""
        if self._thread.is_alive() and self._service.phase is LoadingPhase.LOADING:
            sys.stderr.flush()
            os._exit(exit_code)
        self._thread.join()
        if self._service.sleeper is not None:
            self._service.sleeper.close()
        if self._built is not None:
            self._built.close()
        if self._service.phase is LoadingPhase.READY:
            self._service.backend.side_store.close()

    def _load(self) -> None:
        started = time.perf_counter()
        try:
            with self._progress_bar() as on_progress:
                self._built = self._build(self._service.settings, on_progress, log_request)
                backend = make_backend(self._built, self._service.settings)
        except (StartError, EngineError) as error:
            self._fail(str(error))
        except Exception as error:
            log.exception("loading failed")
            self._fail(f"loading failed: {type(error).__name__}")
        else:
            idle_s = self._service.settings.sleep_idle_seconds
            self._service.attach(backend, Sleeper(self._built, idle_s) if idle_s > 0 else None)
            self._announce(time.perf_counter() - started)

    def _fail(self, message: str) -> None:
        self._service.fail(message)
        self._server.should_exit = True

    def _announce(self, seconds: float) -> None:
        settings, loop = self._service.settings, self._service.backend.loop
        name, n_ctx = self._service.model_name, loop.n_ctx
        slots = "1 slot" if settings.parallel == 1 else f"{settings.parallel} slots"
        first, *others = self._urls
        line = f"{first} serves {name}: context {n_ctx:,}, {slots}, loaded in {seconds:.1f} s"
        line += f"; also at {', '.join(others)}" if others else ""
        self._console.print(line, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def _progress_bar(self) -> Iterator[Callable[[float], None]]:
        """Show a bar on a terminal, and tell the service how far loading is."""
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
        task = bar.add_task(f"Loading {self._service.model_name}", total=1.0)

        def on_progress(share: float) -> None:
            self._service.progress = share
            bar.update(task, completed=share)

        with bar if self._console.is_terminal else contextlib.nullcontext():
            yield on_progress
