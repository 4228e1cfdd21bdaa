import threading

import pytest

from segue.loop.end import EndReason
from segue.memory import MemoryKind
from tests.kit.waiting import PATIENCE_S
from tests.loop.fake_rig import FakeRig, text


def test_calls_run_on_the_engines_thread_and_give_back_what_they_return() -> None:
    rig = FakeRig(MemoryKind.ATTENTION)
    assert rig.loop.call(threading.get_ident).result(timeout=PATIENCE_S) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        rig.loop.call(lambda: 1 // 0).result(timeout=PATIENCE_S)
    rig.ask(text(1, 9))
    rig.close()
    with pytest.raises(RuntimeError, match="shutting down"):
        rig.loop.call(threading.get_ident)


def test_a_call_that_nobody_waits_for_any_more_harms_nobody() -> None:
    rig = FakeRig(MemoryKind.ATTENTION)
    with rig.held():
        call = rig.loop.call(threading.get_ident)
        assert call.cancel()
        heard = rig.send(text(1, 9))
    assert heard.wait().reason is EndReason.LIMIT
    rig.check()
    rig.close()
