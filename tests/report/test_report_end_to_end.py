"""`cibeacon report` as a process would run it: real git, real HTTP to the sandbox, the environment of a real host."""

from __future__ import annotations

import json
import re
import socket

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.server import Sandbox
from faults import FaultServer, answers, hangs, resets, response
from forge import Forge
from living import Living
from log_grammar import kept
from processes import cibeacon

NOW = 1_700_000_000
TOKEN = "sandbox-token-1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A monorepo with one pull request merged by each method; tests only read it."""
    return Monorepo(tmp_path_factory.mktemp("e2e") / "shop", {"PATH": "/usr/local/bin:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def merged(shop):
    return {
        "merge": shop.pull_request(
            1, "merge", [{"services/payments/main.py": "1\n", "README.md": "1\n"}], ("payments",)
        ),
        "squash": shop.pull_request(
            2, "squash", [{"services/orders/a.py": "2\n"}, {"apps/storefront/b.ts": "2\n"}], ("orders", "storefront")
        ),
        "rebase": shop.pull_request(
            3, "rebase", [{"services/search/a.py": "3\n"}, {"services/catalog/legacy.py": None}], ("catalog", "search")
        ),
    }


@pytest.fixture
def dx():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox
        assert sandbox.faults == []


@pytest.fixture
def github(dx, merged, tmp_path):
    """The environment of a merged pull request, with DX configured."""

    def environ(method="merge", **more):
        pull = merged[method]
        base = runs.github("pull_request", runs.closed(pull), pull.merge_sha, 7000 + pull.number, tmp_path)
        return {**base, "CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, **more}

    return environ


def bodies(dx, method):
    return [entry["body"] for entry in dx.ledger.document()["requests"] if entry["path"] == f"/api/{method}"]


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_a_merged_pull_request_tells_exactly_the_services_that_changed(shop, dx, github, merged, method):
    ended = cibeacon("report", environ=github(method), cwd=shop.root)
    pull = merged[method]
    assert ended.code == 0, ended
    assert bodies(dx, "deployments.setPullServices") == [
        {"github_pull_id": runs.PULL_ID_BASE + pull.number, "services": list(pull.services)}
    ]


def test_the_three_bodies_have_the_documented_fields_and_types(shop, dx, github, merged):
    pull = merged["merge"]
    ended = cibeacon(
        "report",
        "--deploy-services=payments",
        "--environment=production",
        '--metadata={"version":"1.2"}',
        "--status=success",
        "--started-at=2023-11-14T22:00:00Z",
        environ=github(),
        cwd=shop.root,
    )
    assert ended.code == 0
    assert bodies(dx, "deployments.create") == [
        {
            "reference_id": f"github.com/acme%2Fshop/deployments/payments/production/{pull.merge_sha}/runs/7001/attempts/1/jobs/deploy",
            "deployed_at": NOW,
            "service": "payments",
            "repository": "acme/shop",
            "commit_sha": pull.merge_sha,
            "source_url": "https://github.com/acme/shop/actions/runs/7001/attempts/1",
            "source_name": "GitHub Actions",
            "metadata": {"version": "1.2"},
            "environment": "production",
        }
    ]
    assert bodies(dx, "pipelineRuns.sync") == [
        {
            "pipeline_name": "ship",
            "pipeline_source": "GitHub Actions",
            "reference_id": "github.com/acme%2Fshop/runs/7001/attempts/1",
            "started_at": "1699999200",
            "finished_at": str(NOW),
            "status": "success",
            "repository": "acme/shop",
            "commit_sha": pull.head_sha,
            "pr_number": 1,
            "source_url": "https://github.com/acme/shop/actions/runs/7001/attempts/1",
            "head_branch": "change-1",
            "github_username": "dana",
        }
    ]


def test_the_current_form_of_the_api_is_one_setting_away(shop, dx, github):
    ended = cibeacon("report", "--dx-api=current", "--deploy-services=payments", environ=github(), cwd=shop.root)
    assert ended.code == 0
    assert bodies(dx, "deployments.setPullServices")[0]["services"] == [{"identifier": "payments"}]
    assert bodies(dx, "deployments.upsert")[0]["deployed_at"] == "2023-11-14T22:13:20Z"
    assert bodies(dx, "pipelineRuns.upsert")[0]["started_at"] == "2023-11-14T22:13:20Z"


def test_the_same_attempt_has_the_same_ids_and_another_attempt_has_others(shop, dx, github):
    def ids(attempt, now):
        environ = github(GITHUB_RUN_ATTEMPT=attempt)
        document = cibeacon(
            "report", "--deploy-services=payments", "--format=json", environ=environ, cwd=shop.root, began=now
        ).document
        asked = [signal["request"] for signal in document["signals"] if signal["request"]]
        return [request["body"].get("reference_id") for request in asked], document

    first, _ = ids("1", NOW)
    again, repeated = ids("1", NOW + 60)
    other, _ = ids("2", NOW + 120)
    assert first == again
    assert [one == two for one, two in zip(first, other, strict=True)] == [True, False, False]
    assert [signal["outcome"] for signal in repeated["signals"]] == ["sent", "duplicate", "sent"]
    assert repeated["status"] == "sent"


def test_signals_go_in_order_so_that_dx_knows_the_services_before_the_deployment(shop, dx, github):
    cibeacon("report", "--deploy-services=changed", environ=github("squash"), cwd=shop.root)
    assert [entry["path"].rpartition(".")[2] for entry in dx.ledger.document()["requests"]] == [
        "setPullServices",
        "create",
        "create",
        "sync",
    ]


def test_a_gitlab_push_after_a_merge_is_told_by_project_path_and_iid(shop, dx, merged, tmp_path):
    pull = merged["merge"]
    record = {
        "iid": 9,
        "state": "merged",
        "merge_commit_sha": pull.merge_sha,
        "sha": pull.head_sha,
        "diff_refs": {"base_sha": pull.base_sha, "head_sha": pull.head_sha, "start_sha": pull.base_sha},
    }
    with Forge(merge_requests={"acme/shop": [record]}) as forge:
        environ = runs.gitlab(shop.git("rev-parse", f"{pull.merge_sha}^1"), pull.merge_sha, 8001, forge.url, tmp_path)
        environ |= {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}
        ended = cibeacon("report", environ=environ, cwd=shop.root)
    assert ended.code == 0
    assert bodies(dx, "deployments.setPullServices") == [
        {"repository": "acme/shop", "pull_number": 9, "services": ["payments"]}
    ]
    assert bodies(dx, "pipelineRuns.sync")[0]["gitlab_username"] == "dana"
    dotenv = dict(line.split("=", 1) for line in (tmp_path / "cibeacon.env").read_text().splitlines())
    assert dotenv["CIBEACON_OUT_SERVICES"] == '["payments"]'
    assert dotenv["CIBEACON_OUT_STATUS"] == "sent"
    assert json.loads((tmp_path / "cibeacon-report.json").read_text())["status"] == "sent"


def test_a_github_push_after_a_merge_asks_which_pull_request_it_was(shop, dx, merged, tmp_path):
    pull = merged["squash"]
    record = {
        "number": 2,
        "id": 555,
        "state": "closed",
        "merged_at": "2026-01-05T10:00:00Z",
        "merge_commit_sha": pull.merge_sha,
        "head": {"ref": pull.head_ref, "sha": pull.head_sha},
        "base": {"ref": "main", "sha": pull.base_sha},
    }
    with Forge(pulls={"acme/shop": [record]}) as forge:
        environ = runs.github("push", runs.pushed(pull.base_sha, pull.merge_sha), pull.merge_sha, 7100, tmp_path)
        environ |= {
            "CIBEACON_DX_URL": dx.url,
            "DX_API_TOKEN": TOKEN,
            "GITHUB_API_URL": forge.url,
            "GITHUB_TOKEN": "ghs_0123456789",
        }
        ended = cibeacon("report", environ=environ, cwd=shop.root)
    assert ended.code == 0
    assert bodies(dx, "deployments.setPullServices") == [{"github_pull_id": 555, "services": list(pull.services)}]


def test_a_push_without_a_token_to_ask_with_is_skipped_and_says_so(shop, dx, merged, tmp_path):
    pull = merged["merge"]
    environ = runs.github("push", runs.pushed(pull.base_sha, pull.merge_sha), pull.merge_sha, 7100, tmp_path)
    ended = cibeacon(
        "report", "--strict", environ=environ | {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}, cwd=shop.root
    )
    assert ended.code == 0
    assert "pull request unknown" in ended.out
    assert not bodies(dx, "deployments.setPullServices")


def moves(connection, server):
    server.read(connection)
    connection.sendall(response(b"{}", status="301 Moved", Location=f"{server.url}/##[error]elsewhere"))


@pytest.mark.parametrize(
    "fault",
    [
        moves,
        answers(response(b'{"message": "no"}', status="403 ##[error]no")),
        answers(response(b'{"message": "API rate limit exceeded"}', status="403 ##[error]no", Retry_After="1")),
    ],
    ids=["a redirect", "a refusal", "a rate limit"],
)
def test_no_library_writes_into_the_log_past_us(shop, merged, tmp_path, fault):
    pull = merged["squash"]
    environ = runs.github("push", runs.pushed(pull.base_sha, pull.merge_sha), pull.merge_sha, 7100, tmp_path)
    with FaultServer(fault) as api:
        environ |= {"GITHUB_API_URL": api.url, "GITHUB_TOKEN": "ghs_0123456789", "CIBEACON_TIMEOUT": "10"}
        environ |= {"CIBEACON_DX_URL": "http://127.0.0.1:9", "DX_API_TOKEN": TOKEN, "CIBEACON_FORMAT": "json"}
        with Living("report", environ=environ, cwd=shop.root) as living:
            ended = living.ended()
        assert api.requests
    ours = re.compile(r"cibeacon |services  |   |[✓=–…✗~!i] |result  |::(warning|error|add-mask)")
    assert [line for line in ended.err.splitlines() if not ours.match(line)] == []
    assert "##[" not in ended.err


class TestStages:
    """The action's main and post stages."""

    def test_main_says_running_and_never_deploys(self, shop, dx, github):
        environ = github(INPUT_JOB_STATUS="success", INPUT_DEPLOY_SERVICES="payments")
        ended = cibeacon("report", environ=environ, cwd=shop.root, stage="main")
        assert ended.code == 0
        assert [body["status"] for body in bodies(dx, "pipelineRuns.sync")] == ["running"]
        assert not bodies(dx, "deployments.create")
        assert bodies(dx, "deployments.setPullServices")

    @pytest.mark.parametrize("status", ["success", "failure", "cancelled"])
    def test_post_says_how_the_job_ended_and_deploys_only_after_success(self, shop, dx, github, status):
        environ = github(INPUT_JOB_STATUS=status, INPUT_DEPLOY_SERVICES="payments", STATE_started_at="1699999000")
        ended = cibeacon("report", environ=environ, cwd=shop.root, stage="post")
        assert ended.code == 0
        (run,) = bodies(dx, "pipelineRuns.sync")
        assert (run["status"], run["started_at"], run["finished_at"]) == (status, "1699999000", str(NOW))
        assert len(bodies(dx, "deployments.create")) == (status == "success")
        assert not bodies(dx, "deployments.setPullServices")

    def test_main_leaves_the_start_time_for_post(self, shop, dx, github, tmp_path):
        environ = github(GITHUB_STATE=str(tmp_path / "state"))
        cibeacon("report", environ=environ, cwd=shop.root, stage="main", began=NOW + 3)
        state = heredocs((tmp_path / "state").read_text())
        assert state == {"started_at": bodies(dx, "pipelineRuns.sync")[0]["started_at"], "stage": "main"}
        assert state["started_at"] == str(NOW + 3)

    def test_an_unknown_flag_costs_nothing_inside_the_action(self, shop, github):
        assert cibeacon("report", "--nonsense", environ=github(), cwd=shop.root, stage="main").code == 0
        assert cibeacon("report", "--nonsense", environ=github(), cwd=shop.root).code == 2


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class TestFailures:
    """Whatever goes wrong: exit 0, exit 1 when strict, and a log that says what happened and what to do."""

    def both(self, *argv, environ, cwd, says, strict_code=1):
        lenient = cibeacon("report", *argv, environ=environ, cwd=cwd)
        strict = cibeacon("report", "--strict", *argv, environ=environ, cwd=cwd)
        assert (lenient.code, strict.code) == (0, strict_code), lenient.out
        assert says in lenient.out
        assert "Traceback" not in lenient.out + lenient.err

    def test_dx_is_down(self, shop, github):
        environ = github(CIBEACON_DX_URL=f"http://127.0.0.1:{closed_port()}")
        self.both(environ=environ, cwd=shop.root, says="connection refused")

    def test_dx_refuses_the_token(self, shop, github):
        self.both(
            environ=github(DX_API_TOKEN="wrong-token"), cwd=shop.root, says="The API key is not valid or has expired"
        )

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (answers(response(b"{}", status="500 Oops")), "DX failed with an internal error. Try again later"),
            (
                answers(response(b"<html>", kind="text/html")),
                "This response is not from DX (text/html instead of JSON)",
            ),
            (answers(response(b'{"ok":false,"error":"repo_not_found"}')), "DX does not know the repository"),
            (answers(response(b"", status="302 Found", Location="http://127.0.0.1:9/")), "does not follow redirects"),
            (hangs, "timed out"),
            (resets, "connection failed"),
        ],
        ids=["500", "html", "ok-false", "redirect", "hangs", "resets"],
    )
    def test_dx_answers_badly_or_not_at_all(self, shop, github, answer, says):
        with FaultServer(answer) as server:
            flags = ("--timeout=5",) if answer is hangs else ()
            self.both(*flags, environ=github(CIBEACON_DX_URL=server.url), cwd=shop.root, says=says)

    def test_the_token_is_missing(self, shop, github):
        self.both(environ=github(DX_API_TOKEN=""), cwd=shop.root, says="set the secret dx_token")

    def test_the_configuration_is_broken(self, github, merged, shop, tmp_path):
        shop.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), merged["merge"].merge_sha)
        (tmp_path / "tree" / ".cibeacon.yml").write_text("services: [unclosed\n")
        self.both(environ=github(), cwd=tmp_path / "tree", says=".cibeacon.yml cannot be used")

    def test_there_is_no_repository(self, github, tmp_path):
        (tmp_path / "empty").mkdir()
        environ = github(GITHUB_SERVER_URL="http://127.0.0.1:9")  # where nobody listens either
        self.both(environ=environ, cwd=tmp_path / "empty", says="there is no git repository here (")

    @pytest.mark.parametrize("content", ["", "{", "[]"])
    def test_the_payload_is_unreadable(self, shop, github, tmp_path, content):
        environ = github()
        (tmp_path / "event.json").write_text(content)
        self.both(environ=environ, cwd=shop.root, says="event payload cannot be read")

    def test_the_payload_is_missing(self, shop, github):
        self.both(environ=github(GITHUB_EVENT_PATH="/nowhere/event.json"), cwd=shop.root, says="cannot be read")

    def test_a_fork_without_secrets_is_no_failure_even_when_strict(self, shop, github, merged, tmp_path):
        environ = github(DX_API_TOKEN="")
        event = runs.closed(merged["merge"])
        event["pull_request"]["head"]["repo"] = {"full_name": "stranger/shop"}
        for base in (event["pull_request"]["base"]["sha"], "0123456789" * 4):  # here, and out of reach
            event["pull_request"]["base"]["sha"] = base
            (tmp_path / "event.json").write_text(json.dumps(event))
            self.both(
                "--deploy-services=changed",
                environ=environ,
                cwd=shop.root,
                says="withholds secrets",
                strict_code=0,
            )
        lenient = cibeacon("report", environ=environ, cwd=shop.root)
        assert "::warning" not in lenient.out

    def test_nothing_is_configured(self, shop, github):
        environ = github(DX_API_TOKEN="", CIBEACON_DX_URL="")
        self.both(environ=environ, cwd=shop.root, says="DX is not configured", strict_code=0)

    def test_a_misspelt_variable_is_annotated_and_fails_nothing(self, shop, github):
        environ = github(DX_API_TOKEN="", CIBEACON_DX_URL="", CIBEACON_ENVIROMENT="production")
        says = "::warning title=cibeacon::The variable CIBEACON_ENVIROMENT is not a setting"
        self.both(environ=environ, cwd=shop.root, says=says, strict_code=0)

    def test_a_signal_that_was_asked_for_by_name_is_not_configured(self, shop, github):
        environ = github(DX_API_TOKEN="", CIBEACON_DX_URL="")
        self.both("--signals=pipeline-run", environ=environ, cwd=shop.root, says="DX is not configured", strict_code=1)

    def test_an_unexpected_failure_of_our_own_is_a_report_too(self, shop, github, monkeypatch):
        monkeypatch.setattr("cibeacon.ci.detect.read_context", lambda *_: 1 / 0)
        self.both(environ=github(), cwd=shop.root, says="because of a bug: ZeroDivisionError")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (
            ("--commit-sha=abcdef1", "--merge-commit-shas=abcdef12,abcdef34"),
            "Set either commit_sha or merge_commit_shas",
        ),
        (("--attribution=repository", "--merge-commit-shas=abcdef12"), "attribution repository sends no commit"),
        (("--commit-sha=abcdef",), "commit id of 7 to 40"),
        (('--metadata={"a key":1}',), 'the key "a key"'),
        (("--metadata=[1]",), "is not a JSON object"),
        (("--metadata=" + '{"a":' * 900 + "1" + "}" * 900,), "is nested more than 100 levels deep"),
        (("--deployed-at=tomorrow",), "neither a Unix time"),
        (("--merge-commit-shas=abc",), "commit id of 7 to 40"),
        (("--timeout=abc",), "is not a number of seconds"),
        (("--signals=everything",), "is not one of auto"),
        (("--dx-url=ftp://dx.example",), "is not a URL"),
    ],
)
def test_what_cannot_be_right_is_invalid_and_not_sent(shop, dx, github, argv, says):
    arguments = ("report", "--deploy-services=payments", "--strict", *argv)
    ended = cibeacon(*arguments, "--format=json", environ=github(), cwd=shop.root)
    deployment = next(signal for signal in ended.document["signals"] if signal["kind"] == "deployment")
    assert ended.code == 1
    assert deployment["outcome"] == "invalid"
    assert says in deployment["reason"]
    assert deployment["request"] is None
    assert not bodies(dx, "deployments.create")


class TestOutsideCi:
    """A laptop."""

    def test_report_is_a_dry_run_that_needs_no_token_and_opens_no_connection(self, shop, merged, dx, monkeypatch):
        opened = []
        monkeypatch.setattr(socket, "socket", lambda *a, **k: opened.append(a))
        monkeypatch.setattr(socket, "create_connection", lambda *a, **k: opened.append(a))
        environ = {"CIBEACON_DX_URL": dx.url}
        ended = cibeacon(
            "report", "--pr-number=5", "--pr-merged", "--run-id=7", "--format=json", environ=environ, cwd=shop.root
        )
        assert (ended.code, ended.document["status"], opened) == (0, "dry-run", [])
        outcomes = {signal["kind"]: signal["outcome"] for signal in ended.document["signals"]}
        assert outcomes == {
            "pull-services": "dry-run", "deployment": "skipped", "pipeline-run": "dry-run"
        }  # fmt: skip
        assert dx.ledger.document()["received"] == 0

    def test_what_a_dry_run_shows_is_what_would_be_sent(self, shop, dx, github):
        arguments = ("report", "--deploy-services=changed", "--format=json")
        shown = cibeacon(*arguments, "--dry-run", environ=github(), cwd=shop.root).document
        sent = cibeacon(*arguments, environ=github(), cwd=shop.root).document
        assert [signal["request"] for signal in shown["signals"]] == [signal["request"] for signal in sent["signals"]]
        assert [entry["body"] for entry in dx.ledger.document()["requests"]] == [
            signal["request"]["body"] for signal in sent["signals"] if signal["request"]
        ]

    @pytest.mark.parametrize("run_id", [(), ("--run-id=build-77",)])
    def test_a_dry_run_says_of_every_signal_what_sending_says(self, shop, merged, dx, run_id):
        environ = {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, "CIBEACON_DEPLOY_SERVICES": "payments"}
        arguments = ("report", "--pr-number=5", "--pr-merged", "--format=json", *run_id)
        shown, sent = (cibeacon(*arguments, flag, environ=environ, cwd=shop.root).document["signals"]
                       for flag in ("--dry-run", "--no-dry-run"))  # fmt: skip
        words = [{**each, "outcome": each["outcome"].replace("sent", "dry-run")} for each in sent]
        compared = ("kind", "method", "key", "outcome", "reason", "request")
        assert [[each[name] for name in compared] for each in shown] == [
            [each[name] for name in compared] for each in words
        ]
        assert [each["outcome"] for each in shown if each["kind"] != "pull-services"] == (
            ["dry-run"] * 2 if run_id else ["invalid"] * 2
        )

    def test_a_missing_address_is_shown_as_a_hole(self, shop):
        ended = cibeacon("report", "--run-id=7", cwd=shop.root)
        assert "{dx_url}/api/pipelineRuns.sync" in ended.out

    def test_an_unknown_ci_system_is_told_that_nothing_was_sent(self, shop):
        ended = cibeacon("report", environ={"CI": "true"}, cwd=shop.root)
        assert "this CI system is not known" in ended.out

    def test_it_sends_when_told_to(self, shop, dx):
        environ = {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN}
        ended = cibeacon("report", "--no-dry-run", "--run-id=build-77", environ=environ, cwd=shop.root)
        assert ended.code == 0
        (run,) = bodies(dx, "pipelineRuns.sync")
        assert run["reference_id"] == "github.com/acme%2Fshop/runs/build-77"


class TestDocument:
    """The JSON document."""

    KEYS = {"version", "status", "context", "changes", "signals", "notices"}
    SIGNAL = {
        "kind",
        "sink",
        "method",
        "key",
        "outcome",
        "reason",
        "attempts",
        "http_status",
        "error",
        "request",
        "help",
    }
    CHANGES = {"status", "base", "head", "how", "changed_files", "unmatched", "services", "why", "reason"}

    def test_every_key_is_always_there(self, shop, github, tmp_path):
        (tmp_path / "empty").mkdir()
        for environ, cwd in ((github(), shop.root), ({}, shop.root), ({}, tmp_path / "empty")):
            document = cibeacon("report", "--format=json", environ=environ, cwd=cwd).document
            assert set(document) == self.KEYS
            assert all(set(signal) == self.SIGNAL for signal in document["signals"])
            assert document["changes"] is None or set(document["changes"]) == self.CHANGES

    def test_stdout_holds_the_document_and_nothing_else(self, shop, github):
        ended = cibeacon("report", "--format=json", environ=github(DX_API_TOKEN="wrong"), cwd=shop.root)
        assert json.loads(ended.out)["status"] == "failed"
        assert "::warning" in ended.err

    def test_no_header_and_no_token_appears_anywhere(self, shop, github, tmp_path):
        for argv in ((), ("--format=json",), ("--verbose",)):
            ended = cibeacon("report", *argv, environ=github(), cwd=shop.root)
            files = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
            assert TOKEN not in kept(ended.out) + kept(ended.err) + files
            assert "Authorization" not in ended.out + ended.err + files


class TestGitHubMouths:
    """Outputs, summary and annotations."""

    def test_the_outputs_hold_what_later_steps_need(self, shop, github, merged, tmp_path):
        cibeacon("report", "--deploy-services=changed", environ=github("rebase"), cwd=shop.root)
        outputs = heredocs((tmp_path / "output").read_text())
        assert outputs["status"] == "sent"
        assert json.loads(outputs["services"]) == ["catalog", "search"]
        assert outputs["services_status"] == "ok"
        assert len(json.loads(outputs["deployment_reference_ids"])) == 2
        assert json.loads((tmp_path / "cibeacon" / "report.json").read_text())["status"] == "sent"
        assert outputs["report"] == str(tmp_path / "cibeacon" / "report.json")

    def test_what_could_not_be_sent_waits_where_later_steps_find_it_and_goes_by_replay(
        self, shop, dx, github, tmp_path
    ):
        down = github(CIBEACON_DX_URL=f"http://127.0.0.1:{closed_port()}")
        ended = cibeacon("report", "--deploy-services=changed", environ=down, cwd=shop.root)
        waiting = list((tmp_path / "cibeacon" / "spool").glob("*.ndjson"))
        assert ended.code == 0
        assert heredocs((tmp_path / "output").read_text())["spooled"] == str(len(waiting)) == "3"
        assert "⏳ spooled" in (tmp_path / "summary.md").read_text()
        assert ended.out.count("::warning title=cibeacon%3A") == 3
        replayed = cibeacon("replay", "--strict", environ=github(), cwd=shop.root)
        assert (replayed.code, list((tmp_path / "cibeacon" / "spool").iterdir())) == (0, [])
        assert sorted(entry["path"] for entry in dx.ledger.document()["requests"]) == [
            "/api/deployments.create",
            "/api/deployments.setPullServices",
            "/api/pipelineRuns.sync",
        ]

    def test_what_waits_shows_the_call_that_it_waits_for_whether_it_was_tried_or_not(self, shop, github, tmp_path):
        environ = github(CIBEACON_DX_URL=f"http://127.0.0.1:{closed_port()}", CIBEACON_TIMEOUT="1")
        arguments = ("--deploy-services=a,b,c,d,e", "--format=json")
        for verb in (("report", *arguments), ("replay", "--format=json")):
            signals = cibeacon(*verb, environ=environ, cwd=shop.root).document["signals"]
            assert [each["outcome"] for each in signals] == ["spooled"] * 7
            assert 0 in [each["attempts"] for each in signals], "none was left untried"
            calls = {each["key"]: (each["method"], each["request"]) for each in signals}
            for path in (tmp_path / "cibeacon/spool").iterdir():
                kept = json.loads(path.read_text())
                method, request = calls[kept["key"]]
                assert request == {
                    "method": "POST",
                    "url": environ["CIBEACON_DX_URL"] + kept["path"],
                    "body": kept["body"],
                }
                assert kept["path"] == f"/api/{method}"

    def test_the_summary_names_services_with_reasons_and_outcomes(self, shop, github, tmp_path):
        cibeacon("report", environ=github("squash"), cwd=shop.root)
        summary = (tmp_path / "summary.md").read_text()
        assert "| orders | services/orders/a.py |" in summary
        assert "✅ sent" in summary

    def test_a_failure_is_a_warning_and_with_strict_an_error(self, shop, github):
        environ = github(DX_API_TOKEN="wrong-token")
        assert (
            "::warning title=cibeacon%3A pull-services failed::"
            in cibeacon("report", environ=environ, cwd=shop.root).out
        )
        assert "::error title=" in cibeacon("report", "--strict", environ=environ, cwd=shop.root).out

    def test_a_normal_run_takes_at_most_fifteen_lines(self, shop, github):
        ended = cibeacon("report", "--deploy-services=changed", environ=github("squash"), cwd=shop.root)
        assert len(ended.out.splitlines()) <= 15

    @pytest.mark.parametrize(("flags", "code"), [((), 0), (("--strict",), 1)])
    @pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
    def test_a_file_that_cannot_be_written_fails_a_strict_run_alone(self, shop, github, flags, code, name):
        ended = cibeacon("report", *flags, environ=github(**{name: "/proc/nowhere/x"}), cwd=shop.root)
        assert ended.code == code
        assert "! x was not written: " in ended.out

    def test_neither_is_the_state_for_the_end_of_the_job_lost_in_silence(self, shop, github):
        environ = github(GITHUB_STATE="/proc/nowhere/x")
        ended = cibeacon("report", "--strict", environ=environ, cwd=shop.root, stage="main")
        assert (ended.code, "! x was not written: " in ended.out) == (1, True)


def heredocs(text):
    """Outputs as the runner parses them: name<<DELIMITER, lines, DELIMITER."""
    lines, found = iter(text.split("\n")), {}
    for line in lines:
        if not line:
            continue
        name, _, delimiter = line.partition("<<")
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        found[name] = "\n".join(value)
    return found


def test_a_components_empty_input_does_not_hide_a_variable_and_a_given_one_wins(shop, dx, tmp_path, merged):
    pull = merged["merge"]
    environ = runs.gitlab(pull.base_sha, pull.merge_sha, 8001, "http://127.0.0.1:9", tmp_path)
    environ |= {"CI_JOB_TOKEN": "", "DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url, "CIBEACON_INPUT_DX_URL": ""}
    environ |= {"CIBEACON_PIPELINE_NAME": "theirs", "CIBEACON_INPUT_PIPELINE_NAME": "ours"}
    assert cibeacon("report", "--strict", environ=environ, cwd=shop.root).code == 0
    assert bodies(dx, "pipelineRuns.sync")[0]["pipeline_name"] == "ours"


def test_a_gitlab_pipeline_cannot_be_told_job_by_job_from_outside_the_jobs(shop, dx, tmp_path, merged):
    pull = merged["merge"]
    environ = runs.gitlab(pull.base_sha, pull.merge_sha, 8001, "http://127.0.0.1:9", tmp_path)
    environ |= {"DX_API_TOKEN": TOKEN, "CIBEACON_DX_URL": dx.url, "CIBEACON_RUN_SCOPE": "job"}
    ended = cibeacon("report", "--signals=pipeline-run", environ=environ, cwd=shop.root, stage="main")
    assert "call cibeacon report in the job itself" in ended.out
    assert cibeacon("report", "--signals=pipeline-run", environ=environ, cwd=shop.root).out.count("✓ sent") == 1


def test_an_empty_list_of_services_says_that_none_changed(shop, dx, github):
    document = cibeacon("report", "--services=[]", "--format=json", environ=github(), cwd=shop.root).document
    assert document["changes"]["status"] == "none"
    assert not bodies(dx, "deployments.setPullServices")


def test_a_misspelt_configuration_file_is_noticed(dx, github, tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".cibeacon.yaml").write_text("services: {a: b/}\n")
    ended = cibeacon("report", environ=github(), cwd=tmp_path / "tree")
    assert "rename it to .cibeacon.yml" in ended.out


def test_a_token_never_reaches_a_proxy_on_its_way_to_this_machine(shop, dx, github, monkeypatch):
    with FaultServer(answers(response(b"{}"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("all_proxy", proxy.url)
        assert cibeacon("report", "--strict", environ=github(), cwd=shop.root).code == 0
        assert proxy.accepted == 0
