"""The other verbs: services, sandbox, demo, and the command line itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from cibeacon import __version__
from cibeacon.demo import job_log
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.dx import TOKEN
from cibeacon.settings import all_options
from faults import FaultServer, answers, hangs, response
from processes import cibeacon
from repositories import Worktree


def section(edge, options=""):
    return f"\x1b[0Ksection_{edge}:1767607200:cibeacon_requests{options}\r\x1b[0K"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("cli") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n", "apps/storefront/x": ""}], ("payments",))


def test_services_between_two_commits_are_shown_with_reasons(shop, merged):
    ended = cibeacon("services", "--base", f"{merged.merge_sha}^1", "--head", merged.merge_sha, cwd=shop.root)
    assert ended.code == 0
    assert "payments    services/payments/main.py" in ended.out
    assert "storefront  apps/storefront/x" in ended.out


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--on-unknown=fail",), 3), (("--on-unknown=skip",), 0)])
def test_unknown_services_are_said_plainly_and_fail_only_where_asked(shop, flags, code):
    ended = cibeacon("services", "--base=0123456789", "--head=HEAD", *flags, cwd=shop.root)
    assert ended.code == code
    assert "unknown: 0123456789 is not a commit in this checkout; correct the id" in ended.out
    assert "or fetch the commit first (git fetch)" in ended.out


def test_no_changed_service_is_an_answer_and_not_unknown(shop):
    ended = cibeacon("services", "--base=HEAD", "--head=HEAD", "--on-unknown=fail", "--format=json", cwd=shop.root)
    assert ended.code == 0
    assert ended.document["changes"]["status"] == "none"


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("verb", ["services", "report"])
def test_a_verb_alone_says_the_same_as_one_with_its_settings_as_flags(verb, format, shop, merged):
    given = {"base": f"{merged.merge_sha}^1", "head": merged.merge_sha, "format": format, "dry_run": "true"}
    variables = {f"CIBEACON_{name.upper()}": value for name, value in given.items()}
    flags = [f"--{name}={value}" for name, value in given.items() if name != "dry_run"]
    alone = cibeacon(verb, environ=variables, cwd=shop.root)
    assert alone == cibeacon(verb, *flags, "--dry-run", cwd=shop.root)
    assert "payments" in alone.out


def test_a_verb_alone_exits_by_what_the_variables_say(shop):
    environ = {"CIBEACON_BASE": "0123456789", "CIBEACON_HEAD": "HEAD", "CIBEACON_ON_UNKNOWN": "fail"}
    assert cibeacon("services", environ=environ, cwd=shop.root).code == 3


def test_services_works_from_a_folder_below_the_top(shop, merged):
    ended = cibeacon("services", "--base=HEAD^1", "--head=HEAD", cwd=shop.root / "services" / "payments")
    assert "payments" in ended.out


def test_paths_can_come_from_another_tool_by_line_or_by_nul(shop, tmp_path):
    for text in ("services/mail/a\nservices/search/b\n", "services/mail/a\0services/search/b\0"):
        ended = cibeacon("services", "--files-from=-", "--format=json", stdin=text, cwd=shop.root)
        assert ended.document["changes"]["services"] == ["mail", "search"]
    (tmp_path / "list").write_text("services/mail/a\n")
    ended = cibeacon("services", f"--files-from={tmp_path / 'list'}", "--format=json", cwd=shop.root)
    assert ended.document["changes"]["services"] == ["mail"]


def test_a_list_of_paths_that_cannot_be_read_is_the_callers_mistake(shop):
    ended = cibeacon("services", "--files-from=/nowhere/list", cwd=shop.root)
    assert ended.code == 2
    assert "/nowhere/list" in ended.err


def test_templates_in_the_setting_stand_in_for_a_configuration_file(tmp_path):
    flags = ("--services=services/{service}/", "--files-from=-", "--format=json")
    ended = cibeacon("services", *flags, stdin="services/mail/a\nREADME.md\n", cwd=tmp_path)
    assert ended.document["changes"]["services"] == ["mail"]


@pytest.mark.parametrize(
    ("services", "says"),
    [("services/{service}/,mail", "mixes names and templates"), ("{service}/{service}/", "must contain the folder")],
)
def test_templates_that_cannot_be_right_are_invalid(shop, services, says):
    ended = cibeacon("services", f"--services={services}", "--strict", cwd=shop.root)
    if "mixes" in says:
        ended = cibeacon(
            "report",
            f"--services={services}",
            "--pr-number=1",
            "--pr-merged",
            "--signals=pull-services",
            "--strict",
            cwd=shop.root,
        )
    assert (ended.code, says in ended.out) == (1, True), ended.out


def test_verbose_shows_the_source_of_each_setting_and_no_value(shop):
    environ = {"CIBEACON_DX_URL": "acme", "DX_API_TOKEN": "very-secret-token", "CIBEACON_CONFIG": ".cibeacon.yml"}
    ended = cibeacon("report", "--verbose", "--timeout=3", environ=environ, cwd=shop.root)
    assert "setting     timeout from --timeout" in ended.out
    assert "setting     dx_token from DX_API_TOKEN" in ended.out
    assert "setting     dx_url from CIBEACON_DX_URL" in ended.out
    assert "very-secret-token" not in ended.out


@pytest.mark.parametrize("argv", [("nonsense",), ("report", "--nonsense"), ("report", "--dx-token=x")])
def test_an_unknown_verb_or_flag_exits_2(tmp_path, argv):
    assert cibeacon(*argv, cwd=tmp_path).code == 2


@pytest.mark.parametrize(
    ("argv", "near"),
    [
        (("servces",), "services"),
        (("repotr", "--strict"), "report"),
        (("services", "lst"), "list"),
        (("dci", "strt"), "start"),
        (("backfill", "deployment"), "deployments"),
        (("export",), "backfill export"),
        (("report", "--enviroment", "production"), "--environment"),
    ],
)
def test_a_verb_or_flag_that_does_not_exist_is_answered_with_the_nearest_one(tmp_path, argv, near):
    ended = cibeacon(*argv, cwd=tmp_path)
    assert ended.code == 2
    assert f"Did you mean '{near}'?" in ended.err


SECRETS = [each for group in all_options().values() for each in group if each.secret]
FAMILIES = {"dci": ("dci", "whoami"), "flow": ("flow", "list"), "dataops": ("dataops", "jobs")}


@pytest.mark.parametrize("secret", SECRETS, ids=lambda each: each.name)
@pytest.mark.parametrize("form", ["{} {}", "{}={}"])
def test_a_secret_as_a_flag_is_answered_with_its_variable(tmp_path, secret, form):
    family, _, rest = secret.name.partition("_")
    tries = [(("report",), secret.dashed), (("replay",), secret.dashed)]
    if family in FAMILIES:
        tries += [(FAMILIES[family], secret.dashed), (FAMILIES[family], f"--{rest.replace('_', '-')}")]
    for verb, flag in tries:
        ended = cibeacon(*verb, *form.format(flag, "s3cr3t").split(), cwd=tmp_path)
        assert (ended.code, ended.out) == (2, "")
        assert f"{flag} is not a flag, " in ended.err
        assert f"Set the variable {(*secret.also, secret.variable)[0]}." in ended.err
        assert "s3cr3t" not in ended.err
        assert "Did you mean" not in ended.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("flow", "list"), "Instabase Flow is not configured. Set CIBEACON_FLOW_URL and CIBEACON_FLOW_TOKEN."),
        (("dci", "topics"), "DCI is not configured. Set DCI_CLIENT_ID and DCI_API_SECRET."),
        (("backfill", "deployments", "-"), "DX is not configured. Set CIBEACON_DX_URL and DX_API_TOKEN."),
    ],
)
def test_a_query_or_an_import_names_only_the_variables_that_it_needs(tmp_path, argv, said):
    ended = cibeacon(*argv, cwd=tmp_path)
    assert (ended.code > 0, said in ended.out + ended.err) == (True, True), ended


def test_a_verb_that_is_near_none_is_answered_with_none(tmp_path):
    ended = cibeacon("xyzzy", cwd=tmp_path)
    assert (ended.code, "Did you mean" in ended.err) == (2, False)


@pytest.mark.parametrize("words", [(), ("services",), ("services", "check"), ("dci", "start")])
def test_help_is_a_verb_as_well_as_a_flag(tmp_path, capsys, words):
    assert cibeacon("help", *words, cwd=tmp_path).code == cibeacon(*words, "--help", cwd=tmp_path).code == 0
    shown = capsys.readouterr().out
    assert f"Usage: {' '.join(('cibeacon', *words))} [OPTIONS]" in shown
    assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]


def test_so_is_version(tmp_path, capsys):
    assert cibeacon("version", cwd=tmp_path).code == cibeacon("--version", cwd=tmp_path).code == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == f"cibeacon {__version__}"


@pytest.mark.parametrize(("verb", "words"), [
    ("report", "Default: false; true for cibeacon report outside"),
    ("services", "Default: false."),
    ("replay", "Default: false."),
    ("dci start", "Default: false."),
    ("dataops trigger", "Default: false."),
    ("flow assign", "Default: false."),
    ("backfill deployments", "Default: false."),
])  # fmt: skip
def test_every_verb_says_whether_it_is_a_dry_run_by_itself(tmp_path, capsys, verb, words):
    cibeacon(*verb.split(), "--help", cwd=tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert words in shown[shown.index("--dry-run") :].split(" --", 2)[0] + shown[shown.index("--no-dry-run") :][:260]


@pytest.mark.parametrize("verb", ["report", "services", "replay"])
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("CIBEACON_DEPLOY_SERVICE", "CIBEACON_DEPLOY_SERVICES"),
        ("CIBEACON_ENVIROMENT", "CIBEACON_ENVIRONMENT"),
        ("CIBEACON_dx_url", "CIBEACON_DX_URL"),
        ("CIBEACON_STRICT_", "CIBEACON_STRICT"),
    ],
)
def test_a_misspelt_variable_is_answered_with_the_setting_that_is_near(shop, verb, given, meant):
    ended = cibeacon(verb, "--strict", "--dry-run", environ={given: "x", "CIBEACON_RUN_ID": "7"}, cwd=shop.root)
    said = f"i warning: The variable {given} is not a setting and is ignored. Did you mean {meant}?"
    assert (ended.code, ended.out.count(said)) == (0, 1), ended.out


def test_variables_of_others_and_ours_that_are_no_settings_are_not_spoken_of(shop):
    names = (
        *("CIBEACON_OUT_STATUS", "CIBEACON_OUT_SERVICES", "CIBEACON_OUT_DCI_JOB_ID", "CIBEACON_DCI_JOB_ID"),
        *(
            "CIBEACON_IMAGE",
            "CIBEACON_TRIGGER_ID",
            "CIBEACON_COMMAND",
            "CIBEACON_INPUT_COMMAND",
            "CIBEACON_INPUT_DX_URL",
        ),
        *("CIBEACON_COLOUR_OF_THE_SHED", "CIBEACON_", "CIBEACON_" + "X" * 100_000, "STRICTT", "cibeacon_strict"),
    )
    ended = cibeacon("report", environ={**dict.fromkeys(names, "x"), "CIBEACON_DCI_JOB_ID": ""}, cwd=shop.root)
    assert "is not a setting" not in ended.out


def test_a_hundred_misspelt_variables_are_a_few_lines(shop):
    environ = {f"CIBEACON_TIMEOUT{number}": "9" for number in range(100)}
    assert 1 <= cibeacon("services", environ=environ, cwd=shop.root).out.count("Did you mean") <= 5


@pytest.mark.parametrize("flags", [(), ("--deploy-services=changed",)])
@pytest.mark.parametrize(
    ("services", "says"),
    [("services/*", "did you mean services/{service}/?"), ("a;b c|d", "is not a valid service name")],
)
def test_what_cannot_be_a_service_is_sent_by_nobody(shop, services, says, flags):
    environ = {"GITHUB_ACTIONS": "true", "INPUT_SERVICES": services}
    ended = cibeacon("report", "--strict", "--status=success", "--dry-run", *flags, environ=environ, cwd=shop.root)
    assert (ended.code, says in ended.out) == (1, True), ended.out
    assert "setPullServices" not in ended.out
    assert "deployments.create" not in ended.out
    assert "pipelineRuns.sync" in ended.out, "how the run stands needs no services"


def test_services_by_name_are_known_whatever_the_repository_holds(shop, tmp_path):
    (tmp_path / ".cibeacon.yml").write_text("services: [\n")
    ended = cibeacon("services", "--services=web", "--on-unknown=fail", "--format=json", cwd=tmp_path)
    assert (ended.code, ended.document["changes"]["services"]) == (0, ["web"])


def test_paths_that_are_given_need_no_commit(shop, tmp_path):
    (tmp_path / "paths").write_text("services/web/a\n")
    flags = ("--services=services/{service}/", f"--files-from={tmp_path / 'paths'}", "--pr-number=0", "--base=\x01")
    ended = cibeacon("services", "--on-unknown=fail", "--format=json", *flags, cwd=tmp_path)
    assert (ended.code, ended.document["changes"]["services"]) == (0, ["web"])


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--run-id=7", "--repository=acme/shop"), 0, "pipelineRuns.sync"),
        (("--run-id=7",), 1, "set repository"),
        ((), 1, "set run_id"),
    ],
)
def test_a_dry_run_where_no_remote_is_shows_what_would_come_of_it(tmp_path, flags, code, says):
    made = Worktree.new(tmp_path / "new")
    made.commit({"a": "1"})
    ended = cibeacon("report", "--strict", *flags, cwd=made.root)
    assert (ended.code, says in ended.out) == (code, True), ended.out


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1), (("--on-unknown=fail",), 3)])
def test_what_cannot_be_a_service_leaves_the_services_unknown(shop, flags, code):
    ended = cibeacon("services", "--services=services/*", "--format=json", *flags, cwd=shop.root)
    assert (ended.code, ended.document["changes"]["status"]) == (code, "unknown")


@pytest.mark.parametrize(
    ("setting", "value", "code"), [("format", "xml", 0), ("verbose", "loud", 0), ("timeout", "abc", 1)]
)
def test_how_to_print_is_no_reason_to_fail(shop, setting, value, code):
    environ = {f"CIBEACON_{setting.upper()}": value}
    ended = cibeacon("services", "--strict", environ=environ, cwd=shop.root)
    assert (ended.code, f"{setting} " in ended.out) == (code, True), ended.out


@pytest.mark.parametrize("verb", ["report", "services"])
@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_file_of_the_host_that_cannot_be_written_fails_a_strict_run_alone(shop, tmp_path, verb, format, strict):
    with FaultServer(answers(response(b'{"ok":true}'))) as server:
        environ = {
            **{"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path), "RUNNER_TEMP": str(tmp_path / "runner")},
            **{"CIBEACON_DX_URL": server.url, "DX_API_TOKEN": "some-token", "CIBEACON_FORMAT": format},
            **{"GITHUB_RUN_ID": "7", "GITHUB_REPOSITORY": "acme/shop"},
        }
        ended = cibeacon(verb, *(["--strict"] if strict else []), environ=environ, cwd=shop.root)
    assert ended.code == int(strict), ended
    log = ended.out if format == "text" else ended.err
    assert log.count(f"! {tmp_path.name} was not written: ") == 1
    if format == "json":
        (said,) = [each for each in ended.document["notices"] if "was not written" in each["text"]]
        assert said["weight"] == "error"


@pytest.mark.parametrize("word", ["maybe", "2"])
def test_a_bad_strict_is_false_with_a_warning(shop, word):
    ended = cibeacon("report", environ={"CIBEACON_STRICT": word, "CIBEACON_TIMEOUT": "abc"}, cwd=shop.root)
    assert ended.code == 0
    assert f'strict "{word}" cannot be used' in ended.out


def process(*argv, cwd, **more):
    environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cibeacon", *argv],
        cwd=cwd,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def test_the_sandbox_prints_the_settings_to_export_and_takes_a_report(shop, tmp_path):
    with process("sandbox", "--port=0", cwd=tmp_path) as running:
        try:
            exported = dict(re.fullmatch(r"export (\w+)=(.*)\n", running.stdout.readline()).groups() for _ in range(2))
            ended = cibeacon("report", "--no-dry-run", "--run-id=7", environ=exported, cwd=shop.root)
            assert "✓ sent      pipeline-run" in ended.out
            with urllib.request.urlopen(f"{exported['CIBEACON_DX_URL']}/ledger") as reply:
                assert len(json.load(reply)["pipeline_runs"]) == 1
        finally:
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=120)
    assert running.returncode == 0
    assert "200 /api/pipelineRuns.sync" in err


@pytest.mark.parametrize("verb", ["sandbox", "demo"])
@pytest.mark.parametrize("library", ["fastapi", "uvicorn", "pydantic"])
def test_a_library_that_the_sandbox_lacks_is_named_with_what_to_install(tmp_path, verb, library):
    program = "import sys; sys.modules[sys.argv.pop(1)] = None; from cibeacon.__main__ import console; console()"
    argv = [sys.executable, "-c", program, library, verb]
    ended = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    needs = f"Error: {verb} needs {library}, which is not installed. Install it: pip install 'cibeacon[sandbox]'"
    assert ended.stderr.strip().startswith(needs)


def test_a_port_that_is_taken_is_said_plainly(tmp_path):
    from cibeacon.sandbox.server import Sandbox

    with Sandbox() as taken:
        ended = cibeacon("sandbox", f"--port={taken.url.rpartition(':')[2]}", cwd=tmp_path)
    assert ended.code == 1
    assert "Choose another with --port" in ended.err


def test_a_file_that_holds_no_sandbox_is_said_plainly(tmp_path):
    (tmp_path / "notes.txt").write_text("no database\n" * 100)
    ended = cibeacon("sandbox", "--port=0", "--db=notes.txt", cwd=tmp_path)
    assert ended.code == 1
    assert "notes.txt: file is not a database. Choose another file with --db." in ended.err


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A finished demo."""
    return cibeacon("demo", environ={"PATH": os.environ["PATH"]}, cwd=tmp_path_factory.mktemp("demo"))


def test_the_demo_tells_the_whole_story_and_proves_it(demo):
    assert demo.code == 0, demo.out
    assert "The sandbox received exactly the expected signals." in demo.out
    for how in ("merged", "merged by squashing", "merged by rebasing"):
        assert f"was {how}" in demo.out
    assert re.search(r"^storefront +production +#2 Show when an order arrives +2 h 40 min$", demo.out, re.M)
    assert "Pipeline runs: 1 failure, 4 success." in demo.out


def test_the_demo_is_short_and_says_what_dx_is(demo):
    assert len(demo.out.splitlines()) <= 60
    assert "DX (getdx.com), a platform for developer intelligence" in demo.out.partition("▶")[0]


def test_the_demo_shows_what_a_person_sees_in_the_job_s_log(demo):
    assert re.findall(r".*(?:::|section_|\x1b|\r).*", demo.out) == []
    assert "\n  ✓ sent      pipeline-run   ship: running\n" in demo.out
    assert TOKEN not in demo.out


def test_the_page_of_the_demo_stays_open_where_that_is_asked(tmp_path):
    with process("demo", "--serve", cwd=tmp_path) as running:
        try:
            url = next(line for line in running.stdout if line.startswith("Open ")).split()[1]
            with urllib.request.urlopen(f"{url}/ledger") as reply:
                ledger = json.load(reply)
        finally:
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=120)
    assert running.returncode == 0
    assert [pull["title"] for pull in ledger["pull_requests"].values() if not pull["deployed_by"]] == [
        "Send mail by SMTP"
    ]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("one\n\ntwo\n", ["one", "two"]),
        ("a s3cret\n::add-mask::s3cret\na s3cret", ["a s3cret", "a ***"]),
        ("::add-mask::50%25%0Aoff\n50% off", ["50% off"]),
        ("::warning title=cibeacon%3A dx::100%25 gone%0Aand more", ["Warning: 100% gone", "and more"]),
        ("::add-mask::s3cret\n::error::no s3cret here", ["Error: no *** here"]),
        ("a::b::c ::notice::no command", ["a::b::c ::notice::no command"]),
        (f"{section('start', '[collapsed=true]')}Title\n  inside\n{section('end')}\nafter", ["▸ Title", "after"]),
        (f"{section('start')}Title\n  inside\n{section('end')}\nafter", ["▸ Title", "  inside", "after"]),
    ],
)
def test_a_job_s_log_is_shown_as_its_host_shows_it(log, shown):
    assert list(job_log.shown(log)) == shown


def test_the_demo_notices_when_something_did_not_arrive(tmp_path):
    from cibeacon.demo.story import TOKEN, Story
    from cibeacon.sandbox.server import Sandbox

    with Sandbox(token=TOKEN) as sandbox:
        story = Story(tmp_path / "story", {"PATH": os.environ["PATH"]}, sandbox, time.time())
        next(story.acts())
        assert story.mismatches()


@pytest.mark.parametrize(
    "shell", ["{} >&-", "{} 2>&-", "{} <&-", "{} >/dev/full", "{} | true", "{} --format=json | true"]
)
def test_a_closed_or_full_stream_costs_nothing_and_no_output(shop, tmp_path, shell):
    command = shell.format(f"{sys.executable} -m cibeacon report --dry-run")
    environ = {"PATH": os.environ["PATH"], "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(tmp_path / "output")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=shop.root, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert "status<<" in (tmp_path / "output").read_text()


def test_a_working_directory_that_is_gone_is_no_checkout(tmp_path):
    gone = tmp_path / "gone"
    command = f"mkdir {gone}; cd {gone}; rmdir {gone}; exec {sys.executable} -m cibeacon report"
    done = subprocess.run(["sh", "-c", command], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "there is no git repository here" in done.stdout


@pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
def test_a_termination_is_said_and_obeys_strict(shop, tmp_path, flags, code):
    with FaultServer(hangs) as server:
        environ = {
            "PATH": os.environ["PATH"],
            "CIBEACON_DX_URL": server.url,
            "DX_API_TOKEN": "some-token",
            "CIBEACON_RUN_ID": "7",
        }
        command = [sys.executable, "-m", "cibeacon", "report", "--no-dry-run", *flags]
        with subprocess.Popen(command, cwd=shop.root, env=environ, stdout=subprocess.PIPE, text=True) as running:
            server.waited_for()
            running.send_signal(signal.SIGTERM)
            out, _ = running.communicate(timeout=120)
    assert "Cibeacon was interrupted" in out
    assert running.returncode == code
