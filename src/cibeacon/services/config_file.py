"""The door to `.cibeacon.yml`: finds it, reads it, parses YAML, JSON or TOML. Does not know what its keys mean.

The file is untrusted: it must be a regular file inside the checkout (no link may point outside), of a bounded size.
"""

import json
import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cibeacon.runtime import paths
from cibeacon.runtime.errors import ServiceMapError
from cibeacon.services import KeyPath

NAMES = (".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml")
_MISSPELT = ".cibeacon.yaml"
_TOO_DEEP = "it is nested too deeply"
LARGEST = 1 << 20
"""Bytes; 2,000 services need a quarter of a megabyte."""
MOST_VALUES = 50_000
"""Names, patterns and lists together; 2,000 services need a fifth of that."""
DEEPEST = 50
"""Levels of nesting; the format needs four. YAML's C composer overflows the stack at about ten thousand."""
_UNNAMED = "<unicode string>"
"""PyYAML's name for text that is not from a file."""
_MISSHAPEN = (ArithmeticError, AttributeError, LookupError, TypeError)
"""The exceptions, besides its own, that PyYAML raises for a tag that does not fit its text, such as `!!int ""`."""


class RepeatedKey(NamedTuple):
    """A key that appears twice in one mapping."""

    key: str
    line: int = 0
    """The line of the second one; 0 if the parser does not keep line numbers."""

    @property
    def text(self) -> str:
        """The sentence about the key."""
        return f"the key {self.key[:80]!r} appears twice in one mapping"


def in_folder(root: Path, given: str | None) -> tuple[str, bytes] | None:
    """The name and content of the configuration in a checkout; None when it has none and none was `given`."""
    if given:
        return given, _content(root, root / given)
    names = [name for name in NAMES if os.path.lexists(root / name)]
    _check_there_is_one(names)
    if not names and os.path.lexists(root / _MISSPELT):
        raise _unusable(_MISSPELT, f"cibeacon does not read a file of this name; rename it to {NAMES[0]}")
    return (names[0], _content(root, root / names[0])) if names else None


def is_on_disk(root: Path, given: str | None) -> bool:
    """Whether a checkout has a configuration file, under any name: a sparse checkout may not have it."""
    names = (given,) if given else (*NAMES, _MISSPELT)
    return any(os.path.lexists(root / name) for name in names)


def of_checkout(root: Path, given: str | None, read: Callable[[str], bytes | None]) -> tuple[str, bytes] | None:
    """The configuration in a checkout, else in the checked-out commit: a sparse checkout may not have the file."""
    return (None if is_on_disk(root, given) else in_tree(read, given)) or in_folder(root, given)


def in_tree(read: Callable[[str], bytes | None], given: str | None) -> tuple[str, bytes] | None:
    """The configuration in a commit's tree: `read` returns the content of a path, or None."""
    files = [(name, content) for name in ((given,) if given else NAMES) if (content := read(name)) is not None]
    _check_there_is_one([name for name, _ in files])
    return files[0] if files else None


def parse(name: str, content: bytes) -> Any:
    """The parsed document. Raises `ServiceMapError`, also for a repeated key, since either value may be the right one."""
    document, repeated = parse_leniently(name, content)
    if repeated:
        raise _unusable(name, repeated[0].text)
    return document


def parse_leniently(name: str, content: bytes) -> tuple[Any, list[RepeatedKey]]:
    """The parsed document, and the keys that appear twice in one mapping."""
    if len(content) > LARGEST:
        raise _unusable(name, f"it is larger than {LARGEST >> 20} MiB")
    repeated: list[RepeatedKey] = []
    try:
        text = content.removeprefix(BOM_UTF8).decode()
        reader = _json if name.endswith(".json") else _toml if name.endswith(".toml") else _yaml
        document = reader(text, repeated)
        if _written_out(document, 0, {}) > LARGEST:
            raise ValueError(f"its aliases expand to more than {LARGEST >> 20} MiB")
        if _values(document) > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES:,} values")
    except (ValueError, RecursionError) as error:
        raise _unusable(name, _TOO_DEEP if isinstance(error, RecursionError) else str(error)) from error
    return document, repeated


def documents(name: str, content: bytes) -> list[Any]:
    """Every document in another file of the repository; its text if it is not YAML, JSON or TOML.

    Documents that cannot be read, or that JSON cannot represent, are left out.
    """
    text = content.decode("utf-8-sig", "replace")
    try:
        if name.endswith((".yml", ".yaml")):
            documents = _yaml_documents(text)
        elif name.endswith(".json"):
            documents = [_json(text, [])]
        else:
            documents = [_toml(text, []) if name.endswith(".toml") else text]
    except (ValueError, RecursionError):
        return []
    return [document for document in documents if _is_json(document)]


def line_finder(name: str, content: bytes) -> Callable[[KeyPath], int]:
    """Finds the line of a path in a YAML document, else of the nearest known path around it, else line 1.

    The parsers of JSON and TOML do not keep line numbers, so theirs are 0.
    """
    if name.endswith((".json", ".toml")):
        return lambda _: 0
    lines: dict[KeyPath, int] = {}
    waiting: list[tuple[KeyPath, Any]] = [((), _compose(content.decode("utf-8-sig", "replace")))]
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen or not isinstance(getattr(node, "value", None), list):
            continue
        seen.add(id(node))  # an alias has the position of its anchor
        for index, item in enumerate(node.value):
            key, value = item if isinstance(item, tuple) else (None, item)
            below = (*path, key.value if key and isinstance(key.value, str) else index)
            lines[below] = (key or value).start_mark.line + 1
            waiting.append((below, value))

    def line_of(path: KeyPath) -> int:
        while path and path not in lines:
            path = path[:-1]
        return lines.get(path, 1)

    return line_of


def _compose(text: str) -> Any:
    import yaml

    try:
        return yaml.compose(text, Loader=_bounded_loader([]))
    except (yaml.YAMLError, ValueError, *_MISSHAPEN):
        return None


def _json(text: str, repeated: list[RepeatedKey]) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            repeated.extend(RepeatedKey(key) for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return document

    return json.loads(text, object_pairs_hook=unique)


def _toml(text: str, _: list[RepeatedKey]) -> Any:
    import tomllib

    return tomllib.loads(text)


def _yaml(text: str, repeated: list[RepeatedKey]) -> Any:
    import yaml  # takes 15 ms, so only for a YAML file

    try:
        return yaml.load(text, Loader=_bounded_loader(repeated))  # noqa: S506 - it is a safe loader
    except yaml.YAMLError as error:
        raise ValueError(_yaml_fault(text, error)) from error
    except _MISSHAPEN as error:
        raise ValueError("a tag does not fit its value") from error


def _yaml_fault(text: str, error: Exception) -> str:
    """What is wrong and where. PyYAML's own message does not mention tabs."""
    mark = getattr(error, "problem_mark", None)
    lines = text.split("\n")
    if mark and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        return f"line {mark.line + 1} is indented with a tab; use spaces"
    return " ".join(str(error).replace(f' in "{_UNNAMED}",', " at").split())


def _yaml_documents(text: str) -> list[Any]:
    """Every document, with dates as text and None for the tags of other programs."""
    import yaml

    loader = _bounded_loader([])
    loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    loader.add_constructor(None, lambda *_: None)
    try:
        return list(yaml.load_all(text, Loader=loader))
    except (yaml.YAMLError, *_MISSHAPEN) as error:
        raise ValueError(str(error)) from error


def _bounded_loader(repeated: list[RepeatedKey]) -> Any:
    """A safe loader that stops before the composer, which recurses in C for each level, and notes repeated keys."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    flattened: set[int] = set()

    class Bounded(loader):  # type: ignore[misc, valid-type]
        """The loader for one text."""

        def descend_resolver(self, *where: Any) -> None:
            nonlocal depth
            depth += 1
            if depth > DEEPEST:
                raise ValueError(_TOO_DEEP)
            super().descend_resolver(*where)

        def ascend_resolver(self) -> None:
            nonlocal depth
            depth -= 1
            super().ascend_resolver()

        def flatten_mapping(self, node: Any) -> None:
            if id(node) not in flattened:  # once flattened, it also has the keys that it merges
                flattened.add(id(node))
                seen = set()
                for key, _ in node.value:
                    if isinstance(key.value, str) and key.value in seen:
                        repeated.append(RepeatedKey(key.value, key.start_mark.line + 1))
                    elif isinstance(key.value, str):
                        seen.add(key.value)
            super().flatten_mapping(node)

    return Bounded


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
    """The approximate number of characters with every alias expanded. Raises if JSON cannot represent the value."""
    if depth > DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict | list):
        if id(value) not in known:
            parts = (*value, *value.values()) if isinstance(value, dict) else value
            known[id(value)] = 1 + sum(_written_out(part, depth + 1, known) for part in parts)
        return known[id(value)]
    if value is None or isinstance(value, str | int | float):
        return 1 + len(value) if isinstance(value, str) else 1
    raise ValueError(f"it contains a {type(value).__name__}; if you mean text, put it in quotes")


def _content(root: Path, path: Path) -> bytes:
    name = path.name
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root.resolve()) or not real.is_file():
            raise _unusable(name, "it is not a regular file inside the repository")
        with os.fdopen(paths.open_regular(real), "rb") as file:
            return file.read(LARGEST + 1)
    except FileNotFoundError as error:
        hint = "Correct the name (setting config), or the broken link."
        raise ServiceMapError(f"{name} cannot be used", "it cannot be read: there is no such file", hint) from error
    except (OSError, RuntimeError) as error:
        raise _unusable(name, f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _check_there_is_one(names: list[str]) -> None:
    if len(names) > 1:
        raise _unusable(" and ".join(names), "only one of them may exist")


def _unusable(name: str, reason: str) -> ServiceMapError:
    return ServiceMapError(f"{name} cannot be used", reason, "Correct the file; docs/reference.md shows the format.")
