"""The door to `.cibeacon.yml`: finds it, reads it, parses YAML, JSON or TOML. Does not know what its keys mean.

The file is a stranger's: it must be a regular file inside the checkout (no link leads out), of a bounded size.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cibeacon.errors import ServiceMapError

NAMES = (".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml")
_TOO_DEEP = "it is nested too deeply"
LARGEST = 4 << 20
"""Bytes; 2,000 services written out take a quarter of a megabyte."""
DEEPEST = 50
"""Levels of nesting; the format needs four. The C composer of YAML would run off the stack at some ten thousand."""
_MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError)
"""What PyYAML raises, besides its own errors, for a tag that does not fit its text, such as `!!int ""`."""


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
        reader = json.loads if name.endswith(".json") else _toml if name.endswith(".toml") else _yaml
        document = reader(text)
        if _written_out(document, 0, {}) > LARGEST:
            raise ValueError(f"its aliases stand for over {LARGEST >> 20} MiB")
    except (ValueError, RecursionError) as error:
        raise _unusable(name, _TOO_DEEP if isinstance(error, RecursionError) else str(error)) from error
    return document


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _yaml(text: str) -> Any:
    import yaml  # 15 ms that only a YAML file costs

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth, descend, ascend = 0, loader.descend_resolver, loader.ascend_resolver

    class Bounded(loader):  # type: ignore[misc, valid-type]
        """Stops before the composer, which recurses in C for each level."""

        def descend_resolver(self, *where: Any) -> None:
            nonlocal depth
            depth += 1
            if depth > DEEPEST:
                raise ValueError(_TOO_DEEP)
            descend(self, *where)

        def ascend_resolver(self) -> None:
            nonlocal depth
            depth -= 1
            ascend(self)

    try:
        return yaml.load(text, Loader=Bounded)  # noqa: S506 - both loaders are safe ones
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except _MISSHAPEN as error:
        raise ValueError("a tag does not fit its value") from error


def _written_out(value: Any, depth: int, known: dict[int, int]) -> int:
    """About how many characters the value takes with every alias written out. Raises for what JSON could not say."""
    if depth > DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict | list):
        if id(value) not in known:
            parts = (*value, *value.values()) if isinstance(value, dict) else value
            known[id(value)] = 1 + sum(_written_out(part, depth + 1, known) for part in parts)
        return known[id(value)]
    if value is None or isinstance(value, str | int | float):
        return 1 + len(value) if isinstance(value, str) else 1
    raise ValueError(f"it holds a {type(value).__name__}; if that is meant as text, put it in quotes")


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
