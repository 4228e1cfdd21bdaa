"""Servers under test: processes of ours on loopback ports, stopped when the measurement ends."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx

from bench.client import Client
from bench.row import PEER, SEGUE

LLAMA_SERVER = os.environ.get("LLAMA_SERVER", "")
"""A program to measure in place of the llama-server that xllamacpp brings, whose wheels are for CPUs."""
_START_S = 120
_STOP_S = 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What both servers are told alike; all else is each one's default, also what drafts without a `spec_type`."""

    model: Path
    n_ctx: int
    n_slots: int
    n_threads: int
    n_batch: int = 2048
    n_ubatch: int = 512
    spec_type: str = ""

    def flags(self, port: int) -> list[str]:
        """The command line, in the flags that the two share."""
        numbers = {
            "-c": self.n_ctx,
            "-np": self.n_slots,
            "-t": self.n_threads,
            "-b": self.n_batch,
            "-ub": self.n_ubatch,
            "--port": port,
        }
        drafts = ["--spec-type", self.spec_type] if self.spec_type else []
        return ["-m", str(self.model), *(str(word) for pair in numbers.items() for word in pair), *drafts]


class ServerError(Exception):
    """A server did not start; the message holds the end of its log."""


def has_peer() -> bool:
    """Whether llama-server is here: named by LLAMA_SERVER, or inside the wheel of xllamacpp."""
    return bool(LLAMA_SERVER) or find_spec("xllamacpp") is not None


def servers() -> dict[str, Callable[[Setup], AbstractContextManager[Client]]]:
    """How to run each server there is."""
    return {SEGUE: segue_server, PEER: peer_server} if has_peer() else {SEGUE: segue_server}


@contextlib.contextmanager
def segue_server(setup: Setup, *flags: str) -> Iterator[Client]:
    """Run Segue, with flags of its own."""
    with _running([sys.executable, "-m", "segue", "serve", *flags], setup) as client:
        yield client


@contextlib.contextmanager
def peer_server(setup: Setup) -> Iterator[Client]:
    """Run llama-server."""
    with _running([LLAMA_SERVER] if LLAMA_SERVER else [sys.executable, "-m", "bench.peer"], setup) as client:
        yield client


@contextlib.contextmanager
def both_servers(setup: Setup) -> Iterator[dict[str, Client]]:
    """Run Segue and, where it is installed, llama-server. An idle one uses no processor."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(server(setup)) for name, server in servers().items()}


@contextlib.contextmanager
def _running(command: list[str], setup: Setup) -> Iterator[Client]:
    port = _free_port()
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*command, *setup.flags(port)], stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            # A server closes connections that were idle or used often: one that is about to be closed must not be used.
            limits = httpx.Limits(max_keepalive_connections=0)
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=900, trust_env=False, limits=limits) as http:
                _wait_until_ready(http, process, log.fileno())
                yield Client(http)
        finally:
            _stop(process)


def _wait_until_ready(http: httpx.Client, process: subprocess.Popen[bytes], log: int) -> None:
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if http.get("/health").status_code == httpx.codes.OK:
                return
        time.sleep(0.05)
    tail = Path(f"/proc/self/fd/{log}").read_text(errors="replace")[-2000:]
    raise ServerError(f"a server did not start (exit code {process.poll()}); its log ends:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
