"""The documentation site is built strictly and without network, asks no other host, and has every anchor of an error."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from cibeacon.checks.table import IDS
from cibeacon.model.error_ids import SITE, check_link, help_link
from error_pages import ALL_IDS

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
TOOLS = HERE / ".venv-docs/bin"
NOWHERE = "http://127.0.0.1:9"
PAGES = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
PROSE = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", "src", "action.yml", "templates"]


def run(program, *arguments):
    if not (TOOLS / program).exists():
        pytest.skip("the site's builder is not installed: run scripts/engines-python")
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE)
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **proxies}
    command = [TOOLS / program, *map(str, arguments)]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def build(target, *root):
    return run("python", ROOT / "scripts/build_site.py", target, *root)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "built"
    done = build(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def paths(nav):
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from paths(below)


def test_the_navigation_names_every_page_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(paths(nav)) == PAGES


@pytest.mark.parametrize("text", ["[gone](no-such-page.md)", "[gone](reference.md#no-such-heading)"])
def test_a_link_that_leads_nowhere_fails_the_build(copy, tmp_path, text):
    page = copy / "docs/index.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")
    assert build(tmp_path / "built", copy).returncode == 1
    assert not (tmp_path / "built").exists()


def test_no_page_asks_another_host_for_anything(site):
    own = f"{SITE}/"
    for page in site.rglob("*.html"):
        for tag in re.findall(
            r"<(?:script|link|img|iframe|source|object|video)\b[^>]*>", page.read_text(encoding="utf-8")
        ):
            for address in re.findall(r"\b(?:src|href|data)=[\"']?((?:https?:)?//[^\"'\s>]+)", tag):
                assert address.startswith(own), f"{page.name}: {tag}"
    for sheet in (*site.rglob("*.css"), *site.rglob("*.svg")):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", text), sheet.name


def test_a_browser_asks_no_other_host_while_a_page_is_read(site):
    chromium = shutil.which("chromium")
    if chromium is None or not list(HERE.glob(".venv/lib/*/site-packages/playwright")):
        pytest.skip("no browser: run scripts/engines-browser and scripts/engines-python")
    (site.parent / "served").mkdir()
    shutil.copytree(site, site.parent / "served/cibeacon")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site.parent / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        steps = [["goto", "/cibeacon/"], ["goto", "/cibeacon/architecture/"], ["wait", "h1"], ["texts", "h1"]]
        asked = {"url": f"http://127.0.0.1:{server.server_port}", "chromium": chromium, "steps": steps}
        browse = [HERE / ".venv/bin/python", HERE / "browse.py"]
        done = subprocess.run(browse, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=300)
        server.shutdown()
    seen = json.loads(done.stdout)
    assert seen["elsewhere"] == []
    assert seen["errors"] == []
    assert seen["results"][-1][0].startswith("Architecture")


@pytest.mark.parametrize("link", [*map(help_link, sorted(ALL_IDS)), *map(check_link, IDS)])
def test_every_link_of_a_message_leads_to_its_anchor(site, link):
    page, _, anchor = link.removeprefix(f"{SITE}/").partition("#")
    assert re.search(rf'\bid="?{re.escape(anchor)}"?[\s>]', (site / page / "index.html").read_text(encoding="utf-8"))


def test_every_page_is_there_as_markdown_and_listed_for_agents(site):
    listed = (site / "llms.txt").read_text(encoding="utf-8")
    for page in PAGES:
        assert (site / page).read_text(encoding="utf-8").startswith("# ")
        assert f"({SITE}/{page}): " in listed


def test_links_out_of_the_documentation_lead_to_the_repository(site):
    assert "github.com/cibeacon/cibeacon/blob/main/integrations/" in (site / "ci/tekton.md").read_text(encoding="utf-8")


def test_nothing_is_misspelt():
    done = run("codespell", *PROSE)
    assert done.stdout == ""
    assert done.returncode == 0
