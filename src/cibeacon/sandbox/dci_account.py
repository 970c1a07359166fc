"""Knows what the imaginary DCI holds before the first request: a team, its remote CIs, topics and their components. Does
not know what was sent since.

The vendor's server: https://github.com/redhat-cip/dci-control-server. Every id is fixed; those of RHEL-8.2, of the team
and of the remote CI are the ids that DCI's API documentation shows.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]
"""A thing as the API shows it."""

REMOTECI = "6cee7286-5d99-4a96-9949-200977f4be07"
TEAM = "713ecb86-0157-4445-ad90-c7aa7d0306a0"
SECRET = "DCI." + ("sandbox" * 9)[:60]
_IDS = uuid.UUID("4c2f5d1e-6a0b-5b5e-9d3c-1f0a7e8b2c4d")
"""Where ids that the documentation does not give are derived from."""
_MEGABYTE = 1024 * 1024


def _read(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_bytes())


COLUMNS: Mapping[str, Row] = _read("dci_columns.json")
"""By table, as lists of it are called: its columns, each with what it holds where nothing is said."""


def id_of(kind: str, name: object) -> str:
    """The id of the thing of that kind and name, the same in every sandbox."""
    return str(uuid.uuid5(_IDS, f"{kind}:{name}"))


def _row(table: str, thing: Remoteci | Component | Topic, created_at: str, **others: object) -> Row:
    """A thing as the API shows it: the columns of its table, as far as it says nothing else with their defaults."""
    row: Row = {name: getattr(thing, name, default) for name, default in COLUMNS[table].items()}
    row |= {"state": "active" if thing.active else "inactive", "etag": thing.id.replace("-", "")}
    return row | {"created_at": created_at, "updated_at": created_at} | others


@dataclass(frozen=True, slots=True, kw_only=True)
class Remoteci:
    """Credentials that may create jobs, or only look while not active; a `feeder` makes components, and no jobs."""

    id: str
    name: str
    secret: str = field(repr=False)
    active: bool = True
    kind: str = "remoteci"

    def row(self, team_id: str) -> Row:
        """As the API shows it; the observed server gave its secret away."""
        return _row("remotecis", self, "2019-10-01T00:00:00.000000", api_secret=self.secret, team_id=team_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A version of something under test, made when it was released unless `created_at` says otherwise.

    Times are ISO 8601 in UTC without a zone. None as team means everybody.
    """

    id: str
    type: str
    name: str
    version: str = ""
    released_at: str = "2025-01-01T00:00:00.000000"
    created_at: str | None = None
    tags: Sequence[str] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    active: bool = True
    team_id: str | None = None

    def row(self, topic_id: str) -> Row:
        """As the API shows it."""
        names = {"display_name": self.name, "canonical_project_name": self.name, "tags": list(self.tags)}
        return _row("components", self, self.created_at or self.released_at, topic_id=topic_id, **names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A product's version, or another thing that jobs are about; `granted` when the team may see it."""

    id: str
    name: str
    component_types: Sequence[str]
    components: Sequence[Component] = ()
    component_types_optional: Sequence[str] = ()
    active: bool = True
    granted: bool = True
    export_control: bool = False

    def row(self) -> Row:
        """As the API shows it."""
        return _row("topics", self, "2019-10-10T06:14:55.269457")

    def component_rows(self, team_id: str) -> list[Row]:
        """The components that a team may see: everybody's and its own."""
        return [one.row(self.id) for one in self.components if one.team_id in (None, team_id)]


def example_topics() -> tuple[Topic, ...]:
    """The documented topic, a long list, and one topic for each way in which a topic can be in the way."""
    topics = _read("dci_example.json")
    return tuple(Topic(**topic | {"components": [Component(**one) for one in topic["components"]]}) for topic in topics)


@dataclass(frozen=True, slots=True, kw_only=True)
class DciAccount:
    """What DCI knows already. The first remote CI is the one whose settings the sandbox prints.

    A body over `body_limit` bytes is refused where a Content-Type comes with it. The content of a file up to `kept` bytes
    can be read again, of a larger one size and digest remain; over `kept_in_all` the oldest are forgotten.
    """

    team_id: str = TEAM
    team_name: str = "Red Hat"
    team_active: bool = True
    remotecis: Sequence[Remoteci] = (
        Remoteci(id=REMOTECI, name="sandbox", secret=SECRET),
        Remoteci(id=id_of("remoteci", "retired"), name="retired", secret=SECRET, active=False),
        Remoteci(id=id_of("feeder", "sandbox"), name="feeder", secret=SECRET, kind="feeder"),
    )
    topics: Sequence[Topic] = field(default_factory=example_topics)
    body_limit: int = 20 * _MEGABYTE
    kept: int = 10 * _MEGABYTE
    kept_in_all: int = 128 * _MEGABYTE

    def exports(self, url: str) -> dict[str, str]:
        """The official tools' variables for the sandbox at `url`."""
        first = self.remotecis[0]
        return {"DCI_CS_URL": url, "DCI_CLIENT_ID": f"remoteci/{first.id}", "DCI_API_SECRET": first.secret}

    def topic(self, name: str) -> Topic:
        """The topic of that name. Raises KeyError when there is none."""
        return {topic.name: topic for topic in self.topics}[name]

    def components(self) -> dict[str, Row]:
        """Every component that the team may name, by id."""
        return {row["id"]: row for topic in self.topics for row in topic.component_rows(self.team_id)}
