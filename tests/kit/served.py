"""`segue serve` as a user starts it: a process of its own on a loopback port."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from tests.kit.waiting import PATIENCE_S


class Served:
    """A running server; `log` is what it printed so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.log: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        # The server may close what was idle for long just as the client sends on it.
        limits = httpx.Limits(keepalive_expiry=1)
        self.client = httpx.Client(base_url=self._wait_for_address(), timeout=PATIENCE_S, limits=limits)
        self._reader.start()

    def chat(self, messages: Sequence[Mapping[str, object]], **fields: object) -> dict[str, Any]:
        """One greedy reply of a few tokens."""
        defaults = {"max_tokens": 6, "temperature": 0, "ignore_eos": True}
        body = {"messages": list(messages)} | defaults | fields
        response = self.client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE_S)
        self._reader.join(timeout=PATIENCE_S)
        self.client.close()
        return code

    def _wait_for_address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"(http://\S+) serves", line)
            if found:
                return found[1]
        raise AssertionError("the server did not start: " + "".join(self.log))

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)


def said(choice: Mapping[str, Any]) -> str:
    """All that a choice of a chat says, reasoning included, for comparisons; never empty."""
    message = choice["message"]
    text = str(message.get("reasoning_content") or "") + str(message.get("content") or "")
    assert text
    return text


@contextmanager
def served(model: Path, *flags: str) -> Iterator[Served]:
    """Serve a model with these flags, and a seed for requests that have none; ended on leaving."""
    always = ("--port", "0", "-t", "1", "--seed", "1")
    command = [sys.executable, "-m", "segue", "serve", "-m", str(model), *always, *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        server = None
        try:
            server = Served(process)
            yield server
        finally:
            if process.poll() is None:
                if server is not None:
                    server.stop()
                else:
                    process.kill()
            if process.stderr is not None:
                process.stderr.close()
