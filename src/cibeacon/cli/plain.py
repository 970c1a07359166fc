"""Reads a command line in its plainest form, for the verbs of pipelines: click takes a fifth of their time to import.

What is not that plain, or wrong, is left to click, which knows how to say so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from cibeacon.model.parsers import boolean
from cibeacon.settings import all_options, load_settings

GROUPS: Mapping[str, tuple[str, ...]] = {
    "report": ("core", "output", "change", "deploy", "run", "dx", "dci", "flow"),
    "services": ("core", "output", "change"),
}
"""Verb of `verbs` → the settings groups whose flags it has."""
VALUES_OF_FLAGS = ("true", "false")
"""Words that belong to the boolean flag before them. Others may be arguments: `dataops jobs --all 1` names a pipeline."""


def read(argv: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The verb and its flags, as `flags.given` has them: `--name=value`, `--name value`, `--name`, `--no-name`.

    None where it is for click.
    """
    if not argv or argv[0] not in GROUPS:
        return None
    declared = all_options()
    known = {each.dashed: each for group in GROUPS[argv[0]] for each in declared[group] if not each.secret}
    found: dict[str, str] = {}
    words = deque(argv[1:])
    while words:
        word = words.popleft()
        name, assigned, value = word.partition("=")
        each = known.get(f"--{name[5:]}" if name.startswith("--no-") else name)
        if each is None or (name != each.dashed and (assigned or not each.flag)):
            return None
        if each.flag:
            if name == each.dashed and not assigned and words and words[0].lower() in VALUES_OF_FLAGS:
                assigned, value = "=", words.popleft()
            if not value.strip() and assigned:
                continue
            try:
                value = str(boolean(value) if assigned else name == each.dashed).lower()
            except ValueError:
                return None
        elif not assigned:
            value = words.popleft() if words else "-"
            if value.startswith("-"):
                return None
        found[each.name] = value
    return argv[0], found


def strict(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether a command line that came to no settings is strict all the same: by its last such flag, else the variables."""
    for word, after in zip(reversed(words), ["", *reversed(words)], strict=False):
        name, assigned, value = word.partition("=")
        if word == "--strict" and after.lower() in VALUES_OF_FLAGS:
            assigned, value = "=", after
        if name == "--strict" and not assigned:
            return True
        if word == "--no-strict":
            return False
        if name == "--strict" and value.strip():
            return load_settings({"strict": value}, environ, {}).output.strict
    return load_settings({}, environ, {}).output.strict
