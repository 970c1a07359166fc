"""The door to `.cibeacon.yml`: finds it, reads it, parses YAML, JSON or TOML. Does not know what its keys mean.

The file is a stranger's: it must be a regular file inside the checkout (no link leads out), of a bounded size.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cibeacon.errors import ServiceMapError

NAMES = (".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml")
LARGEST = 4 << 20
"""Bytes; 2,000 services written out take a quarter of a megabyte."""


def in_folder(root: Path, given: str | None) -> tuple[str, bytes] | None:
    """The name and content of the configuration in a checkout; None when it has none and none was `given`."""
    if given:
        return given, _content(root, root / given)
    here = [name for name in NAMES if (root / name).is_symlink() or (root / name).exists()]
    _at_most_one(here)
    return (here[0], _content(root, root / here[0])) if here else None


def in_tree(read: Callable[[str], bytes | None], given: str | None) -> tuple[str, bytes] | None:
    """The same from a commit's tree: `read` gives the content of a path, or None."""
    found = [(name, content) for name in ((given,) if given else NAMES) if (content := read(name)) is not None]
    _at_most_one([name for name, _ in found])
    return found[0] if found else None


def parse(name: str, content: bytes) -> Any:
    """The parsed document. A syntax error says where."""
    if len(content) > LARGEST:
        raise _unusable(name, f"it is over {LARGEST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
        if name.endswith(".json"):
            return json.loads(text)
        return tomllib.loads(text) if name.endswith(".toml") else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(name, str(error) or "it is nested too deeply") from error


def _yaml(text: str) -> Any:
    import yaml  # 15 ms that only a YAML file costs

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _content(root: Path, path: Path) -> bytes:
    name = path.name
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()) or not real.is_file():
            raise _unusable(name, "it is not a regular file inside the repository")
        with real.open("rb") as file:
            return file.read(LARGEST + 1)
    except (OSError, RuntimeError) as error:
        raise _unusable(name, f"it cannot be read: {error}") from error


def _at_most_one(names: list[str]) -> None:
    if len(names) > 1:
        raise _unusable(" and ".join(names), "there must be one of them")


def _unusable(name: str, why: str) -> ServiceMapError:
    return ServiceMapError(f"{name} cannot be used", why, "Mend the file; docs/reference.md shows the format.")
