"""Starts one pipeline, exactly once: a trigger is not idempotent, so after a lost response it is looked up, never repeated.

Each trigger sends a variable with a unique value that identifies its pipeline. The look-up needs an access token that may
read variables.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from cibeacon.dataops.access import PIPELINE_FILE, Access
from cibeacon.dataops.client import PAGE, ApiRecord, PipelinesClient
from cibeacon.dataops.errors import DataopsError, usage_error
from cibeacon.dataops.snapshot import GitLabPipeline
from cibeacon.model.payload import number
from cibeacon.runtime import Environment

MARK = "CIBEACON_TRIGGER_ID"
"""The variable that identifies a pipeline."""
_LOOKS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look-up: a server that gave no answer may still be working."""


class Trigger(NamedTuple):
    """A pipeline to start; `mark` is unique to this trigger."""

    ref: str
    variables: Mapping[str, str]
    mark: str

    @property
    def all_variables(self) -> dict[str, str]:
        """The variables, including the one that identifies the pipeline."""
        return {**self.variables, MARK: self.mark}

    @property
    def hint(self) -> str:
        """What to do if it is unknown whether the pipeline was started."""
        return f"Before you start another, look for a pipeline of the project with the variable {MARK}={self.mark}"

    def check(self, access: Access) -> None:
        """Raises `DataopsError` for a trigger that no server can carry out."""
        if not self.ref:
            raise usage_error("No pipeline was started", "no branch or tag is set", "Set dataops_ref")
        if access.is_dataops_live and not self.variables.get(PIPELINE_FILE):
            why = "DataOps.live needs the path of the pipeline file"
            raise usage_error("No pipeline was started", why, "Set dataops_pipeline_file, such as full-ci.yml")

    def warnings(self) -> Iterator[str]:
        """What will probably, but not certainly, go wrong."""
        file = self.variables.get(PIPELINE_FILE)
        if file and not file.endswith("-ci.yml"):
            yield f"the pipeline file {file} does not end with -ci.yml, as DataOps.live expects"
        if 7 <= len(self.ref) <= 40 and all(character in "0123456789abcdef" for character in self.ref):
            yield f"the ref {self.ref} looks like a commit, but the server starts pipelines only for branches and tags"


class Triggered(NamedTuple):
    """The pipeline that was started."""

    pipeline: GitLabPipeline
    note: str = ""
    """How it was found, if the trigger itself got no answer."""


def newest_id(client: PipelinesClient) -> int:
    """The newest pipeline's id, 0 if there is none; higher ids are new. Also proves that the token may read."""
    return max((number(record.get("id")) or 0 for record in _newest(client)), default=0)


def start_pipeline(
    client: PipelinesClient, access: Access, trigger: Trigger, env: Environment, *, above: int | None
) -> Triggered:
    """Starts a pipeline. Raises `DataopsError`.

    Args:
        above: the newest pipeline's id before the start; None if nothing can be looked up.
    """
    try:
        record = client.trigger(trigger.ref, access.trigger_token or access.job_token, trigger.all_variables)
        return Triggered(GitLabPipeline.read(record, access.project))
    except DataopsError as error:
        if not error.maybe_delivered:
            error.hint = _hint(error, trigger.ref)
            raise
        record = _look_up(client, trigger, above, env, error)
        note = f"the trigger got no answer ({error.why}), but its pipeline was found"
        return Triggered(GitLabPipeline.read(record, access.project), note)


def _look_up(
    client: PipelinesClient, trigger: Trigger, above: int | None, env: Environment, error: DataopsError
) -> ApiRecord:
    """The pipeline that a trigger without an answer started. Raises `DataopsError` if none is found or visible."""
    unknown = "It is unknown whether a pipeline was started"
    if above is None:
        raise DataopsError(unknown, error.why, f"{trigger.hint}; with dataops_token cibeacon looks for it") from error
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
        why = f"{error.why}, and no pipeline was found afterwards"
        raise DataopsError("No pipeline was started", why, "Run the command again")
    raise DataopsError(unknown, error.why, trigger.hint)


def _newest(client: PipelinesClient) -> Iterator[ApiRecord]:
    """The newest pipelines, more than can be started between two look-ups."""
    return islice(client.pipelines({"order_by": "id", "sort": "desc"}), PAGE)


def _is_marked(client: PipelinesClient, record: ApiRecord, mark: str) -> bool:
    variables = client.variables(number(record.get("id")) or 0)
    return any(variable.get("key") == MARK and variable.get("value") == mark for variable in variables)


def _hint(error: DataopsError, ref: str) -> str:
    """A hint for a trigger if the server's text is misleading."""
    if error.status == 404:
        return "Check dataops_trigger_token and dataops_project: the server gives this answer for a wrong token, too"
    if "Reference not found" in error.why:
        return f"Set dataops_ref to a branch or tag: {ref} is neither in this project (a commit does not work)"
    if "nsufficient permissions to set pipeline variables" in error.why:
        return "The project forbids pipeline variables (Settings, CI/CD): allow them for the owner of the trigger token"
    return error.hint
