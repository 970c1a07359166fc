"""Knows on which line of a configuration file a key or list item stands, and which keys stand twice. Judges nothing.

YAML's own nodes tell exactly. JSON and TOML have parsers that forget the place, so theirs is worked out from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from cibeacon.services import config_file

Where: TypeAlias = tuple[str | int, ...]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_TABLE = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_ASSIGNED = re.compile(r"""\s*((?:"[^"]*"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[\w-]+))*)\s*=""")
_PART = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*\.?""")


class Lines(NamedTuple):
    """The lines of a file by the place in the document."""

    known: Mapping[Where, int]
    twice: tuple[Where, ...] = ()
    """Keys that stand again in the same place; `known` has the later line."""

    def of(self, where: Where) -> int:
        """The line of a place, or of the nearest place around it that is known; the first at worst."""
        while where and where not in self.known:
            where = where[:-1]
        return self.known.get(where, 1)


def lines(name: str, content: bytes) -> Lines:
    """Where everything in a file stands, as far as its text tells."""
    text = content.decode("utf-8-sig", "replace")
    found = _json(text) if name.endswith(".json") else _toml(text) if name.endswith(".toml") else _yaml(text)
    known: dict[Where, int] = {}
    twice = []
    for where, line, is_key in found:
        if is_key and where in known:
            twice.append(where)
        known[where] = line
    return Lines(known, tuple(twice))


def _yaml(text: str) -> Iterator[tuple[Where, int, bool]]:
    waiting: list[tuple[Where, Any]] = [((), config_file.yaml_nodes(text))]
    seen: set[int] = set()
    while waiting:
        where, node = waiting.pop()
        if id(node) in seen or not isinstance(getattr(node, "value", None), list):
            continue
        seen.add(id(node))  # an alias stands where its anchor does
        for number, each in enumerate(node.value):
            if isinstance(each, tuple):
                key, value = each
                place: Where = (*where, key.value if isinstance(key.value, str) else number)
                yield place, key.start_mark.line + 1, key.tag != "tag:yaml.org,2002:merge"
            else:
                place, value = (*where, number), each
                yield place, each.start_mark.line + 1, False
            waiting.append((place, value))


def _json(text: str) -> Iterator[tuple[Where, int, bool]]:
    """Keys and items of well-formed JSON; of anything else, something."""
    stack: list[str | int] = []  # the key or position that is being read, for each open bracket
    last, line, at = "", 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", at, token.start())
        at, word = token.start(), token[0]
        if stack and isinstance(stack[-1], int) and last in ("[", ",") and word != "]":
            stack[-1] += 1
            yield tuple(stack), line, False
        if word in "{[":
            stack.append("" if word == "{" else -1)
        elif word in "}]" and stack:
            stack.pop()
        elif stack and isinstance(stack[-1], str) and last in ("{", ",") and word.startswith('"'):
            stack[-1] = _unquoted(word)
            yield tuple(stack), line, True
        last = word


def _unquoted(word: str) -> str:
    import json

    try:
        return str(json.loads(word))
    except ValueError:
        return word


def _toml(text: str) -> Iterator[tuple[Where, int, bool]]:
    """Tables and keys that begin a line. TOML's parser refuses repeated keys itself."""
    table: Where = ()
    counts: dict[Where, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _TABLE.match(line):
            table = _parts(heading[2])
            if heading[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number, False
        elif assigned := _ASSIGNED.match(line):
            yield (*table, *_parts(assigned[1])), number, False


def _parts(dotted: str) -> Where:
    return tuple("".join(found) for found in _PART.findall(dotted))
