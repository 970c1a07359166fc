"""The vocabulary of service maps: folder templates, discovery rules, watched paths, uses, and findings.

It defines what a service map may contain and how a mistake in the configuration is worded. It applies nothing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import takewhile
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from cibeacon.model.glob import Glob, checked_characters, is_plain
from cibeacon.model.identifiers import is_service_name

PLACEHOLDER = "{service}"
LIBRARY = "\0"
"""Starts the key of a library: it is never reported, and may have the same name as a service."""
MISNAMED = "\1"
"""Starts the key of a service that was discovered with an invalid name, so that a change in it is not lost."""
POLICIES = ("ignore", "warn", "error")
"""The values of `unmatched`, besides the name of a service."""
_KINDS: Mapping[str, tuple[str, ...]] = {
    "root": (),
    "marker": ("name", "when"),
    "codeowners": ("name",),
    "nx": (),
    "turbo": (),
    "jq": (),
}
"""Discovery rules, and the other keys that each one accepts."""
_ANY_SEGMENT = ("*", PLACEHOLDER)
EMPTY: Mapping[str, Any] = MappingProxyType({})


def templates(services: tuple[str, ...]) -> tuple[str, ...]:
    """The setting `services` if it contains templates; empty if it lists the changed services."""
    return services if any(PLACEHOLDER in name for name in services) else ()


class Template(NamedTuple):
    """A folder template: literal segments, `*` for any one segment, and `{service}` for the name."""

    text: str
    segments: tuple[str, ...]
    order: int = 0
    """Its index among the rules; the first one wins at equal depth."""

    @classmethod
    def parse(cls, text: str, order: int = 0) -> Self:
        """Parses a template. Raises `ValueError` with what is wrong with it."""
        segments = tuple(parse_root(text).split("/"))
        if segments.count(PLACEHOLDER) != 1:
            raise ValueError(f"must contain the folder {PLACEHOLDER} exactly once")
        for segment in segments:
            if segment not in _ANY_SEGMENT and any(mark in segment for mark in "*?[{}"):
                raise ValueError(f"has the folder {segment}; a folder must be a plain name, * or {PLACEHOLDER}")
        return cls(text, segments, order)

    @property
    def parent(self) -> str:
        """The folder before the first `*` or `{service}`; empty for the top of the repository."""
        return "/".join(takewhile(lambda segment: segment not in _ANY_SEGMENT, self.segments))

    def service(self, folders: list[str]) -> str | None:
        """The name of the service whose root these folders are. A folder that starts with a dot is not a service."""
        if len(folders) != len(self.segments):
            return None
        for wanted, folder in zip(self.segments, folders, strict=True):
            if wanted != folder and wanted not in _ANY_SEGMENT:
                return None
        name = folders[self.segments.index(PLACEHOLDER)]
        return None if not name or name.startswith(".") else name


class Rule(NamedTuple):
    """A discovery rule that has to look into the trees."""

    order: int
    kind: str
    text: str
    name: str | None = None
    """jq program: the name of the service."""
    when: str | None = None
    """jq program: whether there is one."""

    @property
    def description(self) -> str:
        """The rule in messages."""
        return f"{self.kind} {self.text}"


def parse_rule(order: int, written: Any) -> Template | Rule:
    """Parses a discovery rule. Raises `ValueError` with what is wrong with it."""
    kinds = [kind for kind in _KINDS if isinstance(written, dict) and kind in written]
    if len(kinds) != 1:
        raise ValueError(f"must have exactly one of {', '.join(_KINDS)}, as in {{root: 'services/{{service}}/'}}")
    kind = kinds[0]
    for key, value in written.items():
        if key != kind and key not in _KINDS[kind]:
            accepted = " and ".join(_KINDS[kind]) or "no other key"
            raise ValueError(f"has the unknown key {shown(key)}; {kind} accepts {accepted}")
        if not isinstance(value, str) or not value:
            raise ValueError(f"must have a non-empty string for {key}")
    text = written[kind]
    if kind == "root":
        return Template.parse(text, order)
    if kind == "marker":
        file = Glob(text).text.rpartition("/")[2]
        if not file or not is_plain(file):
            raise ValueError("must end in a file name")
    elif kind != "jq" and (not is_plain(text) or text.endswith("/") or Glob(text).text != text):
        raise ValueError("must be the path of one file")
    return Rule(order, kind, text, written.get("name"), written.get("when"))


def service_key(name: str) -> str:
    """The key of a service that was discovered with this name."""
    return name if is_service_name(name) else MISNAMED + name


def name_of(key: str) -> str:
    """The name of a service or library by its key."""
    return key[1:] if key[:1] in (LIBRARY, MISNAMED) else key


class Rules(NamedTuple):
    """Everything in a map besides roots and templates. Discovery fills in the second half."""

    names: tuple[str, ...] = ()
    """Keys that the configuration lists; some may have no root."""
    watches: Mapping[str, tuple[Glob, ...]] = EMPTY
    excludes: Mapping[str, tuple[Glob, ...]] = EMPTY
    """Paths that do not belong to the service, even if another rule says that they do."""
    uses: Mapping[str, tuple[str, ...]] = EMPTY
    """Key → the keys that it uses. A key that does not exist has no effect."""
    everywhere: tuple[Glob, ...] = ()
    """`global`: a change in one of these paths changes every service."""
    ignore: tuple[Glob, ...] = ()
    dependents: str = "transitive"
    unmatched: str = "ignore"
    """One of `POLICIES`, or the service that owns every path without another owner."""
    discover: tuple[Rule, ...] = ()
    """Rules that have yet to look into the trees."""
    tools: Any = None
    """What discovery may use besides the trees (`discovery.Tools`)."""
    searched: tuple[tuple[int, str], ...] = ()
    """(index, description) of the rules that have looked into the trees."""
    discovered: Mapping[str, tuple[int, str]] = EMPTY
    """Folder → (index of the rule, key)."""
    owners_of: Callable[[str], tuple[str, ...]] | None = None
    """Returns the owners of a path that is not below a root."""
    owner_keys: tuple[str, ...] = ()
    list_folders: Callable[[], Iterable[str]] | None = None
    """Lists every folder of both trees, including submodules, which git treats as folders."""
    choose: Callable[[list[str], list[str]], Mapping[str, str]] | None = None
    """Runs the programs that choose services: from paths and known names to names with reasons."""


def parse_root(text: str) -> str:
    """A root's folder without leading or trailing slashes. Raises `ValueError` with what is wrong with it."""
    folder = checked_characters(text).removeprefix("./").rstrip("/")
    if not folder or any(part in ("", ".", "..") for part in folder.split("/")):
        remedy = "; remove the leading slash" if text.startswith("/") and folder else ""
        raise ValueError(f"is not a folder below the top of the repository{remedy}")
    return folder


KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""
_MOST_COMPARED = 3000
"""Names to compare when looking for the nearest one: each takes 10 µs."""


class Finding(NamedTuple):
    """Something wrong in the document. A fault makes its part of the document unusable; a warning does not."""

    path: KeyPath
    text: str
    weight: Literal["fault", "warning"] = "fault"
    about_map: bool = True


class Mention(NamedTuple):
    """Something in the document that should exist in the repository."""

    path: KeyPath
    kind: Literal["root", "plain", "pattern", "template", "uses"]
    text: str


def unknown_key(key: Any, known: Collection[str], owner: str = "") -> str:
    """The sentence about an unknown key, with the nearest key or all keys. `owner` is the key that it is under."""
    hint = _nearest(str(key), known) or f" Known are {', '.join(known)}."
    return f"{owner and f'{owner}: '}unknown key {shown(key)}.{hint}"


def unknown_name(name: str, known: Collection[str]) -> str:
    """The sentence about a service or library that does not exist, with the nearest name."""
    return f"{shown(name)} is neither a service nor a library.{_nearest(name, known)}"


def unknown_service(name: str, known: Collection[str]) -> str:
    """The sentence about a service that is not in the map, with the nearest name."""
    return f"{shown(name)} is not in the service map.{_nearest(name, known)}"


def shown(value: Any) -> str:
    """A value of the document as shown in a sentence; only the start of a long one."""
    if isinstance(value, bool):
        word = str(value).lower()
        return f"{word} (YAML reads {'yes and on' if value else 'no and off'} as {word})"
    return repr(str(value)[:80])


def _nearest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # only needed for a faulty file

    near = get_close_matches(name, known, 1) if len(known) <= _MOST_COMPARED else ()
    return f" Did you mean {near[0]!r}?" if near else ""
