"""What is too large, too deep or too much costs a run neither its memory nor its time: it is unknown, with the reason.

Every process of a run gets the memory that docs/delivery.md promises to be enough, and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import pytest

from cibeacon.git import git_process
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer
from githttp import GitServer
from processes import cibeacon

MEMORY_KIB = 256 << 10
"""What `ulimit -d` bounds: anonymous memory of each process."""
WATCHDOG = 300
GIT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "a@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
TOKEN = "sandbox-token-1"
MAP = ("--services", "services/{service}/")


def git(folder, *argv, given=None):
    done = subprocess.run(["git", *argv], cwd=folder, input=given, stdout=subprocess.PIPE, env=GIT, check=True)
    return done.stdout.decode().strip()


def blob(folder, content):
    return git(folder, "hash-object", "-w", "--stdin", given=content)


def tree(folder, *entries):
    """A tree of (mode, kind, id, name)."""
    lines = "".join(f"{mode} {kind} {sha}\t{name}\n" for mode, kind, sha, name in entries)
    return git(folder, "mktree", given=lines.encode())


def committed(folder, *trees):
    """A commit of each tree, one on the other; the last one is the branch's."""
    shas = []
    for each in trees:
        parent = ("-p", shas[-1]) if shas else ()
        shas.append(git(folder, "commit-tree", each, "-m", "change", *parent))
    git(folder, "update-ref", "refs/heads/main", shas[-1])
    return shas


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", ".")
    return folder


def limited(*argv, cwd, environ=None, stdin=b"", codes=(0,), memory_kib=MEMORY_KIB):
    """The end of `cibeacon ARGV` in a process whose memory, and that of its children, is bounded."""
    command = ["sh", "-c", f'ulimit -d {memory_kib}; exec "$@"', "sh", sys.executable, "-m", "cibeacon", *argv]
    variables = {"PATH": os.environ["PATH"], "HOME": str(cwd), "CIBEACON_FORMAT": "json", **(environ or {})}
    done = subprocess.run(command, cwd=cwd, input=stdin, env=variables, capture_output=True, timeout=WATCHDOG)
    assert done.returncode in codes, done.stderr.decode()
    assert b"because of a bug" not in done.stderr + done.stdout
    return json.loads(done.stdout)


def bomb(folder, *, width=20, depth=6):
    """A tree of `width` to the power of `depth` + 1 files, which takes a few kilobytes."""
    file = blob(folder, b"x\n")
    top = tree(folder, *(("100644", "blob", file, f"f{number}") for number in range(width)))
    for _ in range(depth):
        top = tree(folder, *(("040000", "tree", top, f"d{number}") for number in range(width)))
    return tree(folder, ("040000", "tree", top, "services"))


@pytest.mark.parametrize("services", ["services/{service}/", "services/*/{service}/"])
def test_a_tree_that_stands_for_billions_of_files_is_unknown(repo, services):
    base, head = committed(repo, tree(repo), bomb(repo))
    told = limited("services", "--base", base, "--head", head, "--services", services, cwd=repo)
    assert told["changes"]["status"] == "unknown"
    assert "memory" in json.dumps(told)


@pytest.mark.parametrize("rule", ['{"marker": "**/package.json"}', '{"root": "services/{service}/"}'])
def test_a_rule_over_such_a_tree_is_unknown(repo, rule):
    base, head = committed(repo, bomb(repo), bomb(repo, width=19))
    (repo / ".cibeacon.json").write_text(f'{{"discover": [{rule}]}}')
    told = limited("services", "--base", base, "--head", head, cwd=repo, environ={"CIBEACON_TIMEOUT": "10"})
    assert told["changes"]["status"] == "unknown"


LARGE = {
    "a line over and over": b"/services/web/ @acme/web\n" * (1 << 20),
    "one line": b"x" * (24 << 20),
    "brackets": b"[" * (24 << 20),
}


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE.keys())
def test_a_codeowners_file_of_many_megabytes_is_unknown(repo, content):
    owners = blob(repo, content)
    trees = [
        tree(repo, ("100644", "blob", owners, "CODEOWNERS"), ("100644", "blob", blob(repo, text), "a.txt"))
        for text in (b"1", b"2")
    ]
    base, head = committed(repo, *trees)
    (repo / ".cibeacon.json").write_text('{"discover": [{"codeowners": "CODEOWNERS"}]}')
    told = limited("services", "--base", base, "--head", head, cwd=repo)
    assert told["changes"]["status"] == "unknown"
    assert "larger than 4 MiB" in json.dumps(told)


@pytest.mark.parametrize("line", ["*a*b*/**/c{}*/*d* @acme/web", "*{}* @acme/t{}", "/a/**/x{}/**/y* @acme/web"])
def test_a_codeowners_file_of_as_many_lines_as_are_read_ends_in_time(repo, line):
    owners = blob(repo, "".join(f"{line.format(number, number)}\n" for number in range(20_000)).encode())
    file = blob(repo, b"1")
    changed = tree(repo, *(("100644", "blob", file, f"f{number}") for number in range(1000)))
    below = tree(repo, ("040000", "tree", changed, "a"))
    sides = (
        (("100644", "blob", owners, "CODEOWNERS"),),
        (("100644", "blob", owners, "CODEOWNERS"), ("040000", "tree", below, "a")),
    )
    base, head = committed(repo, *(tree(repo, *side) for side in sides))
    (repo / ".cibeacon.json").write_text('{"discover": [{"codeowners": "CODEOWNERS"}]}')
    told = limited("services", "--base", base, "--head", head, cwd=repo, environ={"CIBEACON_TIMEOUT": "4"})
    assert told["changes"]["status"] in ("ok", "none", "unknown")


def test_a_fetch_that_brings_more_than_it_may_is_unknown(repo, tmp_path, monkeypatch):
    """The bound is lowered here: nobody wants to fetch 4 GiB in a test."""
    names = [hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(2000)]
    file = blob(repo, b"1")
    committed(repo, tree(repo), tree(repo, *(("100644", "blob", file, name) for name in names)))
    base, head = git(repo, "rev-list", "main").split("\n")[::-1]
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet", ".")
    with GitServer(repo) as server:
        environ = server.github | {"GITHUB_ACTIONS": "true", "GITHUB_SHA": head, "CIBEACON_SERVICES": "{service}/"}
        ask = ("services", "--format=json", f"--base={base}", f"--head={head}")
        assert cibeacon(*ask, environ=environ, cwd=tmp_path / "empty").document["changes"]["changed_files"] == 2000
        monkeypatch.setattr(git_process, "WRITTEN", 10_000)
        assert cibeacon(*ask, environ=environ, cwd=tmp_path / "empty").document["changes"]["status"] == "unknown"


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE.keys())
def test_markers_of_many_megabytes_are_unknown(repo, content):
    marker = blob(repo, content)
    trees = [
        tree(
            repo,
            *(
                (
                    "040000",
                    "tree",
                    tree(repo, ("100644", "blob", marker, "package.json"), ("100644", "blob", one, "a")),
                    f"s{at}",
                )
                for at in range(3)
            ),
        )
        for one in (blob(repo, b"1"), blob(repo, b"2"))
    ]
    base, head = committed(repo, *trees)
    (repo / ".cibeacon.json").write_text('{"discover": [{"marker": "*/package.json", "name": ".name"}]}')
    assert limited("services", "--base", base, "--head", head, cwd=repo)["changes"]["status"] == "unknown"


def test_many_markers_take_no_more_memory_than_few(repo):
    sides = []
    for side in (b"1", b"2"):
        changed = blob(repo, side)
        folders = []
        for at in range(40):
            words = json.dumps({"name": f"s{at}", "text": "x" * 200_000, "list": [[]] * 10_000}).encode()
            folders.append(
                (
                    "040000",
                    "tree",
                    tree(repo, ("100644", "blob", blob(repo, words), "package.json"), ("100644", "blob", changed, "a")),
                    f"s{at}",
                )
            )
        sides.append(tree(repo, *folders))
    base, head = committed(repo, *sides)
    (repo / ".cibeacon.json").write_text('{"discover": [{"marker": "*/package.json", "name": ".name"}]}')
    environ, less = {"CIBEACON_TIMEOUT": "200"}, MEMORY_KIB // 4  # too little for all of them at once
    told = limited("services", "--base", base, "--head", head, cwd=repo, environ=environ, memory_kib=less)
    assert len(told["changes"]["services"]) == 40


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE.keys())
@pytest.mark.parametrize("name", [".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml"])
def test_a_configuration_of_many_megabytes_is_invalid(repo, name, content):
    base, head = committed(repo, tree(repo), tree(repo, ("100644", "blob", blob(repo, b"1"), "a")))
    (repo / name).write_bytes(content)
    assert limited("services", "--base", base, "--head", head, cwd=repo)["changes"]["status"] == "unknown"


MOST = 10_000
LEGAL = {
    "ignored": {"ignore": [f"a{number}" for number in range(4 * MOST)]},
    "globs": {"services": {"web": ["*a*b*/**/c/**/*d*"] * 4 * MOST}},
    "globs of their own": {"services": {"web": [f"**/*{'a' * 60}*/**/*{number}" for number in range(MOST // 2)]}},
    "services": {"services": {f"{'s' * 60}{number}": f"a/**/s{number}/*" for number in range(MOST)}},
    "uses": {"services": {f"s{number}": {"paths": "a/", "uses": [f"s{number + 1}"]} for number in range(MOST)}},
    "unknown uses": {"services": {f"s{number}": {"uses": [f"t{number}"]} for number in range(MOST)}},
    "unknown keys": {f"key{number}": number for number in range(4 * MOST)},
}


CHANGES, CHECK, LIST, WHICH = (), ("check",), ("list",), ("which", "a/a/a/f1c")
VERBS = {
    "globs": (CHANGES,), "globs of their own": (CHECK,), "services": (CHANGES, CHECK, LIST, WHICH), "unknown uses": (CHECK,),
}  # fmt: skip
"""The verbs that read such a configuration; both kinds of globs are matched alike."""


@pytest.mark.parametrize(
    ("document", "verb"),
    [
        pytest.param(document, verb, id=f"{what}-{' '.join(verb)}")
        for what, document in LEGAL.items()
        for verb in VERBS.get(what, (CHANGES, CHECK))
    ],
)
def test_a_configuration_of_almost_the_largest_size_ends_in_time(repo, document, verb):
    file = blob(repo, b"1")
    top = tree(repo, *(("100644", "blob", file, f"f{number}c") for number in range(40)))
    for _ in range(3):
        top = tree(repo, ("040000", "tree", top, "a"))
    base, head = committed(repo, tree(repo), top)
    (repo / ".cibeacon.json").write_text(json.dumps(document))
    between = () if verb else ("--base", base, "--head", head)
    assert limited("services", *verb, *between, cwd=repo, codes=(0, 2), environ={"CIBEACON_TIMEOUT": "120"})


@pytest.mark.parametrize("verb", ["check", "list", "which"])
def test_a_map_that_takes_too_long_to_read_ends_with_the_time(repo, verb):
    committed(repo, bomb(repo, depth=7))
    (repo / ".cibeacon.json").write_text('{"discover": [{"marker": "**/package.json"}]}')
    command = [sys.executable, "-m", "cibeacon", "services", verb, *(["a"] if verb == "which" else [])]
    variables = {"PATH": os.environ["PATH"], "HOME": str(repo), "CIBEACON_TIMEOUT": "1"}
    done = subprocess.run(command, cwd=repo, env=variables, capture_output=True, timeout=WATCHDOG)
    assert done.returncode == 2


@pytest.mark.parametrize("content", [b"[" * (6 << 20), b'{"a": [' + b"[]," * (2 << 20) + b"[]]}", b" " * (24 << 20)])
def test_an_event_that_is_too_large_costs_what_it_says_and_nothing_else(tmp_path, repo, content):
    event = tmp_path / "event.json"
    event.write_bytes(content)
    with Sandbox() as sandbox:
        environ = {
            "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "1" * 40,
            "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": str(event),
            "GITHUB_WORKFLOW": "ship", "CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": TOKEN,
        }  # fmt: skip
        told = limited("report", "--signals", "pipeline-run", cwd=repo, environ=environ)
    assert [each["outcome"] for each in told["signals"]] == ["sent"]


def endless(kind):
    """An answer of a host that does not end."""

    def fault(connection, server):
        while server.read(connection):
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{kind}\r\n\r\n"
            connection.sendall(head.encode())
            piece = b"[[]," * 16384
            while not server.over.is_set():
                connection.sendall(piece if kind.startswith("Connection") else b"%x\r\n%s\r\n" % (len(piece), piece))

    return fault


@pytest.mark.parametrize("kind", ["Connection: close", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_a_hosts_answer_without_end_is_said_and_the_rest_is_sent(tmp_path, repo, host, kind):
    (sha,) = committed(repo, tree(repo))
    with Sandbox() as sandbox, FaultServer(endless(kind)) as server:
        environ = {
            "github": {
                "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7", "GITHUB_SHA": sha,
                "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_API_URL": server.url,
                "GITHUB_SERVER_URL": server.url, "GITHUB_TOKEN": "x", "GITHUB_EVENT_PATH": str(tmp_path / "event"),
            },
            "gitlab": {
                "GITLAB_CI": "true", "CI_PROJECT_PATH": "acme/shop", "CI_PIPELINE_ID": "7", "CI_COMMIT_SHA": sha,
                "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
                "CI_SERVER_URL": server.url, "CI_API_V4_URL": f"{server.url}/api/v4", "GITLAB_TOKEN": "x",
            },
        }[host]  # fmt: skip
        (tmp_path / "event").write_text(
            json.dumps(
                {"after": sha, "before": "1" * 40, "ref": "refs/heads/main", "repository": {"default_branch": "main"}}
            )
        )
        environ |= {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": TOKEN, "CIBEACON_STATUS": "running"}
        told = limited("report", *MAP, cwd=repo, environ=environ)
    assert {each["kind"]: each["outcome"] for each in told["signals"]}["pipeline-run"] == "sent"
    assert "over 8 MiB" in json.dumps(told)


def a_record(number, body=None):
    return {
        "version": 1, "key": f"k{number}", "kind": "pipeline-run", "sink": "dx", "method": "POST",
        "path": "/api/pipelineRuns.sync", "created_at": number, "body": body or {
            "pipeline_name": "ship", "pipeline_source": "x", "status": "success", "reference_id": f"r{number}",
            "started_at": "1", "repository": "acme/shop",
        },
    }  # fmt: skip


def test_a_spool_of_gigabytes_in_memory_keeps_no_innocent_record_from_leaving(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    line = json.dumps(a_record(0, {"a": [[]] * 250_000}), separators=(",", ":"))
    for number in range(20):
        (spool / f"{number:064x}.ndjson").write_text(f"{line}\n")
    (spool / f"{'f' * 64}.ndjson").write_text(json.dumps(a_record(999)) + "\n")
    with Sandbox() as sandbox:
        environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": TOKEN}
        told = limited("replay", str(spool), cwd=tmp_path, environ=environ)
    assert {each["key"]: each["outcome"] for each in told["signals"]}["k999"] == "sent"
