"""A pull request can change the repository's configuration: it can map services and choose what is reported, but nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canaries import Canary, leaked
from cibeacon.changes.repository_config import REPORTABLE
from cibeacon.demo import runs
from cibeacon.model.glob import Glob
from cibeacon.sandbox.server import Sandbox
from cibeacon.services import Rules, Template, schema
from cibeacon.services.service_map import ServiceMap
from cibeacon.settings import all_options
from faults import FaultServer, answers, response
from processes import cibeacon
from repositories import Worktree

OPTIONS = [each.name for group in all_options().values() for each in group]
WITHHELD = sorted(set(OPTIONS) - REPORTABLE)
TOKEN, OTHERS = Canary("DX_API_TOKEN"), Canary("another secret of the job")
SECONDS = 120
"""The watchdog of a whole process: far beyond what any of these may take, far below what a catastrophe takes."""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """A repository with two services."""
    made = Worktree.new(tmp_path_factory.mktemp("services") / "shop")
    made.commit({"services/a/x": "1", "services/b/x": "1"})
    return made


@pytest.fixture
def tree(services, tmp_path):
    """A copy of that repository."""
    return services.copy(tmp_path / "shop")


def reported(tree, folder, *flags, dx, **more):
    """The report of a merged pull request in this checkout."""
    head = tree.tip()
    environ = runs.github("push", runs.pushed(tree.tip("HEAD~1"), head), head, 7, folder)
    environ |= {"DX_API_TOKEN": TOKEN.text, "SENTINEL": OTHERS.text, "CIBEACON_TIMEOUT": "60", "CIBEACON_DX_URL": dx}
    return cibeacon("report", *flags, environ=environ | more, cwd=tree.root)


# Settings ---------------------------------------------------------------------------------------------------------------


def test_what_a_repository_may_choose_is_a_short_list():
    assert {
        "signals", "deploy_services", "environment", "pipeline_name", "source_name", "run_scope", "metadata",
    } == REPORTABLE  # fmt: skip


@pytest.mark.parametrize("first", range(20))
def test_no_other_setting_is_taken_from_the_repository(tree, tmp_path, first):
    """Each is rejected by name, loses no signal, and does not replace the workflow's value."""
    names = WITHHELD[first::20]
    values = {"timeout": 3600, "strict": True, "allow_http": True, "dx_token": "stolen"}
    taken = {name: values.get(name, "https://evil.example") for name in names}
    document = {"services": {"a": "services/a/"}, "report": {**taken, "environment": "staging"}, **taken}
    tree.commit({".cibeacon.json": json.dumps(document), "services/a/x": "2"})
    with Sandbox(token=TOKEN.text) as dx:
        ended = reported(tree, tmp_path, "--verbose", dx=dx.url, CIBEACON_SERVICES="services/{service}/")
        assert ended.code == 0
        for name in names:
            assert f"setting     {name} from repository" not in ended.out
            assert f"report: unknown key '{name}'" in ended.out or name in schema.KEYS
        assert {each["status"] for each in dx.ledger.document()["requests"]} == {200}


@pytest.mark.parametrize("name", ["dx_url", "allow_http", "dx_token", "dx_api", "spool", "host", "config"])
def test_a_token_goes_nowhere_but_where_the_workflow_says(tree, tmp_path, name):
    with FaultServer(answers(response(b'{"ok": true}'))) as stranger, Sandbox(token=TOKEN.text) as dx:
        value = {"dx_url": stranger.url, "host": "gitlab"}.get(name, stranger.url)
        report = {
            name: value,
            "dx": {"url": stranger.url},
            "proxies": {"http": stranger.url},
            "metadata": {"u": stranger.url},
        }
        document = {
            "services": {"a": "services/a/"},
            "report": report,
            "proxy": stranger.url,
            "HTTPS_PROXY": stranger.url,
        }
        tree.commit({".cibeacon.json": json.dumps(document), "services/a/x": "2"})
        reported(tree, tmp_path, dx=dx.url)
        assert dx.ledger.document()["requests"]
        assert stranger.accepted == 0


@pytest.mark.parametrize(
    "value", ["${DX_API_TOKEN}", "$DX_API_TOKEN", "${{ secrets.X }}", "!ENV DX_API_TOKEN", "%DX_API_TOKEN%"]
)
def test_no_value_is_expanded(tree, tmp_path, value):
    report = {"environment": value, "pipeline_name": value, "metadata": {"a": value}, "deploy_services": "a"}
    tree.commit(
        {".cibeacon.json": json.dumps({"services": {"a": "services/a/"}, "report": report}), "services/a/x": "2"}
    )
    with Sandbox(token=TOKEN.text) as dx:
        ended = reported(tree, tmp_path, dx=dx.url)
        told = json.dumps(dx.ledger.document())
    assert value in told
    assert not leaked([TOKEN, OTHERS], told, ended.out.partition("cibeacon 0")[2], ended.err)


@pytest.mark.parametrize("flags", [(), ("--strict",)])
def test_a_repository_cannot_change_how_a_run_ends(tree, tmp_path, flags):
    document = {"services": {"a": "services/a/"}, "report": {"strict": not flags, "format": "json", "verbose": True}}
    tree.commit({".cibeacon.json": json.dumps(document), "services/a/x": "2"})
    with FaultServer(answers(response(b'{"ok": false, "error": "invalid_auth"}', status="401 No"))) as dx:
        ended = reported(tree, tmp_path, *flags, dx=dx.url)
    assert ended.code == (1 if flags else 0)
    assert "cibeacon 0" in ended.out, "the log stays text"


# Files outside ----------------------------------------------------------------------------------------------------------

ABOVE = Canary("a file outside of the repository")


@pytest.fixture
def outside(tmp_path):
    """A file that only the runner may read, in every supported format."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "graph.json").write_text(
        json.dumps({"graph": {"nodes": {ABOVE.text: {"data": {"root": "x"}}}}, "secret": ABOVE.text})
    )
    (folder / "config.yml").write_text(
        f"services: {{a: services/a/}}\nreport: {{environment: '{ABOVE.text.replace(chr(39), '')}'}}\n"
    )
    (folder / "owners").write_text(f"* @acme/{ABOVE.text}\n")
    return folder


def linked(tree, name, target):
    (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
    (tree.root / name).symlink_to(target)


@pytest.mark.parametrize("name", [".cibeacon.yml", ".cibeacon.json", ".cibeacon.toml", "folder/config.yml"])
@pytest.mark.parametrize("way", ["absolute", "relative", "folder", "passwd", "device"])
def test_a_configuration_that_leads_outside_is_not_read(tree, tmp_path, outside, name, way):
    if way == "folder":
        linked(tree, "away", outside)
        target = tree.root / "away" / "config.yml"
    else:
        target = {
            "absolute": outside / "config.yml",
            "relative": Path("../outside/config.yml" if "/" not in name else "../../outside/config.yml"),
            "passwd": Path("/etc/passwd"),
            "device": Path("/dev/zero"),
        }[way]
    linked(tree, name, target)
    tree.commit({"services/a/x": "2"})
    flags = () if name.startswith(".") else (f"--config={name}",)
    ended = reported(tree, tmp_path, "--dry-run", *flags, dx="acme")
    assert "not a regular file inside the repository" in ended.out
    assert not leaked([ABOVE], ended.out, ended.err)
    assert "root:" not in ended.out


@pytest.mark.parametrize(
    "path",
    [
        "../outside/config.yml",
        "{outside}/config.yml",
        "/etc/passwd",
        "services/../../outside/config.yml",
        "/proc/self/environ",
    ],
)
def test_a_named_configuration_outside_is_not_read(tree, tmp_path, outside, path):
    tree.commit({"services/a/x": "2"})
    ended = reported(tree, tmp_path, "--dry-run", f"--config={path.format(outside=outside)}", dx="acme")
    assert "not a regular file inside the repository" in ended.out
    assert not leaked([ABOVE, OTHERS], ended.out, ended.err)


RULES = [
    {"nx": "FILE"},
    {"turbo": "FILE"},
    {"codeowners": "FILE"},
    {"codeowners": "FILE", "name": "."},
    {"marker": "FILE"},
    {"marker": "**/FILE", "name": "tostring"},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(
    "place", ["../outside/graph.json", "{outside}/graph.json", "/etc/passwd", "a/../../outside/owners"]
)
def test_a_rule_that_names_a_file_outside_is_a_fault(tree, tmp_path, outside, rule, place):
    named = {key: value.replace("FILE", place.format(outside=outside)) for key, value in rule.items()}
    tree.commit({".cibeacon.json": json.dumps({"discover": [named]}), "services/a/x": "2"})
    ended = reported(tree, tmp_path, "--dry-run", "--format=json", dx="acme")
    assert not (ended.document["changes"] or {}).get("services")
    assert not leaked([ABOVE], ended.out, ended.err)
    assert "root:" not in ended.out


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("target", ["graph.json", "owners", "/etc/passwd"])
def test_a_rule_whose_file_is_a_link_outside_reads_nothing_there(tree, tmp_path, outside, rule, target):
    linked(tree, "linked.json", outside / target)
    linked(tree, "deep/linked.json", outside / target)
    named = {key: value.replace("FILE", "linked.json") for key, value in rule.items()}
    tree.commit({".cibeacon.json": json.dumps({"discover": [named]}), "services/a/x": "2"})
    ended = reported(tree, tmp_path, "--dry-run", "--format=json", dx="acme")
    assert not leaked([ABOVE], ended.out, ended.err)
    assert "root:" not in ended.out


def test_a_rule_reads_its_file_where_it_is_one(tree, tmp_path, outside):
    """Proves that the rules above do read such files if they are inside."""
    tree.commit({".cibeacon.json": json.dumps({"discover": [{"nx": "graph.json"}]}), "services/a/x": "2"})
    (tree.root / "graph.json").write_text(json.dumps({"graph": {"nodes": {"web": {"data": {"root": "services/a"}}}}}))
    ended = reported(tree, tmp_path, "--dry-run", "--format=json", dx="acme")
    assert ended.document["changes"]["services"] == ["web"]


# Programs ---------------------------------------------------------------------------------------------------------------

PROGRAMS = [
    "env",
    "$ENV",
    "$ENV.SENTINEL",
    "env | tostring",
    "[$ENV, env] | tostring",
    "input_filename",
    "$__prog_args",
    "$__loc__",
    'include "a"; .',
    'import "a" as a; .',
    'import "a" as $a; $a',
    'import "/proc/self/environ" as $a; $a',
    'include "x" {search: "/proc/self"}; .',
    "get_search_list",
    "modulemeta",
    '"a" | modulemeta',
    "input",
    "[inputs]",
    "[limit(3; repeat(input))]",
    'getpath(["env"])',
    "$__prog_name",
    "ltrimstr(1) | debug",
    "stderr",
    "input_line_number",
    "halt_error",
    "builtins",
    'splits("a") | @sh',
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_sees_a_secret(tree, tmp_path, program, monkeypatch):
    monkeypatch.setenv("SENTINEL", OTHERS.text)
    monkeypatch.setenv("DX_API_TOKEN", TOKEN.text)
    rules = [
        {"jq": f'[{program}] | map(tostring | gsub("[^A-Za-z0-9]"; "-") | .[:100])'},
        {"jq": f"error([{program}] | tostring)"},
        {"jq": program},
        {"marker": "**/x", "name": f'[{program}] | tostring | gsub("[^A-Za-z0-9]"; "-")', "when": program},
        {"codeowners": "CODEOWNERS", "name": f"[{program}] | tostring"},
    ]
    tree.commit({".cibeacon.json": "{}", "CODEOWNERS": "* @a\n", "services/a/x": program})
    for rule in (*rules[:2], rules[2 + PROGRAMS.index(program) % 3]):
        (tree.root / ".cibeacon.json").write_text(json.dumps({"discover": [rule]}))
        ended = reported(tree, tmp_path, "--dry-run", "--format=json", dx="acme")
        assert not leaked([TOKEN, OTHERS], ended.out, ended.err.partition("cibeacon 0")[2])


# Size and shape ---------------------------------------------------------------------------------------------------------


def laughs(levels):
    """YAML whose aliases double at every level, or multiply by ten."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"services: {{a: *a{levels - 1}}}"])


BOMBS = {
    "laughs": laughs(12),
    "laughs by merge": "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n} {{<<: [*a, *a]}}\n" for n in range(500)),
    "itself": "a: &a [*a]\nservices: *a\n",
    "itself by key": "&a a: *a\n",
    "deep lists": "services: " + "[" * 20_000,
    "deep maps": "".join(f"{' ' * n}a:\n" for n in range(2_000)),
    "deep flow": "{a: " * 5_000,
    "a long line": "services: {a: " + "x" * 3_000_000 + "}",
    "too long": "#" * (5 << 20),
    "many keys": "services:\n" + "".join(f"  s{n}: services/s{n}/\n" for n in range(50_000)),
    "many patterns": json.dumps({"services": {"a": [f"services/*/{n}/**/*.py" for n in range(20_000)]}}),
    "one key many times": "services:\n" + "  a: b/\n" * 50_000,
    "numbers": "services: {a: " + "9" * 100_000 + "}",
    "floats": "services: {a: 1e999999999}\nversion: .inf\n",
    "timestamps": "report: {environment: 2001-01-01}\nservices: {a: !!timestamp '9999-99-99'}\n",
    "binary": "services: !!binary '////'\nreport: {environment: !!binary aGVsbG8=}\n",
    "python": "services: !!python/object/apply:os.system ['touch pwned']\n",
    "python name": "services: !!python/name:os.system\nreport: !!python/object/new:subprocess.Popen [[id]]\n",
    "sets": "services: !!set {a, b}\nreport: !!omap [a: 1]\n",
    "bytes": "\x00\x01\ufffe",
    "several": "services: {}\n---\nservices: {a: b/}\n",
    "tags": "".join(f"!<tag:{n}> " for n in range(1000)),
    "anchors": "".join(f"a{n}: &x{n} 1\n" for n in range(50_000)),
    "comments": "# c\n" * 500_000,
    "quotes": 'services: {a: "' + "\\\n" * 100_000 + '"}',
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_file_makes_memory_explode(tree, tmp_path, bomb):
    """A whole process with a watchdog: it ends by itself, in bounded memory, and reports the fault or lists the map."""
    suffix = ".json" if bomb == "many patterns" else ".yml"
    (tree.root / f".cibeacon{suffix}").write_text(BOMBS[bomb], encoding="utf-8", errors="surrogatepass")
    tree.commit({"services/a/x": "2"})
    head = tree.tip()
    environ = runs.github("push", runs.pushed(tree.tip("HEAD~1"), head), head, 7, tmp_path)
    environ |= {
        "CIBEACON_DX_URL": "acme",
        "CIBEACON_DRY_RUN": "true",
        "PATH": os.environ["PATH"],
        "CIBEACON_TIMEOUT": "20",
    }
    done = subprocess.run(
        ["sh", "-c", 'ulimit -v 1500000; exec "$@"', "sh", sys.executable, "-m", "cibeacon", "report", "--format=json"],
        env=environ,
        cwd=tree.root,
        capture_output=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert b"because of a bug" not in done.stdout
    assert b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["version"] == 1
    assert not (tree.root / "pwned").exists()


# Patterns ---------------------------------------------------------------------------------------------------------------

CATASTROPHES = [
    "**/" * 200 + "a",
    "*a" * 200,
    "**/*a" * 100,
    "*" * 200,
    "**/" * 16 + "b",
    "*a" * 16,
    "*a" * 15 + "b",
    "a*" * 15 + "b",
    "**/a*" * 8 + "b",
    "**/*a*/" * 4 + "b",
    "a/**/" * 7 + "*b*b",
    "?" * 16,
    "*?" * 8,
    "[a-z]*" * 15 + "[!a]",
    "**/[a]*/" * 7 + "b",
    "*/" * 15 + "b",
    "**",
    "**/**/**/**/b",
]
LONG = ["a" * 4000, "a/" * 2000 + "a", "aa/" * 1300 + "a", "/".join(["a" * 200] * 20), "ab" * 2000, "b" + "a" * 4000]


@pytest.mark.parametrize("pattern", CATASTROPHES, ids=lambda text: text[:20])
def test_no_pattern_keeps_the_processor_busy(pattern):
    """In a separate process, because a runaway regular expression cannot be interrupted."""
    program = (
        "import sys, json\n"
        "from cibeacon.model.glob import Glob\n"
        "from cibeacon.services import Rules\n"
        "from cibeacon.services.service_map import ServiceMap\n"
        "pattern, paths = json.load(sys.stdin)\n"
        "try:\n"
        "    glob = Glob(pattern)\n"
        "except ValueError as error:\n"
        "    print('refused', error)\n"
        "    raise SystemExit\n"
        "for path in paths * 20:\n"
        "    glob.matches(path)\n"
        "ServiceMap({}, (), Rules(ignore=(glob,))).assign(paths * 20)\n"
        "print('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps([pattern, LONG]),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout.startswith(("done", "refused")), done.stderr


@pytest.mark.parametrize("pattern", [text for text in CATASTROPHES if text.count("*") + text.count("?") <= 16], ids=str)
def test_patterns_within_the_limit_are_taken(pattern):
    Glob(pattern)


@given(text=st.text("*?/ab[]!-{}.\\", max_size=40), path=st.text("ab/.-", min_size=1, max_size=60))
def test_any_pattern_is_refused_or_answers(text, path):
    try:
        glob = Glob(text)
    except ValueError:
        return
    assert glob.matches(path) in (True, False)
    assert ServiceMap({}, (), Rules(ignore=(glob,))).touch(path).ignored == glob.matches(path)


@given(text=st.text("*?/ab{}service", max_size=60), path=st.text("ab/.-", min_size=1, max_size=60))
def test_any_template_is_refused_or_answers(text, path):
    try:
        template = Template.parse(text, 0)
    except ValueError:
        return
    assert schema.from_templates((text,)).assign([path]) is not None
    assert template is not None
