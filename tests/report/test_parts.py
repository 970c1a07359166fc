"""A fault in one part of a run (event, configuration, services, host, metadata, files) is that part's: the rest is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

from cibeacon.demo import runs
from cibeacon.demo.monorepo import Monorepo
from cibeacon.sandbox.server import Sandbox
from faults import Refusing
from living import Living, records
from processes import cibeacon

TOKEN = "sandbox-token-1"
PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Monorepo(tmp_path_factory.mktemp("parts") / "shop", {"PATH": PLAIN_PATH})


@pytest.fixture(scope="module")
def merged(shop):
    return shop.pull_request(1, "merge", [{"services/payments/main.py": "1\n"}], ("payments",))


@pytest.fixture
def dx():
    with Sandbox(token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def environ(dx, merged, tmp_path):
    """A job of a merged pull request that deploys a service by name."""
    base = runs.github("pull_request", runs.closed(merged), merged.merge_sha, 7, tmp_path)
    return base | {"CIBEACON_DX_URL": dx.url, "DX_API_TOKEN": TOKEN, "CIBEACON_DEPLOY_SERVICES": "payments"}


@pytest.fixture
def clone(shop, merged, tmp_path):
    """A checkout of one's own; `options` are git's."""

    def cloned(*options):
        shop.git("clone", "--quiet", *options, shop.root.as_uri(), str(tmp_path / "clone"))
        return tmp_path / "clone"

    return cloned


def told(ended):
    """What became of each kind of signal, and why."""
    assert "Traceback" not in ended.out + ended.err
    assert ended.code == 0
    return {each["kind"]: (each["outcome"], each["reason"] or "") for each in ended.document["signals"]}


def report(environ, cwd, *flags):
    return told(cibeacon("report", "--format=json", *flags, environ=environ, cwd=cwd))


def others_are_sent(signals, *but):
    assert {kind: word for kind, (word, _) in signals.items() if kind not in but} == {
        kind: "sent" for kind in ("pull-services", "deployment", "pipeline-run") if kind not in but
    }


def breaking(error):
    def broken(*_, **__):
        raise error

    return broken


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"environment": "production"},
        {"pipeline_name": "nightly"},
        {"signals": "pipeline-run"},
        {"run_scope": "job"},
    ],
    ids=lambda said: next(iter(said), "nothing"),
)
def test_what_the_repository_says_takes_the_place_of_what_was_kept_before_it_was_read(environ, clone, tmp_path, said):
    folder = clone()
    (folder / ".cibeacon.yml").unlink(missing_ok=True)
    (folder / ".cibeacon.json").write_text(json.dumps({"discover": [{"root": "services/{service}/"}], "report": said}))
    with Refusing() as nobody:
        ended = cibeacon("report", "--format=json", environ=environ | {"CIBEACON_DX_URL": nobody.url}, cwd=folder)
    signals = ended.document["signals"]
    assert len(signals) == (1 if "signals" in said else 3)
    assert {each["outcome"] for each in signals} == {"spooled"}
    kept = {key: each.body for key, each in records(tmp_path / "cibeacon/spool").items()}
    assert kept == {each["key"]: each["request"]["body"] for each in signals}
    assert json.dumps(said.get("pipeline_name", "")) in json.dumps(kept) or "pipeline_name" not in said


@pytest.mark.parametrize(
    "said", [{"environment": "production"}, {"signals": "pipeline-run"}, {"run_scope": "job"}], ids=str
)
def test_a_replay_meanwhile_sends_nothing_of_what_may_change_yet(environ, clone, tmp_path, said):
    folder, spool = clone(), tmp_path / "cibeacon/spool"
    (folder / ".cibeacon.yml").unlink(missing_ok=True)
    (folder / ".cibeacon.json").write_text(json.dumps({"discover": [{"root": "services/{service}/"}], "report": said}))
    own = {name: environ[name] for name in ("CIBEACON_DX_URL", "DX_API_TOKEN")} | {"CIBEACON_TIMEOUT": "2"}
    replay = f"{' '.join(f'{name}={value}' for name, value in own.items())} {sys.executable} -m cibeacon replay {spool}"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(
        f'#!/bin/sh\n[ -e {tmp_path}/replayed ] || {replay} >{tmp_path}/replayed 2>&1\nexec {shutil.which("git")} "$@"\n'
    )
    (tmp_path / "bin/git").chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CIBEACON_TIMEOUT": "60"}

    signals = told(cibeacon("report", "--format=json", environ=environ | path, cwd=folder))

    assert {word for word, _ in signals.values()} == {"sent"}
    replayed = (tmp_path / "replayed").read_text()
    assert "No signals are waiting" not in replayed
    assert "✓" not in replayed
    assert not records(spool)


FAULTS = [MemoryError(), RecursionError(), RuntimeError("x"), OSError(12, "Cannot allocate memory")]


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
def test_a_fault_where_services_are_looked_for_leaves_them_unknown(environ, clone, monkeypatch, error):
    folder = clone()
    monkeypatch.setattr(subprocess, "Popen", breaking(error))
    signals = report(environ, folder)
    word, reason = signals["pull-services"]
    assert (word, reason.startswith("services unknown: ")) == ("failed", True), reason
    others_are_sent(signals, "pull-services")


@pytest.mark.parametrize("error", FAULTS[:3], ids=lambda error: type(error).__name__)
def test_a_fault_where_metadata_is_built_fails_the_deployments_alone(environ, tmp_path, monkeypatch, error):
    monkeypatch.setattr(subprocess, "Popen", breaking(error))
    signals = report(environ | {"CIBEACON_METADATA_JQ": "{a: 1}", "CIBEACON_SERVICES": "payments"}, tmp_path)
    assert signals["deployment"][0] == "failed"
    assert signals["deployment"][1].startswith("metadata_jq: ")
    others_are_sent(signals, "deployment")


@pytest.mark.parametrize("error", FAULTS[:3], ids=lambda error: type(error).__name__)
def test_a_fault_where_the_host_is_asked_or_signals_are_sent_keeps_every_signal(
    environ, merged, clone, tmp_path, monkeypatch, error
):
    (tmp_path / "event.json").write_text(json.dumps(runs.pushed(merged.base_sha, merged.merge_sha)))
    environ |= {"GITHUB_EVENT_NAME": "push", "GITHUB_API_URL": "https://api.example", "GITHUB_TOKEN": "t0ken"}
    environ |= {"CIBEACON_DX_URL": "https://dx.example", "GITHUB_REF": "refs/heads/main"}
    folder = clone()
    monkeypatch.setattr(socket, "getaddrinfo", breaking(error))
    signals = report(environ, folder)
    assert {kind: word for kind, (word, _) in signals.items()} == {
        "pull-services": "failed", "deployment": "spooled", "pipeline-run": "spooled",
    }  # fmt: skip
    assert sorted(each.kind for each in records(tmp_path / "cibeacon/spool").values()) == ["deployment", "pipeline-run"]


@pytest.mark.parametrize("error", [FAULTS[0], FAULTS[2]], ids=lambda error: type(error).__name__)
def test_a_fault_where_the_configuration_is_read_leaves_the_services_unknown(environ, clone, monkeypatch, error):
    folder = clone()
    (folder / ".cibeacon.yml").unlink(missing_ok=True)
    (folder / ".cibeacon.json").write_text('{"discover": [{"root": "services/{service}/"}]}')
    monkeypatch.setattr(json, "loads", _except_for("discover", error))
    signals = report(environ, folder)
    assert signals["pull-services"][0] == "failed"
    assert "the repository's configuration was not read: " in signals["pull-services"][1]
    others_are_sent(signals, "pull-services")


def _except_for(word, error):
    loads = json.loads

    def loading(text, *given, **more):
        if more.get("object_pairs_hook") and word in str(text):
            raise error
        return loads(text, *given, **more)

    return loading


@pytest.mark.parametrize("rule", [{"root": "services/{service}/"}, {"marker": "services/*/main.py"}], ids=str)
def test_without_a_folder_for_temporary_files_the_services_are_unknown(environ, clone, monkeypatch, rule):
    folder = clone("--depth=1")
    (folder / ".cibeacon.yml").unlink(missing_ok=True)
    (folder / ".cibeacon.json").write_text(json.dumps({"discover": [rule]}))
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    signals = report(environ, folder)
    assert signals["pull-services"][0] == "failed"
    assert "TMPDIR" in signals["pull-services"][1]
    others_are_sent(signals, "pull-services")


@pytest.mark.parametrize("rule", ["nx", "turbo", "codeowners", "marker", "jq", "root"])
@pytest.mark.parametrize("character", ["\0", "\ud800"], ids=["NUL", "surrogate"])
def test_a_path_of_the_map_that_no_file_can_have_is_a_fault_of_the_map(environ, clone, rule, character):
    folder = clone()
    (folder / ".cibeacon.yml").unlink(missing_ok=True)
    text = f"services/{{service}}/a{character}b/" if rule == "root" else f"a{character}b"
    (folder / ".cibeacon.json").write_text(json.dumps({"discover": [{rule: text}]}))
    signals = report(environ, folder)
    assert signals["pull-services"][0] in ("invalid", "failed")
    others_are_sent(signals, "pull-services")
    for verb in ("list", "check", "which"):
        ended = cibeacon("services", verb, *(["x"] if verb == "which" else []), environ=environ, cwd=folder)
        assert "Traceback" not in ended.out + ended.err
        assert "because of a bug" not in ended.out + ended.err
        assert ended.code == 2 or verb != "check" or rule == "jq"


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000, ".cibeacon.yml/x"], ids=["long", "deep", "below a file"])
def test_a_name_of_the_configuration_that_no_file_can_have_is_invalid_by_name(environ, clone, name):
    ended = cibeacon("report", "--format=json", f"--config={name}", environ=environ, cwd=clone())
    signals = told(ended)
    assert {word for word, _ in signals.values()} == {"invalid"}
    assert all("cannot be used" in reason and "because of a bug" not in reason for _, reason in signals.values())


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid(), reason="needs root, and setpriv to give its powers up")
def test_a_working_folder_that_may_not_be_searched_costs_the_services_alone(environ, tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed").chmod(0o600)
    powerless = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    command = (*powerless, sys.executable, "-m", "cibeacon")
    with Living("report", "--format=json", environ=environ, cwd=tmp_path / "closed", command=command) as living:
        ended = living.ended()
    (tmp_path / "closed").chmod(0o700)
    rows = {each["kind"]: each["outcome"] for each in json.loads(ended.out)["signals"]}
    assert (ended.code, rows) == (0, {"pull-services": "failed", "deployment": "sent", "pipeline-run": "sent"})


@pytest.mark.parametrize("verb", [("list",), ("check",), ("which", "x")], ids=lambda verb: verb[0])
@pytest.mark.parametrize("error", FAULTS[:3], ids=lambda error: type(error).__name__)
def test_a_verb_that_shows_no_report_fails_in_one_line(environ, clone, monkeypatch, verb, error):
    folder = clone()
    monkeypatch.setattr(subprocess, "Popen", breaking(error))
    ended = cibeacon("services", *verb, environ={}, cwd=folder)
    assert ended.code in (1, 2)
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1


def _odd(value):
    """A value of every other shape, in a payload's place."""
    return [each for each in ("x", "\ud800", 7, -1, 1e300, True, None, [], ["x"], {}, {"x": [1]}) if each != value]


def _everywhere(document, path=()):
    """Every place in a document, with what stands there."""
    if path:
        yield path, document
    if isinstance(document, dict):
        for key, value in document.items():
            yield from _everywhere(value, (*path, key))


def _with(document, path, value):
    return {key: (_with(part, path[1:], value) if path[1:] else value) if key == path[0] else part
            for key, part in document.items()}  # fmt: skip


@pytest.mark.parametrize("event", ["pull_request", "push"])
def test_an_event_of_odd_shape_costs_at_most_what_it_would_have_said(environ, merged, tmp_path, event):
    payload = runs.closed(merged) if event == "pull_request" else runs.pushed(merged.base_sha, merged.merge_sha)
    environ |= {"GITHUB_EVENT_NAME": event, "CIBEACON_SERVICES": "payments", "CIBEACON_COMMIT_SHA": merged.merge_sha}
    for path, value in _everywhere(payload):
        for odd in _odd(value):
            (tmp_path / "event.json").write_text(json.dumps(_with(payload, path, odd)))
            signals = report(environ, tmp_path, "--dry-run")
            assert signals["pipeline-run"][0] == "dry-run", (path, odd)
            assert not [reason for _, reason in signals.values() if "because of a bug" in reason], (path, odd)
