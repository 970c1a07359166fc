"""Where missing commits are fetched from: the CI system's own word for the repository, and no word of the clone."""

from __future__ import annotations

import pytest

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import named
from cibeacon.settings import load_settings

SECRET = {"GITHUB_TOKEN": "github-secret"}


@pytest.mark.parametrize(
    ("name", "environ", "url", "secret"),
    [
        ("drone", {"DRONE_GIT_HTTP_URL": "https://github.com/acme/shop.git"}, "https://github.com/acme/shop.git", True),
        ("drone", {"DRONE_GIT_SSH_URL": "git@git.example.com:acme/shop.git"}, "https://git.example.com/acme/shop.git", False),
        ("harness", {"DRONE_REMOTE_URL": "https://github.com/acme/shop"}, "https://github.com/acme/shop.git", True),
        ("woodpecker", {"CI_REPO_CLONE_URL": "https://github.com/acme/shop.git"}, "https://github.com/acme/shop.git", True),
        ("woodpecker", {"CI_REPO_URL": "https://user:pw@git.example.com/acme/shop"}, "https://git.example.com/acme/shop.git", False),
        (
            "codefresh",
            {"CF_COMMIT_URL": "https://github.com/acme/shop/commit/1", "CF_REPO_OWNER": "acme", "CF_REPO_NAME": "shop"},
            "https://github.com/acme/shop.git",
            True,
        ),
    ],
)  # fmt: skip
def test_a_repository_is_fetched_from_where_the_system_says(name, environ, url, secret):
    (remote,) = named(name).remotes(Variables(environ), load_settings({}, SECRET, {}).forge)
    assert (remote.url, remote.secret) == (url, "github-secret" if secret else None)


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("drone", {}),
        ("drone", {"DRONE_GIT_HTTP_URL": "file:///srv/shop"}),
        ("woodpecker", {"CI_REPO_CLONE_URL": "ext::sh -c true"}),
        ("woodpecker", {"CI_REPO_CLONE_URL": "http://git.example.com/acme/shop.git"}),
        ("codefresh", {"CF_COMMIT_URL": "https://github.com/acme/shop"}),
        ("codefresh", {"CF_COMMIT_URL": "https://github.com/x", "CF_REPO_OWNER": "..", "CF_REPO_NAME": "shop"}),
        ("codefresh", {"CF_COMMIT_URL": "<nil>", "CF_REPO_OWNER": "acme", "CF_REPO_NAME": "shop"}),
    ],
)
def test_where_it_says_nothing_that_git_may_be_sent_to_nothing_is_fetched(name, environ):
    assert named(name).remotes(Variables(environ), load_settings({}, SECRET, {}).forge) == ()
