"""Configures the log, and writes one line for each request. It never contains text of a prompt or a reply."""

import logging
import sys
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler

from segue.loop.end import EndReason, JobEnd
from segue.policy.reasons import CacheReport

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LEVELS = (logging.ERROR, logging.ERROR, logging.WARNING, logging.INFO)
_REASONS = (
    "new",
    "no_checkpoint_here",
    "evicted",
    "damaged",
    "last_token",
    "incompatible",
    "cheaper_to_read",
    "not_fetched",
)

requests = logging.getLogger("segue.requests")


def configure(verbosity: int, console: Console | None = None, file: Path | None = None) -> None:
    """Send the log to standard error, through `console` if that is a terminal, and to `file`. Raises OSError.

    Verbosity is as in llama-server.
    """
    level = _LEVELS[verbosity] if verbosity < len(_LEVELS) else logging.DEBUG
    handler: logging.Handler
    handlers: list[logging.Handler]
    if console is not None and console.is_terminal:
        handler = RichHandler(console=console, show_path=False, markup=False, log_time_format="%X")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(_LINE))
    handlers = [handler]
    if file is not None:
        handlers.append(logging.FileHandler(file, encoding="utf-8"))
        handlers[-1].setFormatter(logging.Formatter(_LINE))
    for name, lowest in (("segue", logging.DEBUG), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = list(handlers)
        logger.propagate = False
        logger.setLevel(max(level, lowest))


def log_request(job_id: int, end: JobEnd) -> None:
    """Log a request that is over; any thread."""
    if requests.isEnabledFor(logging.INFO):
        requests.info("%s", request_line(job_id, end))


def request_line(job_id: int, end: JobEnd) -> str:
    """One line on a request: the tokens reused, the tokens read with the reasons, and the reply."""
    timings = end.timings
    parts = [f"request {job_id} on slot {end.id_slot}" if end.id_slot >= 0 else f"request {job_id}"]
    if end.report is not None:
        parts.append(_prompt(end.report, timings.prompt_ms))
    if timings.predicted_n:
        rate = f" ({timings.predicted_per_second:.1f}/s)" if timings.predicted_per_second else ""
        drafts = f", {timings.draft_n_accepted} of {timings.draft_n} drafted held" if timings.draft_n else ""
        parts.append(f"{timings.predicted_n} generated in {timings.predicted_ms:.0f} ms{rate}{drafts}")
    parts.append("context full" if end.truncated else end.reason.value)
    line = ", ".join(parts)
    return f"{line}: {end.error.type.value}" if end.reason is EndReason.ERROR and end.error is not None else line


def _prompt(report: CacheReport, prompt_ms: float) -> str:
    counts = {name.replace("_", " "): getattr(report, name) for name in _REASONS}
    why = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    start = ""
    if report.n_reused:
        age = f", {report.from_age_s:.0f} s old" if report.from_age_s > 0 else ""
        start = f" from {report.from_origin or 'the slot'} in {report.from_tier or 'live'}{age}"
    read = f"{report.n_read} read in {prompt_ms:.0f} ms" + (f" ({why})" if why else "")
    return f"prompt {report.n_prompt}: {report.n_reused} reused{start}, {read}"
