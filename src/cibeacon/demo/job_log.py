"""Knows how GitHub and GitLab display a job's log. Does not know where the log comes from.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands and
https://docs.gitlab.com/ci/jobs/job_logs/#custom-collapsible-sections
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMAND = re.compile(r"::(add-mask|error|warning|notice)(?: [^:]*)?::(.*)")
_SECTION = re.compile(r"\x1b\[0Ksection_(start|end):\d+:[\w.-]+(\[collapsed=true\])?\r\x1b\[0K(.*)")


def shown(log: str) -> Iterator[str]:
    """Yields the lines as displayed: secrets masked, messages with their level, only the titles of collapsed sections."""
    masks: list[str] = []
    folded = False
    for line in log.rstrip("\n").split("\n"):
        if section := _SECTION.fullmatch(line):
            edge, collapsed, title = section.groups()
            folded = edge == "start" and collapsed is not None
            visible = f"▸ {title}" if edge == "start" else ""
        elif command := _COMMAND.fullmatch(line):
            name, data = command.groups()
            text = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
            masks += [text] if name == "add-mask" else []
            visible = "" if name == "add-mask" else f"{name.capitalize()}: {text}"
        else:
            visible = "" if folded else line
        for mask in masks:
            visible = visible.replace(mask, "***")
        yield from visible.splitlines()
