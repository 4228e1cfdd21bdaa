"""Waiting with an end, on machines that may be busy or asleep."""

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_STEP_S = 0.1


async def within(bound_s: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to. Raises TimeoutError once this process has waited so long.

    Time in which the process itself is stopped does not count, since what it waits for may be stopped too.
    """
    task = asyncio.create_task(work)
    try:
        for _ in range(math.ceil(bound_s / _STEP_S)):
            if (await asyncio.wait({task}, timeout=_STEP_S))[0]:
                return task.result()
        raise TimeoutError
    finally:
        if task.cancel():
            with contextlib.suppress(asyncio.CancelledError):
                await task
