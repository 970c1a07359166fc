"""Knows the words of a service map's document: its places, its rules of discovery, and how a mistake is told.

Does not know what the document as a whole means.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from cibeacon.services.patterns import Glob, is_plain
from cibeacon.services.template import Template

Where: TypeAlias = tuple[str | int, ...]
"""Keys and positions from the top of the document."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "root": (),
    "marker": ("name", "when"),
    "codeowners": ("name",),
    "nx": (),
    "turbo": (),
    "jq": (),
}
"""Rules of discovery, and what each may hold besides."""


class Finding(NamedTuple):
    """Something wrong in the document. A fault takes away what it is about; a warning takes nothing."""

    where: Where
    text: str
    weight: Literal["fault", "warning"] = "fault"
    about_map: bool = True


class Mention(NamedTuple):
    """Something in the document that ought to be found in the repository."""

    where: Where
    kind: Literal["root", "plain", "pattern", "template", "marker", "uses"]
    text: str


class Rule(NamedTuple):
    """A rule of discovery that must look into the trees."""

    order: int
    kind: str
    text: str
    name: str | None = None
    """jq: the name of the service."""
    when: str | None = None
    """jq: whether there is one."""

    @property
    def words(self) -> str:
        """The rule as a person would say it."""
        return f"{self.kind} {self.text}"


def rule(order: int, written: Any) -> Template | Rule:
    """A rule of discovery as it is written, or `ValueError` with what is wrong with it."""
    kinds = [kind for kind in KINDS if isinstance(written, dict) and kind in written]
    if len(kinds) != 1:
        raise ValueError(f"must hold one of {', '.join(KINDS)}, as in {{root: 'services/{{service}}/'}}")
    kind = kinds[0]
    for key, value in written.items():
        if key != kind and key not in KINDS[kind]:
            raise ValueError(f"may not hold {shown(key)}; {kind} takes {' and '.join(KINDS[kind]) or 'nothing else'}")
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


def listed(value: Any, where: Where) -> Iterator[tuple[Where, Any]]:
    """The values of a list with their places, or the one value itself."""
    if isinstance(value, list):
        yield from (((*where, number), each) for number, each in enumerate(value))
    else:
        yield where, value


def unknown_key(key: Any, known: Collection[str], where: str) -> str:
    """The sentence about a key that does not exist, with the nearest one that does."""
    from difflib import get_close_matches  # only a faulty file needs it

    near = get_close_matches(str(key), known, 1)
    hint = f" Did you mean {near[0]}?" if near else f" It may hold {', '.join(known)}."
    return f"{where} may not hold {shown(key)}; it is not used.{hint}"


def unknown_name(name: str, known: Collection[str]) -> str:
    """The sentence about a service or library that does not exist, with the nearest one that does."""
    return f"{shown(name)} is no service and no library.{_nearest(name, known)}"


def unknown_service(name: str, known: Collection[str]) -> str:
    """The sentence about a service that no rule of the map finds, with the nearest one that some rule does."""
    return f"{shown(name)} is no service of the service map.{_nearest(name, known)}"


_MOST_NEAR = 3000
"""Names that are looked among: each takes 10 µs."""


def _nearest(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1) if len(known) <= _MOST_NEAR else ()
    return f" Did you mean {near[0]}?" if near else ""


def shown(value: Any) -> str:
    """A value of the document in a sentence, in part where it is long."""
    if isinstance(value, bool):
        return (
            f"{str(value).lower()} (which YAML makes of {'yes, on' if value else 'no, off'} and {str(value).lower()})"
        )
    return repr(str(value)[:80])
