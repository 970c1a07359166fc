"""git compares while the service map is read; without a map, it compares nothing."""

from __future__ import annotations

import os
import select
import shutil

import pytest

from cibeacon.services import config_file
from processes import cibeacon
from repositories import Worktree

WATCHDOG = 20.0


@pytest.fixture
def shop(tmp_path):
    made = Worktree.new(tmp_path / "shop")
    made.commit({"services/pay/a": "1"})
    made.commit({"services/pay/a": "2", "services/web/a": "1"})
    return made


@pytest.fixture
def watched(tmp_path):
    """A `PATH` whose git logs its arguments, and that log."""
    (tmp_path / "bin").mkdir()
    log = tmp_path / "log"
    log.touch()
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\necho "$2" >>{log}\nexec {shutil.which("git")} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    return {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, lambda: log.read_text().split()


def services(shop, watched, *flags):
    environ, asked = watched
    ended = cibeacon("services", "--base=HEAD^", "--head=HEAD", "--format=json", *flags, environ=environ, cwd=shop.root)
    return ended.document["changes"], asked().count("diff-tree")


@pytest.mark.parametrize("flags", [(), ("--services=pay",), ("--services=[]",)], ids=["none", "by name", "nobody"])
def test_without_a_map_nothing_is_compared(flags, shop, watched):
    _, comparisons = services(shop, watched, *flags)
    assert comparisons == 0


def test_a_map_costs_one_comparison(shop, watched):
    found, comparisons = services(shop, watched, "--services=services/{service}/")
    assert (found["services"], comparisons) == (["pay", "web"], 1)
    shop.write({".cibeacon.json": '{"discover": [{"root": "services/{service}/"}]}'})
    assert services(shop, watched) == (found, 2)


def test_a_map_that_cannot_be_read_leaves_no_process_behind(shop, watched):
    shop.write({".cibeacon.json": "{"})
    found, _ = services(shop, watched)
    assert found["status"] == "unknown"
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_git_compares_while_the_map_is_read(shop, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    os.mkfifo(tmp_path / "begun")
    begun = os.open(tmp_path / "begun", os.O_RDWR)
    (tmp_path / "bin/git").write_text(
        f'#!/bin/sh\n[ "$2" != diff-tree ] || echo >{tmp_path / "begun"}\nexec {shutil.which("git")} "$@"\n'
    )
    (tmp_path / "bin/git").chmod(0o755)
    shop.write({".cibeacon.json": '{"discover": [{"root": "services/{service}/"}]}'})
    parse, seen = config_file.parse, []

    def reading(name, content):
        seen.extend(select.select([begun], [], [], WATCHDOG)[0])
        return parse(name, content)

    monkeypatch.setattr(config_file, "parse", reading)
    found, _ = services(shop, ({"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}, list))
    os.close(begun)

    assert seen == [begun]
    assert found["services"] == ["pay", "web"]
