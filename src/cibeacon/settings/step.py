"""The one option that the action's step has and no other surface: which command of cibeacon it runs."""

from typing import NamedTuple

from cibeacon.model import parsers
from cibeacon.settings.options import Option, declared, option


class Step(NamedTuple):
    """The step of the GitHub action"""

    command: tuple[str, ...] = option(
        parsers.command,
        ("report",),
        "Command of cibeacon that the step runs, with its flags, such as: services --on-unknown fail. "
        "Quotes hold words together as in a shell, but no shell reads it. Only report has something to do after the job.",
        shown_default="report",
    )


def options() -> tuple[Option, ...]:
    """What the action's inputs have beyond the settings: neither a flag nor a GitLab input, and no variable of ours."""
    return declared(Step)
