"""`cibeacon init`: each case is a repository and the expected configuration, which cibeacon itself reads back."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from cibeacon.ci import kits
from cibeacon.model.ci_systems import CI_SYSTEMS
from processes import cibeacon
from repositories import Worktree

CASES = json.loads((Path(__file__).parent / "init_cases.json").read_text(encoding="utf-8"))
ROOT = Path(__file__).parents[2]
NAME = ".cibeacon.yml"


def repository(folder, files):
    made = Worktree.new(folder)
    made.commit(files)
    return made


def listed(folder):
    document = cibeacon("services", "list", "--format=json", cwd=folder).document
    return {service["name"]: service["roots"] for service in document["services"]}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_repository_gets_the_map_and_the_files_that_fit_it(tmp_path, case):
    made = repository(tmp_path / case.get("folder", "shop"), case["files"])
    preview = cibeacon("init", "--dry-run", cwd=made.root)
    assert not (made.root / NAME).exists()
    ended = cibeacon("init", cwd=made.root)
    assert (ended.code, ended.err) == (0, "")
    text = (made.root / NAME).read_text(encoding="utf-8")
    header, rest = text.split("\n")[:2], text.split("\n")[2:-1]
    assert all(line.startswith("# ") for line in header)
    assert rest == case["config"]
    assert f"\n\n{text}\n" in preview.out
    assert listed(made.root) == case["services"]
    for name in case["services"]:
        assert re.search(rf"^ {{12}}{re.escape(name)}\b", ended.out, re.M)
    assert kits_shown(ended.out) == (kits.kit(case["ci"]) if case["ci"] else {})
    assert re.findall(r"^Also found: .* --ci (\w+)$", ended.out, re.M) == case.get("also", [])


def kits_shown(out):
    """File → text, for every file in the output."""
    return {
        name: f"{text.rstrip()}\n" for name, text in re.findall(r"^── (.*) ──\n((?:(?!──|Also found).*\n)*)", out, re.M)
    }


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "findings" not in case])
def test_the_product_reads_what_was_written_without_a_warning(tmp_path, name):
    case = CASES[name]
    made = repository(tmp_path / case.get("folder", "shop"), case["files"])
    assert cibeacon("init", cwd=made.root).code == 0
    checked = cibeacon("services", "check", cwd=made.root)
    assert (checked.code, checked.err) == (0, "")
    assert ", 0 problems" in checked.out
    changed = "".join(f"{path}\n" for path in case["files"])
    ended = cibeacon("services", "--files-from=-", "--strict", "--format=json", stdin=changed, cwd=made.root)
    assert ended.code == 0
    assert set(ended.document["changes"]["services"]) == set(case["services"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "findings" in case])
def test_what_a_hostile_name_does_is_said_as_text(tmp_path, name):
    case = CASES[name]
    made = repository(tmp_path / "shop", case["files"])
    ended = cibeacon("init", cwd=made.root)
    assert ended.code == 0
    assert [line for line in ended.out.splitlines() if not line.isprintable()] == []
    for finding in case["findings"]:
        assert len(re.findall(rf"^! .*{re.escape(finding)}", ended.out, re.M)) == 1, ended.out
    assert yaml.safe_load((made.root / NAME).read_text(encoding="utf-8"))
    assert not list(tmp_path.rglob("owned"))


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
    return repository(tmp_path / "shop", {"services/pay/a": "", "Jenkinsfile": ""})


@pytest.mark.parametrize("name", [NAME, ".cibeacon.json", ".cibeacon.toml"])
def test_a_configuration_that_is_there_stays_as_it_is(shop, name):
    (shop.root / name).write_text("{}")
    ended = cibeacon("init", cwd=shop.root)
    assert (ended.code, ended.out) == (1, "")
    assert name in ended.err
    assert "--force" in ended.err if name == NAME else "remove it" in ended.err
    assert (shop.root / name).read_text() == "{}"
    assert {path.name for path in shop.root.iterdir()} == {".git", "services", "Jenkinsfile", name}


def test_force_replaces_it(shop):
    (shop.root / NAME).write_text("{}")
    assert cibeacon("init", "--force", cwd=shop.root).code == 0
    assert "services/{service}/" in (shop.root / NAME).read_text()


@pytest.mark.parametrize("other", [".cibeacon.json", ".cibeacon.toml"])
def test_force_makes_no_second_configuration(shop, other):
    (shop.root / other).write_text("{}")
    assert cibeacon("init", "--force", cwd=shop.root).code == 1
    assert not (shop.root / NAME).exists()


@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_a_link_in_the_place_of_the_file_is_not_followed(shop, tmp_path, flags):
    (tmp_path / "elsewhere").write_text("mine")
    (shop.root / NAME).symlink_to(tmp_path / "elsewhere")
    assert cibeacon("init", *flags, cwd=shop.root).code == (0 if flags else 1)
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert (shop.root / NAME).is_symlink() is not bool(flags)


def test_a_folder_that_cannot_be_written_is_said(shop):
    (shop.root / NAME).mkdir()
    ended = cibeacon("init", "--force", cwd=shop.root)
    assert ended.code == 1
    assert re.match(r"✗ The file was not written: .*\. Check the folder\.\n", ended.err)


def test_it_works_from_a_folder_below_and_writes_at_the_top(shop):
    assert cibeacon("init", cwd=shop.root / "services/pay").code == 0
    assert (shop.root / NAME).exists()


def test_files_for_the_ci_system_can_be_written_but_not_over_others(shop):
    assert cibeacon("init", "--ci-files=new", cwd=shop.root).code == 0
    written = {path: (shop.root / "new" / path).read_text() for path in ("Jenkinsfile", "vars/cibeacon.groovy")}
    assert written == kits.kit("jenkins")
    ended = cibeacon("init", "--force", "--ci-files=new", cwd=shop.root)
    assert ended.code == 0
    (shop.root / NAME).unlink()
    ended = cibeacon("init", "--ci-files=.", cwd=shop.root)
    assert (ended.code, (shop.root / "Jenkinsfile").read_text()) == (1, "")
    assert "Jenkinsfile was not written: it already exists." in ended.err
    assert f"✓ written   {NAME}" in ended.out


def test_a_folder_for_them_that_is_a_link_in_the_checkout_is_not_followed(shop, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (shop.root / "new").symlink_to(tmp_path / "elsewhere")
    ended = cibeacon("init", "--ci-files=new", cwd=shop.root)
    assert (ended.code, list((tmp_path / "elsewhere").iterdir())) == (1, [])
    assert "symbolic link" in ended.err


@pytest.mark.parametrize("place", ["outside git", "without a commit", "without a file"])
def test_where_there_is_nothing_to_look_at_a_paragraph_says_what_to_do(tmp_path, place):
    if place != "outside git":
        made = Worktree.new(tmp_path)
        if place == "without a file":
            made.git("commit", "--quiet", "--allow-empty", "--message=first")
    for flags in ((), ("--dry-run",)):
        ended = cibeacon("init", *flags, cwd=tmp_path)
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.startswith("✗ Nothing was written: ")
        assert ended.err.endswith("and run cibeacon init again.\n")
    assert [path.name for path in tmp_path.iterdir()] == ([] if place == "outside git" else [".git"])


# Kits -----------------------------------------------------------------------------------------------------------------


def test_a_ci_system_can_be_named(shop):
    ended = cibeacon("init", "--ci=Drone", cwd=shop.root)
    assert kits_shown(ended.out) == kits.kit("drone")
    assert "Also found: Jenkins (Jenkinsfile)" in ended.out
    wrong = cibeacon("init", "--ci=jenkin", cwd=shop.root)
    assert (wrong.code, "jenkins" in wrong.err) == (2, True)


WORKFLOW = ".github/workflows/ship.yml"


@pytest.mark.parametrize(
    ("text", "in_use"),
    [
        ("steps:\n  - uses: acme/cibeacon@0a1b2c3\n", True),
        ("steps:\n  - run: cibeacon report || true\n", True),
        ("steps:\n  # - uses: acme/cibeacon@0a1b2c3\n", False),
        ("steps:\n  - run: make\n", False),
    ],
)
def test_a_pipeline_that_uses_cibeacon_needs_nothing_more(tmp_path, text, in_use):
    files = {"services/pay/a": "", ".github/workflows/ci.yml": "on: push\n", WORKFLOW: text, "Jenkinsfile": ""}
    made = repository(tmp_path / "shop", files)
    ended = cibeacon("init", "--dry-run", cwd=made.root)
    assert ended.code == 0
    assert (f"GitHub Actions: {WORKFLOW} already uses cibeacon, so there is nothing to add." in ended.out) is in_use
    assert kits_shown(ended.out) == ({} if in_use else kits.kit("github"))
    assert "\n\nAlso found: Jenkins (Jenkinsfile)" in ended.out
    assert kits_shown(cibeacon("init", "--dry-run", "--ci=github", cwd=made.root).out) == kits.kit("github")


def test_every_ci_system_has_a_kit_and_is_known_by_a_file_unless_it_has_none():
    assert set(kits.names()) == {*CI_SYSTEMS, kits.OTHER}
    assert set(CI_SYSTEMS) - set(kits.PIPELINE_FILES) == {"argo"}


@pytest.mark.parametrize("name", kits.names())
def test_a_kit_is_the_file_that_people_copy_without_the_map(name):
    for file, text in kits.kit(name).items():
        whole = (ROOT / "integrations" / name / file).read_text(encoding="utf-8")
        gone = set(whole.splitlines()) - set(text.splitlines())
        assert all("{service}" in line or "CIBEACON_SERVICES" in line for line in gone)
        assert "{service}" not in text
        if file.endswith((".yml", ".yaml")):
            assert all(document is not None for document in yaml.safe_load_all(text))


@pytest.mark.parametrize("name", kits.names())
def test_the_page_of_a_ci_system_exists(shop, name):
    ended = cibeacon("init", "--dry-run", f"--ci={name}", cwd=shop.root)
    (page,) = re.findall(r"^https://cibeacon\.github\.io/cibeacon/(.*)/$", ended.out, re.M)
    assert (ROOT / f"docs/{page}.md").exists()


def test_nothing_of_the_environment_leaves_in_what_is_shown(shop):
    ended = cibeacon("init", environ={"DX_API_TOKEN": "services", "PATH": os.environ["PATH"]}, cwd=shop.root)
    assert ended.code == 0
    assert not re.search(r"^ +pay .*services", ended.out, re.M)
