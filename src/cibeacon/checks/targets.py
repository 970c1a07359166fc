"""Knows which systems doctor can connect to, and which of their settings are missing. Opens no connection."""

from __future__ import annotations

from collections.abc import Mapping

from cibeacon.checks import Target
from cibeacon.ci.ci_system import asked_with
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.model.context import Context
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import GROUPS, SINK_GROUPS, Settings, all_options
from cibeacon.settings.options import Option
from cibeacon.signals import unreachable
from cibeacon.sinks import first_sink

_FORGES = {"github": "GitHub", "gitlab": "GitLab"}
_DATAOPS_UNUSED = "DataOps.live is not configured: set dataops_project and the secret dataops_token"


def read(settings: Settings, context: Context, environ: Mapping[str, str], deadline: Deadline) -> dict[str, Target]:
    """Every system by its name."""
    sinks = {name: _sink(name, settings) for name in SINK_GROUPS}
    return {**sinks, "dataops": _dataops(settings), "forge": _forge(settings, context, environ, deadline)}


def _sink(name: str, settings: Settings) -> Target:
    requirements, title = settings.requirements(name), str(GROUPS[name].__doc__)
    address = requirements.address or f"{name}_url"
    return Target(
        name=name,
        title=title,
        wanted=settings.given(*requirements.wanted_by, *requirements.required) or _is_named(name, settings),
        url=settings.endpoints[name].base_url,
        url_source=settings.origins[address].source,
        address=address,
        open=settings.endpoints[name].open,
        lacks=None if _has_unusable_secret(name, settings) else unreachable(name, settings),
        secrets=_given_secrets(name, settings),
        faulty=_faulty(name, settings),
    )


def _dataops(settings: Settings) -> Target:
    options, names = settings.dataops, ("dataops_project", "dataops_token", "dataops_trigger_token")
    lacks = None
    if not options.dataops_project:
        lacks = "the DataOps.live project is missing: set dataops_project to its number or path"
    elif not _given_secrets("dataops", settings):
        lacks = "the token for DataOps.live is missing: set the secret dataops_token (scope read_api)"
    return Target(
        name="dataops",
        title=str(GROUPS["dataops"].__doc__),
        wanted=settings.given(*names),
        url=options.dataops_url,
        url_source=settings.origins["dataops_url"].source,
        address="dataops_url",
        lacks=lacks if settings.given(*names) else _DATAOPS_UNUSED,
        secrets=_given_secrets("dataops", settings),
        issuers=("GitLab",),
        faulty=_faulty("dataops", settings),
    )


def _forge(settings: Settings, context: Context, environ: Mapping[str, str], deadline: Deadline) -> Target:
    """The API of GitHub or GitLab, if a report asks it."""
    client = ForgeClient.of(context, settings, environ, deadline)
    title = _FORGES.get(client.host, "")
    if not title:
        token = asked_with(context)
        why = f"to look them up, set {token}" if token else f"cibeacon does not query {context.server}"
        return Target("forge", "GitHub or GitLab", lacks=f"merged pull requests are not looked up: {why}")
    setting = f"{client.host}_token"
    secrets = tuple(option for option in _given_secrets("forge", settings) if option.name == setting)
    variable = "GITHUB_API_URL" if client.host == "github" else "CI_API_V4_URL"
    return Target(
        name="forge",
        title=title,
        wanted=bool(client.credential or secrets),
        url=client.url,
        url_source=variable if context.host == client.host else settings.origins["git_url"].source,
        lacks=None if client.credential or secrets else f"merged pull requests are not looked up: set {setting}",
        secrets=secrets,
        issuers=(title,),
    )


def _is_named(sink: str, settings: Settings) -> bool:
    """Whether the setting `signals` lists a kind for this sink."""
    return any(first_sink(kind) == sink for kind in settings.core.signals)


def _given_secrets(group: str, settings: Settings) -> tuple[Option, ...]:
    return tuple(option for option in all_options()[group] if option.secret and settings.given(option.name))


def _has_unusable_secret(group: str, settings: Settings) -> bool:
    """Whether a secret has an invalid value, which the check of its shape reports."""
    secret = {option.name for option in all_options()[group] if option.secret}
    return any(problem.option in secret for problem in settings.problems)


def _faulty(group: str, settings: Settings) -> bool:
    secret = {option.name for option in all_options()[group] if option.secret}
    return any(problem.group == group and problem.option not in secret for problem in settings.problems)
