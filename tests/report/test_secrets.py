"""A secret in everything that can hold one, over every way a run can end: it is written nowhere, and sent to one place."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from canaries import Canary, leaked, written
from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.http.client import HttpClient
from cibeacon.model.spool_record import Record
from cibeacon.runtime.safe_text import spellings
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import all_options
from faults import FaultServer, Refusing, answers, hangs, resets, response
from forge import Forge
from githttp import GitServer
from log_grammar import Command, commands, kept, masked
from processes import cibeacon

DECLARED = [each for group in all_options().values() for each in group if each.secret]
NAMES = {each.name: [each.input_variable, each.component_variable, each.variable, *each.also] for each in DECLARED}
CANARIES = {name: Canary(name) for names in NAMES.values() for name in names}
CANARIES |= {name: Canary(name) for name in ("CI_JOB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")}
PROXY, CLONE, HEADER, REMOTE = (Canary(name) for name in ("HTTPS_PROXY", "CI_REPOSITORY_URL", "extraheader", "remote"))
EVERY = [*CANARIES.values(), PROXY, CLONE, HEADER, REMOTE]
OURS = [each for each in EVERY if each.name not in ("extraheader", "remote") and "ACTIONS_" not in each.name]
"""What cibeacon is told of: a server may know it, and repeat it."""
ECHO = " | ".join(each.echoes() for each in OURS)
DX, GITHUB, GITLAB = (CANARIES[f"INPUT_{name}_TOKEN"] for name in ("DX", "GITHUB", "GITLAB"))
SHOUTED = response(json.dumps({"ok": False, "error": "invalid_auth", "message": ECHO}).encode(), status="401 No")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A monorepo whose configuration holds credentials as checkouts leave them there."""
    made = Monorepo(tmp_path_factory.mktemp("secrets") / "shop", {"PATH": os.environ["PATH"]})
    made.git("config", "http.https://github.com/.extraheader", f"AUTHORIZATION: basic {HEADER.text}")
    made.git("remote", "set-url", "origin", f"https://oauth2:{REMOTE.in_url}@github.com/acme/shop.git")
    return made


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))


@pytest.fixture(scope="module")
def shallow(shop, merged, tmp_path_factory):
    """A checkout of the merge alone, so that git has to ask the host."""
    root = tmp_path_factory.mktemp("shallow") / "shop"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{shop.root}", str(root)], check=True)
    for key, value in (
        ("http.https://github.com/.extraheader", f"AUTHORIZATION: basic {HEADER.text}"),
        ("remote.origin.url", f"https://oauth2:{REMOTE.in_url}@github.com/acme/shop.git"),
    ):
        subprocess.run(["git", "-C", str(root), "config", key, value], check=True)
    return root


def secret_environ():
    """Every variable that can hold a secret, holding one."""
    return {name: canary.text for name, canary in CANARIES.items()} | {
        "HTTPS_PROXY": f"http://user:{PROXY.in_url}@127.0.0.1:9",
        "https_proxy": f"http://user:{PROXY.in_url}@127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        "CI_REPOSITORY_URL": f"https://gitlab-ci-token:{CLONE.in_url}@127.0.0.1/acme/shop.git",
    }


def github(merged, folder, *, git, api, dx):
    """A push to GitHub of which the checkout lacks the first commit."""
    environ = runs.github("push", runs.pushed(merged.base_sha, merged.merge_sha), merged.merge_sha, 7, folder)
    environ |= {"GITHUB_SERVER_URL": git, "GITHUB_API_URL": api, "GITHUB_STATE": str(folder / "state")}
    return environ | secret_environ() | _settings(dx)


def gitlab(merged, folder, *, git, api, dx):
    """The same on GitLab, where the secrets come as variables."""
    environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, api, folder)
    return environ | {"CI_SERVER_URL": git, "CI_API_V4_URL": f"{api}/api/v4"} | secret_environ() | _settings(dx)


def _settings(dx):
    return {
        "CIBEACON_DX_URL": dx,
        "CIBEACON_SERVICES": "services/{service}/",
        "CIBEACON_DEPLOY_SERVICES": "changed",
        "CIBEACON_TIMEOUT": "60",
    }


HOSTS = {"github": github, "gitlab": gitlab}
FORMATS = [(), ("--format=json",), ("--verbose", "--strict"), ("--jq=.",)]


def stays_secret(ended, folder, *but, servers=()):
    """Nothing in what a command printed and wrote; and nothing that a server was sent by way of another's trust."""
    found = leaked(EVERY, kept(ended.out), kept(ended.err), *written(folder, *but))
    assert not found, found
    for server, trusted in servers:
        assert not leaked([each for each in EVERY if each not in trusted], *server.requests), trusted


# Faults ---------------------------------------------------------------------------------------------------------------

RAW = {
    "401 that repeats it": SHOUTED,
    "403 in HTML": response(f"<html>{ECHO}</html>".encode(), status="403 No", kind="text/html"),
    "200 in HTML": response(f"<html>{ECHO}</html>".encode(), kind=f"text/{DX.text}"),
    "ok false": response(json.dumps({"ok": False, "error": ECHO}).encode()),
    "422 in details": response(json.dumps({"ok": False, "error_details": {"message": ECHO}}).encode(), status="422 No"),
    "500": response(ECHO.encode(), status=f"500 {DX.text}"),
    "503 with a header": response(b"{}", status="503 No", Retry_After=f"3600 {DX.text}"),
    "a redirect": response(b"", status="302 Found", Location=f"https://evil.example/?{DX.in_url}&{DX.text}"),
    "a broken status line": f"{DX.text} {DX.text}\r\n\r\n".encode(),
    "broken chunks": f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{DX.text}\r\n".encode(),
    "a broken header": f"HTTP/1.1 200 OK\r\n{DX.text}\r\n : {DX.text}\r\n\r\n{{}}".encode(),
}
"""What a faulty DX, proxy or login page answers."""


def advertised(line):
    """A git server's greeting that holds one line."""
    text = f"ERR {line}\n"[:60000]
    kind = "application/x-git-upload-pack-advertisement"
    return response(f"{len(text.encode()) + 4:04x}".encode() + text.encode(), kind=kind)


GIT = {
    "401": response(ECHO.encode(), status="401 No", kind="text/plain", WWW_Authenticate=f'Basic realm="{DX.in_url}"'),
    "an error of the server": advertised(ECHO),
    "an error of one secret": advertised("denied " + GITHUB.text + " " + CANARIES["INPUT_GITLAB_TOKEN"].text),
    "nonsense": response(ECHO.encode(), kind="text/plain"),
    "500": response(ECHO.encode(), status=f"500 {GITHUB.text}", kind="text/plain"),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("flags", FORMATS, ids=str)
def test_a_run_that_goes_well_writes_no_secret(shop, merged, shallow, tmp_path, host, flags):
    token, user = (GITHUB, "x-access-token") if host == "github" else (CANARIES["CIBEACON_GITLAB_TOKEN"], "oauth2")
    expected = DX if host == "github" else CANARIES["CIBEACON_DX_TOKEN"]
    with ExitStack() as held:
        dx = held.enter_context(Sandbox(token=expected.text))
        api = held.enter_context(Forge())
        git = held.enter_context(GitServer(shop.root, token=token.text, user=user))
        environ = HOSTS[host](merged, tmp_path, git=git.url, api=api.url, dx=dx.url)
        ended = cibeacon("report", *flags, environ=environ, cwd=shallow)
        told = json.dumps(dx.ledger.document())
        assert git.signatures
        assert not leaked(EVERY, *git.requests)
    assert ended.code == 0 or "--strict" in flags
    assert '"status": 200' in told
    assert not leaked(EVERY, told)
    stays_secret(ended, tmp_path)


@pytest.mark.parametrize(
    ("host", "flags", "fault"),
    [
        (host, flags, fault)
        for order, fault in enumerate(RAW)
        for host, flags in (("gitlab", ()), *(("github", flags) for flags in FORMATS[1 : 4 if order % 3 == 0 else 3]))
    ],  # what is printed without a flag is printed with --verbose, too, and jq reads what is printed as JSON
    ids=str,
)
def test_a_server_that_repeats_every_secret_gets_none_of_them_written(shop, merged, tmp_path, host, flags, fault):
    with FaultServer(answers(RAW[fault])) as dx, FaultServer(answers(SHOUTED)) as api:
        environ = HOSTS[host](merged, tmp_path, git="http://127.0.0.1:9", api=api.url, dx=dx.url)
        ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
        assert dx.requests, ended
        trusted = [DX] if host == "github" else [CANARIES["CIBEACON_DX_TOKEN"]]
        asked = [GITHUB] if host == "github" else [CANARIES["CIBEACON_GITLAB_TOKEN"]]
        stays_secret(ended, tmp_path, servers=[(dx, trusted), (api, asked)])
        assert leaked(trusted, *dx.requests), "the server was sent the token that it may have"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("fault", GIT)
def test_a_git_server_that_repeats_every_secret_gets_none_of_them_written(merged, shallow, tmp_path, host, fault):
    with FaultServer(answers(GIT[fault])) as git, FaultServer(answers(SHOUTED)) as api:
        environ = HOSTS[host](merged, tmp_path, git=git.url, api=api.url, dx="http://127.0.0.1:9")
        for flags in FORMATS[list(HOSTS).index(host) :: len(HOSTS)]:
            ended = cibeacon("report", *flags, environ=environ, cwd=shallow)
            stays_secret(ended, tmp_path)
        assert git.requests
        assert "could not be fetched" in ended.out + ended.err


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("who", ["dx", "git", "api"])
def test_no_secret_follows_a_redirect(merged, shallow, tmp_path, host, who):
    with FaultServer(answers(SHOUTED)) as stranger:
        away = response(b"", status="307 Away", Location=f"{stranger.url.replace('127.0.0.1', 'localhost')}/there")
        with ExitStack() as held:
            servers = {
                name: held.enter_context(FaultServer(answers(away if name == who else SHOUTED)))
                for name in ("dx", "git", "api")
            }
            environ = HOSTS[host](merged, tmp_path, **{name: server.url for name, server in servers.items()})
            ended = cibeacon("report", environ=environ, cwd=shallow)
            assert servers[who].requests
        assert not leaked(EVERY, *stranger.requests)
        assert who == "api" or not stranger.requests
    stays_secret(ended, tmp_path)


@pytest.mark.parametrize("flags", FORMATS, ids=str)
def test_what_cannot_be_reached_is_told_without_a_secret(shop, merged, tmp_path, flags):
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with Refusing() as refusing, FaultServer(resets) as resetting, FaultServer(hangs, tls=plain) as handshake:
        for url in (refusing.url, resetting.url, handshake.url, "https://nowhere.invalid"):
            environ = github(merged, tmp_path, git=refusing.url, api=refusing.url, dx=url)
            seconds = 3 if url == handshake.url else 60  # a handshake that hangs ends with the time
            ended = cibeacon("report", *flags, f"--timeout={seconds}", environ=environ, cwd=shop.root)
            stays_secret(ended, tmp_path)


def test_a_proxy_that_refuses_is_told_without_its_password(shop, merged, tmp_path, monkeypatch):
    shouting = response(ECHO.encode(), status=f"407 {PROXY.text}", kind="text/html")
    with FaultServer(answers(shouting)) as proxy:
        place = proxy.url.replace("http://", f"http://user:{PROXY.in_url}@")
        environ = github(merged, tmp_path, git="https://github.invalid", api="https://api.invalid", dx="acme")
        for name, value in (("HTTPS_PROXY", place), ("https_proxy", place), ("NO_PROXY", "")):
            environ[name] = value
            monkeypatch.setenv(name, value)  # requests reads the process's own
        for flags in FORMATS:
            stays_secret(cibeacon("report", *flags, environ=environ, cwd=shop.root), tmp_path)
        assert leaked([PROXY], *proxy.requests)
        assert not leaked([each for each in EVERY if each is not PROXY], *proxy.requests)


@pytest.mark.parametrize("where", ["dx_url", "allow_http", "timeout", "metadata", "source_url"])
def test_a_secret_in_the_wrong_setting_is_not_repeated(shop, merged, tmp_path, where):
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    texts = (DX.text, f"https://user:{PROXY.in_url}@127.0.0.1/", f"user:{CLONE.in_url}@127.0.0.1", DX.text)
    for turn, text in enumerate(texts):
        given = {f"CIBEACON_{where.upper()}": text, "CIBEACON_DRY_RUN": "true"}
        for flags in FORMATS[turn % 2 :: 2]:
            stays_secret(cibeacon("report", *flags, environ=environ | given, cwd=shop.root), tmp_path)


def test_an_address_with_a_password_is_refused_without_showing_it(tmp_path):
    alone = Canary("nobody declared this")
    for text in (f"https://user:{alone.in_url}@acme.example", f"user:{alone.in_url}@acme.example"):
        ended = cibeacon("report", f"--dx-url={text}", "--verbose", environ={"HOME": str(tmp_path)}, cwd=tmp_path)
        assert "dx_url" in ended.out
        assert not leaked([alone], ended.out, ended.err)


@pytest.mark.parametrize("flags", FORMATS, ids=str)
def test_a_failure_of_our_own_tells_no_secret(shop, merged, tmp_path, monkeypatch, flags):
    def fails(*_, **__):
        raise RuntimeError(ECHO)

    monkeypatch.setattr("cibeacon.ci.detect.read_context", fails)
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    ended = cibeacon("report", *flags, environ=environ, cwd=shop.root)
    assert "because of a bug" in ended.out + ended.err
    stays_secret(ended, tmp_path)


@pytest.mark.parametrize("program", ["error(tojson)", "tojson | error", ".context | error", ".."])
def test_a_program_that_fails_over_a_secret_does_not_tell_it(shop, merged, tmp_path, program):
    """A payload may hold a token that somebody wrote into a commit message."""
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    event = runs.closed(merged)
    event["pull_request"]["title"] = ECHO
    Path(environ["GITHUB_EVENT_PATH"]).write_text(json.dumps(event))
    environ |= {"CIBEACON_METADATA_JQ": program, "CIBEACON_JQ": program, "CIBEACON_DRY_RUN": "true"}
    environ |= {"GITHUB_EVENT_NAME": "pull_request"}
    ended = cibeacon("report", environ=environ, cwd=shop.root)
    stays_secret(ended, tmp_path, tmp_path / "event.json")


@pytest.mark.parametrize(
    "verb", [("services",), ("services", "list"), ("services", "check"), ("services", "which", "x")]
)
def test_the_other_verbs_write_no_secret_either(shop, merged, tmp_path, verb):
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    (tmp_path / "paths").write_text(f"services/{DX.text}/x\nservices/ghs/{GITHUB.text}\n")
    for flags in ([], ["--format=json"], ["--jq=."]):
        stays_secret(cibeacon(*verb, *flags, environ=environ, cwd=shop.root), tmp_path, tmp_path / "paths")
        if verb == ("services",):
            given = cibeacon(*verb, *flags, f"--files-from={tmp_path}/paths", environ=environ, cwd=shop.root)
            assert "***" in given.out
            stays_secret(given, tmp_path, tmp_path / "paths")


def test_a_mistyped_command_line_repeats_no_secret(tmp_path):
    for argv in (("report", DX.text), ("report", f"--dx-token={DX.text}"), ("services", f"--files-from={DX.text}")):
        ended = cibeacon(*argv, environ={"DX_API_TOKEN": DX.text}, cwd=tmp_path)
        assert ended.code == 2
        assert not leaked([DX], ended.out, ended.err)


# The spool ------------------------------------------------------------------------------------------------------------


def test_what_is_kept_for_later_and_sent_then_holds_no_secret(shop, merged, tmp_path):
    with Refusing() as refusing:
        environ = github(merged, tmp_path, git=refusing.url, api=refusing.url, dx=refusing.url)
        ended = cibeacon("report", environ=environ, cwd=shop.root)
    kept_files = list((tmp_path / "cibeacon" / "spool").glob("*.ndjson"))
    assert kept_files
    stays_secret(ended, tmp_path)
    with FaultServer(answers(SHOUTED)) as dx:
        again = cibeacon("replay", environ=environ | {"CIBEACON_DX_URL": dx.url}, cwd=shop.root)
        stays_secret(again, tmp_path, servers=[(dx, [DX])])
    assert "invalid_auth" in again.out
    for flags in FORMATS:
        stays_secret(cibeacon("replay", "--dry-run", *flags, environ=environ, cwd=shop.root), tmp_path)


def test_a_signal_that_holds_a_secret_is_never_kept(shop, merged, tmp_path):
    with Refusing() as refusing:
        environ = github(merged, tmp_path, git=refusing.url, api=refusing.url, dx=refusing.url)
        environ |= {"CIBEACON_PIPELINE_NAME": f"deploy {GITHUB.text}", "CIBEACON_DEPLOY_SERVICES": ""}
        ended = cibeacon("report", environ=environ, cwd=shop.root)
    assert "could not be spooled" in ended.out
    stays_secret(ended, tmp_path)


def test_a_spool_file_that_holds_a_secret_is_shown_without_it(tmp_path):
    record = Record(DX.text, DX.text, "dx", "POST", "/api/x", {"a": DX.text}, 1.0, DX.text, DX.text)
    folder = tmp_path / "given" / DX.in_url
    folder.mkdir(parents=True)
    (folder / "a.ndjson").write_bytes(record.line() + f"{{{DX.text}\n".encode() * 2)
    environ = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")}
    environ |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "DX_API_TOKEN": DX.text, "CIBEACON_DX_URL": "acme"}
    for flags in FORMATS:
        ended = cibeacon("replay", str(folder / "a.ndjson"), *flags, "--dry-run", environ=environ, cwd=tmp_path)
        stays_secret(ended, tmp_path, tmp_path / "given")


# Whole processes ------------------------------------------------------------------------------------------------------

NOISE = {
    "PYTHONDEVMODE": "1",
    "PYTHONWARNINGS": "always",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONTRACEMALLOC": "1",
    "GIT_TRACE": "1",
    "GIT_TRACE_CURL": "1",
    "GIT_TRACE_PACKET": "1",
    "GIT_TRACE_SETUP": "1",
    "GIT_TRACE_REDACT": "0",
    "GIT_CURL_VERBOSE": "1",
    "REQUESTS_DEBUG": "1",
}
"""What makes Python and git talk."""


def _command_lines():
    """Every command line on this machine."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_bytes())
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only Linux shows command lines there")
@pytest.mark.parametrize("host", HOSTS)
def test_no_child_and_no_debug_output_shows_a_secret(merged, shallow, tmp_path, host):
    lines: list[bytes] = []

    def looking(answer):
        def fault(connection, server):
            lines.extend(_command_lines())
            answer(connection, server)

        return fault

    with ExitStack() as held:
        git, api, dx = (held.enter_context(FaultServer(looking(answers(SHOUTED)))) for _ in range(3))
        environ = HOSTS[host](merged, tmp_path, git=git.url, api=api.url, dx=dx.url)
        python = host == "github"  # which talks of the same things on every host, and slowly
        environ |= {name: value for name, value in NOISE.items() if python or not name.startswith("PYTHON")}
        environ |= {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        environ |= {"GIT_TRACE2": str(tmp_path / "trace2"), "GIT_TRACE2_EVENT": str(tmp_path / "trace2-event")}
        done = subprocess.run(
            [sys.executable, "-m", "cibeacon", "report", "--verbose", "--jq=."],
            env=environ,
            cwd=shallow,
            capture_output=True,
            timeout=600,
        )
        assert git.requests
        assert dx.requests
    assert done.returncode == 0
    assert any(b"git" in line and b"remote" in line for line in lines), "git was seen at work"
    assert not leaked(EVERY, *lines)
    assert not leaked(EVERY, kept(done.stdout.decode()), kept(done.stderr.decode()), *written(tmp_path))


# Masks ----------------------------------------------------------------------------------------------------------------


GIVEN = [CANARIES[name] for names in NAMES.values() for name in names]
"""What is a setting of cibeacon's own. Other secrets in the environment are somebody else's to print."""
PARTS = [
    part for each in DECLARED if each.secrets for name in NAMES[each.name] for part in each.secrets(CANARIES[name].text)
]
"""What is a secret of its own within one of them."""


@pytest.mark.parametrize(
    ("stage", "command"),
    [("main", each) for each in ("", "services", "replay", "report --format json", "services --jq .")]
    + [("post", ""), ("post", "report --format json")],
)
def test_the_actions_runner_is_told_our_secrets_before_anything_else_is_said(shop, merged, tmp_path, command, stage):
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    environ |= {"INPUT_COMMAND": command, "INPUT_DRY_RUN": "true", "AWS_SECRET_ACCESS_KEY": "an-aws-secret"}
    ended = cibeacon(environ=environ, cwd=shop.root, stage=stage)
    found = commands(ended.err)
    told = [each for each in found if each.name == "add-mask"]
    assert found[: len(told)] == told
    assert {each.text for each in GIVEN} <= {each.data for each in told}
    assert {text for each in (*(each.text for each in GIVEN), *PARTS) for text in spellings(each)} == {
        each.data for each in told
    }
    assert masked(ended.out) == []
    assert "aws" not in ended.err + ended.out


VERBS = [
    ("report",), ("report", "--format=json"), ("services",), ("services", "--jq=.version"), ("services", "list"), ("replay",),
    ("dci", "topics"), ("dataops", "pipelines"), ("backfill", "deployments", "none.csv"), ("flow", "list"),
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_plain_step_prints_no_secret_wherever_its_output_goes(shop, merged, tmp_path, verb):
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="acme")
    ended = cibeacon(*verb, *(("--dry-run",) if verb != ("services", "list") else ()), environ=environ, cwd=shop.root)
    assert "add-mask" not in ended.out + ended.err
    assert not leaked(EVERY, ended.out, ended.err)


def test_an_action_whose_output_no_runner_reads_prints_no_secret(tmp_path):
    environ = {"GITHUB_ACTIONS": "true", "INPUT_DX_TOKEN": DX.text, "INPUT_DRY_RUN": "true", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", "from cibeacon.__main__ import action_main; action_main()"]
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(command, env=environ, cwd=tmp_path, stdout=log, stderr=log, timeout=60, check=True)
    text = (tmp_path / "log").read_text()
    assert "result" in text
    assert not leaked([DX], text)


def test_a_mask_is_one_command_whatever_the_secret_is(tmp_path):
    odd = "a%0A::error::x\r\n::stop-commands::y"
    environ = {"GITHUB_ACTIONS": "true", "DX_API_TOKEN": odd, "INPUT_COMMAND": "services"}
    ended = cibeacon(environ=environ, cwd=tmp_path, stage="main")
    found = commands(ended.err)
    assert found[0] == Command("add-mask", {}, odd)
    assert {each.name for each in found} == {"add-mask"}


@pytest.mark.parametrize("environ", [{}, {"GITLAB_CI": "true"}, {"CI": "true"}, {"GITHUB_ACTIONS": "false"}])
def test_nobody_but_githubs_runner_is_told_a_secret(tmp_path, environ):
    for stage in ("single", "main"):
        ended = cibeacon(
            *("services",) * (stage == "single"), environ=environ | {"DX_API_TOKEN": DX.text}, cwd=tmp_path, stage=stage
        )
        assert "add-mask" not in ended.out + ended.err
        assert not leaked([DX], ended.out, ended.err)


# The proof that this file can fail ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["DX_API_TOKEN", "CI_JOB_TOKEN"])
def test_every_echo_of_a_canary_is_seen(name):
    canary = CANARIES[name]
    for echo in canary.echoes().split(" ; "):
        assert leaked(EVERY, f"before{echo}after") == {name}
    assert leaked(EVERY, "ordinary text", json.dumps({"key": "value"})) == set()


def test_a_courier_that_talked_would_be_caught(shop, merged, tmp_path, monkeypatch):
    def talks(self, exchange, row, deadline=None, **named):
        Path(tmp_path / "leak").write_text(self._endpoints["dx"].token)
        return row

    monkeypatch.setattr(HttpClient, "send", talks)
    environ = github(merged, tmp_path, git="http://127.0.0.1:9", api="http://127.0.0.1:9", dx="http://127.0.0.1:9")
    ended = cibeacon("report", environ=environ, cwd=shop.root)
    with pytest.raises(AssertionError, match="INPUT_DX_TOKEN"):
        stays_secret(ended, tmp_path)
