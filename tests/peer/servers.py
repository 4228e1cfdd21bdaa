"""The two servers, started with the same flags on the same model."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.acceptance.clients import PEER
from tests.kit.waiting import PATIENCE_S, wait_until

# A server may close a connection that it keeps at the moment in which the next request is sent over it.
_FRESH = httpx.Limits(max_keepalive_connections=0)
_LLAMA_SERVER = Path(__file__).with_name("llama_server.py")


@dataclass(frozen=True, slots=True)
class Servers:
    """Segue and llama-server, each behind a client."""

    segue: httpx.Client
    llama: httpx.Client


@contextmanager
def both(model: Path, flags: Sequence[str]) -> Iterator[Servers]:
    """Start both; skips the test where llama-server's engine is not installed."""
    segue = [sys.executable, "-m", "segue", "serve"]
    # Only Segue drafts unless it is told otherwise.
    with (
        llama_server(model, flags) as other,
        _running([*segue, *_arguments(model, flags), "--spec-type", "none"]) as one,
    ):
        yield Servers(one, other)


@contextmanager
def llama_server(model: Path, flags: Sequence[str]) -> Iterator[httpx.Client]:
    """Start llama-server alone; skips the test where its engine is not installed."""
    with _running([PEER.python, str(_LLAMA_SERVER), *_arguments(model, flags)]) as client:
        yield client


def _arguments(model: Path, flags: Sequence[str]) -> list[str]:
    return ["--model", str(model), "--threads", "1", "--seed", "1", *flags]


@contextmanager
def _running(command: list[str]) -> Iterator[httpx.Client]:
    port = _free_port()
    silent = subprocess.DEVNULL
    with subprocess.Popen([*command, "--port", str(port)], stdout=silent, stderr=silent) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, limits=_FRESH) as client:
                wait_until(lambda: _is_ready(client, process), f"{command} is ready")
                yield client
        finally:
            process.kill()


def _is_ready(client: httpx.Client, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, f"{process.args!r} ended"
    with suppress(httpx.TransportError):
        return client.get("/health").status_code == 200
    return False


def _free_port() -> int:
    """A port that no server gets by chance: one below those that the system gives out, another for each worker."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(20_000 + 1_000 * worker, 32_768):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
