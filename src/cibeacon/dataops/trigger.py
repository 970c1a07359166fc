"""Starts one pipeline, exactly once: a trigger is not idempotent, so a doubtful one is looked up and never repeated.

Each trigger carries a variable with a word of its own, by which its pipeline can be recognised. That takes an access
token that may read variables.
"""

from collections.abc import Mapping
from typing import NamedTuple

from cibeacon.dataops.client import Client
from cibeacon.dataops.clock import Clockwork
from cibeacon.dataops.errors import Fault
from cibeacon.dataops.records import Pipeline
from cibeacon.model.payload import number

MARK = "CIBEACON_TRIGGER_ID"
"""The variable by which a pipeline is recognised."""
_LOOKS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look: a server that gave no answer may still be at work."""


class Triggered(NamedTuple):
    """The pipeline that was started."""

    pipeline: Pipeline
    note: str = ""
    """How it was found, where the trigger itself gave no answer."""


def newest(client: Client) -> int:
    """The newest pipeline's id, 0 for none: what is above it later on is new. Shows that the token may read."""
    return max((number(each.get("id")) or 0 for each in _some(client)), default=0)


def triggered(
    client: Client,
    project: str,
    ref: str,
    token: str,
    variables: Mapping[str, str],
    mark: str,
    clockwork: Clockwork,
    *,
    above: int | None,
) -> Triggered:
    """Starts a pipeline of `ref`. Raises `Fault`.

    Args:
        mark: a word that no other trigger has.
        above: the newest pipeline's id before; None where nothing may be looked up.
    """
    try:
        record = client.trigger(ref, token, {**variables, MARK: mark})
        return Triggered(Pipeline.read(record, project))
    except Fault as fault:
        if not fault.received:
            raise _explained(fault, ref) from fault
        found = _found(client, mark, above, clockwork, fault)
        return Triggered(
            Pipeline.read(found, project), f"the trigger gave no answer ({fault.why}); its pipeline was found"
        )


def _found(client: Client, mark: str, above: int | None, clockwork: Clockwork, fault: Fault) -> Mapping[str, object]:
    """The pipeline that a trigger without an answer started. Raises `Fault` where there is none or nobody can know."""
    advice = f"Look at the project's pipelines for the variable {MARK}={mark} before you start another"
    if above is None:
        raise Fault(
            "It is not known whether a pipeline was started",
            fault.why,
            f"{advice}; with dataops_token that is done here",
        ) from fault
    checked = False
    for pause in _LOOKS:
        clockwork.sleep(pause)
        try:
            for each in _some(client):
                candidate = number(each.get("id")) or 0
                if candidate > above and _marked(client, candidate, mark):
                    return each
            checked = True
        except Fault as trouble:
            if trouble.refused or not client.has_time():
                fault = trouble
                break
    if checked:
        raise Fault(
            "No pipeline was started", f"{fault.why}, and none was found afterwards", "Run this again"
        ) from fault
    raise Fault("It is not known whether a pipeline was started", fault.why, advice) from fault


def _some(client: Client) -> list[Mapping[str, object]]:
    """The newest pipelines: more are not started between two looks."""
    found: list[Mapping[str, object]] = []
    for each in client.pipelines({"order_by": "id", "sort": "desc"}):
        found.append(each)
        if len(found) == 100:
            break
    return found


def _marked(client: Client, candidate: int, mark: str) -> bool:
    return any(each.get("key") == MARK and each.get("value") == mark for each in client.variables(candidate))


def _explained(fault: Fault, ref: str) -> Fault:
    """What the server's words mean where they mislead."""
    why, hint = fault.why, fault.hint
    if fault.status == 404:
        hint = "Check dataops_trigger_token and dataops_project: the server gives this answer for a wrong token, too"
    elif "Reference not found" in why:
        hint = f"Give the name of a branch or tag as dataops_ref: {ref} is none in this project, and a commit is none"
    elif "nsufficient permissions to set pipeline variables" in why:
        hint = "The project forbids pipeline variables (Settings, CI/CD): allow them for the owner of the trigger token"
    return Fault(fault.what, why, hint, status=fault.status, refused=fault.refused, later=fault.later, received=False)
