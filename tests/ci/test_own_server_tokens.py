"""On Gitea and Forgejo GITHUB_TOKEN is for their own server: GitHub is never asked with it, and git has it at home alone."""

from __future__ import annotations

import pytest

from cibeacon.ci.ci_system import Variables
from cibeacon.ci.detect import named
from cibeacon.ci.forge_client import ForgeClient
from cibeacon.model.context import Context
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import load_settings, secret_values

SECRET = "token-of-this-server"
PROOFS = {"gitea": {"GITEA_ACTIONS": "true"}, "forgejo": {"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"}}
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://git.example.com/",
    "GITHUB_REPOSITORY": "acme/shop",
}


@pytest.fixture(params=[(name, source) for name in PROOFS for source in ("GITHUB_TOKEN", "INPUT_GITHUB_TOKEN")])
def job(request):
    """The CI system's name, and the environment of a job with its token."""
    name, source = request.param
    return name, RUN | PROOFS[name] | {source: SECRET}


def client(context, environ, flags=None):
    settings = load_settings(flags or {}, environ, {})
    return ForgeClient.of(context, settings, environ, Deadline(1, lambda: 0.0, lambda _: None, 0.0))


@pytest.mark.parametrize("git_url", ["", "https://github.com", "https://git.example.com"])
@pytest.mark.parametrize("host", ["", "github"])
def test_no_api_is_asked_with_the_servers_token(job, git_url, host):
    name, environ = job
    environ = environ | {"CIBEACON_GIT_URL": git_url}
    for server in ("github.com", "git.example.com", None):
        context = Context(host=host or name, server=server, repository="acme/shop")
        assert SECRET not in client(context, environ, {"host": host}).credential.values()


def test_git_fetches_from_the_server_itself_with_its_token(job):
    name, environ = job
    forge = load_settings({}, environ, {}).forge
    (remote,) = named(name).remotes(Variables(environ), forge)
    assert (remote.url, remote.secret) == ("https://git.example.com/acme/shop.git", SECRET)


def test_a_token_for_another_server_is_not_sent_there(job):
    name, environ = job
    environ = {**environ, "CIBEACON_GIT_TOKEN": "elsewhere", "CIBEACON_GIT_URL": "https://elsewhere.example.com"}
    (remote,) = named(name).remotes(Variables(environ), load_settings({}, environ, {}).forge)
    assert remote.secret == SECRET


@pytest.mark.parametrize("beginning", ["ghp_", "ghs_", "github_pat_"])
def test_a_token_of_githubs_is_not_sent_to_the_server(job, beginning):
    name, environ = job
    environ = {variable: f"{beginning}{text}" if text == SECRET else text for variable, text in environ.items()}
    (remote,) = named(name).remotes(Variables(environ), load_settings({}, environ, {}).forge)
    assert remote.secret is None
    assert f"{beginning}{SECRET}" in secret_values(environ)


def test_the_token_is_masked_all_the_same(job):
    assert SECRET in secret_values(job[1])


@pytest.mark.parametrize("name", PROOFS)
def test_naming_the_system_is_as_good_as_its_variable(name):
    environ = RUN | {"GITHUB_TOKEN": SECRET}
    context = Context(host=name, server="github.com", repository="acme/shop")
    assert client(context, environ, {"host": name}).credential == {}


@pytest.mark.parametrize("url", ["", "git.example.com", "ssh://git.example.com", "http://git.example.com"])
def test_without_an_encrypted_server_nothing_is_fetched(job, url):
    name, environ = job
    forge = load_settings({}, environ, {}).forge
    assert named(name).remotes(Variables(environ | {"GITHUB_SERVER_URL": url}), forge) == ()
