"""Odd requests by the thousand: no failure, no hang, nothing of one client in what another hears."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.clients import SCHEMATHESIS
from tests.fuzz.described import fuzz_described
from tests.fuzz.probe import Holder
from tests.fuzz.run import Report, Run
from tests.kit.models import model_path
from tests.kit.served import Served, served

HOLDERS = (Holder("key-of-one", "the otter sleeps"), Holder("key-of-another", "a heron wakes"))
MOST_GROWTH_BYTES = 32 << 20
FLAGS = (
    "-c",
    "512",
    "-np",
    "4",
    "-n",
    "2",
    "-lv",
    "2",
    "--cache-ram",
    "16",
    "--cache-parked",
    "4",
    "--response-store",
    "2",
)
N_CASES, N_EXAMPLES = 90_000, 10
ERRORS = ("Traceback", "while answering", "Error")


def fuzz(
    folder: Path,
    seed: int,
    n_cases: int,
    n_between: int,
    advance: Callable[[Report], None],
    before: Callable[[Served], None] = lambda _: None,
) -> Report:
    """Run cases against a server of their own, and check all that must hold whatever they were.

    `before` is called with the server before they begin.
    """
    keys = ",".join(holder.key for holder in HOLDERS)
    with served(model_path("qwen35"), *FLAGS, "--api-key", keys, "--slot-save-path", str(folder)) as server:
        before(server)
        run = Run(str(server.client.base_url), server.process.pid, HOLDERS, seed, n_cases)
        report = asyncio.run(run.play(n_between, advance))
        assert server.process.poll() is None
        assert server.stop() == 130
        log = "".join(server.log)
    print(report)
    assert not report.faults, "\n\n".join(report.faults)
    assert not [word for word in ERRORS if word in log], log[-4000:]
    assert not any(holder.secret in log for holder in HOLDERS), "the log shows a prompt"
    assert report.n_again <= report.n_requests / 1000, "connections end without an answer"
    assert report.is_idle, "a slot is busy though nobody waits"
    assert report.n_files[1] <= report.n_files[0], "files stay open"
    return report


def test_a_few_thousand(tmp_path: Path) -> None:
    report = fuzz(tmp_path, seed=1, n_cases=3000, n_between=500, advance=lambda _: None)
    assert report.n_requests >= 3000


@pytest.mark.acceptance
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_hundred_thousand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = SCHEMATHESIS.program("schemathesis")
    started = time.monotonic()
    n_described = 0

    def tell(what: object) -> None:
        with capsys.disabled():
            print(f"{time.monotonic() - started:6.0f} s: {what}", flush=True)

    def before(server: Served) -> None:
        nonlocal n_described
        n_described = fuzz_described(program, server, HOLDERS[0], N_EXAMPLES, tmp_path)
        tell(f"{n_described} requests of schemathesis")

    (tmp_path / "slots").mkdir()
    report = fuzz(tmp_path / "slots", 2, N_CASES, 1000, tell, before)
    tell(report.slowest)
    assert n_described + report.n_requests >= 100_000
    assert report.growth_bytes < MOST_GROWTH_BYTES
