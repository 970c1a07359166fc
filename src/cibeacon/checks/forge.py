"""Asks the API of GitHub or GitLab what a report asks: the run's pull request, or the pull requests of its commit."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, not_checked, ok, warn
from cibeacon.checks.network import refused_token, too_slow
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.model.request import Endpoint
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What the API answers."""
    context, settings = view.context, view.settings
    client = ForgeClient.of(context, settings, view.env.environ, deadline)
    source = next((settings.origins[option.name].source for option in target.secrets), "CI_JOB_TOKEN")
    reached = ok(f"{target.url} answers", source=target.url_source)
    try:
        if context.pull_request:
            client.pull_request(context.pull_request.number)
        elif context.commit_sha:
            client.merged_prs(context.commit_sha, (), {})
        else:
            reason = "the run has no pull request or commit to look up"
            return HostAnswer(not_checked(reason), not_checked(reason))
    except HostError as error:
        return _refusal(target, error, source, reached.source)
    what = "merge requests" if client.host == "gitlab" else "commits and pull requests"
    return HostAnswer(reached, ok(f"the token can read the {what} of {context.repository}", source=source))


def _refusal(target: Target, error: HostError, source: str, url_source: str) -> HostAnswer:
    said, hint = f"{error.what}: {error.why}", f"{error.hint.rstrip('.')}."
    reached = ok(f"{target.url} answers", source=url_source)
    if error.status is None:
        return HostAnswer(_lost(target, error, said, hint), not_checked(f"{target.title} gave no usable answer"))
    if error.status == 401:
        return HostAnswer(reached, refused_token(target, "HTTP 401", hint, source))
    if error.status == 429 or error.status >= 500:
        return HostAnswer(reached, warn(said, "Run cibeacon doctor again later.", source))
    return HostAnswer(reached, fail(said, hint, source))


def _lost(target: Target, error: HostError, said: str, hint: str) -> Answer:
    """Why there was no answer: the network's error if there is one, else that of the API's client."""
    from cibeacon.http import translate_error

    cause = error.__cause__
    if isinstance(cause, TimeoutError) or "timed out" in str(cause):
        return too_slow(target)
    if not isinstance(cause, OSError):
        return fail(said, hint, target.url_source)
    lost = translate_error(cause, Endpoint(target.url, ""))
    return fail(f"{target.url}: {lost.error}", lost.advice, target.url_source)
