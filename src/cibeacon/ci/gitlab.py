"""Knows how GitLab CI describes a run: its predefined variables. Does not call GitLab's API or write files.

Variables: https://docs.gitlab.com/ci/variables/predefined_variables/. There is no event for a merge: it appears as a
push to the target branch, and only the API knows its merge request.
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.git import Remote, forge_remote
from cibeacon.git.repository import Repository
from cibeacon.model.ci_systems import recognise
from cibeacon.model.context import Context, PullRequest, Push
from cibeacon.model.report import CIOutput, Notice, Report, ReportTexts
from cibeacon.runtime import Environment
from cibeacon.settings.general import ForgeTokens

_ACCESS = "Allow this project in the target project's Job token permissions, or set gitlab_token (read_repository)"


class GitLab(CISystem):
    """GitLab CI."""

    name = "gitlab"
    title = "GitLab CI"
    deepen = 'check out with the whole history (the variable GIT_DEPTH: "0")'
    check_out = "let the job check out (the variable GIT_STRATEGY may be neither none nor empty)"

    def read_with_notices(self, env: Variables, repository: Repository) -> tuple[Context, tuple[Notice, ...]]:
        """The run, which the variables describe completely."""
        del repository
        return self.read(env), ()

    def read(self, env: Variables) -> Context:
        """The run, with the open merge request of a merge request pipeline."""
        merge_request = _merge_request(env)
        tag, source = env.get("CI_COMMIT_TAG"), env.get("CI_PIPELINE_SOURCE")
        built = env.sha("CI_COMMIT_SHA")
        fork = merge_request is not None and merge_request.fork
        return Context(
            host=self.name,
            server=env.server("CI_SERVER_URL"),
            repository=env.get("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"),
            event=source,
            commit_sha=merge_request.head_sha if merge_request else built,
            checkout_sha=built,
            ref=_ref(env, tag, merge_request),
            branch=None if tag else env.get("CI_COMMIT_BRANCH", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
            default_branch=env.get("CI_DEFAULT_BRANCH"),
            pull_request=merge_request,
            push=_push(env, built) if source == "push" and not tag else None,
            run_id=env.get("CI_PIPELINE_ID"),
            run_url=env.get("CI_PIPELINE_URL"),
            pipeline=env.get("CI_PIPELINE_NAME", "CI_PROJECT_PATH"),
            job=env.get("CI_JOB_NAME"),
            job_id=env.get("CI_JOB_ID"),
            actor=env.get("GITLAB_USER_LOGIN"),
            email=env.get("GITLAB_USER_EMAIL"),
            status=env.get("CI_JOB_STATUS"),
            started_at=env.seconds("CI_PIPELINE_CREATED_AT"),
            ci=True,
            secrets_withheld=fork,
            base_config=fork,
        )

    def remotes(self, env: Variables, tokens: ForgeTokens, *, allow_http: bool = False) -> tuple[Remote, ...]:
        """The merge request's target project, then the project whose pipeline this is."""
        token = tokens.gitlab_token
        user, secret = ("oauth2", token) if token else ("gitlab-ci-token", env.get("CI_JOB_TOKEN"))
        projects = dict.fromkeys(env.get(name) for name in ("CI_MERGE_REQUEST_PROJECT_PATH", "CI_PROJECT_PATH"))
        server_url = env.get("CI_SERVER_URL")
        remotes = (forge_remote(server_url, path, user, secret, _ACCESS, allow_http=allow_http) for path in projects)
        return tuple(remote for remote in remotes if remote)

    def spool_folder(self, env: Variables) -> str | None:
        """A folder in the checkout, since artifacts and caches cannot contain anything else."""
        folder = env.get("CI_PROJECT_DIR")
        return f"{folder}/.cibeacon/spool" if folder else None

    def output(self, report: Report, environment: Environment, texts: ReportTexts) -> CIOutput:
        """Variables for later jobs, links on the job's page, the report as an artifact, sections of the log."""
        from cibeacon.ci import gitlab_output

        output = gitlab_output.render(report, environment.environ, environment.stage, environment.began, texts)
        return output if self.name in recognise(environment.environ) else output._replace(lines=())


def _merge_request(env: Variables) -> PullRequest | None:
    """The open merge request of a merge request pipeline, where CI_COMMIT_SHA may be a temporary merge."""
    iid = env.number("CI_MERGE_REQUEST_IID")
    if iid is None:
        return None
    project = env.get("CI_MERGE_REQUEST_PROJECT_URL")
    source, target = (env.get(f"CI_MERGE_REQUEST_{side}PROJECT_ID") for side in ("SOURCE_", ""))
    return PullRequest(
        number=iid,
        base_ref=env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
        base_sha=env.sha("CI_MERGE_REQUEST_TARGET_BRANCH_SHA"),
        head_ref=env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"),
        head_sha=env.sha("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "CI_COMMIT_SHA"),
        diff_base_sha=env.sha("CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        fork=source is None or source != target,
        url=f"{project}/-/merge_requests/{iid}" if project else None,
    )


def _ref(env: Variables, tag: str | None, merge_request: PullRequest | None) -> str | None:
    if tag:
        return f"refs/tags/{tag}"
    if merge_request:
        return env.get("CI_MERGE_REQUEST_REF_PATH") or f"refs/merge-requests/{merge_request.number}/head"
    branch = env.get("CI_COMMIT_BRANCH")
    return f"refs/heads/{branch}" if branch else None


def _push(env: Variables, after: str | None) -> Push:
    before = env.sha("CI_COMMIT_BEFORE_SHA")
    return Push(before=before, after=after, created=before is None)


SYSTEM = GitLab()
