"""Asks GitLab's REST API, through python-gitlab, for merge requests, their files, pipelines, and comparisons of commits.

A job token gives access to merge requests, and on some servers to the rest
(https://docs.gitlab.com/ci/jobs/ci_job_token/). The library's defaults are overridden: every call has a timeout, none is
retried endlessly, and the hardened session sends no credential to the target of a redirect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from cibeacon.http import HardenedSession  # first: it loads requests without the parts that are not needed

# isort: split
from gitlab import Gitlab
from gitlab.exceptions import GitlabError

from cibeacon.ci.forge_api import PAGE, ForgeApi, unique_paths
from cibeacon.model.changes import ApiComparison, first_parents
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.payload import commit, number, required, seconds, string, valid
from cibeacon.runtime.deadline import Deadline

_MOST_COMPARED_FILES = 1000


class GitLabApi(ForgeApi):
    """A project on GitLab. `credential` is `{"private_token": …}` or `{"job_token": …}`."""

    title = "GitLab"
    refusal = GitlabError
    status_of = attrgetter("response_code")
    refused_hint = "Set gitlab_token (read_api), or allow the job token, or set pr_number, pr_merged, base and head."
    retries: Mapping[str, Any] = {"obey_rate_limit": False, "retry_transient_errors": False}
    """How the library retries a call."""

    def __init__(
        self, url: str, credential: Mapping[str, str], repository: str, deadline: Deadline, longest_call: float = 10.0
    ) -> None:
        super().__init__(url, f"/projects/{quote(repository, safe='')}", deadline, longest_call)
        self._session = HardenedSession()
        self._client = Gitlab(
            url,
            session=self._session,
            keep_base_url=True,
            private_token=credential.get("private_token"),
            job_token=credential.get("job_token"),
        )

    def close(self) -> None:
        """Ends the connections."""
        self._session.close()

    def merged_prs(
        self, sha: str, among: Collection[str] = (), known: Mapping[int, PullRequest] | None = None
    ) -> tuple[PullRequest, ...]:
        """The merged merge requests that contain `sha` and were merged as `sha`, or as a commit `among` those of its push.

        One that is `known` by its number is not requested again. The commit that landed is in a different field for a
        merge, a squash and a fast-forward.
        """
        with self._asking_for(f"the merge request of commit {sha[:12]}"):
            known, wanted = known or {}, {sha, *among}
            requests = self._list(f"/repository/commits/{sha}/merge_requests", {"per_page": PAGE})
            fields = ("merge_commit_sha", "squash_commit_sha", "sha")
            iids = [
                required(number, request["iid"])
                for request in requests
                if request.get("state") == "merged" and any(request.get(name) in wanted for name in fields)
            ]
            return tuple(known.get(iid) or _merged(self._object(f"/merge_requests/{iid}")) for iid in iids)

    def pull_request(self, number: int) -> PullRequest:
        """A merge request by its number, open or merged."""
        with self._asking_for(f"merge request !{number}"):
            record = self._object(f"/merge_requests/{number}")
            state = record["state"]
            request = _merged(record)._replace(merged=state == "merged", closed=state in ("merged", "closed"))
            return request if request.merged else request._replace(merge_commit_sha=None)

    def pipeline(self, named: Context) -> Context:
        """The run with the id of `named`. A job token has no access to it."""
        with self._asking_for(f"the status of pipeline {str(named.run_id)[:20]}"):
            record = self._object(f"/pipelines/{int(named.run_id or '')}")
            ref, user = record["ref"], record.get("user") or {}
            temporary = ref.startswith("refs/merge-requests/") and not ref.endswith("/head")  # GitLab's own test merge
            return named._replace(
                commit_sha=None if temporary else commit(record["sha"]),
                branch=None if record.get("tag") or ref.startswith("refs/") else ref,
                run_url=valid(string, record.get("web_url")),
                pipeline=valid(string, record.get("name")) or named.repository,
                actor=valid(string, user.get("username")),
                status=required(string, record["status"]),
                started_at=seconds(record.get("created_at")),
                finished_at=seconds(record.get("finished_at") or record.get("updated_at")),
            )

    def changed_files(self, number: int) -> tuple[str, ...]:
        """Every path that a merge request changed, both sides of a move. Raises `HostError`, also for a truncated list.

        GitLab counts 1,000 files by default, and returns "1000+" if there are more.
        """
        with self._asking_for(f"the changed files of merge request !{number}"):
            count = str(self._object(f"/merge_requests/{number}")["changes_count"])
            if not count.isdecimal():
                raise self._truncated(count[:20])
            return unique_paths(self._files(f"/merge_requests/{number}/diffs", int(count)), "old_path", "new_path")

    def compare(self, base: str, head: str) -> ApiComparison:
        """The comparison of two commits, given by their full ids: compared directly, not with their merge base."""
        with self._asking_for(f"the comparison of {base[:12]} with {head[:12]}"):
            record = self._object("/repository/compare", {"from": base, "to": head, "straight": "true"})
            commits, files = record["commits"], record["diffs"]
            parents = {str(step["id"]): [str(parent) for parent in step["parent_ids"]] for step in commits}
            chain = first_parents(parents, head)
            fault = ""
            if record.get("compare_timeout") or record.get("overflow"):
                fault = "GitLab did not complete the comparison"
            elif len(files) >= _MOST_COMPARED_FILES or any(file.get("collapsed") for file in files):
                fault = "GitLab truncated the comparison"
            return ApiComparison(
                None,
                chain if chain and parents[chain[0]][:1] == [base] else None,
                None if fault else unique_paths(files, "old_path", "new_path"),
                fault,
            )

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits. Raises `HostError` if there is none."""
        with self._asking_for(f"the merge base of {one[:12]} and {other[:12]}"):
            return required(commit, self._object("/repository/merge_base", {"refs[]": [one, other]})["id"])

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        options = {"timeout": self._seconds(), **self.retries}
        return self._client.http_get(f"{self._path}{path}", query_data=dict(query or {}), **options)


def _merged(record: dict[str, Any]) -> PullRequest:
    """A merged merge request from its own record."""
    refs = record.get("diff_refs") or {}
    head = valid(commit, refs.get("head_sha") or record.get("sha"))
    squash, merge = valid(commit, record.get("squash_commit_sha")), valid(commit, record.get("merge_commit_sha"))
    return PullRequest(
        number=required(number, record["iid"]),
        merged=True,
        closed=True,
        merge_commit_sha=merge or squash or head,
        base_ref=valid(string, record.get("target_branch")),
        head_ref=valid(string, record.get("source_branch")),
        head_sha=head,
        diff_base_sha=valid(commit, refs.get("base_sha")),
        squashed=squash is not None,
        fork=record.get("source_project_id") != record.get("target_project_id"),
    )
