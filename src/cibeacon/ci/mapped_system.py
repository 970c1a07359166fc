"""Knows a run whose CI system sets no variables, so that the pipeline sets cibeacon's own. Does not know git.

Settings take precedence; this adds values for which there is no setting. See docs/ci/other.md.
"""

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.git.repository import Repository
from cibeacon.model.ci_systems import LOCAL
from cibeacon.model.context import Context
from cibeacon.model.report import Notice


class MappedSystem(CISystem):
    """A CI system whose runs are described by variables that the pipeline sets."""

    deepen = "clone the whole history, with the target branch"
    check_out = "run inside the repository"
    pipeline_variables: tuple[str, ...] = ()
    """The variables that identify the pipeline; the last one is its name in the CI system."""

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it: a push to a branch, unless a setting gives its pull request."""
        url, sha = self.repository_url(env), env.commit("CIBEACON_COMMIT_SHA")
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            commit_sha=sha,
            push=push(None, sha) if env.text("CIBEACON_HEAD_BRANCH") else None,
            pipeline_id=env.join(*self.pipeline_variables) if self.pipeline_variables else None,
            pipeline=env.text(self.pipeline_variables[-1]) if self.pipeline_variables else None,
            ci=True,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The setting `repository`, if it is a URL."""
        return env.repository("CIBEACON_REPOSITORY")


class OtherSystem(MappedSystem):
    """No CI system, or one that cibeacon does not know; `name` is then the value of the setting `host`."""

    def __init__(self, name: str = LOCAL) -> None:
        self.name = self.title = name

    def read(self, env: Variables) -> Context:
        """The run without a checkout."""
        if self.name != LOCAL:
            return super().read(env)._replace(pipeline_id=self.name)
        return Context(host=self.name, ci=env.is_true("CI"))

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run as the checkout shows it, if there is one."""
        context, notices = super().read_with_notices(env, repository)
        head, branch = context.commit_sha, None if notices else repository.checkout().branch
        context = context._replace(
            ref=f"refs/heads/{branch}" if branch else None, branch=branch, pipeline=context.repository
        )
        if self.name == LOCAL:  # instead of the id of a run
            context = context._replace(run_id=f"local-{head}" if head else "local")
        return context, notices
