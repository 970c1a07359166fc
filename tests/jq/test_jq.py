"""`--jq` on the JSON document: the output, the effect of a failing program, and that nothing bypasses masking."""

from __future__ import annotations

import base64
import json

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.server import Sandbox
from log_grammar import commands
from processes import cibeacon
from repositories import Worktree

TOKEN = "sandbox-token-1"
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7"}
"""A runner, as far as these tests need one."""
PATHS = "services/mail/a\nservices/search/b\nREADME.md\n"


def services(tmp_path, *flags, environ=None, stdin=PATHS):
    flags = ("--services=services/{service}/", "--files-from=-", *flags)
    return cibeacon("services", *flags, stdin=stdin, environ=environ, cwd=tmp_path)


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (".changes.services[]", "mail\nsearch\n"),
        ('.changes.services | join("\\n")', "mail\nsearch\n"),
        (".changes.services | @tsv", "mail\tsearch\n"),
        (".changes.services", '["mail","search"]\n'),
        (".changes | {status, unmatched}", '{"status":"ok","unmatched":1}\n'),
        (".changes.unmatched, .changes.base, true", "1\nnull\ntrue\n"),
        (".signals[]", ""),
        ('"é"', "é\n"),
        ('["é"]', '["\\u00e9"]\n'),
    ],
)
def test_text_is_printed_as_it_is_and_everything_else_as_json_on_one_line(tmp_path, program, printed):
    ended = services(tmp_path, "--jq", program)
    assert (ended.code, ended.out) == (0, printed)
    assert "services    2 changed" in ended.err


@pytest.mark.parametrize("flags", [("--format=json",), ("--format=text",), ("--strict",)])
def test_the_program_implies_json(tmp_path, flags):
    assert services(tmp_path, *flags, "--jq=.version").out == "1\n"


@pytest.mark.parametrize(
    "environ", [{"CIBEACON_JQ": ".version"}, {"GITHUB_ACTIONS": "true", "INPUT_JQ": "\n.version\n"}], ids=str
)
def test_the_program_is_a_setting_like_any_other(tmp_path, environ):
    assert services(tmp_path, environ=environ).out == "1\n"


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("{", "cannot be compiled: syntax error, unexpected end of file at line 1, column 1"),
        (".version.x", "The jq program failed: Cannot index number"),
        ('import "a" as a; .', "module not found: a"),
        ("repeat(1)", "The jq program was stopped"),
        (".\x1b", "contains a control character"),
    ],
)
@pytest.mark.parametrize(
    ("flags", "environ", "code"),
    [
        ((), {}, 1),
        ((), {"CI": "true"}, 0),
        ((), GITHUB, 0),
        (("--strict",), GITHUB, 1),
    ],
    ids=["off CI", "in CI", "on GitHub", "strict on GitHub"],
)
def test_a_program_that_fails_prints_nothing_and_says_so(tmp_path, program, says, flags, environ, code):
    (tmp_path / "event.json").write_text("{}")
    environ = environ | {"GITHUB_EVENT_PATH": str(tmp_path / "event.json")}
    ended = services(tmp_path, *flags, "--jq", program, environ=environ)
    assert (ended.code, ended.out) == (code, "")
    assert [says in line for line in ended.err.splitlines() if line.startswith("! ")] == [True], ended.err
    annotations = [each for each in ended.err.splitlines() if each.startswith(("::warning", "::error"))]
    assert len(annotations) == ("GITHUB_ACTIONS" in environ), ended.err


DATAOPS = {
    **{"CIBEACON_DATAOPS_URL": "https://app.dataops.live", "CIBEACON_DATAOPS_PROJECT": "7"},
    "CIBEACON_DATAOPS_TOKEN": "some-token",
}
DOCUMENTS = {
    "report": ("report", "--dry-run"),
    "services": ("services", "--services=web"),
    "services list": ("services", "list", "--services=services/{service}/"),
    "services which": ("services", "which", "services/web/a", "--services=services/{service}/"),
    "services check": ("services", "check"),
    "replay": ("replay", "--dry-run"),
    "dci start": ("dci", "start", "--dry-run", "--topic=RHEL-8.2"),
    "dci topics": ("dci", "topics", "--dry-run"),
    "flow list": ("flow", "list", "--dry-run", "--url=https://flow.example"),
    "flow assign": ("flow", "assign", "7", "--dry-run", "--clear", "--url=https://flow.example"),
    "dataops pipelines": ("dataops", "pipelines", "--dry-run"),
    "dataops trigger": ("dataops", "trigger", "--dry-run", "--ref=main", "--pipeline-file=full-ci.yml"),
    "backfill": ("backfill", "pull-services", "history.csv", "--check"),
}
"""Every way in which a document comes to be shown."""


@pytest.mark.parametrize("verb", DOCUMENTS)
@pytest.mark.parametrize("program", [".version.x", ".\x1b"])
def test_no_verb_prints_anything_for_a_program_that_fails(tmp_path, verb, program):
    Worktree.new(tmp_path).commit({"services/web/a": "1"})
    (tmp_path / "history.csv").write_text("repository,pull_number,services\nacme/shop,1,web\n")
    plain = cibeacon(*DOCUMENTS[verb], "--format=json", environ=DATAOPS, cwd=tmp_path)
    assert (plain.code, plain.document["version"]) == (0, 1), plain
    here = cibeacon(*DOCUMENTS[verb], "--jq", program, environ=DATAOPS, cwd=tmp_path)
    in_ci = cibeacon(*DOCUMENTS[verb], "--jq", program, environ=DATAOPS | {"CI": "true"}, cwd=tmp_path)
    assert (here.out, in_ci.out) == ("", "")
    assert "jq was not applied" in here.err
    assert "jq was not applied" in in_ci.err
    refused = verb.startswith(("dataops", "backfill")) and program == ".\x1b"  # these do nothing with a bad setting
    assert (here.code > 0, in_ci.code > 0) == (True, refused)


FAILING = {
    "dci start": (("dci", "start", "--topic=RHEL-8.2"), ".dci_job_id"),
    "dci whoami": (("dci", "whoami"), ".identity.name"),
    "dataops pipeline": (("dataops", "pipeline", "7"), ".pipeline.id"),
    "services": (("services", "--on-unknown=fail"), ".changes.base"),
    "report": (("report", "--no-dry-run", "--signals=flow"), ".context.pr_number"),
}


@pytest.mark.parametrize("verb", FAILING)
def test_null_from_a_verb_that_failed_is_no_answer(tmp_path, verb):
    argv, program = FAILING[verb]
    here = cibeacon(*argv, "--jq", program, cwd=tmp_path)
    in_ci = cibeacon(*argv, "--jq", program, environ={"CI": "true"}, cwd=tmp_path)
    assert (here.out, in_ci.out) == ("", "")
    assert here.code > 0
    assert (in_ci.code > 0) == (verb in ("dataops pipeline", "services"))
    assert "jq returned only null" in in_ci.err


def test_what_a_verb_that_failed_does_know_is_printed(tmp_path):
    ended = cibeacon("dci", "start", "--topic=RHEL-8.2", "--jq=.status, .dci_job_id", cwd=tmp_path)
    assert ended.out == "failed\nnull\n"


def test_unknown_services_still_have_their_exit_code(tmp_path):
    flags = ("--services=services/{service}/", "--on-unknown=fail", "--jq=.changes.status")
    ended = cibeacon("services", *flags, cwd=tmp_path)
    assert (ended.code, ended.out) == (3, "unknown\n")


def test_a_failure_of_our_own_is_filtered_too(tmp_path, monkeypatch):
    monkeypatch.setattr("cibeacon.ci.detect.read_context", lambda *_, **__: 1 / 0)
    ended = cibeacon("report", "--strict", "--jq=.status, .context", cwd=tmp_path)
    assert (ended.code, ended.out) == (1, "failed\nnull\n")


def test_a_spent_budget_leaves_a_moment_for_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr("cibeacon.cli.report_view.GRACE", 60.0)  # a busy machine may need long
    assert services(tmp_path, "--timeout=0.001", "--jq=.version").out == "1\n"


def test_an_interrupted_program_prints_nothing(tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cibeacon.jq.jq_filter.run", interrupt)
    ended = services(tmp_path, "--jq=.version")
    assert (ended.code, ended.out) == (1, "")
    assert "jq was not applied: cibeacon was interrupted" in ended.err


class TestGuards:
    """The output passes through the redactor and the sanitiser like everything else."""

    SECRET = "dx-secret/0123456789"

    @pytest.mark.parametrize(
        "program",
        [
            ".changes.services[]",
            ".changes.services[] | @base64",
            '.changes.services[] | "x" + . | @base64',
            ".changes.services[] | @uri",
            ".changes.services[] | explode",
            ".changes.services[] | explode | reverse | implode",
            '.changes.services[] | split("") | join(" ")',
            ".changes.why | keys[] | ascii_upcase",
            ".",
        ],
    )
    def test_no_program_can_spell_a_secret_so_that_it_passes(self, tmp_path, program):
        environ = {"DX_API_TOKEN": self.SECRET, "CIBEACON_SERVICES": self.SECRET}
        whole = cibeacon("services", "--jq=.changes.services[]", environ=environ, cwd=tmp_path)
        assert whole.out == "***\n"
        printed = cibeacon("services", "--jq", program, environ=environ, cwd=tmp_path).out
        raw = self.SECRET.encode()
        spellings = {self.SECRET, self.SECRET[::-1], " ".join(self.SECRET), self.SECRET.upper()}
        spellings |= {base64.b64encode(raw).decode(), base64.b64encode(b"x" + raw).decode(), str(list(raw))}
        assert not [text for text in spellings if text in printed]
        assert "48,49,50,51" not in printed

    def test_a_secret_that_a_program_puts_together_is_masked(self, tmp_path):
        environ = {"DX_API_TOKEN": "secret-from-two-parts"}
        ended = cibeacon("services", '--jq="secret-from" + "-two-parts"', environ=environ, cwd=tmp_path)
        assert ended.out == "***\n"

    @pytest.mark.parametrize(
        ("text", "printed"),
        [
            ("::error::x", "\\::error::x"),
            ("a\n ::error::x", "a\n\\ ::error::x"),
            ("a\t::error::x", "a\t\\::error::x"),
            ("\t::error::x", "\t\\::error::x"),
            ("a ##[error]x", "a # #[error]x"),
            ("\x1b[0Ksection_start:1:x\r", "\\x1b[0Ksection_start:1:x\\r"),
            ("a\u2028::error::x", "a\\u2028::error::x"),
        ],
    )
    def test_no_text_is_obeyed_by_the_runner(self, tmp_path, text, printed):
        ended = services(tmp_path, "--jq", json.dumps(text))
        assert ended.out == printed + "\n"
        assert commands(ended.out) == []

    def test_the_environment_is_not_there_to_be_shown(self, tmp_path, monkeypatch):
        monkeypatch.setenv("SENTINEL_TOKEN", "sentinel-5e0f3a")
        assert services(tmp_path, "--jq=$ENV, env", environ={"SENTINEL_TOKEN": "sentinel-5e0f3a"}).out == "{}\n{}\n"


def test_a_report_on_a_host_prints_the_result_alone_and_says_the_rest_on_stderr(tmp_path):
    shop = Monorepo(tmp_path / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    merged = shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))
    environ = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7001, tmp_path / "run")
    with Sandbox(token=TOKEN) as dx:
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}
        program = '.signals[] | select(.outcome == "sent") | .kind'
        ended = cibeacon("report", "--jq", program, environ=environ, cwd=shop.root)
        assert dx.faults == []
    assert (ended.code, ended.out) == (0, "pull-services\npipeline-run\n")
    assert json.loads((tmp_path / "run/cibeacon/report.json").read_text())["status"] == "sent"
