"""The folder of what could not leave: whole or not at all, whatever the disk, other writers and old leftovers do."""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cibeacon.model import spool_record
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import LockPatience, Spool, folder
from disks import read_only, small
from spool_records import fresh, told

SUPPORT = Path(__file__).parent.parent / "support"


@pytest.fixture
def place(tmp_path):
    return Spool(tmp_path / "state" / "spool", fresh)


def found(where):
    """Every record in a folder; no file in it is anything else."""
    return [spool_record.read(path.read_bytes()) for path in sorted(where.folder.iterdir())]


def test_a_record_is_one_line_in_a_file_that_nobody_else_may_read(place):
    place.keep([told(1), told(2)])
    assert sorted(found(place)) == sorted([told(1), told(2)])
    assert place.folder.stat().st_mode & 0o777 == 0o700
    for path in place.folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes().count(b"\n") == 1


def test_the_newer_statement_of_a_fact_takes_the_place_of_the_older(place):
    place.keep([told(created_at=1.0)])
    place.keep([told(created_at=2.0)])
    assert found(place) == [told(created_at=2.0)]


def test_what_arrived_is_taken_away(place):
    place.keep([told(1), told(2)])
    place.forget(told(1))
    assert found(place) == [told(2)]
    place.forget(told(1))  # somebody else did


def test_a_newer_statement_of_another_process_is_not_taken_away(place):
    place.keep([told(created_at=1.0)])
    Spool(place.folder, fresh).keep([told(created_at=2.0)])
    place.forget(told(created_at=1.0))
    assert found(place) == [told(created_at=2.0)]


def test_forgetting_in_a_folder_that_is_gone_or_no_folder_costs_nothing(place, tmp_path):
    place.forget(told())
    (tmp_path / "state").mkdir()
    place.folder.write_text("")
    place.forget(told())


def test_every_record_is_on_disk_before_any_gets_its_name_and_the_names_are_too(place, monkeypatch):
    """Names of files come last, the folder's own sync after them: a crash in between leaves whole records or none."""
    steps = []
    fsync, replace, write = os.fsync, os.replace, os.write

    def synced(descriptor):
        is_folder = Path(f"/proc/self/fd/{descriptor}").is_dir()
        size = 0 if is_folder else os.fstat(descriptor).st_size
        steps.append("sync folder" if is_folder else f"sync {'all' if size == len(told().line()) else size}")
        return fsync(descriptor)

    def renamed(*given, **named):
        steps.append("rename")
        return replace(*given, **named)

    def written(descriptor, content):
        steps.append("write")
        return write(descriptor, content)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "write", written)
    monkeypatch.setattr(os, "replace", renamed)
    place.keep([told(1), told(2), told(3)])
    assert steps == ["write", "sync all"] * 3 + ["rename"] * 3 + ["sync folder"]


@pytest.mark.parametrize(
    ("call", "after"),
    [*(("fsync", n) for n in range(3)), *(("replace", n) for n in range(2)), *(("write", n) for n in range(2)),
     *(("open", n) for n in range(4)), *(("create", n) for n in range(2)), ("scandir", 0)],
)  # fmt: skip
def test_a_disk_that_fails_at_any_step_is_told_and_leaves_whole_records_alone(place, monkeypatch, call, after):
    place.keep([told(9)])
    name = "open" if call == "create" else call
    real, calls = getattr(os, name), itertools.count()

    def failing(*given, **named):
        if (call != "create" or given[1] & os.O_CREAT) and next(calls) >= after:
            raise OSError(5, "Input/output error")
        return real(*given, **named)

    monkeypatch.setattr(os, name, failing)
    with pytest.raises(SpoolError, match=r"Signals cannot be stored in .*Input/output error.*Set spool"):
        place.keep([told(1), told(2)])
    monkeypatch.undo()
    assert told(9) in found(place)
    assert all(each in (told(1), told(2), told(9)) for each in found(place))


def test_a_full_disk_is_told_and_leaves_no_half_of_anything(place):
    with small(place.folder):
        place.keep([told(1)])
        with pytest.raises(SpoolError, match="No space left"):
            place.keep([told(number, subject="x" * 30_000) for number in (2, 3, 4)])
        assert found(place) == [told(1)]
        place.forget(told(1))
        assert found(place) == []


LIMITED = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from spool_records import told, fresh
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
place = Spool(Path(sys.argv[1]), fresh)
place.keep([told(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    place.keep([told(2), told(3, subject="x" * 2000)])
except SpoolError as error:
    print(error)
"""


def test_a_limit_of_file_size_is_told_and_leaves_no_half_of_anything(place):
    command = [sys.executable, "-c", LIMITED, str(place.folder), str(SUPPORT)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "File too large" in said
    assert found(place) == [told(1)]


def test_a_folder_that_may_not_be_written_is_told(place):
    place.keep([told(1)])
    with read_only(place.folder):
        with pytest.raises(SpoolError, match=r"Read-only file system|Permission denied"):
            place.keep([told(2)])
        place.forget(told(1))
    assert found(place) == [told(1)]


def test_a_file_in_the_folders_place_is_told(tmp_path):
    (tmp_path / "spool").write_text("mine")
    for path in (tmp_path / "spool", tmp_path / "spool" / "below"):
        with pytest.raises(SpoolError, match=r"File exists|Not a directory"):
            Spool(path, fresh).keep([told()])
    assert (tmp_path / "spool").read_text() == "mine"


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_link_in_the_folders_place_is_not_followed(tmp_path, target):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "spool").symlink_to(tmp_path / target)
    with pytest.raises(SpoolError, match="symbolic link"):
        Spool(tmp_path / "spool", fresh).keep([told()])
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_link_in_a_records_place_is_replaced_and_not_followed(place, tmp_path):
    (tmp_path / "precious").write_text("mine")
    place.folder.mkdir(parents=True)
    (place.folder / told().name).symlink_to(tmp_path / "precious")
    place.keep([told()])
    assert (tmp_path / "precious").read_text() == "mine"
    assert found(place) == [told()]


def test_a_folder_that_is_full_takes_no_more_and_says_what_to_do(place, monkeypatch):
    monkeypatch.setattr("cibeacon.spool.MOST", 3)
    place.keep([told(1), told(2)])
    with pytest.raises(SpoolError, match=r"it already has 2 files\. Run cibeacon replay"):
        place.keep([told(3), told(4)])
    place.keep([told(3)])
    assert len(found(place)) == 3


def test_what_was_set_aside_is_no_signal_that_waits(place, monkeypatch):
    monkeypatch.setattr("cibeacon.spool.MOST", 3)
    place.keep([told(1)])
    for number in range(5):
        (place.folder / f"{number}.ndjson.{'refused' if number % 2 else 'corrupt'}").touch()
    place.keep([told(2), told(3)])
    assert sum(path.suffix == ".ndjson" for path in place.folder.iterdir()) == 3
    monkeypatch.setattr("cibeacon.spool.MOST", 4)
    monkeypatch.setattr("cibeacon.spool.MOST_BYTES", 2000)
    (place.folder / "0.ndjson.corrupt").write_bytes(b"x" * 3000)
    with pytest.raises(SpoolError, match=r"Check the files that end in \.refused and \.corrupt"):
        place.keep([told(4)])


@pytest.mark.parametrize("act", ["keep", "take in"])
def test_a_folder_that_another_process_never_lets_go_is_told_in_time_and_nothing_is_left_in_it(place, act):
    place.keep([told(1)])
    slept = []
    impatient = Spool(place.folder, fresh, LockPatience(1.0, slept.append))
    holder = os.open(place.folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(SpoolError, match=r"does not release the folder's lock\. Check whether"):
            impatient.keep([told(2)]) if act == "keep" else impatient.take_in(told(2).line())
        impatient.forget(told(1))
    finally:
        os.close(holder)
    assert sum(slept) == pytest.approx(1.0), "once for all waits together"
    assert found(place) == [told(1)]
    impatient.forget(told(1))
    assert found(place) == []


def test_a_folder_is_full_by_its_bytes_too(place, monkeypatch):
    monkeypatch.setattr("cibeacon.spool.MOST_BYTES", 100)
    place.keep([told(1)])
    with pytest.raises(SpoolError, match=r"it already has 0 MiB\. Run cibeacon replay"):
        place.keep([told(2)])


def test_a_signal_that_no_vendor_would_take_is_not_kept_and_the_reason_is_its_size(place):
    with pytest.raises(SpoolError, match="over 1 MiB"):
        place.keep([told(1), told(2, body={"metadata": "x" * spool_record.LARGEST})])
    assert not place.folder.exists()


def test_lines_from_elsewhere_are_taken_in_as_they_are_and_once(place):
    lines = told(1).line() + b"garbage\n" + told(2).line()[:-1]
    first, again = place.take_in(lines), place.take_in(lines)
    assert first == again
    assert first.read_bytes() == lines
    assert [path.name for path in place.folder.iterdir()] == [first.name]


def test_many_writers_at_once_lose_nothing_and_leave_only_whole_records(place):
    """Eight of them state one fact and several of their own, and take back every other one."""

    def work(worker):
        mine = Spool(place.folder, fresh)
        for turn in range(10):
            own = told(100 * worker + turn)
            mine.keep([told(0, created_at=float(100 * worker + turn)), own])
            if turn % 2:
                mine.forget(own)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    kept = found(place)
    assert {each.key for each in kept} == {"pull-services/0"} | {
        f"pull-services/{100 * worker + turn}" for worker in range(1, 9) for turn in range(0, 10, 2)
    }
    assert len(kept) == 41


def test_what_a_process_forgets_is_never_what_another_has_just_kept(place):
    """One states and takes back, the other states anew: whichever comes last, the other's statement stays."""
    other = told(created_at=2.0)
    for _ in range(50):
        place.keep([told(created_at=1.0)])
        with ThreadPoolExecutor(2) as pool:
            pool.submit(place.forget, told(created_at=1.0))
            pool.submit(Spool(place.folder, fresh).keep, [other])
        assert found(place) == [other]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from spool_records import told, fresh
from cibeacon.spool import Spool
place = Spool(Path(sys.argv[1]), fresh)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(20):
    place.keep([told(0, created_at=float(turn)), told(int(sys.argv[3]) + turn)])
"""


def test_processes_write_at_once_too(place):
    command = [sys.executable, "-c", WRITER, str(place.folder), str(SUPPORT)]
    writers = [
        subprocess.Popen([*command, str(1000 * number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for number in range(1, 5)
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.communicate(b"\n", timeout=600)
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(found(place)) == 81


@pytest.mark.parametrize(
    ("given", "default", "there"),
    [
        (None, None, None),
        (None, "/tmp/x", Path("/tmp/x")),
        ("off", "/tmp/x", None),
        ("OFF", None, None),
        ("none", "/tmp/x", None),
        ("false", "/tmp/x", None),
        ("mine", "/tmp/x", Path("mine")),
    ],
)
def test_a_person_names_the_folder_or_turns_it_off(given, default, there):
    assert folder(given, default) == there


def test_what_somebody_did_not_come_to_finish_goes_after_an_hour_and_nothing_else_does(place):
    place.keep([told()])
    now = 1_700_000_000.0
    old, young, theirs = f"{'0' * 32}.part", f"{'1' * 32}.part", "notes.part"
    for name, age in ((old, 3601), (young, 3599), (theirs, 9e6), (told().name, 9e6)):
        path = place.folder / name
        path.touch()
        os.utime(path, (now - age, now - age))
    place.tidy(now)
    assert {path.name for path in place.folder.iterdir()} == {young, theirs, told().name}
    Spool(place.folder / "nowhere", fresh).tidy(now)


def test_trying_the_folder_leaves_nothing_in_it_and_makes_none(place):
    place.try_writing("word")
    assert not place.folder.parent.exists()
    place.keep([told(1)])
    place.try_writing("word")
    assert found(place) == [told(1)]


def test_trying_a_folder_that_cannot_be_written_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"Signals cannot be stored in .*/file/spool"):
        Spool(tmp_path / "file/spool", fresh).try_writing("word")


def test_trying_waits_for_the_lock_no_longer_than_keeping_does(place):
    place.keep([told(1)])
    holder = os.open(place.folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(SpoolError, match=r"does not release the folder's lock"):
            Spool(place.folder, fresh, LockPatience(1.0, lambda seconds: None)).try_writing("word")
    finally:
        os.close(holder)
    assert found(place) == [told(1)]


def test_a_record_that_is_held_is_locked_until_it_is_let_go(place):
    spool, record = Spool(place.folder, fresh, holds=True), told(1)
    assert not spool.is_held(record)
    spool.keep([record])
    assert spool.is_held(record)
    spool.let_go()
    assert not spool.is_held(record)


def test_where_a_file_system_has_no_locks_nothing_is_held(place, monkeypatch):
    spool, record = Spool(place.folder, fresh, holds=True), told(1)

    def no_locks(descriptor, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    spool.keep([record])
    assert not spool.is_held(record)
