"""Knows what the imaginary DCI holds before the first request: a team, its remote CIs, topics and their components. Does
not know what was sent since.

The vendor's server: https://github.com/redhat-cip/dci-control-server. Every id is fixed; those of RHEL-8.2, of the team
and of the remote CI are the ids that DCI's API documentation shows.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

NAMES = uuid.UUID("4c2f5d1e-6a0b-5b5e-9d3c-1f0a7e8b2c4d")
"""Where ids that the documentation does not give are derived from."""

_MEGABYTE = 1024 * 1024


def id_of(kind: str, name: object) -> str:
    """The id of the thing of that kind and name, the same in every sandbox."""
    return str(uuid.uuid5(NAMES, f"{kind}:{name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remoteci:
    """Credentials that may create jobs."""

    id: str
    name: str
    secret: str = field(repr=False)
    active: bool = True
    """One that is not can look, and make no jobs."""
    kind: str = "remoteci"
    """`feeder` for one that makes components, and no jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A version of something under test. `released_at` is ISO 8601 in UTC without a zone; None as team means everybody."""

    id: str
    type: str
    name: str
    version: str = ""
    released_at: str = "2025-01-01T00:00:00.000000"
    created_at: str | None = None
    """None: when it was released."""
    url: str = ""
    tags: Sequence[str] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    active: bool = True
    team_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A product's version, or another thing that jobs are about; `granted` when the team may see it."""

    id: str
    name: str
    component_types: Sequence[str]
    components: Sequence[Component] = ()
    component_types_optional: Sequence[str] = ()
    product_id: str = "b3d8d6f3-8223-4553-bf08-9b2cecb869f2"
    created_at: str = "2019-10-10T06:14:55.269457"
    active: bool = True
    granted: bool = True
    export_control: bool = False


REMOTECI = "6cee7286-5d99-4a96-9949-200977f4be07"
TEAM = "713ecb86-0157-4445-ad90-c7aa7d0306a0"
SECRET = "DCI." + ("sandbox" * 9)[:60]


def example_topics() -> tuple[Topic, ...]:
    """The documented topic, a long list, and one topic for each way in which a topic can be in the way."""
    return (
        Topic(
            id="c4171062-e2b4-4b60-9a5f-3e2fb32b4f68",
            name="RHEL-8.2",
            component_types=("compose", "hwcert"),
            components=_documented(),
        ),
        Topic(
            id=id_of("topic", "OCP-4.18"),
            name="OCP-4.18",
            component_types=("ocp",),
            component_types_optional=("rhcos",),
            components=_nightlies(230),
        ),
        Topic(
            id=id_of("topic", "RHEL-10.0"),
            name="RHEL-10.0",
            component_types=("compose", "hwcert"),
            components=(_component("compose", "RHEL-10.0-20250513.1"),),
        ),
        Topic(
            id=id_of("topic", "RHEL-7.9"),
            name="RHEL-7.9",
            component_types=("compose",),
            components=(_component("compose", "RHEL-7.9-20200917.0"),),
            active=False,
        ),
        Topic(
            id=id_of("topic", "RHEL-11.0-beta"),
            name="RHEL-11.0-beta",
            component_types=("compose",),
            components=(_component("compose", "RHEL-11.0-20260101.n.0"),),
            granted=False,
            export_control=True,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DciAccount:
    """What DCI knows already. The first remote CI is the one whose settings the sandbox prints."""

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
    """Largest body in bytes, where a Content-Type comes with it."""
    kept: int = 32 * _MEGABYTE
    """Largest file in bytes whose content can be read again; of a larger one size and digest remain."""

    def exports(self, url: str) -> dict[str, str]:
        """The official tools' variables for the sandbox at `url`."""
        first = self.remotecis[0]
        return {"DCI_CS_URL": url, "DCI_CLIENT_ID": f"remoteci/{first.id}", "DCI_API_SECRET": first.secret}

    def topic(self, name: str) -> Topic:
        """The topic of that name. Raises KeyError when there is none."""
        return {topic.name: topic for topic in self.topics}[name]


def _component(kind: str, name: str) -> Component:
    return Component(id=id_of("component", name), type=kind, name=name, version=name.partition("-")[2])


def _nightlies(number: int) -> tuple[Component, ...]:
    first = datetime(2025, 1, 1, 6)
    return tuple(
        Component(
            id=id_of("component", f"OCP-4.18 nightly {day}"),
            type="ocp",
            name=f"OpenShift 4.18 nightly {day:03}",
            version=f"4.18.0-0.nightly-{day:03}",
            released_at=(first + timedelta(days=day)).isoformat(timespec="microseconds"),
            tags=("build:nightly",),
        )
        for day in range(1, number + 1)
    )


def _documented() -> tuple[Component, ...]:
    composes = (
        ("4e7a2754-9871-41ad-9444-665219fd0745", "RHEL-8.2.0-20191029.n.0", "2019-10-29T05:45:00.790012", True),
        ("a3587df1-83f0-418c-8a97-094df763006d", "RHEL-8.2.0-20191028.n.0", "2019-10-28T05:45:00.063471", True),
        ("9242b2c6-4c6b-4547-8688-ed8a77330cc0", "RHEL-8.2.0-20191027.n.0", "2019-10-27T05:44:59.913636", True),
        ("530c727c-22f0-486a-98a8-868b21c42d13", "RHEL-8.2.0-20191026.n.0", "2019-10-26T05:44:59.542342", False),
        ("c5f4993c-aefe-40bc-a628-d51febccb773", "RHEL-8.2.0-20191025.n.0", "2019-10-25T05:45:00.658373", False),
    )
    hwcert = Component(
        id="8c8f22fd-611a-4284-9cde-057c8d2599b7",
        type="hwcert",
        name="hwcert-1572272875",
        released_at="2019-10-28T14:45:00.572710",
        data={"path": "/packages/devel/RHEL8", "repo_name": "rhcert-dev-el8"},
    )
    return (
        hwcert,
        *(
            Component(id=each, type="compose", name=name, version=name.partition("-")[2], released_at=at, active=active)
            for each, name, at, active in composes
        ),
    )
