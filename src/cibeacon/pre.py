"""The GitHub action's pre stage: stores when the job began for the later stages. Uses no settings, network or checkout.

It runs as a separate process that imports almost nothing, because every job waits for it. It writes only digits and a fixed
word, so the plain form of GitHub's file commands is enough.
https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

import os
import sys
import time


def note_start() -> None:
    """Adds the time to the step's state. Without a state file, the main stage uses its own start time."""
    path = os.environ.get("GITHUB_STATE")
    if not path:
        return
    try:
        with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - pathlib costs more than all the rest
            before, content = file.tell(), f"started_at={int(time.time())}\nstage=pre\n".encode("ascii")
            if file.write(content) != len(content):  # the disk is full, and a truncated number would be a wrong time
                file.truncate(before)
                raise OSError("no space left on the disk")
    except (OSError, ValueError) as error:
        if sys.stderr:
            sys.stderr.write(
                f"! cibeacon could not store when the job began, so its start time is a little late: {error!r}\n"
            )


def console() -> None:
    """The command `cibeacon-pre`. It never fails the job."""
    try:
        note_start()
    except KeyboardInterrupt:  # the job is being cancelled
        os._exit(0)
