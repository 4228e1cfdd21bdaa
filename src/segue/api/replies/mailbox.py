"""Passes items from the engine's thread to a task of the event loop, with one wake-up for many items."""

import asyncio
import contextlib
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items in order, from any thread, for one task. Create it on the event loop that receives."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[T] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def send(self, item: T) -> None:
        """Add an item; any thread, never blocks. Items for a closed event loop are lost."""
        self._items.append(item)
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_wake, waiter)

    async def receive(self) -> list[T]:
        """All items so far, at least one."""
        while not self._items:
            waiter = self._waiter = self._loop.create_future()
            if self._items:  # one came before it could see who waits
                break
            await waiter
        return [self._items.popleft() for _ in range(len(self._items))]


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
