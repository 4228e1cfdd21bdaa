"""The application on a free port of this machine, in a thread."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from segue.api.app import create_app
from segue.serving.service import Service
from tests.kit.waiting import PATIENCE_S


@contextmanager
def listening(service: Service, *, grace_s: int | None = None) -> Iterator[str]:
    """Serve until the block ends; the address. Requests that still run then have `grace_s`, None for all they need."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=grace_s,
        timeout_keep_alive=round(PATIENCE_S),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listener.close()
    assert not thread.is_alive()
