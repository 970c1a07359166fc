"""The sandbox's listing of a spool folder: the waiting signals, since when, how often they were tried, and why they wait."""

from __future__ import annotations

import pytest

from cibeacon.cli.spool_listing import SpoolListing
from cibeacon.sandbox.server import Sandbox
from cibeacon.spool.unfinished import unfinished_mark
from processes import cibeacon
from spool_records import told
from still_environment import still_environment


def listing(folder):
    return SpoolListing(still_environment(folder.parent), folder)


def keep(folder, *records):
    folder.mkdir(exist_ok=True)
    for record in records:
        (folder / record.name).write_bytes(record.line())


def reasons(document):
    return {signal["key"]: (signal["attempts"], signal["reason"]) for signal in document["signals"]}


@pytest.mark.parametrize("fault", ["503", "lost"])
def test_what_an_outage_leaves_behind_waits_with_its_attempts_and_the_reason_until_it_is_replayed(tmp_path, fault):
    spool = tmp_path / "spool"
    with Sandbox(spool=listing(spool).document) as sandbox:
        assert (sandbox.document()["spool"]["waiting"], sandbox.document()["spool"]["signals"]) == (0, [])
        sandbox.outage.order(f"dx: 100% {fault}")
        environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": "key", "CIBEACON_SPOOL": str(spool)}
        cibeacon(
            *("report", "--no-dry-run", "--run-id=1", "--repository=acme/shop", "--pipeline-name=build"),
            *("--timeout=5", "--status=success"),
            environ=environ,
            cwd=tmp_path,
        )
        (signal,) = sandbox.document()["spool"]["signals"]
        assert (signal["kind"], signal["sink"], signal["subject"]) == ("pipeline-run", "dx", "build: success")
        assert signal["attempts"] == sandbox.document()["received"] > 0
        assert signal["reason"] == f"on order: {fault}"
        sandbox.outage.clear()
        cibeacon("replay", environ=environ, cwd=tmp_path)
        assert sandbox.document()["spool"]["waiting"] == 0


def test_a_signal_that_never_arrived_and_one_whose_command_may_still_run_are_told_apart(tmp_path):
    running = told(2, signal=unfinished_mark())
    keep(tmp_path / "spool", told(1), running)
    assert reasons(listing(tmp_path / "spool").document([])) == {
        told(1).key: (0, None),
        running.key: (0, "its command is still running"),
    }


def test_what_is_no_record_is_named_and_stays(tmp_path):
    keep(tmp_path / "spool", told(1))
    broken = tmp_path / "spool" / f"{'0' * 64}.ndjson"
    broken.write_text("{}\n")
    document = listing(tmp_path / "spool").document([])
    assert (document["waiting"], len(document["problems"])) == (1, 1)
    assert broken.read_text() == "{}\n"


def test_no_link_is_followed(tmp_path):
    keep(tmp_path / "elsewhere", told(1))
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / told(1).name).symlink_to(tmp_path / "elsewhere" / told(1).name)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert listing(tmp_path / "spool").document([])["waiting"] == 0
    document = listing(tmp_path / "link").document([])
    assert (document["waiting"], len(document["problems"])) == (0, 1)


def test_a_long_queue_is_counted_and_its_beginning_shown(tmp_path):
    keep(tmp_path / "spool", *(told(number, created_at=float(number)) for number in range(1, 602)))
    document = listing(tmp_path / "spool").document([])
    assert (document["waiting"], len(document["signals"])) == (601, 500)
    assert document["signals"][0]["key"] == told(1).key
