"""The door to `.cibeacon.yml`: finds it, reads it, parses YAML, JSON or TOML. Does not know what its keys mean.

The file is a stranger's: it must be a regular file inside the checkout (no link leads out), of a bounded size.
"""

from __future__ import annotations

import json
import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cibeacon.runtime import paths
from cibeacon.runtime.errors import ServiceMapError

NAMES = (".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml")
_MISSPELT = ".cibeacon.yaml"
_TOO_DEEP = "it is nested too deeply"
LARGEST = 1 << 20
"""Bytes; 2,000 services written out take a quarter of a megabyte."""
MOST_VALUES = 50_000
"""Names, patterns and lists together; 2,000 services written out take a fifth of that."""
DEEPEST = 50
"""Levels of nesting; the format needs four. The C composer of YAML would run off the stack at some ten thousand."""
_UNNAMED = "<unicode string>"
"""What PyYAML calls a text that came from no file."""
_MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError)
"""What PyYAML raises, besides its own errors, for a tag that does not fit its text, such as `!!int ""`."""


def _there(path: Path) -> bool:
    return os.path.lexists(path)


def in_folder(root: Path, given: str | None) -> tuple[str, bytes] | None:
    """The name and content of the configuration in a checkout; None when it has none and none was `given`."""
    if given:
        return given, _content(root, root / given)
    here = [name for name in NAMES if _there(root / name)]
    _at_most_one(here)
    if not here and _there(root / _MISSPELT):
        raise _unusable(_MISSPELT, f"it is not read under this name; call it {NAMES[0]}")
    return (here[0], _content(root, root / here[0])) if here else None


def is_on_disk(root: Path, given: str | None) -> bool:
    """Whether a checkout has a configuration as a file, under whatever name: a sparse one may leave it out."""
    names = (given,) if given else (*NAMES, _MISSPELT)
    return any(_there(root / name) for name in names)


def of_checkout(root: Path, given: str | None, read: Callable[[str], bytes | None]) -> tuple[str, bytes] | None:
    """The configuration in a checkout, else in the commit that is checked out: a sparse checkout may leave it out."""
    found = None if is_on_disk(root, given) else in_tree(read, given)
    return found or in_folder(root, given)


def in_tree(read: Callable[[str], bytes | None], given: str | None) -> tuple[str, bytes] | None:
    """The same from a commit's tree: `read` gives the content of a path, or None."""
    found = [(name, content) for name in ((given,) if given else NAMES) if (content := read(name)) is not None]
    _at_most_one([name for name, _ in found])
    return found[0] if found else None


def parse(name: str, content: bytes) -> Any:
    """The parsed document. A syntax error says where; a key that stands twice is one, since either may be meant."""
    document, twice = lenient(name, content)
    if twice:
        raise _unusable(name, f"the key {twice[0][:80]!r} stands twice in one place")
    return document


def lenient(name: str, content: bytes) -> tuple[Any, list[str]]:
    """The parsed document, and the keys in it that stand twice in one place."""
    if len(content) > LARGEST:
        raise _unusable(name, f"it is over {LARGEST >> 20} MiB")
    twice: list[str] = []
    try:
        text = content.removeprefix(BOM_UTF8).decode()
        reader = _json if name.endswith(".json") else _toml if name.endswith(".toml") else _yaml
        document = reader(text, twice)
        if _written_out(document, 0, {}) > LARGEST:
            raise ValueError(f"its aliases stand for over {LARGEST >> 20} MiB")
        if _values(document) > MOST_VALUES:
            raise ValueError(f"it holds over {MOST_VALUES:,} values")
    except (ValueError, RecursionError) as error:
        raise _unusable(name, _TOO_DEEP if isinstance(error, RecursionError) else str(error)) from error
    return document, twice


def documents(name: str, content: bytes) -> list[Any]:
    """Every document in a file of the repository that is not ours: text where it is no YAML, JSON or TOML.

    What cannot be read, or has no form in JSON, is left out.
    """
    text = content.decode("utf-8-sig", "replace")
    try:
        if name.endswith((".yml", ".yaml")):
            found = _yaml_documents(text)
        else:
            reader = _json if name.endswith(".json") else _toml if name.endswith(".toml") else None
            found = [reader(text, []) if reader else text]
    except (ValueError, RecursionError):
        return []
    return [each for each in found if _is_json(each)]


def yaml_nodes(text: str) -> Any:
    """The tree of a YAML document with the place of each node, or None where it cannot be read."""
    import yaml

    try:
        return yaml.compose(text, Loader=_bounded([]))
    except (yaml.YAMLError, ValueError, *_MISSHAPEN):
        return None


def _json(text: str, twice: list[str]) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice.extend(_repeated([key for key, _ in pairs]))
        return found

    return json.loads(text, object_pairs_hook=unique)


def _toml(text: str, _: list[str]) -> Any:
    import tomllib

    return tomllib.loads(text)


def _yaml(text: str, twice: list[str]) -> Any:
    import yaml  # 15 ms that only a YAML file costs

    try:
        return yaml.load(text, Loader=_bounded(twice))  # noqa: S506 - it is a safe one
    except yaml.YAMLError as error:
        raise ValueError(_yaml_fault(text, error)) from error
    except _MISSHAPEN as error:
        raise ValueError("a tag does not fit its value") from error


def _yaml_fault(text: str, error: Exception) -> str:
    """What is wrong and where, in words that name the character: the library's own would not say that it is a tab."""
    mark = getattr(error, "problem_mark", None)
    rows = text.split("\n")
    if mark and mark.line < len(rows) and rows[mark.line][mark.column : mark.column + 1] == "\t":
        return f"line {mark.line + 1} holds a tab where YAML takes spaces alone; use spaces"
    return " ".join(str(error).replace(f' in "{_UNNAMED}",', " at").split())


def _yaml_documents(text: str) -> list[Any]:
    """Every document, with dates as they are written and nothing for tags that only another program knows."""
    import yaml

    loader = _bounded([])
    loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    loader.add_constructor(None, lambda *_: None)
    try:
        return list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, *_MISSHAPEN) as error:
        raise ValueError(str(error)) from error


def _bounded(twice: list[str]) -> Any:
    """A safe loader that stops before the composer, which recurses in C for each level, and notes repeated keys."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth, descend, ascend, flatten = 0, loader.descend_resolver, loader.ascend_resolver, loader.flatten_mapping
    flattened: set[int] = set()

    class Bounded(loader):  # type: ignore[misc, valid-type]
        """The loader for one text."""

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

        def flatten_mapping(self, node: Any) -> None:
            if id(node) not in flattened:  # afterwards it holds what it merges, too
                flattened.add(id(node))
                twice.extend(_repeated([key.value for key, _ in node.value if isinstance(key.value, str)]))
            flatten(self, node)

    return Bounded


def _repeated(keys: list[str]) -> list[str]:
    return [key for key, count in Counter(keys).items() if count > 1] if len(set(keys)) < len(keys) else []


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
        return _written_out(value, 0, {}) <= LARGEST
    except (ValueError, TypeError, RecursionError):
        return False


def _values(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_values, parts))


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
        with os.fdopen(paths.open_regular(real), "rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError as error:
        hint = "Mend the name (the setting config, where that gives it), or the link that leads nowhere."
        raise ServiceMapError(f"{name} cannot be used", "it cannot be read: there is no such file", hint) from error
    except (OSError, RuntimeError) as error:
        raise _unusable(name, f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _at_most_one(names: list[str]) -> None:
    if len(names) > 1:
        raise _unusable(" and ".join(names), "there must be one of them")


def _unusable(name: str, why: str) -> ServiceMapError:
    return ServiceMapError(f"{name} cannot be used", why, "Mend the file; docs/reference.md shows the format.")
