"""`segue` without a model: run as a script, it is the command line around a fake loop.

FAKE_BUILD says how loading goes: "endless" never ends, "torn" fails as a broken file does, "bug" in no foreseen way.
"""

import itertools
import os
import sys
import threading
import types
from collections.abc import Callable

from segue.engine.errors import ModelError
from segue.loop.end import JobEnd
from segue.settings import Settings
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import FakeBuilt, FakeModel


def build(settings: Settings, on_progress: Callable[[float], None], on_end: Callable[[int, JobEnd], None]) -> FakeBuilt:
    on_progress(0.5)
    mode = os.environ.get("FAKE_BUILD")
    if mode == "endless":
        threading.Event().wait()
    if mode == "torn":
        raise ModelError("model.gguf is torn; download it again")
    if mode == "bug":
        raise ZeroDivisionError("SECRET")
    on_progress(1.0)

    class Loop(FakeLoop):
        def on_over(self, job_id: int, end: JobEnd) -> None:
            on_end(job_id, end)

    loop = Loop(reply=lambda _: itertools.repeat(ord("a")), delay_s=0.01, n_ctx=settings.ctx_size or 4096)
    return FakeBuilt(loop, ByteVocabulary(), FakeModel())


if __name__ == "__main__":
    fake = types.ModuleType("segue.build")
    fake.__dict__["build"] = build
    sys.modules["segue.build"] = fake

    from segue.cli import main

    sys.exit(main())
