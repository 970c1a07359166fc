"""Asks GitLab's REST API, through python-gitlab, what neither variable nor git says: merge requests, files, merge bases.

A job token may ask for merge requests, and not everywhere for the rest
(https://docs.gitlab.com/ci/jobs/ci_job_token/). The library's defaults are mended: every call has a timeout, none is
repeated without end, and the courier's session lets no credential follow a redirect.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from gitlab import Gitlab
from gitlab.exceptions import GitlabError
from requests import RequestException, Session

from cibeacon.http.session import AnswerTooLarge
from cibeacon.model.changes import Listed, first_parents
from cibeacon.model.context import Context, PullRequest
from cibeacon.model.payload import commit, number, required, seconds, valid, words
from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import HostError

_LONGEST_CALL = 10.0
_PAGE = 100
_MOST_COMPARED_FILES = 1000
_LARGEST_COMPARISON = 8 << 20
"""Bytes. GitLab sends the content of every change along, and cuts it at 5 MB by default."""


def landed(
    server_url: str,
    credential: Mapping[str, str],
    repository: str,
    sha: str,
    session: Session,
    deadline: Deadline,
    *,
    among: Collection[str] = (),
    known: Mapping[int, PullRequest] | None = None,
) -> tuple[PullRequest, ...]:
    """The merged merge requests that `sha` belongs to and that brought `sha`, or a commit `among` those of its push.

    Those `known` by number already are not asked for again. Raises `HostError`. `credential` is
    `{"private_token": …}` or `{"job_token": …}`.
    """
    what = f"which merge request commit {sha[:12]} of the push belongs to"
    with _asking(server_url, credential, session, what) as client:
        project, known, wanted = client.projects.get(repository, lazy=True), known or {}, {sha, *among}
        found = project.commits.get(sha, lazy=True).merge_requests(per_page=100, **_once(deadline))
        numbers = [required(number, each["iid"]) for each in found if _brought(each, wanted)]
        return tuple(
            known.get(each) or _merge_request(project.mergerequests.get(each, **_once(deadline)).attributes)
            for each in numbers
        )


def pull_request(
    server_url: str, credential: Mapping[str, str], repository: str, iid: int, session: Session, deadline: Deadline
) -> PullRequest:
    """A merge request by its number, open or merged. Raises `HostError`."""
    with _asking(server_url, credential, session, f"what merge request !{iid} is") as client:
        project = client.projects.get(repository, lazy=True)
        record = project.mergerequests.get(iid, **_once(deadline)).attributes
        merged = record["state"] == "merged"
        found = _merge_request(record)._replace(merged=merged, closed=record["state"] in ("merged", "closed"))
        return found if merged else found._replace(merge_commit_sha=None)


def pipeline(
    server_url: str,
    credential: Mapping[str, str],
    repository: str,
    named: Context,
    session: Session,
    deadline: Deadline,
) -> Context:
    """The run that `named` names by its id. Raises `HostError`, also where the id is none. A job token may not ask."""
    with _asking(server_url, credential, session, f"how pipeline {str(named.run_id)[:20]} stands") as client:
        project = client.projects.get(repository, lazy=True)
        record = project.pipelines.get(int(named.run_id or ""), **_once(deadline)).attributes
        ref, user = record["ref"], record.get("user") or {}
        temporary = ref.startswith("refs/merge-requests/") and not ref.endswith("/head")  # a merge that nobody wrote
        return named._replace(
            commit_sha=None if temporary else commit(record["sha"]),
            branch=None if record.get("tag") or ref.startswith("refs/") else ref,
            run_url=valid(words, record.get("web_url")),
            pipeline=valid(words, record.get("name")) or named.repository,
            actor=valid(words, user.get("username")),
            status=required(words, record["status"]),
            started_at=seconds(record.get("created_at")),
            finished_at=seconds(record.get("finished_at") or record.get("updated_at")),
        )


def changed_files(
    server_url: str, credential: Mapping[str, str], repository: str, iid: int, session: Session, deadline: Deadline
) -> tuple[str, ...]:
    """Every path that a merge request changed, both sides of a move. Raises `HostError`, also where GitLab cut the list.

    GitLab counts 1,000 files by default, and says "1000+" where there are more.
    """
    with _asking(server_url, credential, session, f"which files merge request !{iid} changed") as client:
        project = client.projects.get(repository, lazy=True)
        count = str(project.mergerequests.get(iid, **_once(deadline)).attributes["changes_count"])
        files: list[dict[str, Any]] = []
        place = f"/projects/{quote(repository, safe='')}/merge_requests/{iid}/diffs"
        while count.isdecimal() and len(files) < int(count):
            page = client.http_get(
                place, query_data={"per_page": _PAGE, "page": len(files) // _PAGE + 1}, **_once(deadline)
            )
            if not isinstance(page, list):
                raise ValueError("the answer is no list")
            files += page
            if len(page) < _PAGE:
                break
        if not count.isdecimal() or len(files) != int(count):
            raise HostError(
                "GitLab gives a truncated list of the changed files",
                f"there are {count[:20]}",
                "Check out with git instead.",
            )
        return tuple(dict.fromkeys(str(file[key]) for file in files for key in ("old_path", "new_path")))


def merge_base(
    server_url: str,
    credential: Mapping[str, str],
    repository: str,
    one: str,
    other: str,
    session: Session,
    deadline: Deadline,
) -> str:
    """The best common ancestor of two commits. Raises `HostError`, also where they have none."""
    with _asking(server_url, credential, session, f"the merge base of {one[:12]} and {other[:12]}") as client:
        place = f"/projects/{quote(repository, safe='')}/repository/merge_base"
        told = client.http_get(place, query_data={"refs[]": [one, other]}, **_once(deadline))
        found = commit(told["id"]) if isinstance(told, dict) else None
        if found is None:
            raise ValueError("the answer names no commit")
        return found


def compared(
    server_url: str,
    credential: Mapping[str, str],
    repository: str,
    base: str,
    head: str,
    session: Session,
    deadline: Deadline,
) -> Listed:
    """Two commits by their full ids, compared directly and not with their merge base. Raises `HostError`."""
    with _asking(server_url, credential, session, f"what lies between {base[:12]} and {head[:12]}") as client:
        place = f"/projects/{quote(repository, safe='')}/repository/compare"
        told = _read(client, place, {"from": base, "to": head, "straight": "true"}, deadline)
        commits, files = told["commits"], told["diffs"]
        parents = {str(each["id"]): [str(parent) for parent in each["parent_ids"]] for each in commits}
        chain = first_parents(parents, head)
        fault = ""
        if told.get("compare_timeout") or told.get("overflow"):
            fault = "GitLab gave up the comparison"
        elif len(files) >= _MOST_COMPARED_FILES or any(each.get("collapsed") for each in files):
            fault = "GitLab cut the comparison"
        return Listed(
            None,
            chain if chain and parents[chain[0]][:1] == [base] else None,
            None
            if fault
            else tuple(dict.fromkeys(str(each[key]) for each in files for key in ("old_path", "new_path"))),
            fault,
        )


def _read(client: Gitlab, place: str, query: dict[str, str], deadline: Deadline) -> dict[str, Any]:
    """An answer that may be large: read in pieces, as long as there is time and room."""
    response = client.http_get(place, query_data=query, streamed=True, raw=True, **_once(deadline))
    if isinstance(response, dict):
        raise ValueError("the answer is not streamed")
    with response:
        content = bytearray()
        for piece in response.iter_content(1 << 16):
            content += piece
            if len(content) > _LARGEST_COMPARISON or deadline.remaining() <= 0:
                raise ValueError("the answer is over 8 MiB, or came too slowly")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise ValueError("the answer is no object")
    return found


@contextmanager
def _asking(server_url: str, credential: Mapping[str, str], session: Session, what: str) -> Iterator[Gitlab]:
    """A client for a question; what goes wrong with it becomes a `HostError`."""
    client = Gitlab(
        server_url,
        session=session,
        keep_base_url=True,
        retry_transient_errors=False,
        private_token=credential.get("private_token"),
        job_token=credential.get("job_token"),
    )
    try:
        yield client
    except GitlabError as error:
        raise HostError(
            f"GitLab would not say {what}",
            f"{server_url} answered {error.response_code or 'nothing usable'}",
            "Set the secret gitlab_token (read_api), or allow the job token, or set pr_number and pr_merged.",
        ) from error
    except (RequestException, OSError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        raise HostError(
            f"GitLab could not be asked {what}",
            f"{server_url} gave no usable answer ({error if isinstance(error, AnswerTooLarge) else type(error).__name__})",
            "Run again later, or set pr_number and pr_merged.",
        ) from error


def _once(deadline: Deadline) -> dict[str, Any]:
    """How a call is made: in the time that is left, and not again when GitLab asks to slow down."""
    if deadline.remaining() <= 0:
        raise HostError(
            "GitLab was not asked",
            "the time for it was used up",
            "Give a larger timeout, or set pr_number and pr_merged.",
        )
    return {"timeout": min(_LONGEST_CALL, deadline.remaining()), "obey_rate_limit": False}


def _brought(merge_request: dict[str, Any], wanted: Collection[str]) -> bool:
    """Merge, squash and fast-forward each leave the commit in another field."""
    fields = ("merge_commit_sha", "squash_commit_sha", "sha")
    return merge_request.get("state") == "merged" and any(merge_request.get(name) in wanted for name in fields)


def _merge_request(found: dict[str, Any]) -> PullRequest:
    refs = found.get("diff_refs") or {}
    head = valid(commit, refs.get("head_sha") or found.get("sha"))
    squash, merge = valid(commit, found.get("squash_commit_sha")), valid(commit, found.get("merge_commit_sha"))
    return PullRequest(
        number=required(number, found["iid"]),
        merged=True,
        closed=True,
        merge_commit_sha=merge or squash or head,
        base_ref=valid(words, found.get("target_branch")),
        head_ref=valid(words, found.get("source_branch")),
        head_sha=head,
        diff_base_sha=valid(commit, refs.get("base_sha")),
        squashed=squash is not None,
        fork=found.get("source_project_id") != found.get("target_project_id"),
    )
