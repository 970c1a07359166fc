"""Knows what DCI says about the caller, the topics and their components: all that is read before a job. Does not know jobs."""

from __future__ import annotations

from cibeacon.sandbox.dci_answers import Refusal
from cibeacon.sandbox.dci_call import Asked
from cibeacon.sandbox.dci_listing import listed
from cibeacon.sandbox.dci_state import Row, component_row, component_rows, topic_row
from cibeacon.sandbox.exchange import Answer, in_json

_ROW = ("id", "name", "state", "etag", "created_at", "updated_at", "data")
_TOPIC = (*_ROW, "component_types", "component_types_optional", "export_control", "product_id", "next_topic_id")
_COMPONENT = (
    *_ROW,
    "type",
    "display_name",
    "canonical_project_name",
    "version",
    "uid",
    "title",
    "message",
    "url",
    "tags",
    "team_id",
    "topic_id",
    "released_at",
)
_REMOTECI = (*_ROW, "team_id", "public")


def identity(asked: Asked) -> Answer:
    """GET /identity: who signs, and for which teams."""
    account = asked.account
    team = {"team_name": account.team_name, "state": "active", "has_pre_release_access": False}
    nothing = dict.fromkeys(("name", "fullname", "email", "etag", "timezone"))
    who = {"id": asked.remoteci.id, **nothing, "teams": {account.team_id: team}}
    return in_json(200, {"identity": who}, ETag="None")


def topics(asked: Asked) -> Answer:
    """GET /topics: those that the team may see, inactive ones too."""
    rows = [topic_row(topic) for topic in asked.account.topics if topic.granted]
    return in_json(200, listed("topics", rows, asked.args, _TOPIC))


def topic(asked: Asked) -> Answer:
    """GET /topics/ID."""
    row = topic_row(asked.topic(asked.ids[0]))
    return in_json(200, {"topic": row}, ETag=row["etag"])


def components(asked: Asked) -> Answer:
    """GET /topics/ID/components: newest release first."""
    rows = component_rows(asked.topic(asked.ids[0]), asked.account.team_id)
    return in_json(200, listed("components", rows, asked.args, _COMPONENT, "-released_at"))


def component(asked: Asked) -> Answer:
    """GET /components/ID."""
    for each in asked.account.topics:
        for one in each.components:
            if one.id == asked.ids[0] and one.team_id in (None, asked.account.team_id):
                row = component_row(one, asked.topic(each.id))
                return in_json(200, {"component": row}, ETag=row["etag"])
    raise Refusal(404, "component not found")


def remotecis(asked: Asked) -> Answer:
    """GET /remotecis: the team's, secrets and all."""
    rows = [remoteci_row(asked, one.id) for one in asked.account.remotecis if one.kind == "remoteci"]
    return in_json(200, listed("remotecis", rows, asked.args, _REMOTECI))


def remoteci_row(asked: Asked, remoteci_id: str) -> Row:
    """A remote CI as the API shows it; the observed server gave its secret away."""
    one = next(each for each in asked.account.remotecis if each.id == remoteci_id)
    return {
        "id": one.id,
        "name": one.name,
        "state": "active" if one.active else "inactive",
        "api_secret": one.secret,
        "team_id": asked.account.team_id,
        "public": False,
        "data": {},
        "etag": one.id.replace("-", ""),
        "created_at": "2019-10-01T00:00:00.000000",
        "updated_at": "2019-10-01T00:00:00.000000",
    }
