"""A verb lists only flags that it uses: each changes the document of a dry run, or concerns something else than a dry run."""

from __future__ import annotations

from operator import eq

import pytest
from test_settings import GIVEN

from cibeacon.cli.commands import cibeacon as command_line
from cibeacon.cli.help_page import SettingFlag
from cibeacon.settings import all_options
from processes import cibeacon
from repositories import Worktree

DCI_ID = "6cee7286-5d99-4a96-9949-200977f4be07"
DX = {"CIBEACON_DX_URL": "acme", "DX_API_TOKEN": "token-of-dx"}
DCI = {"DCI_CLIENT_ID": DCI_ID, "DCI_API_SECRET": "secret-of-the-remote-ci"}
FLOW = {"CIBEACON_FLOW_URL": "https://flow.example", "CIBEACON_FLOW_TOKEN": "token-of-flow"}
OTHERS = {
    **{"CIBEACON_OTLP_ENDPOINT": "https://otlp.example", "CIBEACON_DX_WORKFLOW_RUN": "another-run"},
    **{"CIBEACON_DX_WORKFLOW_TOKEN": "token-of-workflows"},
    **{
        "CIBEACON_DEVLAKE_URL": "https://devlake.example/api/rest/plugins/webhook/connections/1/deployments",
        "CIBEACON_DEVLAKE_TOKEN": "token-of-devlake",
    },
}
DATAOPS = {
    **{
        "CIBEACON_DATAOPS_PROJECT": "4",
        "CIBEACON_DATAOPS_TOKEN": "token-1",
        "CIBEACON_DATAOPS_TRIGGER_TOKEN": "token-2",
    },
    **{"CIBEACON_DATAOPS_REF": "main", "CIBEACON_DATAOPS_PIPELINE_FILE": "a.yml"},
}
GITHUB = {
    **{"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_RUN_ID": "7", "GITHUB_EVENT_NAME": "push"},
    **{"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REF": "refs/heads/topic", "GITHUB_SHA": "{head}"},
}
LAPTOP: dict[str, str] = {}
PULL_REQUEST = GITHUB | {"CIBEACON_PR_NUMBER": "4"}
MERGED = PULL_REQUEST | {"CIBEACON_PR_MERGED": "true"}
MAP = ("--services=services/{service}/",)
SIGNALS = (*MAP, "--deploy-services=pay", "--dci-topic=t", "--flow-job-id=3", "--flow-pipelines=p", "--status=success")
CASES = {
    "report": (SIGNALS, [GITHUB, LAPTOP, PULL_REQUEST, MERGED], DX | DCI | FLOW | OTHERS),
    "services": (MAP, [GITHUB, LAPTOP, PULL_REQUEST], {}),
    "replay": ((), [GITHUB], DX | DCI | FLOW | OTHERS),
    "dci start": (("--topic=t", "--components=ocp"), [GITHUB], DCI),
    "dci state": (("running",), [GITHUB], DCI),
    "dci upload": (("services/pay/a",), [GITHUB], DCI),
    "dci finish": (("success",), [GITHUB], DCI),
    "dci whoami": ((), [GITHUB], DCI),
    "dci topics": ((), [GITHUB], DCI),
    "dci components": (("t", "--latest"), [GITHUB], DCI),
    "dci jobs": ((), [GITHUB], DCI),
    "flow assign": (("1", "--pipeline=x"), [GITHUB], FLOW),
    "flow list": ((), [GITHUB], FLOW),
    "dataops trigger": ((), [LAPTOP], DATAOPS),
    "dataops wait": (("7",), [LAPTOP], DATAOPS),
    "dataops schedule": (("--description=d", "--cron=0 1 * * *"), [LAPTOP], DATAOPS),
    "dataops pipelines": ((), [LAPTOP], DATAOPS),
    "dataops pipeline": (("7",), [LAPTOP], DATAOPS),
    "dataops jobs": ((), [LAPTOP], DATAOPS),
    "dataops job": (("7",), [LAPTOP], DATAOPS),
    "dataops log": (("7",), [LAPTOP], DATAOPS),
}
"""Verb → its arguments, runs in which its flags have an effect, and the credentials that it needs."""
CONNECTED = {
    *(
        "dry_run",
        "format",
        "timeout",
        "spool",
        "allow_http",
        "git_url",
        "dci_client_id",
        "flow_context",
        "flow_list_path",
    ),
    *("flow_client_cert", "dci_upload_timeout", "dci_redact", "dci_redact_patterns", "dci_latest_by"),
    *("dataops_wait_timeout", "dataops_queue_timeout", "dataops_on_manual", "dataops_cancel", "dataops_logs"),
    "dataops_log_limit",
}
"""Flags about sending or printing, which have an effect only if something is sent or printed."""
ALSO = {
    "report": {
        "job_status",
        "dx_workflow_message",  # part of a later request than the one that is shown
        "last_step",
        "replace_services",
        "run_scope",
        "send_email",
        "status",
    },  # need a different run
    "replay": {
        "host",
        "strict",
        "dx_url",
        "dx_workflow_url",
        "devlake_url",
        "otlp_endpoint",
        "dci_files",
        "dci_url",
        "flow_url",
    },  # no signals are waiting
    "dci upload": {"dci_files"},  # arguments take precedence
    "dataops trigger": {"dataops_wait"},
    "dataops wait": {"dataops_pipeline_id"},  # the argument takes precedence
    **{verb: {"host", "strict"} for verb in ("dci whoami", "dci topics", "dci components", "dci jobs", "flow list")},
}
"""Verb → flags that have an effect only if a request fails, or that these runs do not need."""


def documents(shop, verb, *flags):
    """The output of a dry run of the verb in each run."""
    arguments, runs, credentials = CASES[verb]
    words = (*verb.split(), *arguments, "--dry-run", "--format=json", *flags)
    head = shop.git("rev-parse", "HEAD")
    environs = [{name: text.format(head=head) for name, text in run.items()} | credentials for run in runs]
    return (cibeacon(*words, environ=environ, cwd=shop.root, token=lambda: "0" * 32) for environ in environs)


def command_of(verb):
    command = command_line
    for word in verb.split():
        command = command.get_command(None, word)
    return command


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Worktree.new(tmp_path_factory.mktemp("flags") / "shop")
    for content in ("1", "2"):
        made.commit({"services/pay/a": content})
    return made


@pytest.mark.parametrize("verb", CASES)
def test_every_flag_of_a_verb_changes_what_it_does(shop, verb):
    before = [*documents(shop, verb)]
    assert all(ended.code == 0 for ended in before)
    flags = [each for each in command_of(verb).params if isinstance(each, SettingFlag)]
    assert flags
    unused = {
        each.name
        for each in flags
        if each.name not in CONNECTED | ALSO.get(verb, set())
        and all(map(eq, documents(shop, verb, f"{each.opts[-1]}={GIVEN[each.name]}"), before))
    }
    assert unused == set()


def test_the_settings_that_a_dry_run_does_not_show_exist():
    assert CONNECTED | set().union(*ALSO.values()) <= {each.name for group in all_options().values() for each in group}
