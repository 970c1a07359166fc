"""On a CI system that is no forge itself, a token goes to its vendor's own server or where a setting says, and nowhere else."""

from __future__ import annotations

import pytest

from cibeacon.ci.ci_system import CISystem, Variables
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.git.remote_url import parse_remote_url
from cibeacon.model.context import Context
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import load_settings

TOKENS = {"GITHUB_TOKEN": "github-secret", "GITLAB_TOKEN": "gitlab-secret", "CIBEACON_GIT_TOKEN": "git-secret"}


class Toy(CISystem):
    """A CI system whose variable says where the repository is."""

    name = title = "toy"

    def read(self, env):
        return Context(host=self.name)

    def repository_url(self, env):
        return env.repository("TOY_URL")


def remote(url, *, allow_http=False, **environ):
    settings = load_settings({}, environ, {})
    remotes = Toy().remotes(Variables({"TOY_URL": url}), settings.forge, allow_http=allow_http)
    return remotes[0] if remotes else None


@pytest.mark.parametrize(
    ("url", "fetched", "secret"),
    [
        ("https://github.com/acme/shop", "https://github.com/acme/shop.git", "github-secret"),
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop.git", "github-secret"),
        ("ssh://git@gitlab.com:22/acme/sub/shop.git", "https://gitlab.com/acme/sub/shop.git", "gitlab-secret"),
        ("https://user:pw@git.example.com/acme/shop.git", "https://git.example.com/acme/shop.git", None),
        ("https://github.com.evil.example/acme/shop", "https://github.com.evil.example/acme/shop.git", None),
        ("https://github.com:8443/acme/shop", "https://github.com:8443/acme/shop.git", None),
        ("https://dev.azure.com/acme/My%20Shop/_git/web", "https://dev.azure.com/acme/My%20Shop/_git/web", None),
    ],
)
def test_a_token_goes_to_its_vendors_own_server_alone(url, fetched, secret):
    found = remote(url, **TOKENS)
    assert (found.url, found.secret) == (fetched, secret)


@pytest.mark.parametrize("name", TOKENS)
def test_git_url_names_the_server_that_a_token_may_go_to(name):
    url, named = "https://git.example.com/acme/shop.git", {"CIBEACON_GIT_URL": "https://git.example.com"}
    assert remote(url, **named, **{name: "secret"}).secret == "secret"
    assert remote("https://other.example.com/acme/shop.git", **named, **{name: "secret"}).secret is None
    assert remote(url, **{name: "secret"}).secret is None


@pytest.mark.parametrize(
    "url",
    ["", "/srv/shop.git", "file:///srv/shop.git", "https://git.example.com/../shop", "ext::sh -c true", "-oProxy=x"],
)
def test_nothing_but_a_server_is_fetched_from(url):
    assert remote(url, **TOKENS) is None


def test_a_plain_http_server_is_fetched_from_only_where_that_is_allowed():
    assert remote("http://git.example.com/acme/shop.git") is None
    assert remote("http://git.example.com/acme/shop.git", allow_http=True).url == "http://git.example.com/acme/shop.git"


@pytest.mark.parametrize(
    ("server", "environ", "asked"),
    [
        ("github.com", {"GITHUB_TOKEN": "t"}, ("github", "https://api.github.com", {"token": "t"})),
        ("gitlab.com", {"GITLAB_TOKEN": "t"}, ("gitlab", "https://gitlab.com", {"private_token": "t"})),
        ("github.com", {}, ("", "", {})),
        ("git.example.com", {"GITHUB_TOKEN": "t", "GITLAB_TOKEN": "t"}, ("", "", {})),
        (
            "git.example.com",
            {"GITHUB_TOKEN": "t", "CIBEACON_GIT_URL": "https://git.example.com"},
            ("github", "https://git.example.com/api/v3", {"token": "t"}),
        ),
        (
            "git.example.com",
            {"GITLAB_TOKEN": "t", "CIBEACON_GIT_URL": "https://git.example.com"},
            ("gitlab", "https://git.example.com", {"private_token": "t"}),
        ),
        ("gitlab.com", {"CI_JOB_TOKEN": "t", "CI_SERVER_URL": "https://evil.example"}, ("", "", {})),
    ],
)
def test_an_api_is_asked_where_a_token_may_go(server, environ, asked):
    context = Context(host="buildkite", server=server, repository="acme/shop")
    client = ForgeClient.of(
        context, load_settings({}, environ, {}), environ, Deadline(1, lambda: 0.0, lambda _: None, 0.0)
    )
    assert (client.host, client.url, client.credential) == asked


OTHERS = {"GITHUB_TOKEN": "github-secret", "GITLAB_TOKEN": "gitlab-secret", "CIBEACON_GIT_TOKEN": "git-secret"}


@pytest.mark.parametrize(
    ("server", "given", "asked", "fetches"),
    [
        ("gitlab.com", ("GITHUB_TOKEN",), None, None),
        ("gitlab.com", ("GITHUB_TOKEN", "CIBEACON_GIT_TOKEN"), None, "git-secret"),
        ("github.com", ("GITLAB_TOKEN",), None, None),
        ("bitbucket.org", ("GITHUB_TOKEN",), None, None),
        ("bitbucket.org", ("GITHUB_TOKEN", "CIBEACON_GIT_TOKEN"), None, "git-secret"),
        ("dev.azure.com", ("GITHUB_TOKEN", "GITLAB_TOKEN"), None, None),
        ("git.example.com", ("GITHUB_TOKEN", "CIBEACON_GIT_TOKEN"), None, "git-secret"),
        ("git.example.com", ("GITHUB_TOKEN", "GITLAB_TOKEN"), None, None),
        ("gitlab.example.com", ("GITHUB_TOKEN", "GITLAB_TOKEN"), "gitlab-secret", "gitlab-secret"),
        ("gitlab.example.com", ("GITLAB_TOKEN", "CIBEACON_GIT_TOKEN"), "gitlab-secret", "git-secret"),
        ("github.example.com", ("GITHUB_TOKEN", "GITLAB_TOKEN"), "github-secret", "github-secret"),
        ("git.example.com", ("GITLAB_TOKEN",), "gitlab-secret", "gitlab-secret"),
    ],
)
def test_of_several_tokens_none_goes_to_a_server_that_may_not_be_its_vendors(server, given, asked, fetches):
    environ = {name: OTHERS[name] for name in given} | {"CIBEACON_GIT_URL": f"https://{server}"}
    context = Context(host="jenkins", server=server, repository="acme/shop")
    client = ForgeClient.of(
        context, load_settings({}, environ, {}), environ, Deadline(1, lambda: 0.0, lambda _: None, 0.0)
    )
    assert next(iter(client.credential.values()), None) == asked
    assert remote(f"https://{server}/acme/shop.git", **environ).secret == fetches


@pytest.mark.parametrize(
    ("url", "repository"),
    [
        ("https://dev.azure.com/acme/Shop/_git/web", "Shop/web"),
        ("https://acme@dev.azure.com/acme/My%20Shop/_git/web", "My Shop/web"),
        ("https://acme.visualstudio.com/DefaultCollection/Shop/_git/web", "Shop/web"),
        ("https://acme.visualstudio.com/_git/web", "web/web"),
        ("https://dev.azure.com/acme/_git/web", "web/web"),
        ("git@ssh.dev.azure.com:v3/acme/Shop/web", "Shop/web"),
        ("https://git.example.com/scm/shop/web.git", "shop/web"),
        ("ssh://git@git.example.com:7999/~ann/web.git", "~ann/web"),
        ("https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/web", "web"),
        ("https://gitlab.example.com/group/sub/web/", "group/sub/web"),
        ("https://[2001:db8::1]:8443/acme/web.git", "acme/web"),
    ],
)
def test_a_repository_is_called_as_people_call_it(url, repository):
    assert parse_remote_url(url).repository == repository


def test_a_server_may_be_an_address():
    assert (
        parse_remote_url("https://user:pw@[2001:db8::1]:8443/acme/web.git").https
        == "https://[2001:db8::1]:8443/acme/web.git"
    )
