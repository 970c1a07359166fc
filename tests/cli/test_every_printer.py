"""Untrusted text from every source through the whole command to everything that it prints on GitHub and GitLab."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.model.spool_record import Record
from cibeacon.report_text import OUTPUTS
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, Refusing, answers, response
from hostile import ANYTHING, TEXTS, called
from log_grammar import assignments, commands, kept, sections
from processes import cibeacon
from repositories import Worktree

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = {"heading", "inline", "table", "thead", "tbody", "tr", "th", "td", "paragraph", "html_block"}
TAGS = re.compile(r"<details open><summary>[^<>]*</summary>|</details>")
OWN_SECTION = re.compile(r"^\x1b\[0Ksection_(start|end):\d+:cibeacon_requests(\[collapsed=true\])?\r\x1b\[0K", re.M)
HELP = re.compile(
    r"^Help: \[[a-z-]+\]\(https://cibeacon\.github\.io/[a-z/#-]+\)( · \[[a-z-]+\]\(https://cibeacon\.github\.io/[a-z/#-]+\))*$",
    re.M,
)
OWN_LINKS = re.compile(r"(?<=\n\n)\[[ \w#]+\]\(https?://[!-~]+\)( · \[[ \w#]+\]\(https?://[!-~]+\))*\n\n")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
TEN = 10
"""The number of annotations of each kind that the runner shows per step."""
LARGEST_SUMMARY = 1 << 20


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("mouths") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/pay/x": "", "services/$(id)/x": ""}], ("pay",))


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A repository in which every hostile text is a file name, each in a separate service."""
    tree = Worktree.new(tmp_path_factory.mktemp("named") / "shop")
    tree.commit({"README.md": ""})
    tree.commit({f"services/s{number:02}/{_file_name(text)}": "" for number, text in enumerate(TEXTS)})
    return tree


@pytest.fixture(scope="module")
def shallow(shop, merged, tmp_path_factory):
    root = tmp_path_factory.mktemp("shallow") / "shop"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{shop.root}", str(root)], check=True)
    return root


def _file_name(text):
    """The text, changed as little as a file name requires."""
    raw = text.encode(
        "utf-8", "surrogateescape" if re.fullmatch(r"[^\ud800-\udc7f\udd00-\udfff]*", text) else "replace"
    )
    return os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"")[:200] or b"x") + "x"


# How runners and pages interpret it ------------------------------------------------------------------------------------


def log_obeys_nobody(*logs):
    """Asserts that a log triggers only our own annotations and moves no cursor."""
    for log in map(kept, logs):
        log = OWN_SECTION.sub("", log)
        assert not sections(log)
        assert "##[" not in log
        assert not UNPRINTABLE.search(log), UNPRINTABLE.search(log)
        for command in commands(log):
            assert command.name in ("warning", "error")
            assert re.fullmatch(r"cibeacon(: [^\n]{1,190})?", command.properties.pop("title"))
            assert not command.properties
        assert len(commands(log)) <= TEN


def summary_is_plain(text):
    """Asserts that Markdown is tables of constant width and text, without foreign links, images, tags, code or emphasis."""
    assert len(text.encode()) <= LARGEST_SUMMARY
    ours = OWN_LINKS.search(text)
    if ours:
        (paragraph,) = [token for token in MARKDOWN.parse(ours[0]) if token.type == "inline"]
        links = [part.attrs["href"] for part in paragraph.children if part.type == "link_open"]
        assert all(re.match(r"https?://(github\.com|127\.0\.0\.1:\d+)/", link) for link in links), links
        assert {part.type for part in paragraph.children} <= {"link_open", "text", "link_close"}
        text = text.replace(ours[0], "", 1)
    text = HELP.sub("", text, 1)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [row for row in table.splitlines() if not re.fullmatch(r"\| … and \d+ more \|", row)]
        assert len({row.count("|") for row in rows}) == 1, rows
    for token in MARKDOWN.parse(text):
        kind = token.type.removesuffix("_open").removesuffix("_close")
        assert kind in PLAIN, token
        if kind == "html_block":
            assert all(TAGS.fullmatch(line) for line in token.content.strip().split("\n")), token.content
        for part in token.children or ():
            assert part.type == "text", part
    assert not re.search(r"https?://|www\.|\S@\S", text)


def github_is_safe(ended, folder):
    log_obeys_nobody(ended.out, ended.err)
    if (folder / "output").exists():
        told = assignments((folder / "output").read_text())
        values = dict(told)
        assert len(values) == len(told)
        assert set(values) <= set(OUTPUTS)
        assert not [value for value in values.values() if "\n" in value or not value.isascii() or "$" in value]
        json.loads(values["services"])
        json.loads(values.get("deployment_reference_ids", "[]"))
    if (folder / "state").exists():
        assert [name for name, _ in assignments((folder / "state").read_text())] == ["started_at", "stage"]
    if (folder / "summary.md").exists():
        summary_is_plain((folder / "summary.md").read_text())
    for path in ("output", "state", "summary.md"):
        (folder / path).unlink(missing_ok=True)
    return json.loads((folder / "cibeacon" / "report.json").read_text(encoding="ascii"))


def gitlab_is_safe(ended, folder):
    log_obeys_nobody(ended.out, ended.err)
    assert not commands(ended.out + ended.err)
    text = (folder / "cibeacon.env").read_text(encoding="ascii")
    assert len(text.encode()) <= 5000
    lines = [
        re.fullmatch(r"(CIBEACON_OUT_[A-Z_]+)=[^\x00-\x1f$]*", line) for line in text.removesuffix("\n").split("\n")
    ]
    assert all(lines), text
    names = [match[1] for match in lines]
    assert len(set(names)) == len(names)
    assert {name.removeprefix("CIBEACON_OUT_").lower() for name in names} <= set(OUTPUTS)
    annotations = folder / "cibeacon-annotations.json"
    for each in json.loads(annotations.read_text(encoding="ascii"))["cibeacon"] if annotations.exists() else ():
        link = each["external_link"]
        assert set(link) == {"label", "url"}
        assert re.fullmatch(r"https?://[!-~]+", link["url"])
        assert not UNPRINTABLE.search(link["label"])
    return json.loads((folder / "cibeacon-report.json").read_text(encoding="ascii"))


# Sources ---------------------------------------------------------------------------------------------------------------


def on_github(text, merged, folder, **more):
    """A merged pull request in which the text is in every field that a stranger can choose."""
    event = runs.closed(merged)
    event["pull_request"]["head"]["ref"] = event["pull_request"]["title"] = text
    event["pull_request"]["base"]["ref"] = event["action"] = text
    event["repository"]["default_branch"] = text
    environ = runs.github("pull_request", event, merged.merge_sha, 7, folder)
    environ |= dict.fromkeys(("GITHUB_WORKFLOW", "GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR", "GITHUB_JOB"), text)
    environ |= {"GITHUB_REF": f"refs/tags/{text}", "GITHUB_STATE": str(folder / "state")}
    return environ | _settings(text) | more


def on_gitlab(text, merged, folder, **more):
    environ = runs.gitlab(merged.base_sha, merged.merge_sha, 8, "http://127.0.0.1:9", folder)
    names = ("CI_JOB_NAME", "CI_PIPELINE_NAME", "GITLAB_USER_LOGIN", "CI_COMMIT_TAG", "CI_DEFAULT_BRANCH")
    environ |= dict.fromkeys(names, text) | {"CI_JOB_TOKEN": "", "CI_PIPELINE_URL": f"https://gitlab.example/{text}"}
    return environ | _settings(text) | more


def _settings(text):
    """Our settings that workflows fill from events."""
    names = ("ENVIRONMENT", "DEPLOY_SUCCESS", "STATUS", "SOURCE_NAME", "REFERENCE_ID", "PIPELINE_NAME", "RUN_SCOPE")
    return {f"CIBEACON_{name}": text for name in names if text.strip()} | {
        "CIBEACON_DEPLOY_SERVICES": "changed",
        "CIBEACON_SERVICES": "services/{service}/",
        "CIBEACON_TIMEOUT": "60",
        "DX_API_TOKEN": "wrong-token",
    }


HOSTS = {"github": (on_github, github_is_safe), "gitlab": (on_gitlab, gitlab_is_safe)}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("text", TEXTS, ids=called)
def test_nothing_that_a_stranger_wrote_is_obeyed(shop, merged, tmp_path, host, text):
    """Branch, tag, actor, job and pipeline; and an API that repeats them in its error and its Location."""
    environ, is_safe = HOSTS[host]
    told = json.dumps({"ok": False, "error": text, "message": f"{text} {text}"}).encode()
    with FaultServer(answers(response(told, status="422 No"))) as dx:
        given = environ(text, merged, tmp_path, CIBEACON_DX_URL=dx.url)
        dry = (TEXTS.index(text) % 2 == 0) is (host == "github")
        other = ("--dry-run",) if dry else ("--format=json",)
        for flags in (("--verbose", "--strict"), *((other,) if dry or host == "github" else ())):
            ended = cibeacon("report", *flags, environ=given, cwd=shop.root)
            document = is_safe(ended, tmp_path)
            if "--format=json" in flags:
                assert ended.document["context"] == document["context"]
    assert document["context"]["job"] == (text or None)


@pytest.mark.parametrize("text", TEXTS[0::3], ids=called)
def test_a_hostile_repository_name_is_obeyed_by_nobody(shop, merged, tmp_path, text):
    for environ, is_safe, name in (
        (on_github, github_is_safe, "GITHUB_REPOSITORY"),
        (on_gitlab, gitlab_is_safe, "CI_PROJECT_PATH"),
    ):
        given = environ("x", merged, tmp_path, CIBEACON_DX_URL="acme") | {
            name: text,
            "GITHUB_EVENT_NAME": text or "push",
        }
        is_safe(cibeacon("report", "--dry-run", environ=given, cwd=shop.root), tmp_path)


@pytest.mark.parametrize("text", [text for text in TEXTS[2::3] if not re.search(r"[\r\n]", text)], ids=called)
def test_what_a_servers_headers_say_is_obeyed_by_nobody(shop, merged, tmp_path, text):
    raw = text.encode("utf-8", "surrogatepass")[:6000].decode("latin-1")
    for reply in (
        response(b"", status="302 Found", Location=raw or "/"),
        response(b"no", status=f"404 {raw}", kind=raw),
    ):
        with FaultServer(answers(reply)) as dx:
            environ = on_github("x", merged, tmp_path, CIBEACON_DX_URL=dx.url)
            github_is_safe(cibeacon("report", environ=environ, cwd=shop.root), tmp_path)


@pytest.mark.parametrize("text", TEXTS[1::3], ids=called)
def test_what_git_complains_of_is_obeyed_by_nobody(merged, shallow, tmp_path, text):
    line = b"ERR " + text.encode("utf-8", "surrogatepass")[:60000] + b"\n"
    kind = "application/x-git-upload-pack-advertisement"
    with FaultServer(answers(response(f"{len(line) + 4:04x}".encode() + line, kind=kind))) as git:
        given = on_github("x", merged, tmp_path, GITHUB_SERVER_URL=git.url, CIBEACON_DX_URL="http://127.0.0.1:9")
        given |= {"CIBEACON_SIGNALS": "pull-services"}
        ended = cibeacon("report", environ=given, cwd=shallow)
        assert git.requests
        github_is_safe(ended, tmp_path)


@pytest.mark.parametrize("flags", [(), ("--format=json",), ("--jq=.changes.why[]",), ("--jq=.",)], ids=str)
def test_file_names_are_obeyed_by_nobody(named, tmp_path, flags):
    environ = runs.github("push", runs.pushed(named.tip("HEAD~1"), named.tip()), named.tip(), 7, tmp_path)
    environ |= {
        "CIBEACON_SERVICES": "services/{service}/",
        "CIBEACON_DX_URL": "acme",
        "GITHUB_STATE": str(tmp_path / "state"),
    }
    for verb in (("report", "--dry-run"), ("services",)):
        ended = cibeacon(*verb, *flags, environ=environ, cwd=named.root)
        if flags[:1] != ("--jq=.changes.why[]",):
            document = github_is_safe(ended, tmp_path)
            assert len(document["changes"]["services"]) == len(TEXTS)
        else:
            log_obeys_nobody(ended.err)
            assert not commands(ended.out)
            assert not sections(ended.out)
    if "--format=json" in flags:
        names = {
            json.loads(json.dumps(os.fsdecode(os.fsencode(name)))) for name in ended.document["changes"]["why"].values()
        }
        assert any("::set-output" in name for name in names)


@pytest.mark.parametrize("verb", ["list", "check", "which"])
def test_the_verbs_about_the_map_show_file_names_harmlessly(named, verb):
    paths = [f"services/s00/{_file_name(text)}" for text in TEXTS if not text.startswith("-")]
    argv = ("services", verb, *(paths if verb == "which" else ()), "--services=services/{service}/")
    for flags in ((), ("--format=json",), ("--jq=.",)):
        ended = cibeacon(*argv, *flags, environ={"GITHUB_ACTIONS": "true"}, cwd=named.root)
        log_obeys_nobody(ended.out, ended.err)


@pytest.mark.parametrize("text", TEXTS[2::3], ids=called)
def test_a_hostile_configuration_is_obeyed_by_nobody(tmp_path, text):
    """Invalid names, patterns, keys and values are reported; valid ones are used."""
    tree = Worktree.new(tmp_path / "shop")
    for document in (
        {
            "services": {text: "a/", "ok": [text]},
            text: 1,
            "unmatched": text,
            "discover": [{"marker": text}, {text: "x"}],
        },
        {"services": {"ok": "a/"}, "report": {text: 1, "environment": text, "pipeline_name": text}},
        {"discover": [{"jq": f"error({json.dumps(text[:500])})"}]},
    ):
        (tree.root / ".cibeacon.json").write_text(json.dumps(document))
        environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        for verb in (("services", "check"), ("report", "--dry-run", "--dx-url=acme")):
            ended = cibeacon(*verb, environ=environ, cwd=tree.root)
            log_obeys_nobody(ended.out, ended.err)
        summary_is_plain((tmp_path / "summary.md").read_text())
        (tmp_path / "summary.md").unlink()


@pytest.mark.parametrize("first", range(8))
def test_what_a_program_gives_is_obeyed_by_nobody(tmp_path, first):
    results = ", ".join(json.dumps(text) for text in TEXTS[first::8] if len(text) <= 1000)
    ended = cibeacon("services", "--jq", results, environ={"GITHUB_ACTIONS": "true"}, cwd=tmp_path)
    assert ended.code == 0
    assert not commands(ended.out)
    assert not sections(ended.out)
    log_obeys_nobody(ended.err)


@pytest.mark.parametrize("text", TEXTS[0::3], ids=called)
def test_spool_files_of_strangers_are_obeyed_by_nobody(tmp_path, text):
    folder = tmp_path / "given" / _file_name(text)
    folder.mkdir(parents=True)
    good = Record(text, text, "dx", "POST", "/api/deployments.create", {"service": text}, 1.0, text, text)
    strange = Record(text + "2", text, text, text, text, {text: text}, 2.0, text, text)
    (folder / f"{_file_name(text)}.ndjson").write_bytes(good.line() + strange.line())
    (folder / "bad.ndjson").write_bytes(text.encode("utf-8", "surrogatepass")[:5000] + b"\n{}\n")
    refusal = json.dumps({"ok": False, "error": text[:9000]}).encode()
    environ = {"GITHUB_ACTIONS": "true", "RUNNER_TEMP": str(tmp_path), "DX_API_TOKEN": "t" * 9}
    environ |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    with FaultServer(answers(response(refusal, status="422 No"))) as dx:
        environ |= {"CIBEACON_DX_URL": dx.url}
        for argv in (("--dry-run", str(folder)), ("--format=json", str(folder)), (f"{tmp_path}/none{text[:90]}",)):
            if "\0" not in argv[-1]:
                github_is_safe(cibeacon("replay", *argv, environ=environ, cwd=tmp_path), tmp_path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.lists(ANYTHING | st.sampled_from(TEXTS[:40]), min_size=1, max_size=4).map("".join))
def test_no_mixture_fires(shop, merged, tmp_path, text):
    with Refusing() as refusing:
        text = text.replace("\0", "")
        for environ, is_safe in HOSTS.values():
            given = environ(text, merged, tmp_path, CIBEACON_DX_URL=refusing.url)
            is_safe(cibeacon("report", environ=given, cwd=shop.root), tmp_path)
            is_safe(cibeacon("report", "--dry-run", environ=given, cwd=shop.root), tmp_path)


def test_a_summary_stays_below_what_github_takes(tmp_path):
    """The largest number of rows, each as long as possible."""
    wide = "|" * 5000
    lines = b"".join(
        Record(f"{number}", wide, "dx", "POST", "/api/deployments.create", {}, 1.0, wide, wide).line()
        for number in range(300)
    )
    (tmp_path / "a.ndjson").write_bytes(lines + b"{}\n" * 300)
    environ = {
        "GITHUB_ACTIONS": "true",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    ended = cibeacon("replay", "--dry-run", "a.ndjson", environ=environ, cwd=tmp_path)
    log_obeys_nobody(ended.out, ended.err)
    summary_is_plain((tmp_path / "summary.md").read_text())


def test_a_mistyped_command_line_is_obeyed_by_nobody(tmp_path):
    for text in TEXTS:
        if "\0" not in text:
            for argv in ((text,), ("report", text), ("report", f"--{text}"), ("services", "which", f"--{text}")):
                ended = cibeacon(*argv, environ={"GITHUB_ACTIONS": "true"}, cwd=tmp_path)
                log_obeys_nobody(ended.out, ended.err)


# What must not change ---------------------------------------------------------------------------------------------------


def test_a_hostile_folder_is_no_service_and_not_forgotten(shop, merged):
    document = cibeacon("services", "--base=HEAD^1", "--head=HEAD", "--format=json", cwd=shop.root).document
    assert (document["changes"]["status"], document["changes"]["services"]) == ("unknown", [])
    assert "is not a valid service name" in document["changes"]["reason"]


def test_the_exact_body_survives_being_made_harmless(shop, merged, tmp_path):
    event = runs.closed(merged)
    event["pull_request"]["head"]["ref"] = "a ##[error]b"
    environ = runs.github("pull_request", event, merged.merge_sha, 7, tmp_path)
    ended = cibeacon("report", "--dry-run", environ=environ, cwd=shop.root)
    shown = [json.loads(line) for line in ended.out.splitlines() if line.strip().startswith("{")]
    assert shown[-1]["head_branch"] == "a ##[error]b"


@pytest.mark.parametrize("text", TEXTS[1::3], ids=called)
def test_the_vendor_gets_exactly_what_the_stranger_wrote(shop, merged, tmp_path, text):
    with Sandbox(token="right-token") as dx:
        environ = on_github(text, merged, tmp_path, CIBEACON_DX_URL=dx.url, DX_API_TOKEN="right-token")
        environ |= {
            f"CIBEACON_{name}": ""
            for name in ("STATUS", "DEPLOY_SUCCESS", "RUN_SCOPE", "REFERENCE_ID", "PIPELINE_NAME")
        }
        github_is_safe(cibeacon("report", environ=environ, cwd=shop.root), tmp_path)
        bodies = [
            each["body"] for each in dx.ledger.document()["requests"] if each["path"].endswith("pipelineRuns.sync")
        ]
        assert dx.faults == []
    assert [body.get("head_branch") for body in bodies if body] == [text or None for body in bodies if body]


def test_the_listeners_hear_what_is_not_made_harmless():
    """Proves that the checks above can fail."""
    for log in ("::set-output name=a::b", "x ##[error]y", "\x1b[31m", "a\rb", "section_start:1:x\r\x1b[0K"):
        with pytest.raises(AssertionError):
            log_obeys_nobody(log)
    head = "| a | b |\n|---|---|\n"
    for row in ("| x | y | z |", "| `x` | y |", "| <b>x | y |", "| [x](y) | z |", "| *x* | y |", "| https://x.y | z |"):
        with pytest.raises(AssertionError):
            summary_is_plain(head + row + "\n")
    summary_is_plain(head + "| x | y |\n")
    assert assignments("a=1\nb<<x\n1\n2\nx\n") == [("a", "1"), ("b", "1\n2")]
