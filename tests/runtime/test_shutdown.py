"""An interruption is the main thread's: what other threads wait for neither lets it in nor keeps it."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from cibeacon.runtime import shutdown
from cibeacon.runtime.shutdown import interruptible


def test_a_stretch_in_another_thread_is_nothing_to_the_main_one():
    entered, leave, ended = Event(), Event(), []

    def work():
        with interruptible():
            entered.set()
            leave.wait(10)
        ended.append("as if nothing had been")

    thread = Thread(target=work)
    thread.start()
    assert entered.wait(10)
    shutdown.interrupt(KeyboardInterrupt(), None)  # raises where the main thread may be broken off
    leave.set()
    thread.join(10)
    assert ended
    with pytest.raises(KeyboardInterrupt), interruptible():
        pytest.fail("the interruption was kept by somebody else")
