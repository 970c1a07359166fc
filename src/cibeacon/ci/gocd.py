"""Knows a run on GoCD: of one stage, which is the unit that GoCD starts, reruns and ends. Does not know git, except that
the first revision that GoCD gives is itself one of the new commits.

https://docs.gocd.org/current/faq/dev_use_current_revision_in_build.html
"""

from __future__ import annotations

from cibeacon.ci.checked_out import complete
from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.git.repository import Repository
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.report import Notice
from cibeacon.runtime.errors import CheckoutError

_TRIGGERS = ("changes", "timer")
"""What the variable for the user contains if no user started the pipeline."""
_NOBODY = "anonymous"


class GoCD(CISystem):
    """GoCD."""

    name = "gocd"
    title = "GoCD"
    deepen = "clone the whole history (the material's shallow_clone: false)"
    check_out = "let the stage fetch its materials (fetch_materials: true), and run in the material's folder"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request, sha = self.repository_url(env), _pull_request(env), _commit(env)
        trigger = env.text("GO_TRIGGER_USER")
        branch = pull_request.head_ref if pull_request else env.ref(*_names(env, "GO_MATERIAL_BRANCH"))
        stage = ("GO_PIPELINE_NAME", "GO_PIPELINE_COUNTER", "GO_STAGE_NAME", "GO_STAGE_COUNTER")
        server, page = env.url("GO_SERVER_URL"), env.join(*stage)
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            event=trigger if trigger in _TRIGGERS else None,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/heads/{branch}" if branch else None,
            branch=branch,
            pull_request=pull_request,
            push=None if pull_request else push(None, sha),
            pipeline_id="/".join(filter(None, (env.address("GO_SERVER_URL"), env.join(stage[0], stage[2])))) or None,
            run_id=env.text("GO_PIPELINE_COUNTER"),
            run_attempt=env.number("GO_STAGE_COUNTER"),
            run_url=f"{server.rstrip('/')}/pipelines/{page}" if server and page else None,
            pipeline=env.join("GO_PIPELINE_NAME", "GO_STAGE_NAME", by=" / "),
            job=env.text("GO_JOB_NAME"),
            actor=trigger if trigger not in (*_TRIGGERS, _NOBODY) else None,
            ci=True,
            base_config=pull_request is not None,
        )

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run, completed by the checkout: GoCD gives the first of the new commits, not the one before it."""
        context = self.read(env)
        first, upstream = env.sha(*_names(env, "GO_FROM_REVISION")), any(map(_is_upstream, env.environ))
        if context.push and first and context.event == "changes" and not upstream:
            before = _before(first, context.push.after, repository)
            context = context._replace(push=context.push._replace(before=before))
        return complete(context, repository)

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL of the material."""
        return env.repository(*_names(env, "GO_MATERIAL_URL"), f"{_plugin(env)}_URL")


def _is_upstream(name: str) -> bool:
    """Whether a variable is about an upstream pipeline: that may then be the change, without any new commit."""
    return name.startswith("GO_DEPENDENCY_LOCATOR")


def _before(first: str, last: str | None, repository: Repository) -> str | None:
    """The branch's commit before the new ones; None if that is not the parent of the first, as after a merge."""
    try:
        base = next(iter(repository.parents(first) or ()), None)
        line = repository.first_parents(base, last) if base and last else None
    except CheckoutError:
        return None
    return base if line and line[0] == first else None


def _names(env: Variables, name: str) -> tuple[str, ...]:
    """The variable, and the one with the material's name, if exactly one material has a name."""
    named = tuple(other for other in env.environ if other.startswith(f"{name}_"))
    return (name, *(named if len(named) == 1 else ()))


def _plugin(env: Variables) -> str:
    """The prefix of the variables of a material from a plugin, such as one that builds pull requests."""
    names = [
        name.removesuffix("_LABEL") for name in env.environ if name.startswith("GO_SCM_") and name.endswith("_LABEL")
    ]
    return names[0] if len(names) == 1 else "GO_SCM"


def _commit(env: Variables) -> str | None:
    return env.commit(*_names(env, "GO_REVISION"), f"{_plugin(env)}_LABEL")


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request, if a plugin builds them. The plugin does not say which repository its branch is in."""
    plugin = _plugin(env)
    number = env.number(f"{plugin}_PR_ID")
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref(f"{plugin}_TARGET_BRANCH"),
        head_ref=env.ref(f"{plugin}_PR_BRANCH"),
        head_sha=_commit(env),
        fork=True,
        url=env.url(f"{plugin}_PR_URL"),
    )


SYSTEM = GoCD()
