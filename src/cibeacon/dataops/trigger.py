"""Starts one pipeline, exactly once: a trigger is not idempotent, so a doubtful one is looked up and never repeated.

Each trigger carries a variable with a word of its own, by which its pipeline can be recognised. That takes an access
token that may read variables.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from cibeacon.dataops.access import PIPELINE_FILE, Access
from cibeacon.dataops.client import PAGE, ApiRecord, PipelinesClient
from cibeacon.dataops.errors import DataopsError, usage_error
from cibeacon.dataops.snapshot import GitLabPipeline
from cibeacon.model.payload import number
from cibeacon.runtime.environment import Environment

MARK = "CIBEACON_TRIGGER_ID"
"""The variable by which a pipeline is recognised."""
_LOOKS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look: a server that gave no answer may still be at work."""


class Trigger(NamedTuple):
    """A pipeline that is to be started; `mark` is a word that no other trigger has."""

    ref: str
    variables: Mapping[str, str]
    mark: str

    @property
    def all_variables(self) -> dict[str, str]:
        """The variables, the one that marks the pipeline included."""
        return {**self.variables, MARK: self.mark}

    @property
    def hint(self) -> str:
        """What to do where it is not known whether the pipeline was started."""
        return f"Look at the project's pipelines for the variable {MARK}={self.mark} before you start another"

    def check(self, access: Access) -> None:
        """Raises `DataopsError` for a trigger that no server can carry out."""
        if not self.ref:
            raise usage_error("No pipeline was started", "no branch or tag is named", "Set dataops_ref")
        if access.is_dataops_live and not self.variables.get(PIPELINE_FILE):
            why = "DataOps.live needs the path of the pipeline file"
            raise usage_error("No pipeline was started", why, "Set dataops_pipeline_file, such as full-ci.yml")

    def warnings(self) -> Iterator[str]:
        """What is likely to go wrong, and is not certain."""
        file = self.variables.get(PIPELINE_FILE)
        if file and not file.endswith("-ci.yml"):
            yield f"the pipeline file {file} does not end with -ci.yml, as those of DataOps.live do"
        if 7 <= len(self.ref) <= 40 and all(character in "0123456789abcdef" for character in self.ref):
            yield f"the ref {self.ref} looks like a commit; the server starts pipelines of branches and tags only"


class Triggered(NamedTuple):
    """The pipeline that was started."""

    pipeline: GitLabPipeline
    note: str = ""
    """How it was recognised, where the trigger itself gave no answer."""


def newest_id(client: PipelinesClient) -> int:
    """The newest pipeline's id, 0 for none: later on, what is above it is new. Shows that the token may read."""
    return max((number(record.get("id")) or 0 for record in _newest(client)), default=0)


def start_pipeline(
    client: PipelinesClient, access: Access, trigger: Trigger, env: Environment, *, above: int | None
) -> Triggered:
    """Starts a pipeline. Raises `DataopsError`.

    Args:
        above: the newest pipeline's id before; None where nothing may be looked up.
    """
    try:
        record = client.trigger(trigger.ref, access.trigger_token or access.job_token, trigger.all_variables)
        return Triggered(GitLabPipeline.read(record, access.project))
    except DataopsError as error:
        if not error.maybe_delivered:
            error.hint = _hint(error, trigger.ref)
            raise
        record = _look_up(client, trigger, above, env, error)
        note = f"the trigger gave no answer ({error.why}); its pipeline was found"
        return Triggered(GitLabPipeline.read(record, access.project), note)


def _look_up(
    client: PipelinesClient, trigger: Trigger, above: int | None, env: Environment, error: DataopsError
) -> ApiRecord:
    """The pipeline that a trigger without an answer started. Raises `DataopsError` where there is none, or none is visible."""
    unknown = "It is not known whether a pipeline was started"
    if above is None:
        raise DataopsError(unknown, error.why, f"{trigger.hint}; with dataops_token cibeacon looks itself") from error
    has_looked = False
    for pause in _LOOKS:
        env.sleep(pause)
        try:
            for record in _newest(client):
                if (number(record.get("id")) or 0) > above and _is_marked(client, record, trigger.mark):
                    return record
            has_looked = True
        except DataopsError as later:
            if later.refused or not client.has_time():
                error = later
                break
    if has_looked:
        raise DataopsError("No pipeline was started", f"{error.why}, and none was found afterwards", "Run this again")
    raise DataopsError(unknown, error.why, trigger.hint)


def _newest(client: PipelinesClient) -> Iterator[ApiRecord]:
    """The newest pipelines: more are not started between two looks."""
    return islice(client.pipelines({"order_by": "id", "sort": "desc"}), PAGE)


def _is_marked(client: PipelinesClient, record: ApiRecord, mark: str) -> bool:
    variables = client.variables(number(record.get("id")) or 0)
    return any(variable.get("key") == MARK and variable.get("value") == mark for variable in variables)


def _hint(error: DataopsError, ref: str) -> str:
    """A hint that fits a trigger where the server's words mislead."""
    if error.status == 404:
        return "Check dataops_trigger_token and dataops_project: the server gives this answer for a wrong token, too"
    if "Reference not found" in error.why:
        return f"Give the name of a branch or tag as dataops_ref: {ref} is none in this project, nor is a commit"
    if "nsufficient permissions to set pipeline variables" in error.why:
        return "The project forbids pipeline variables (Settings, CI/CD): allow them for the owner of the trigger token"
    return error.hint
