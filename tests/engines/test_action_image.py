"""The image: what is in it, what is not, and that it runs for anybody."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
from containers import ROOT, docker, network

pytestmark = pytest.mark.engine
MADE = {
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
}
"""Files in a container that no package has: made when a package is installed, or by the engine."""


def inside(image, script, *options):
    """What a shell script prints in a container of the image."""
    return docker("run", "--rm", *options, "--entrypoint=/bin/sh", image, "-euc", script)


def python(image, program):
    """What a program prints that runs beside the product."""
    return docker("run", "--rm", "--entrypoint=/opt/cibeacon/bin/python", image, "-I", "-c", program)


def test_it_holds_exactly_the_locked_packages(image):
    lock = (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", lock, re.M))
    program = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    held = {
        re.sub(r"[-_.]+", "-", name).lower(): version for name, version in json.loads(python(image, program)).items()
    }
    assert held.pop("cibeacon")
    assert held == locked


def test_nothing_is_left_of_how_it_was_built(image):
    assert inside(image, "ls -A /opt /tmp /var /root").split() == [
        "/opt:",
        "cibeacon",
        "/root:",
        "/tmp:",
        "/var:",
        "lib",
        "tmp",
    ]
    tools = "for name in apt-get cc dpkg make perl pip; do command -v $name || true; done"
    assert inside(image, tools) == ""


@pytest.mark.parametrize("user", ["0", "1001:121", "4711:0", "nobody"])
def test_it_runs_for_any_user_on_a_read_only_root_without_home_network_and_rights(image, user):
    options = ("--read-only", f"--user={user}", "--network=none", "--cap-drop=ALL", "--env=HOME=")
    assert docker("run", "--rm", *options, image, "--version").startswith("cibeacon ")
    done = docker("run", "--rm", *options, image, "report", "--format=json", "--jq=.status")
    assert done.splitlines()[-1] == "dry-run", "jq works in the image too"


def test_a_shell_is_there_for_gitlab_and_finds_the_commands(image):
    assert inside(image, "cibeacon --version").startswith("cibeacon ")
    assert inside(image, "ls /opt/cibeacon/bin/cibeacon*").split() == [
        f"/opt/cibeacon/bin/cibeacon{stage}" for stage in ("", "-main", "-post", "-pre")
    ]


def test_a_script_of_gitlabs_runner_runs_in_it_for_any_user(image):
    """The runner pipes its script to `sh -c` with a line that goes on as bash where there is one, and quotes as bash does."""
    job = r"""export TITLE=$'it\'s \x1b[1mbold'
mkdir -p "/tmp/shop.tmp"
printf '%s' $'-----BEGIN\n' > "/tmp/shop.tmp/CERTIFICATE"
touch "/tmp/shop.tmp/env"; while read -r line; do export "$line"; done < "/tmp/shop.tmp/env"
cd /tmp
chmod -R u+rwX "/tmp/shop.tmp"; ls -rvd shop.tmp > names; cat names
printf '%s\n%s' 2.9 2.10 | sort --version-sort | head -n1
date +%s | cut -c1; sleep 0
echo "$TITLE"; cibeacon --version; rm -r -f /tmp/shop.tmp
"""
    quoted = job.replace("\\", r"\\").replace("'", r"\'").replace("\n", r"\n")
    before = "trap exit 1 TERM\nif set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\n"
    script = f"{before}: | eval $'{quoted}'\nexit 0\n"
    choose = "if [ -x /usr/bin/bash ]; then exec /usr/bin/bash; else exec /bin/sh; fi"
    rights = ("--user=4711:4712", "--read-only", "--tmpfs=/tmp", "--network=none", "--cap-drop=ALL")
    command = ["docker", "run", "--rm", "--interactive", *rights, "--entrypoint=sh", image, "-c", choose]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    names, oldest, first, title, version = done.stdout.splitlines()
    assert (names, oldest, first, title) == ("shop.tmp", "2.9", "1", "it's \x1b[1mbold")
    assert version.startswith("cibeacon ")


def test_git_reads_a_repository_and_speaks_https(image):
    script = "cd /tmp; git init --quiet . 2>&1; git rev-parse --is-inside-work-tree"
    assert inside(image, script) == "true"
    said = inside(image, "git ls-remote https://127.0.0.1:1/x 2>&1 || true", "--network=none")
    assert "connect" in said, "the helper for https is missing, or one of its libraries"


def test_its_files_are_recorded_where_scanners_look_each_with_its_package_and_licence(image):
    """A file of no package is Python's, ours, or one that is made when packages are installed."""
    program = """
import json, pathlib
dpkg = pathlib.Path("/var/lib/dpkg")
listed = {path.name.removesuffix(".list").partition(":")[0]: path.read_text().split("\\n")[:-1] for path in dpkg.glob("info/*")}
roots = [pathlib.Path("/", name) for name in ("etc", "usr")]
there = [str(path) for root in roots for path in root.rglob("*") if path.is_symlink() or path.is_file()]
print(json.dumps([(dpkg / "status").read_text(), listed, there]))
"""
    status, listed, there = json.loads(python(image, program))
    records = [dict(re.findall(r"^([\w-]+): (.*)$", record, re.M)) for record in status.split("\n\n")]
    assert {record["Package"] for record in records} == set(listed)
    assert all(record["Version"] and record["Status"] == "install ok installed" for record in records)
    assert [name for name in listed if f"/usr/share/doc/{name}/copyright" not in listed[name]] == []
    recorded = {path for paths in listed.values() for path in paths}
    assert recorded - set(there) == set()
    assert set(there) - recorded == MADE
    git = next(record for record in records if record["Package"] == "git")
    version = inside(image, "git version").removeprefix("git version ")
    assert git["Version"].startswith(f"1:{version}-")


def test_every_file_of_ours_is_compiled_and_never_compared_with_its_source(image):
    program = """
import importlib.util, pathlib, sysconfig
folder = pathlib.Path(sysconfig.get_path("purelib"), "cibeacon")
for source in folder.rglob("*.py"):
    flags = pathlib.Path(importlib.util.cache_from_source(source)).read_bytes()[4:8]
    print(int.from_bytes(flags, "little"))
"""
    assert set(python(image, program).split()) == {"1"}  # hash-based, unchecked: PEP 552


def test_a_workflows_variables_and_checkout_cannot_steer_python(image, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print('steered')\n")
    (tmp_path / "click.py").write_text("print('steered')\n")
    options = (f"--volume={tmp_path}:/w:ro", "--workdir=/w", "--env=PYTHONPATH=/w", "--env=PYTHONSTARTUP=/w/click.py")
    assert "steered" not in docker("run", "--rm", *options, image, "--version")


def test_its_entry_is_a_list_and_its_labels_say_what_it_is(image):
    config = json.loads(docker("image", "inspect", "--format={{json .Config}}", image))
    assert config["Entrypoint"] == ["/opt/cibeacon/bin/cibeacon"]
    assert not config.get("User")
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert set(labels) >= {"title", "description", "licenses", "source", "version", "revision"}
    assert all(labels.values())


def test_the_first_word_that_is_wrong_ends_as_on_any_command_line(image):
    done = subprocess.run(["docker", "run", "--rm", image, "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_without_a_command_it_is_a_plugin_where_steps_are_plugins_and_shows_the_help_elsewhere(image):
    settings = ("--env=PLUGIN_DRY_RUN=true", "--env=PLUGIN_DX_URL=acme", "--env=PLUGIN_RUN_ID=7")
    drone = ("--env=DRONE=true", "--env=DRONE_REPO=acme/shop", "--env=DRONE_BUILD_NUMBER=42")
    said = docker("run", "--rm", "--network=none", *drone, *settings, image)
    assert "Drone" in said.splitlines()[0]
    assert "would send pipeline-run" in said
    named = docker("run", "--rm", "--network=none", *drone, "--env=PLUGIN_COMMAND=services --help", image)
    assert "Usage:" in named
    done = subprocess.run(["docker", "run", "--rm", *settings, image], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.startswith("Usage:")) == (2, True)


@pytest.mark.usefixtures("image")
def test_two_builds_from_the_same_packages_give_the_same_layers_to_the_byte():
    built = [
        docker("build", "--quiet", "--no-cache", f"--network={network()}", str(ROOT), timeout=900) for _ in range(2)
    ]
    layers = [docker("image", "inspect", "--format={{json .RootFS.Layers}}", name.splitlines()[-1]) for name in built]
    assert len(json.loads(layers[0])) == 3
    assert layers[0] == layers[1]


def test_a_scanner_reads_of_which_packages_it_is(image, tmp_path):
    """Of Debian's packages and of Python's; syft is what BuildKit makes the list of a release with."""
    syft = ROOT / "tests/engines/.venv/bin/syft"
    if not syft.exists():
        pytest.skip("syft is not installed: run scripts/engines-python")
    docker("save", "--output", str(tmp_path / "image.tar"), image)
    command = [syft, f"docker-archive:{tmp_path / 'image.tar'}", "--output=json", "--quiet"]
    environ = os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false"}
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout)
    assert found["distro"]["id"] == "debian"
    packages = {(each["type"], each["name"]) for each in found["artifacts"]}
    lock = (ROOT / "requirements" / "image.txt").read_text(encoding="utf-8")
    locked = {("python", name.lower()) for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    assert packages >= locked | {("deb", name) for name in ("bash", "git", "libc6", "libssl3t64", "python3.13-minimal")}
