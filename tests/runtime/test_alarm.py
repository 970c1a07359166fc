"""The alarm of a process that finds it has more to do than it was given time for at its start."""

from __future__ import annotations

import subprocess
import sys

CHILD = """
import os, time
from cibeacon.runtime.errors import OutOfTime
from cibeacon.runtime.signal_handling import FAREWELL, Interrupts
from cibeacon.runtime.shutdown import interruptible
interrupts = Interrupts(time.monotonic)
interrupts.install()
interrupts.alarm(1.0, 7)
interrupts.alarm({later}, 8)
try:
    with interruptible():
        time.sleep(1.0 + FAREWELL + 0.5)
    print("done", flush=True)
except OutOfTime:
    print("interrupted", flush=True)
os._exit(0)  # as the command ends: the alarm would end what tidies up
"""


def ended(later):
    command = [sys.executable, "-c", CHILD.format(later=later)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout.strip()


def test_a_later_alarm_takes_the_place_of_an_earlier_one():
    assert ended(600.0) == (0, "done")


def test_the_alarm_interrupts_all_the_same_when_its_time_has_come():
    assert ended(1.1) == (0, "interrupted")


SLOW = """
import time
import __main__
__main__.interrupts.halftime(0.1)
time.sleep(1.0)
DONE = True
"""
IMPORTER = """
import os, sys, time
from cibeacon.runtime.errors import HalfTime
from cibeacon.runtime.signal_handling import Interrupts
from cibeacon.runtime.shutdown import interruptible
interrupts = Interrupts(time.monotonic)
interrupts.install()
try:
    with interruptible():
        import slow
        time.sleep(600)
except HalfTime:
    print("whole" if getattr(sys.modules.get("slow"), "DONE", False) else "half", flush=True)
os._exit(0)
"""


def test_a_module_that_is_being_imported_is_imported_whole(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-c", IMPORTER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert (done.stdout.strip(), done.stderr) == ("whole", "")
