"""Prints for every verb: a reader who has seen enough, or a disk that is full, ends none of them. Writes no file."""

from __future__ import annotations

import os
import select
import stat

from cibeacon.runtime.environment import Environment
from cibeacon.runtime.safe_text import clipped
from cibeacon.settings import Settings, own_secrets

GRACE = 1.0
"""Seconds that a pipe gets to take the first words; the process ends within two."""
_WIDTH = 200


def say(env: Environment, text: str, *, to_stderr: bool = False) -> str | None:
    """Prints. Returns why it did not arrive; None where it did, or where the reader is gone."""
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
    """Prints what a person or a script asked for, and returns the exit code: an answer that is lost is a failure."""
    fault = say(env, text)
    if fault is None:
        return code
    from cibeacon.ci.detect import is_ci_job  # half of the host modules, which few of these verbs need

    message = f"✗ The answer could not be written: {fault}. Check where the output goes."
    say(env, f"{clipped(message, _WIDTH)}\n", to_stderr=True)
    return code or int(settings.output.strict or not is_ci_job(env.environ, settings.core.host))


def mask(env: Environment) -> None:
    """Has the runner of an action hide our secrets in all that the job prints from now on.

    Only for the action's stages: the runner reads what they print and keeps these lines to itself.
    """
    from cibeacon.ci import github_output
    from cibeacon.ci.detect import detect

    if detect(env.environ).in_stages and _is_read(env):
        lines = github_output.masks(own_secrets(env.environ))
        say(env, "".join(f"{line}\n" for line in lines), to_stderr=True)


def _is_read(env: Environment) -> bool:
    """False for a file, and where a pipe stays full: whoever does not read must not keep us from our work."""
    try:
        stream = env.err.fileno()
        return not stat.S_ISREG(os.fstat(stream).st_mode) and bool(select.select([], [stream], [], GRACE)[1])
    except (OSError, ValueError):  # no file, or one that cannot be waited for
        return True
