"""Fuzzing of a server that runs: many clients with odd requests, and healthy ones in between."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import psutil

from tests.fuzz.case import Case, make_case
from tests.fuzz.client import Client, ExcessError
from tests.fuzz.probe import Holder, Probe
from tests.fuzz.verdict import fault

BOUND_S = 120.0
"""Every answer comes within this time, on a machine that does other things too; to a long text in five times that."""
_PROBE_BOUND_S = 5 * BOUND_S
_N_CLIENTS = 8
_MOST_FAULTS = 20
_SETTLE_S = 120.0


@dataclass
class Report:
    """What a run came to. `n_again` cases met a connection that the server had closed.

    `rss_bytes` are the server's, one a probe; `n_files` its open ones before and after.
    """

    n_requests: int = 0
    n_again: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""
    rss_bytes: list[int] = field(default_factory=list)
    n_files: tuple[int, int] = (0, 0)
    is_idle: bool = False

    @property
    def growth_bytes(self) -> int:
        """By how much more memory the server held in the last quarter than in the third.

        In the first half caches fill, and each of malloc's arenas has to do with some of the longest texts.
        """
        n = len(self.rss_bytes) // 4
        return int(median(self.rss_bytes[-n:]) - median(self.rss_bytes[-2 * n : -n])) if n else 0

    def __str__(self) -> str:
        told = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return (
            f"{self.n_requests} requests in {self.seconds:.0f} s ({self.n_requests / (self.seconds or 1):.0f}/s), "
            f"answers {told}; {self.n_again} asked again; slowest {self.slowest_s:.1f} s; "
            f"memory {self.rss_bytes[-1] >> 20} MiB, {self.growth_bytes / (1 << 20):+.1f} MiB; "
            f"{self.n_files[0]} files before, {self.n_files[1]} after"
        )


class Run:
    """`n_cases` cases of a seed against the server at `url`, whose process is `pid`. `holders` are its two keys."""

    def __init__(self, url: str, pid: int, holders: tuple[Holder, Holder], seed: int, n_cases: int) -> None:
        self._url = url
        self._process = psutil.Process(pid)
        self._holders = holders
        self._seed = seed
        self._n_cases = n_cases
        self._n_taken = 0
        self.report = Report()

    async def play(self, n_between: int, advance: Callable[[Report], None]) -> Report:
        """Play all cases, with a probe after each `n_between`, after which `advance` hears how far it is."""
        probe = Probe(self._url, self._holders, _PROBE_BOUND_S)
        await probe.check()
        n_files = await self._settled(probe)
        started = time.monotonic()
        clients = [asyncio.create_task(self._act()) for _ in range(_N_CLIENTS)]
        n_next = 0
        while not all(client.done() for client in clients):
            await asyncio.sleep(0.01)
            if self._n_taken >= n_next:
                n_next += n_between
                await probe.check()
                self.report.rss_bytes.append(self._process.memory_info().rss)
                self.report.seconds = time.monotonic() - started
                advance(self.report)
        await asyncio.gather(*clients)
        await probe.check()
        self.report.seconds = time.monotonic() - started
        self.report.n_files = (n_files, await self._settled(probe))
        self.report.is_idle = await probe.idle()
        assert probe.n_found > probe.n_checks / 2, "prompts are not cached"
        await probe.close()
        return self.report

    async def _settled(self, probe: Probe) -> int:
        """The open files once all slots are idle and no connection but the probe's is left, or time is up."""
        give_up = time.monotonic() + _SETTLE_S
        while time.monotonic() < give_up:
            if await probe.idle() and len(self._process.net_connections("tcp")) <= 2:
                break
            await asyncio.sleep(0.05)
        return int(self._process.num_fds())

    async def _act(self) -> None:
        """Play cases that nobody else has taken."""
        client = Client(int(self._url.rpartition(":")[2]), BOUND_S)
        while self._n_taken < self._n_cases and len(self.report.faults) < _MOST_FAULTS:
            number, self._n_taken = self._n_taken, self._n_taken + 1
            holder, stranger = self._holders[number % 2], self._holders[1 - number % 2]
            case = make_case(self._seed, number, holder.key, holder.secret)
            await self._judge(client, case, stranger)
        self.report.n_again += client.n_again
        await client.close()

    async def _judge(self, client: Client, case: Case, stranger: Holder) -> None:
        started = time.monotonic()
        try:
            answers = await client.play(case)
        except TimeoutError:
            wrong = f"no answer within {time.monotonic() - started:.0f} s"
        except ExcessError as error:
            wrong = str(error)
        else:
            self.report.statuses.update(answer.status for answer in answers)
            wrong = fault(case, answers, stranger.secret)
        elapsed_s = time.monotonic() - started
        self.report.n_requests += len(case.asked)
        if elapsed_s > self.report.slowest_s:
            self.report.slowest_s, self.report.slowest = elapsed_s, str(case)[:300]
        if wrong:
            self.report.faults.append(f"{wrong}; {case}")
