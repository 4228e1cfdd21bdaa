"""The demo's server: `segue serve` as a process of its own, on a free port of this machine."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx

from segue.demo.error import DemoError

_HOST: Final = "127.0.0.1"
_STOP_S: Final = 10
_POLL_S: Final = 0.05
_N_LOG_LINES: Final = 20


class Server:
    """A running `segue serve`. `log` is the file that it writes its log to."""

    def __init__(self, process: subprocess.Popen[bytes], http: httpx.Client, log: Path) -> None:
        self.http = http
        self._process = process
        self._log = log

    def wait(self, on_progress: Callable[[float], None]) -> None:
        """Return once the model is loaded; `on_progress` gets the share. Raises DemoError if that fails."""
        while True:
            if self._process.poll() is not None:
                raise self.failure()
            with contextlib.suppress(httpx.TransportError):
                response = self.http.get("/health")
                if response.is_success:
                    return
                on_progress(response.json()["error"].get("progress", 0.0))
            time.sleep(_POLL_S)

    def failure(self) -> DemoError:
        """Why the server is gone, or does not answer any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        code = self._process.returncode
        lines = self._log.read_text(errors="replace").splitlines()[-_N_LOG_LINES:]
        # What `segue serve` cannot do it says in its last line: nothing above it helps then.
        if code == 1 and lines and lines[-1].startswith("segue: "):
            return DemoError(lines[-1].removeprefix("segue: "))
        what = "does not answer" if code is None else f"ended with exit code {code}"
        return DemoError(f"the server {what}; the end of its log is above", "\n".join(lines))


@contextlib.contextmanager
def running(model: Path, flags: Sequence[str], log: Path) -> Iterator[Server]:
    """Start a server of `model`, and stop it when the block ends, however that comes about.

    `flags` are all it is told: variables meant for other servers of this machine are kept from it.
    """
    command = [sys.executable, "-m", "segue", "serve", "--model", str(model), *flags]
    command += ["--host", _HOST, "--port", str(port := _free_port())]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LLAMA_", "SEGUE_"))}
    with log.open("wb") as file, httpx.Client(base_url=f"http://{_HOST}:{port}", timeout=None, trust_env=False) as http:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment)
        try:
            yield Server(process, http, log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
