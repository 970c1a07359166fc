"""Which service a path belongs to, and how a repository says so: folder templates, rules of discovery, who watches and uses what.

Here stands what a service map may say, and how a mistake in the repository's configuration is described. Nothing is
applied here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from cibeacon.model.glob import Glob, checked_characters, is_plain
from cibeacon.model.identifiers import is_service_name

PLACEHOLDER = "{service}"
LIBRARY = "\0"
"""Begins the key of a library: it is never reported, and may have the name of a service."""
MISNAMED = "\1"
"""Begins the key of what was discovered under a name that no service may have: a change there is not forgotten."""
POLICIES = ("ignore", "warn", "error")
"""What `unmatched` may be, besides the name of a service."""
_KINDS: Mapping[str, tuple[str, ...]] = {
    "root": (),
    "marker": ("name", "when"),
    "codeowners": ("name",),
    "nx": (),
    "turbo": (),
    "jq": (),
}
"""Rules of discovery, and what each may hold besides."""
_ANY_SEGMENT = ("*", PLACEHOLDER)
EMPTY: Mapping[str, Any] = MappingProxyType({})


def templates(services: tuple[str, ...]) -> tuple[str, ...]:
    """The setting `services` where it says how services are found, instead of which ones changed."""
    return services if any(PLACEHOLDER in name for name in services) else ()


class Template(NamedTuple):
    """A folder template: literal segments, `*` for any one segment, and `{service}` for the name."""

    text: str
    segments: tuple[str, ...]
    order: int = 0
    """Its index among the rules; the first one wins at equal depth."""

    @classmethod
    def parse(cls, text: str, order: int = 0) -> Self:
        """The template, or `ValueError` with what is wrong with it."""
        segments = tuple(parse_root(text).split("/"))
        if segments.count(PLACEHOLDER) != 1:
            raise ValueError(f"must hold the folder {PLACEHOLDER} once")
        for segment in segments:
            if segment not in _ANY_SEGMENT and any(mark in segment for mark in "*?[{}"):
                raise ValueError(f"has the folder {segment}; a folder is a plain name, * or {PLACEHOLDER}")
        return cls(text, segments, order)

    def service(self, folders: list[str]) -> str | None:
        """The name of the service whose root these folders are. A folder that begins with a dot names none."""
        if len(folders) != len(self.segments):
            return None
        for wanted, folder in zip(self.segments, folders, strict=True):
            if wanted != folder and wanted not in _ANY_SEGMENT:
                return None
        name = folders[self.segments.index(PLACEHOLDER)]
        return None if not name or name.startswith(".") else name


class Rule(NamedTuple):
    """A rule of discovery that must look into the trees."""

    order: int
    kind: str
    text: str
    name: str | None = None
    """jq program: the name of the service."""
    when: str | None = None
    """jq program: whether there is one."""

    @property
    def description(self) -> str:
        """The rule as a person would say it."""
        return f"{self.kind} {self.text}"


def parse_rule(order: int, written: Any) -> Template | Rule:
    """A rule of discovery as it is written, or `ValueError` with what is wrong with it."""
    kinds = [kind for kind in _KINDS if isinstance(written, dict) and kind in written]
    if len(kinds) != 1:
        raise ValueError(f"must hold one of {', '.join(_KINDS)}, as in {{root: 'services/{{service}}/'}}")
    kind = kinds[0]
    for key, value in written.items():
        if key != kind and key not in _KINDS[kind]:
            raise ValueError(f"does not take {shown(key)}; {kind} takes {' and '.join(_KINDS[kind]) or 'nothing else'}")
        if not isinstance(value, str) or not value:
            raise ValueError(f"has a {key} that is not text")
    text = written[kind]
    if kind == "root":
        return Template.parse(text, order)
    if kind == "marker":
        file = Glob(text).text.rpartition("/")[2]
        if not file or not is_plain(file):
            raise ValueError("must end in the name of a file")
    elif kind != "jq" and (not is_plain(text) or text.endswith("/") or Glob(text).text != text):
        raise ValueError("must name one file")
    return Rule(order, kind, text, written.get("name"), written.get("when"))


def service_key(name: str) -> str:
    """The key of a service that was discovered under a name."""
    return name if is_service_name(name) else MISNAMED + name


def name_of(key: str) -> str:
    """The name of a service or library by its key."""
    return key[1:] if key[:1] in (LIBRARY, MISNAMED) else key


class Rules(NamedTuple):
    """Everything about a map besides roots and templates. The second half is what discovery fills in."""

    names: tuple[str, ...] = ()
    """Keys that are written down, some of which may have no root."""
    watches: Mapping[str, tuple[Glob, ...]] = EMPTY
    excludes: Mapping[str, tuple[Glob, ...]] = EMPTY
    """What does not belong to the service, whatever other rule says that it does."""
    uses: Mapping[str, tuple[str, ...]] = EMPTY
    """Key → the keys that it uses. An edge to a key that does not exist leads nowhere."""
    everywhere: tuple[Glob, ...] = ()
    """`global`: a change here changes every service."""
    ignore: tuple[Glob, ...] = ()
    dependents: str = "transitive"
    unmatched: str = "ignore"
    """One of `POLICIES`, or the service that owns what no other rule gives an owner."""
    discover: tuple[Rule, ...] = ()
    """Rules that must look into the trees first."""
    tools: Any = None
    """What discovery may ask besides the trees (`discovery.Tools`)."""
    searched: tuple[tuple[int, str], ...] = ()
    """(index, description) of those rules, once they have looked."""
    discovered: Mapping[str, tuple[int, str]] = EMPTY
    """Folder → (index of the rule, key)."""
    owners_of: Callable[[str], tuple[str, ...]] | None = None
    """The owners of a path that is below no root."""
    owner_keys: tuple[str, ...] = ()
    list_folders: Callable[[], Iterable[str]] | None = None
    """Lists every folder of both trees, and every submodule, which git counts among them."""
    choose: Callable[[list[str], list[str]], Mapping[str, str]] | None = None
    """Programs that choose services: from paths and known names to names with reasons."""


def parse_root(text: str) -> str:
    """A root's folder without slashes at its ends, or `ValueError` with what is wrong with it."""
    folder = checked_characters(text).removeprefix("./").rstrip("/")
    if not folder or any(part in ("", ".", "..") for part in folder.split("/")):
        remedy = "; drop the slash at its beginning" if text.startswith("/") and folder else ""
        raise ValueError(f"is not a folder below the top of the repository{remedy}")
    return folder


KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys and indexes from the top of the document."""
_MOST_COMPARED = 3000
"""Names among which the nearest one is looked for: each takes 10 µs."""


class Finding(NamedTuple):
    """Something wrong in the document. A fault takes away what it is about; a warning takes nothing."""

    path: KeyPath
    text: str
    weight: Literal["fault", "warning"] = "fault"
    about_map: bool = True


class Mention(NamedTuple):
    """Something in the document that ought to be in the repository."""

    path: KeyPath
    kind: Literal["root", "plain", "pattern", "template", "uses"]
    text: str


def unknown_key(key: Any, known: Collection[str], owner: str) -> str:
    """The sentence about a key that does not exist, with the nearest one that does."""
    hint = _nearest(str(key), known) or f" It takes {', '.join(known)}."
    return f"{owner} does not take {shown(key)}.{hint}"


def unknown_name(name: str, known: Collection[str]) -> str:
    """The sentence about a service or library that does not exist, with the nearest one that does."""
    return f"{shown(name)} is neither a service nor a library.{_nearest(name, known)}"


def unknown_service(name: str, known: Collection[str]) -> str:
    """The sentence about a service that no rule of the map finds, with the nearest one that some rule does."""
    return f"{shown(name)} is no service of the service map.{_nearest(name, known)}"


def shown(value: Any) -> str:
    """A value of the document in a sentence, in part where it is long."""
    if isinstance(value, bool):
        word = str(value).lower()
        return f"{word} (which YAML makes of {'yes, on' if value else 'no, off'} and {word})"
    return repr(str(value)[:80])


def _nearest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # only a faulty file needs it

    near = get_close_matches(name, known, 1) if len(known) <= _MOST_COMPARED else ()
    return f" Did you mean {near[0]}?" if near else ""
