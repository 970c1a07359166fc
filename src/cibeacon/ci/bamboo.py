"""Knows a run on Bamboo, which is a plan's; each of its jobs has its own result key. Does not know git.

https://confluence.atlassian.com/bamboo/bamboo-variables-289277087.html
"""

from __future__ import annotations

from cibeacon.ci.ci_system import CISystem, Variables, push
from cibeacon.git.remote_url import RemoteUrl
from cibeacon.model.context import Context, PullRequest


class Bamboo(CISystem):
    """Bamboo."""

    name = "bamboo"
    title = "Bamboo"
    deepen = "clone the whole history (turn off Use shallow clones in the repository's advanced options)"
    check_out = "put a Source Code Checkout task before this one"

    def read(self, env: Variables) -> Context:
        """The run as the variables describe it."""
        url, pull_request = self.repository_url(env), _pull_request(env)
        sha = env.commit("bamboo_planRepository_revision")
        branch = env.ref("bamboo_planRepository_branchName", "bamboo_planRepository_branch")
        branch = pull_request.head_ref or branch if pull_request else branch
        page, _, _ = (env.url("bamboo_buildResultsUrl", "bamboo_resultsUrl") or "").partition("/browse/")
        run, plan = env.join("bamboo_planKey", "bamboo_buildNumber", by="-"), env.text("bamboo_planKey")
        return Context(
            host=self.name,
            server=url.server if url else None,
            repository=url.repository if url else None,
            commit_sha=sha,
            checkout_sha=sha,
            ref=f"refs/heads/{branch}" if branch else None,
            branch=branch,
            pull_request=pull_request,
            push=None if pull_request else push(env.sha("bamboo_planRepository_previousRevision"), sha),
            pipeline_id="/".join(filter(None, (page.partition("://")[2], plan))) or None,
            run_id=env.text("bamboo_buildNumber"),
            run_url=f"{page}/browse/{run}" if page and run else None,
            pipeline=env.text("bamboo_planName", "bamboo_planKey"),
            job=env.text("bamboo_shortJobName"),
            job_id=env.text("bamboo_buildResultKey"),
            actor=env.text("bamboo_ManualBuildTriggerReason_userName"),
            status=env.word("bamboo_buildFailed"),
            provisional=True,
            started_at=env.seconds("bamboo_buildTimeStamp"),
            ci=True,
            base_config=pull_request is not None,
        )

    def repository_url(self, env: Variables) -> RemoteUrl | None:
        """The URL of the plan's repository."""
        return env.repository("bamboo_planRepository_repositoryUrl")


def _pull_request(env: Variables) -> PullRequest | None:
    """The open pull request. Bamboo does not say which repository its branch is in, so it counts as a fork's."""
    number = env.number("bamboo_repository_pr_key")
    if number is None:
        return None
    return PullRequest(
        number,
        base_ref=env.ref("bamboo_repository_pr_targetBranch"),
        head_ref=env.ref("bamboo_repository_pr_sourceBranch"),
        head_sha=env.commit("bamboo_planRepository_revision"),
        fork=True,
    )


SYSTEM = Bamboo()
