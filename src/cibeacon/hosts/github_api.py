"""Asks GitHub's REST API, through PyGithub, what no event says: which pull request a commit belongs to.

PyGithub takes 0.4 s to import, so this module is imported only where a question is asked. Its own retries are capped:
by default it would wait out a rate limit. Needs `contents: read` and `pull-requests: read`.
"""

from __future__ import annotations

from github import Auth, Github, GithubException, GithubRetry
from github.PullRequest import PullRequest as Pull
from requests import RequestException

from cibeacon.budget import Budget
from cibeacon.context import PullRequest
from cibeacon.errors import HostError

_LONGEST_CALL = 10


def landed(api_url: str, token: str, repository: str, sha: str, budget: Budget) -> PullRequest | None:
    """The merged pull request whose merge commit is `sha`; None when there is none. Raises `HostError`."""
    seconds = max(1, int(min(_LONGEST_CALL, budget.remaining())))  # PyGithub takes whole seconds only
    retry = GithubRetry(total=2, backoff_factor=0.5, secondary_rate_wait=1, max_rate_limit_wait=2, retry_after_max=2)
    client = Github(
        base_url=api_url,
        auth=Auth.Token(token),
        timeout=seconds,
        retry=retry,
        lazy=True,
        seconds_between_requests=0,
    )
    try:
        pulls = client.get_repo(repository).get_commit(sha).get_pulls()
        return next((_pull_request(pull) for pull in pulls if pull.merged_at and pull.merge_commit_sha == sha), None)
    except GithubException as error:
        raise _refused(error, api_url) from error
    except (RequestException, AssertionError, OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            "GitHub could not be asked which pull request the push belongs to",
            f"{api_url} gave no usable answer ({type(error).__name__})",
            "Run again later, or set pr_number.",
        ) from error
    finally:
        client.close()


def _refused(error: GithubException, api_url: str) -> HostError:
    return HostError(
        "GitHub would not say which pull request the push belongs to",
        f"{api_url} answered {error.status}",
        "Give the job the permissions contents: read and pull-requests: read, or set pr_number.",
    )


def _pull_request(pull: Pull) -> PullRequest:
    """The whole record, which costs one more request: the list of a commit's pull requests leaves out `commits`."""
    record = pull.raw_data
    head, base = record["head"], record["base"]
    return PullRequest(
        number=pull.number,
        id=pull.id,
        merged=True,
        closed=True,
        merge_commit_sha=pull.merge_commit_sha,
        base_ref=base["ref"],
        base_sha=base["sha"],
        head_ref=head["ref"],
        head_sha=head["sha"],
        commits=record.get("commits"),
    )
