"""What one CI run is: who, what, where, for which commit and pull request. Independent of the CI system.

`ci/` reads the values; all later steps are pure functions of them. Times are Unix seconds.
"""

from typing import Any, NamedTuple, Self

from cibeacon.model.ci_systems import ACTIONS

UPSTREAM = "upstream"
"""The event of a run that was looked up by its id (GitLab)."""

_TEST_MERGED = (
    *("pull_request", "pull_request_review", "pull_request_review_comment"),
    *("merge_request_event", "external_pull_request_event"),
)
"""Events for which the host builds an outsider's commit, or a test merge of it."""
_WITH_EVENTS = ACTIONS | {"gitlab"}
"""CI systems whose event says whether the run belongs to a pull request."""
_NOT_SHOWN = ("email", "dci_job_id", "provisional")


class PullRequest(NamedTuple):
    """A GitHub pull request or a GitLab merge request, from the event or the host's API."""

    number: int
    """The number people see: GitHub's `number`, GitLab's `iid`."""
    id: int | None = None
    """GitHub's database id, DX's `github_pull_id`. None on GitLab: an MR id must never be sent instead."""
    merged: bool = False
    closed: bool = False
    merge_commit_sha: str | None = None
    """The commit that landed on the base branch; None unless `merged` (an open PR's is a test merge)."""
    base_ref: str | None = None
    base_sha: str | None = None
    """Tip of the base branch when the PR was opened or last synchronised: outdated, so never a diff base alone."""
    head_ref: str | None = None
    head_sha: str | None = None
    diff_base_sha: str | None = None
    """The merge base, if the host gives it (GitLab's `diff_refs.base_sha`)."""
    squashed: bool = False
    """True if the host says that the PR was squashed, with or without a merge commit (GitLab only)."""
    commits: int | None = None
    """Number of commits in the PR, if the host gives it."""
    fork: bool = False
    url: str | None = None
    """Its page, if the host gives it."""
    looked_up: bool = False
    """True if the host's API was asked for it by number; not part of the JSON form."""
    merge_unknown: bool = False
    """True if the CI system says that it was closed, but not whether it was merged; not part of the JSON form."""
    named: bool = False
    """True if the user gave its number and the event is about something else; not part of the JSON form."""

    @property
    def target_sha(self) -> str | None:
        """A commit of the base branch, whose files no outsider can change: the newest that the host gives."""
        return self.base_sha or self.diff_base_sha


class Push(NamedTuple):
    """A push to a branch or tag: the ref moved from `before` to `after`. None means git's all-zero id."""

    before: str | None
    after: str | None
    created: bool = False
    """True for a new branch or tag. False if the CI system gives no `before`."""
    deleted: bool = False
    forced: bool = False
    commits: tuple[str, ...] = ()
    """Its commits, oldest first, if the payload lists them (GitHub only); not part of the JSON form."""


class Checkout(NamedTuple):
    """What git says about a repository, if no CI system describes it."""

    remote_url: str | None = None
    head: str | None = None
    branch: str | None = None
    default_branch: str | None = None


class NamedCommit(NamedTuple):
    """A commit with a name."""

    sha: str
    name: str
    """The branch, tag or other revision, as the user wrote it."""
    local: bool = False
    """True if the name is a ref in the checkout, which the host may have moved since."""


class Context(NamedTuple):
    """One CI run. `None` always means that the host did not give the value."""

    host: str
    """The name of the CI system, as in `ci_systems.CI_SYSTEMS`; `local` outside of any."""
    server: str | None = None
    """Host name of the forge (`github.com`, `gitlab.example.com`); part of every generated id."""
    repository: str | None = None
    """Full name of the base (target) repository: `owner/name`, `group/sub/name`."""
    event: str | None = None
    """GitHub's event name, GitLab's `CI_PIPELINE_SOURCE`."""
    action: str | None = None
    """GitHub's activity type (`closed`, `synchronize`, …)."""
    commit_sha: str | None = None
    """The author's commit: a PR's head, never its test merge."""
    checkout_sha: str | None = None
    """The commit that the CI checked out: for an open PR the test merge."""
    ref: str | None = None
    """The full ref the run is for: `refs/heads/…`, `refs/tags/…`, `refs/pull/…`."""
    branch: str | None = None
    """The branch whose code runs: a PR's head branch; None for tags."""
    default_branch: str | None = None
    pull_request: PullRequest | None = None
    push: Push | None = None
    merge_group: Push | None = None
    """A merge queue entry: `before` is its base, `after` its head."""
    pipeline_id: str | None = None
    """The server and its name of the pipeline, on a CI system that numbers the runs of each pipeline; part of ids."""
    run_id: str | None = None
    run_attempt: int | None = None
    """GitHub's attempt number; None on GitLab, which has none."""
    run_url: str | None = None
    pipeline: str | None = None
    """The pipeline's display name: GitHub's workflow name, GitLab's pipeline name or project path."""
    job: str | None = None
    """GitHub's job id in the workflow file, GitLab's job name."""
    job_id: str | None = None
    """The host's id of this job's run: of a GitLab job, or of a GitHub job's check run (setting job_run_id)."""
    actor: str | None = None
    email: str | None = None
    """Email address of the actor, if the host gives it. Personal data: sent only if a setting says so."""
    status: str | None = None
    """The host's own word for the status of the run, if it gives one (`success`, `failed`, `timed_out`, …)."""
    provisional: bool = False
    """True if `status` is an intermediate result: it is final only in the run's last step."""
    started_at: int | None = None
    finished_at: int | None = None
    """When the run ended, if the event is about a run that has."""
    dci_job_id: str | None = None
    """The DCI job that an earlier stage of the same step created."""
    deployment_state: str | None = None
    """State in a GitHub `deployment_status` event."""
    ci: bool = False
    """True in any CI system, also an unknown one."""
    secrets_withheld: bool = False
    """True if the host withholds secrets by policy: a fork's or Dependabot's pull request."""
    base_config: bool = False
    """True if the checkout may be an outsider's: repository configuration is read only from `trusted_sha`."""

    @property
    def tag(self) -> str | None:
        """The tag's name, if the run is for a tag."""
        prefix = "refs/tags/"
        return self.ref.removeprefix(prefix) if self.ref and self.ref.startswith(prefix) else None

    @property
    def request_noun(self) -> str:
        """The CI system's term for a pull request."""
        return "merge request" if self.host == "gitlab" else "pull request"

    @property
    def on_default_branch(self) -> bool:
        """True if the run is for a commit on the default branch."""
        return self.branch is not None and self.branch == self.default_branch

    @property
    def about_upstream(self) -> bool:
        """True if the event is about another run, which this one follows."""
        return self.event in ("workflow_run", UPSTREAM)

    @property
    def trusted_sha(self) -> str | None:
        """The commit whose files count if the checkout may be an outsider's; None if unknown.

        A pull request's base, or else what the host itself would check out, unless that is a test merge.
        """
        if self.pull_request and self.pull_request.target_sha:
            return self.pull_request.target_sha
        if self.event in _TEST_MERGED or (self.host not in _WITH_EVENTS and self.about_pull_request):
            return None
        return self.checkout_sha

    @property
    def trusted_branch(self) -> str | None:
        """The branch whose files count if `trusted_sha` is unknown: a pull request's target branch."""
        return self.pull_request.base_ref if self.pull_request and self.about_pull_request else None

    @property
    def closes(self) -> bool:
        """True if the run is another pipeline that the user chose: its record may lack an end."""
        return self.event == UPSTREAM

    @property
    def about_pull_request(self) -> bool:
        """True if the event belongs to a pull request, not to a push that merged one."""
        if self.event in ("pull_request", "pull_request_target", "merge_request_event"):
            return True
        if self.host in _WITH_EVENTS or self.pull_request is None:
            return False
        return self.push is None and not self.pull_request.named

    def with_pull_request(self, pull_request: PullRequest) -> Self:
        """The same run with `pull_request` as its pull request."""
        return self._replace(pull_request=pull_request)

    def document(self) -> dict[str, Any]:
        """The JSON form: all fields, with the PR's number and id next to the run's; without personal and internal ones."""
        pull_request, push, merge_group = self.pull_request, self.push, self.merge_group
        flat = {name: value for name, value in self._asdict().items() if name not in _NOT_SHOWN}
        return {
            **flat,
            "push": _ends(push),
            "merge_group": _ends(merge_group),
            "pr_number": pull_request.number if pull_request else None,
            "github_pull_id": pull_request.id if pull_request else None,
            "pull_request": _without(pull_request, "named", "looked_up", "merge_unknown"),
        }


class RunFacts(NamedTuple):
    """What every signal knows about its run, for a sink that shows signals as parts of it."""

    reference: str
    """Host, repository, run and attempt; empty if the CI system gives no run id."""
    reported_at: int
    """Unix seconds."""
    pipeline: str
    run_id: str | None = None
    url: str | None = None
    host: str | None = None
    """The CI system."""
    server: str | None = None
    """The repository's host."""
    repository: str | None = None
    commit_sha: str | None = None
    branch: str | None = None
    tag: str | None = None
    pr_number: int | None = None
    traceparent: str | None = None
    """What caused the run, as a valid trace context."""


def _ends(push: Push | None) -> dict[str, Any] | None:
    """A push without its commits, which may be thousands."""
    return _without(push, "commits")


def _without(value: PullRequest | Push | None, *names: str) -> dict[str, Any] | None:
    """A value's JSON form, without the fields with these names."""
    return {name: field for name, field in value._asdict().items() if name not in names} if value else None
