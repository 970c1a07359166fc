"""Prints for every verb. A closed pipe or a full disk does not end the verb. Writes no files."""

from __future__ import annotations

import os
import select
import stat

from cibeacon.runtime import Environment
from cibeacon.runtime.safe_text import clipped
from cibeacon.settings import Settings, own_secrets

GRACE = 1.0
"""Seconds to wait for a full pipe before the first words; the process ends within two."""
_WIDTH = 200


def say(env: Environment, text: str, *, to_stderr: bool = False) -> str | None:
    """Prints. Returns why that failed; None if it worked, or if the reader is gone."""
    stream = env.err if to_stderr else env.out
    try:
        stream.write(text)
        stream.flush()
    except (BrokenPipeError, ValueError):  # the reader is gone, or the stream was closed
        return None
    except OSError as error:
        return error.strerror or str(error)
    return None


def answer(env: Environment, settings: Settings, text: str, code: int = 0) -> int:
    """Prints the result that was asked for and returns the exit code; a result that cannot be printed is a failure."""
    fault = say(env, text)
    if fault is None:
        return code
    from cibeacon.ci.detect import is_ci_job  # loads half of the host modules, which few of these verbs need

    message = f"✗ The output could not be written: {fault}. Check where it goes."
    say(env, f"{clipped(message, _WIDTH)}\n", to_stderr=True)
    return code or int(settings.output.strict or not is_ci_job(env.environ, settings.core.host))


def mask(env: Environment) -> None:
    """Makes the runner of an action mask our secrets in the rest of the job's log.

    Only for the action's stages, where the runner interprets these lines and does not show them.
    """
    from cibeacon.ci import github_output
    from cibeacon.ci.detect import detect

    if detect(env.environ).in_stages and _is_read(env):
        lines = github_output.masks(own_secrets(env.environ))
        say(env, "".join(f"{line}\n" for line in lines), to_stderr=True)


def _is_read(env: Environment) -> bool:
    """False for a file and for a pipe that stays full: a reader that does not read must not block us."""
    try:
        stream = env.err.fileno()
        return not stat.S_ISREG(os.fstat(stream).st_mode) and bool(select.select([], [stream], [], GRACE)[1])
    except (OSError, ValueError):  # not a file, or one that select cannot wait for
        return True
