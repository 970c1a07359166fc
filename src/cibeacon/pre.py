"""The GitHub action's pre stage: when the job began, kept for the later stages. Knows no setting, network or checkout.

A process of its own, which imports next to nothing: every job waits for it. What it writes are digits and a word of
ours, so the plain form of GitHub's file commands serves.
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

import os
import sys
import time


def note_start() -> None:
    """Adds the time to the step's state. Without a state to add to, the main stage dates the run by itself."""
    path = os.environ.get("GITHUB_STATE")
    if not path:
        return
    try:
        with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - pathlib costs more than all the rest
            before, content = file.tell(), f"started_at={int(time.time())}\nstage=pre\n".encode("ascii")
            if file.write(content) != len(content):  # the disk is full: half a number would be another time
                file.truncate(before)
                raise OSError("no space left on the disk")
    except (OSError, ValueError) as error:
        if sys.stderr:
            sys.stderr.write(f"! the start of the job was not noted, so the run is dated a little later: {error!r}\n")


def console() -> None:
    """The command `cibeacon-pre`. It never costs the job anything."""
    try:
        note_start()
    except KeyboardInterrupt:  # the job is being cancelled
        os._exit(0)
