"""Reads a command line in its plainest form, for the verbs of pipelines: click takes a fifth of their time to import.

What is not that plain, or wrong, is left to click, which knows how to say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cibeacon.settings import all_options

GROUPS: Mapping[str, tuple[str, ...]] = {
    "report": ("core", "output", "change", "deploy", "run", "dx", "dci", "flow"),
    "services": ("core", "output", "change"),
}
"""Verb of `verbs` → the settings groups whose flags it has."""


def read(argv: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The verb and its flags, as `flags.given` has them: `--name=value`, `--name value`, `--name` and `--no-name`.

    None where it is for click.
    """
    if not argv or argv[0] not in GROUPS:
        return None
    declared = all_options()
    known = {each.dashed: each for group in GROUPS[argv[0]] for each in declared[group] if not each.secret}
    found: dict[str, str] = {}
    words = iter(argv[1:])
    for word in words:
        name, assigned, value = word.partition("=")
        each = known.get(f"--{name[5:]}" if name.startswith("--no-") else name)
        if each is None or (assigned if each.flag else name != each.dashed):
            return None
        if each.flag:
            value = str(name == each.dashed).lower()
        elif not assigned:
            value = next(words, "-")
            if value.startswith("-"):
                return None
        found[each.name] = value
    return argv[0], found
