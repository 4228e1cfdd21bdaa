"""Plays the script: once with the cache, once without, and shows what comes of it."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console

from segue.demo.client import Client
from segue.demo.error import DemoError
from segue.demo.model_file import write_model
from segue.demo.reply import DemoReply
from segue.demo.row import Row
from segue.demo.script import Step, steps
from segue.demo.server import Server, running
from segue.demo.stage import Stage, stage
from segue.demo.table import summary
from segue.demo.tiny_model import qwen35

N_PREDICT: Final = 8
# A small batch changes no speed here, and the bar moves more often.
_FLAGS: Final = ("--ctx-size", "16384", "--batch-size", "512")
# So small a model gains nothing from a second thread, and on a busy machine two wait for each other all the time.
_TINY_FLAGS: Final = (*_FLAGS, "--threads", "1")
_KEEP_NOTHING: Final = ("--no-cache-prompt", "--cache-parked", "0", "--cache-ram", "0")


def demonstrate(model: Path | None, console: Console, script: Sequence[Step] | None = None) -> int:
    """Play a script, or the whole one, with a model, or a tiny one: 0, or 1 after a line that says what failed."""
    try:
        with tempfile.TemporaryDirectory(prefix="segue-demo-") as folder:
            rows = _play(model, steps() if script is None else script, Path(folder), console)
    except DemoError as error:
        print(*filter(None, [error.log, f"segue: {error}"]), sep="\n", file=sys.stderr)
        return 1
    console.print(summary(rows))
    return 0


def _play(model: Path | None, script: Sequence[Step], folder: Path, console: Console) -> list[Row]:
    """Ask all with the cache, then all of a server that keeps nothing: what one keeps would slow the other's reading.

    Raises DemoError.
    """
    rows: list[Row] = []
    with stage(console) as shown:
        flags, log = _FLAGS if model is not None else _TINY_FLAGS, folder / "server.log"
        if model is None:
            shown.begin("Writing a tiny model")
            model = folder / "tiny.gguf"
            # As in larger models, attention is a small part of the work.
            architecture = qwen35(n_embd=128, n_ff=512, n_head=2, n_head_kv=1, d_head=32, d_state=32)
            write_model(model, architecture, seed=0)
        shown.begin("Loading the model")
        with running(model, flags, log) as server:
            server.wait(shown.advance)
            for step, answer in zip(script, ask_all(server, script, shown, use_cache=True), strict=True):
                rows.append(Row(step.name, answer))
                shown.show(rows)
        shown.begin("Loading the model again, with the cache off")
        with running(model, (*flags, *_KEEP_NOTHING), log) as server:
            server.wait(shown.advance)
            for i, answer in enumerate(ask_all(server, script, shown, use_cache=False)):
                rows[i] = replace(rows[i], uncached=answer)
                shown.show(rows)
    return rows


def ask_all(server: Server, script: Sequence[Step], shown: Stage, *, use_cache: bool) -> Iterator[DemoReply]:
    """The answers to all steps, one after the other. Raises DemoError."""
    client = Client(server.http)
    what = "Cache on" if use_cache else "Cache off"
    for step in script:
        shown.begin(f"{what}: {step.name}")
        try:
            yield client.ask(step.body(N_PREDICT), use_cache=use_cache, on_progress=shown.advance)
        except httpx.TransportError as error:
            raise server.failure() from error
