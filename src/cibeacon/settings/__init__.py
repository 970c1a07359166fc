"""Declares every option once: name, syntax, default, help, secrecy. Does not know the surfaces or the process.

`scripts/render` generates the action inputs, the GitLab inputs and docs/reference.md from it; the command line is
generated from it as well. Edges and sinks never see a settings group: they take the values they need.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cibeacon.model import ci_systems
from cibeacon.model.request import Endpoint
from cibeacon.settings.dataops import Dataops
from cibeacon.settings.dci import Dci
from cibeacon.settings.devlake import Devlake
from cibeacon.settings.dx import Deploy, Dx, DxWorkflow, RunOptions
from cibeacon.settings.flow import Flow
from cibeacon.settings.general import SIGNAL_KINDS, Change, Core, ForgeTokens, Output, Step
from cibeacon.settings.options import Option, Origin, Problem, Requirements, Sources, credentials, declared, resolve
from cibeacon.settings.otlp import Otlp

__all__ = [
    "GROUPS",
    "SIGNAL_KINDS",
    "SINK_GROUPS",
    "Change",
    "Settings",
    "all_options",
    "load_settings",
    "own_secrets",
    "secret_values",
    "step_options",
    "takes_plugin_settings",
]


class Settings(NamedTuple):
    """Every value, its origin, and the values that cannot be used."""

    core: Core
    output: Output
    change: Change
    deploy: Deploy
    run: RunOptions
    dx: Dx
    dx_workflow: DxWorkflow
    dci: Dci
    flow: Flow
    otlp: Otlp
    devlake: Devlake
    dataops: Dataops
    forge: ForgeTokens
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]

    def given(self, *names: str) -> bool:
        """True when one of these options was set, in any source."""
        return any(self.origins[name].given for name in names)

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Every sink's endpoint."""
        return {name: self.endpoint(name) for name in SINK_GROUPS}

    def endpoint(self, sink: str) -> Endpoint:
        """A sink's endpoint, with the names that messages use."""
        endpoint: Endpoint = getattr(self, sink).endpoint
        url_setting = self.requirements(sink).address or f"{sink}_url"
        return endpoint._replace(title=(GROUPS[sink].__doc__ or sink).strip(), url_setting=url_setting)

    def requirements(self, sink: str) -> Requirements:
        """The settings that a sink needs before anything can be sent to it."""
        requirements: Requirements = getattr(self, sink).requirements
        return requirements

    @property
    def as_json(self) -> bool:
        """True when stdout holds one JSON document, or the results of a jq program for it."""
        return self.output.format == "json" or self.given("jq")

    @property
    def seconds(self) -> float:
        """How long everything may take. Uploading files has its own time limit, and `timeout` starts again after it."""
        timeout = self.core.timeout
        return 2 * timeout + self.dci.dci_upload_timeout if self.dci.dci_files else timeout


GROUPS: Mapping[str, type] = {
    name: group for name, group in Settings.__annotations__.items() if name not in ("origins", "problems")
}

_PLUGINS = frozenset({"drone", "woodpecker", "harness"})
"""CI systems that pass the settings of a step as `PLUGIN_` variables."""

SINK_GROUPS = tuple(name for name, group in GROUPS.items() if hasattr(group, "endpoint"))
"""The groups that configure a sink of the same name."""


def all_options() -> dict[str, tuple[Option, ...]]:
    """Every option by group, in the order of declaration."""
    return {name: declared(group) for name, group in GROUPS.items()}


def step_options() -> tuple[Option, ...]:
    """Inputs of the action that are not settings: they have no flag, no GitLab input and no `CIBEACON_` variable."""
    return declared(Step)


def takes_plugin_settings(environ: Mapping[str, str]) -> bool:
    """Whether the job runs on a CI system whose steps are plugins: images with settings instead of a command."""
    return not _PLUGINS.isdisjoint(ci_systems.recognise(environ)[:1])


def load_settings(flags: Mapping[str, str], environ: Mapping[str, str], repository: Mapping[str, Any]) -> Settings:
    """Settings from the command line, the environment and the `report:` part of the repository configuration."""
    sources = Sources(flags, environ, repository, plugin=takes_plugin_settings(environ))
    groups: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    problems: tuple[Problem, ...] = ()
    for name, group in GROUPS.items():
        values: Any
        values, origins_of_group, problems_of_group = resolve(group, name, sources)
        if complete := getattr(values, "completed", None):
            values, more = complete(environ, origins_of_group)
            problems_of_group += more
        groups[name] = values
        origins |= origins_of_group
        problems += problems_of_group
    if not ci_systems.OWN_GITHUB_TOKEN.isdisjoint((*ci_systems.recognise(environ)[:1], groups["core"].host)):
        groups["forge"] = groups["forge"].for_own_server()
    problems += _contradictions(groups["deploy"], origins)
    return Settings(**groups, origins=origins, problems=problems)


def _contradictions(deploy: Deploy, origins: Mapping[str, Origin]) -> tuple[Problem, ...]:
    """Problems for settings that contradict each other."""
    if not deploy.merge_commit_shas:
        return ()
    if origins["commit_sha"].given:
        return (Problem("deploy", "merge_commit_shas", "Set either commit_sha or merge_commit_shas, not both"),)
    if deploy.attribution == "repository":
        message = "attribution repository sends no commit, but merge_commit_shas is set: set only one of them"
        return (Problem("deploy", "attribution", message),)
    return ()


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The text of every secret in the environment, whichever source takes precedence: all of them must be masked.

    User names and passwords in URLs are secrets, too.
    """
    secrets = [environ[name] for name in ("CI_JOB_TOKEN", *_STORAGE_SECRETS) if environ.get(name, "").strip()]
    options = (
        option for group in all_options().values() for option in group if option.name.endswith(("_url", "_endpoint"))
    )
    urls = (*_URLS, *(name for option in options for name in option.variables))
    secrets += [part for name in urls if "@" in environ.get(name, "") for part in credentials(environ[name])]
    return tuple(dict.fromkeys((*own_secrets(environ), *secrets)))


def own_secret_variables() -> tuple[str, ...]:
    """The variables whose secrets only cibeacon uses. A forge's token is not among them: every tool uses it."""
    secrets = [option for group in all_options().values() for option in group if option.secret]
    return tuple(
        variable
        for option in secrets
        for variable in option.variables
        if not option.shared or variable not in option.also
    )


def own_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that were given as settings. Masking commands may print only these, since they print the secret itself."""
    options = [option for group in all_options().values() for option in group if option.secret]
    given = [
        (option, environ[name]) for option in options for name in option.variables if environ.get(name, "").strip()
    ]
    parts = [part for option, text in given if option.secrets for part in option.secrets(text)]
    return tuple(dict.fromkeys((*(text for _, text in given), *parts)))


_STORAGE_SECRETS = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET"),
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"),
)
"""Variables of the libraries that access a spool in a bucket."""

_URLS = (
    *(name for proxy in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower())),
    *("GITHUB_SERVER_URL", "GITHUB_API_URL", "CI_SERVER_URL", "CI_API_V4_URL", "CI_REPOSITORY_URL"),
)
"""More variables with URLs that cibeacon uses, or that are known to contain a password."""
