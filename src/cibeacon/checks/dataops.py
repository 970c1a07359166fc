"""Asks DataOps.live, or the GitLab at dataops_url, for the newest pipeline of the project."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, not_checked, ok, warn
from cibeacon.checks.network import refused_token, too_slow
from cibeacon.dataops.access import Access, server_url
from cibeacon.dataops.errors import DataopsError
from cibeacon.runtime.deadline import Deadline

_SLOW = ("timed out", "took too long", "no time left")


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What the server answers when asked for the project's pipelines."""
    options = view.settings.dataops
    if not options.dataops_token:
        reason = "a trigger token can only start pipelines, so the server was not contacted"
        return HostAnswer(not_checked(reason), not_checked(reason))
    from cibeacon.dataops.client import PipelinesClient

    try:
        url = server_url(options.dataops_url, allow_http=view.settings.core.allow_http)
        access = Access(url, options.dataops_project or "", options.dataops_token)
        newest = next(PipelinesClient(access, deadline, view.env.now).pipelines({"per_page": "1"}), None)
    except DataopsError as error:
        return _refusal(view, target, error)
    source = view.settings.origins["dataops_token"].source
    seen = f"the newest pipeline is {newest.get('id')}" if newest else "the project has no pipeline yet"
    project = ok(f"the token can read project {options.dataops_project}: {seen}", source=source)
    return HostAnswer(ok(f"{target.url} answers", source=target.url_source), project)


def _refusal(view: View, target: Target, error: DataopsError) -> HostAnswer:
    source, status = view.settings.origins["dataops_token"].source, error.status
    if status is not None and 400 <= status < 500 and status != 429:
        return HostAnswer(ok(f"{target.url} answers", source=target.url_source), _auth(target, error, source))
    said, hint = f"{target.url}: {error.why}", f"{error.hint.rstrip('.')}."
    if status is None and any(part in error.why for part in _SLOW):
        reach = too_slow(target)
    else:
        judge = warn if status == 429 or (status or 0) >= 500 else fail
        reach = judge(said, hint, target.url_source)
    return HostAnswer(reach, not_checked(f"{target.title} gave no usable answer"))


def _auth(target: Target, error: DataopsError, source: str) -> Answer:
    if error.status == 401:
        return refused_token(target, error.why, f"{error.hint}.", source)
    return fail(f"the project's pipelines cannot be read: {error.why}", f"{error.hint}.", source)
