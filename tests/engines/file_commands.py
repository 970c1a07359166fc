"""How GitHub's runner reads the files that a step writes: state, outputs, environment. Written from its grammar.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations


def parsed(text: str) -> dict[str, str]:
    """Names and values. Raises ValueError for what makes the runner fail the step."""
    found: dict[str, str] = {}
    lines = iter(text.removesuffix("\n").split("\n")) if text else iter(())
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            value = "\n".join(_until(delimiter, lines))
        else:
            raise ValueError(f"neither = nor << in {line!r}")
        if not name:
            raise ValueError(f"no name in {line!r}")
        found[name] = value
    return found


def _until(delimiter: str, lines) -> list[str]:
    if not delimiter:
        raise ValueError("an empty delimiter")
    value = []
    for line in lines:
        if line == delimiter:
            return value
        value.append(line)
    raise ValueError(f"no line {delimiter!r} ends the value")
