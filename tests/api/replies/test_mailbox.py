"""Items from other threads."""

import asyncio
import threading
from typing import Any

import pytest

from segue.api.replies.mailbox import Mailbox
from tests.kit.waiting import PATIENCE_S


def test_items_of_many_threads_all_arrive_each_in_order() -> None:
    async def main() -> list[tuple[int, int]]:
        mailbox: Mailbox[tuple[int, int]] = Mailbox()

        def post(thread: int) -> None:
            for i in range(2000):
                mailbox.send((thread, i))

        threads = [threading.Thread(target=post, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        received: list[tuple[int, int]] = []
        while len(received) < 8000:
            received += await asyncio.wait_for(mailbox.receive(), PATIENCE_S)
        return received

    received = asyncio.run(main())
    for thread in range(4):
        assert [i for t, i in received if t == thread] == list(range(2000))


def test_one_wake_serves_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> int:
        n_wakes = 0
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def count(*args: Any, **kwargs: Any) -> Any:
            nonlocal n_wakes
            n_wakes += 1
            return wake(*args, **kwargs)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        mailbox: Mailbox[int] = Mailbox()
        for i in range(50):
            mailbox.send(i)
        assert await mailbox.receive() == list(range(50))
        assert n_wakes == 0, "nobody was waiting"
        taken = asyncio.create_task(mailbox.receive())
        await asyncio.sleep(0)
        for i in range(100):
            mailbox.send(i)
        assert await taken == list(range(100))
        return n_wakes

    assert asyncio.run(main()) == 1


def test_items_for_a_closed_event_loop_are_lost() -> None:
    async def main() -> Mailbox[int]:
        return Mailbox()

    asyncio.run(main()).send(1)
