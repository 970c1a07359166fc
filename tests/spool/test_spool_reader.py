"""What is read back, and what is left alone: files of anybody, read once, taken apart line by line."""

from __future__ import annotations

import fcntl
import os
import time
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.runtime.deadline import Deadline
from cibeacon.runtime.errors import SpoolError
from cibeacon.spool import spool_reader
from cibeacon.spool.spool_file import CORRUPT, REFUSED, SpoolFile
from cibeacon.spool.spool_reader import SpoolReader
from disks import read_only
from spool_records import fresh, told


@pytest.fixture
def found(tmp_path):
    return SpoolReader(tmp_path, fresh)


def file(folder, name, *lines):
    """A file of these lines; records are written as they write themselves."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line if isinstance(line, bytes) else line.line() for line in lines))
    return path


def records(found):
    return [entry.record for entry in found.entries]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def minutes(seconds=60.0):
    return Deadline(seconds, time.monotonic, time.sleep, time.monotonic())


# Names --------------------------------------------------------------------------------------------------------------


def test_a_file_is_read_line_by_line_whatever_its_name(found, tmp_path):
    file(tmp_path, "mine.txt", told(1), b"\n", told(2), b"  \r\n", told(3).line()[:-1])
    found.add("mine.txt")
    assert records(found) == [told(1), told(2), told(3)]
    assert found.problems == []


def test_lines_with_the_line_ends_of_windows_are_read(found, tmp_path):
    file(tmp_path, "mine.ndjson", told(1).line()[:-1] + b"\r\n", told(2).line()[:-1] + b"\r\n")
    found.add("mine.ndjson")
    assert records(found) == [told(1), told(2)]


def test_a_folder_stands_for_every_spool_file_below_it_and_for_nothing_else(found, tmp_path):
    file(tmp_path, "a/one.ndjson", told(1))
    file(tmp_path, "a/.hidden/b/two.ndjson", told(2))
    for name in ("a/x.ndjson.part", "a/x.ndjson.corrupt", "a/x.ndjson.refused", "a/x.json"):
        file(tmp_path, name, told(3), b"garbage\n")
    before = tree(tmp_path)
    found.add("a")
    assert sorted(records(found)) == [told(1), told(2)]
    assert found.problems == []
    assert tree(tmp_path) == before


@pytest.mark.parametrize("pattern", ["spool-*", "spool-*/*.ndjson", "**/*.ndjson", "s*/**", "spool-[12]"])
def test_a_glob_finds_files_and_folders(found, tmp_path, pattern):
    file(tmp_path, "spool-1/one.ndjson", told(1))
    file(tmp_path, "spool-2/.more/two.ndjson" if "*.ndjson" not in pattern else "spool-2/two.ndjson", told(2))
    found.add(pattern)
    assert sorted(records(found)) == [told(1), told(2)]


def test_an_absolute_name_and_an_absolute_glob_are_taken_as_they_are(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    file(tmp_path, "one.ndjson", told(1))
    for name in ("one.ndjson", "*.ndjson"):
        found = SpoolReader(tmp_path / "elsewhere", fresh)
        found.add(str(tmp_path / name))
        assert records(found) == [told(1)]


def test_brackets_in_the_working_directory_are_no_pattern(tmp_path):
    file(tmp_path, "a[bc]/spool/one.ndjson", told(1))
    found = SpoolReader(tmp_path / "a[bc]", fresh)
    found.add("spool/*.ndjson")
    assert records(found) == [told(1)]


def test_a_file_that_is_named_as_a_pattern_would_be_is_that_file(found, tmp_path):
    file(tmp_path, "a[1].ndjson", told(1))
    found.add("a[1].ndjson")
    assert records(found) == [told(1)]


def test_a_file_is_read_once_however_often_it_is_named(found, tmp_path):
    file(tmp_path, "spool/one.ndjson", told(1), b"bad\n")
    for name in ("spool", "spool/one.ndjson", "spool/*", "**/*.ndjson"):
        found.add(name)
    assert len(found.entries) == 1
    assert len(found.problems) == 1


@pytest.mark.parametrize("name", ["nowhere", "nowhere/x.ndjson", "x" * 300])
def test_a_name_of_nothing_is_told(found, name):
    found.add(name)
    (trouble,) = found.problems
    assert name in trouble


def test_a_glob_that_matches_nothing_is_no_trouble(found):
    found.add("artifacts/*.ndjson")
    assert (found.entries, found.problems) == ([], [])


def test_a_pipe_with_a_name_is_told_and_not_waited_for(found, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found.add("pipe")
    assert "Use - to read standard input" in found.problems[0]


def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_read(found, tmp_path, monkeypatch):
    file(tmp_path, "spool/a/one.ndjson", told(1))
    file(tmp_path, "spool/b/two.ndjson", told(2))
    real = os.scandir

    def guarded(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found.add("spool")
    assert records(found) == [told(2)]
    assert "spool/a cannot be read: Permission denied" in found.problems[0]


def test_a_file_that_another_replay_took_meanwhile_is_no_trouble(found, tmp_path, monkeypatch):
    path = file(tmp_path, "spool/one.ndjson", told(1))
    file(tmp_path, "spool/two.ndjson", told(2))
    real = os.walk

    def walk(*given, **named):
        yield from list(real(*given, **named))
        return

    monkeypatch.setattr(os, "walk", lambda *given, **named: [*walk(*given, **named), path.unlink()][:-1])
    found.add("spool")
    assert (records(found), found.problems) == ([told(2)], [])


# Links and files of others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spool", "spool/*", "**/*.ndjson"])
def test_a_link_among_the_files_is_not_followed(found, tmp_path, name):
    """An artifact of a stranger's job may bring one; its target would be copied into a file that is kept."""
    secret = file(tmp_path, "secret", b"TOKEN=1\n", told(1))
    (tmp_path / "spool").mkdir()
    for link in ("x.ndjson", told(1).name):
        (tmp_path / "spool" / link).symlink_to(secret)
    (tmp_path / "spool" / "folder.ndjson").symlink_to(tmp_path)
    before = tree(tmp_path)
    found.add(name)
    assert (found.entries, found.problems) == ([], [])
    assert tree(tmp_path) == before


def test_a_link_in_the_place_of_what_is_set_aside_is_not_written_through(found, tmp_path):
    precious = file(tmp_path, "precious", b"mine\n")
    path = file(tmp_path, "spool/x.ndjson", told(1), b"bad\n")
    path.with_name(path.name + CORRUPT).symlink_to(precious)
    found.add("spool")
    assert records(found) == [told(1)]
    assert precious.read_bytes() == b"mine\n"
    assert any("cannot be moved aside" in trouble for trouble in found.problems)


@pytest.mark.parametrize("content", [b'{"id": 1}\n{"id": 2}\n', b"\x00\xff\n" * 3, b'{"version": 1}', b"<html>\n"])
def test_a_file_that_never_held_a_record_is_named_and_left_alone(found, tmp_path, content):
    file(tmp_path, "data/events.ndjson", content)
    found.add("data")
    assert found.entries == []
    assert "cannot be read" in found.problems[0]
    assert tree(tmp_path) == {"data/events.ndjson": content}


# Lines that are no records ------------------------------------------------------------------------------------------


def test_bad_lines_are_named_once_a_file_and_set_aside_and_the_good_ones_are_read(found, tmp_path):
    file(tmp_path, "spool/x.ndjson", b"one\n", told(1), b'{"version":1}\n', told(2), told(3).line()[:-30])
    found.add("spool")
    assert records(found) == [told(1), told(2)]
    (trouble,) = found.problems
    assert "x.ndjson: 3 lines cannot be read, the first because it is not JSON" in trouble
    assert "moved aside" in trouble
    assert tree(tmp_path) == {
        "spool/x.ndjson": told(1).line() + told(2).line(),
        "spool/x.ndjson.corrupt": b'one\n{"version":1}\n' + told(3).line()[:-30] + b"\n",
    }
    again = SpoolReader(tmp_path, fresh)
    again.add("spool")
    assert (records(again), again.problems) == ([told(1), told(2)], [])


def test_a_record_file_cut_at_every_byte_is_set_aside_and_never_believed(tmp_path):
    line = told().line()
    for end in range(1, len(line) - 1):
        path = file(tmp_path, told().name, line[:end])
        found = SpoolReader(tmp_path, fresh)
        found.add(".")
        assert found.entries == []
        assert len(found.problems) == 1
        aside = path.with_name(path.name + CORRUPT)
        assert aside.read_bytes() == line[:end] + b"\n"
        assert not path.exists()
        aside.unlink()


def test_a_record_file_that_is_empty_is_nothing(found, tmp_path):
    file(tmp_path, told().name, b"")
    found.add(".")
    assert (found.entries, found.problems) == ([], [])


def test_a_line_of_a_later_version_waits_for_it(found, tmp_path):
    later = told().line().replace(b'"version":1', b'"version":2')
    file(tmp_path, "spool/x.ndjson", later, told(1), later)
    file(tmp_path, f"spool/{told().name}", later)
    before = tree(tmp_path)
    found.add("spool")
    assert records(found) == [told(1)]
    assert len(found.problems) == 2
    assert all("newer cibeacon" in trouble for trouble in found.problems)
    assert tree(tmp_path) == before


def test_nothing_is_set_aside_where_nothing_may_be_changed(tmp_path):
    file(tmp_path, "spool/x.ndjson", b"bad\n", told(1))
    before, found = tree(tmp_path), SpoolReader(tmp_path, None)
    found.add("spool")
    assert records(found) == [told(1)]
    assert tree(tmp_path) == before


def test_what_cannot_be_set_aside_stays_and_the_rest_of_the_folder_is_read(found, tmp_path):
    file(tmp_path, "spool/a.ndjson", b"bad\n", told(1))
    file(tmp_path, "spool/b.ndjson", told(2))
    before = tree(tmp_path)
    with read_only(tmp_path / "spool"):
        found.add("spool")
    assert sorted(records(found)) == [told(1), told(2)]
    assert any("cannot be moved aside" in trouble for trouble in found.problems)
    assert tree(tmp_path) == before


def test_a_file_that_is_too_large_is_named_and_the_rest_is_read(found, tmp_path, monkeypatch):
    monkeypatch.setattr(spool_reader, "LARGEST", 2000)
    file(tmp_path, "spool/a.ndjson", b"x" * 2001)
    file(tmp_path, "spool/b.ndjson", told(2))
    found.add("spool")
    assert records(found) == [told(2)]
    assert "Split it by lines" in found.problems[0]


def test_more_than_one_replay_takes_is_said_once(found, tmp_path, monkeypatch):
    monkeypatch.setattr(spool_reader, "MOST", 3)
    for name in ("a", "b", "c"):
        file(tmp_path, f"spool/{name}.ndjson", told(1), told(2))
    found.add("spool")
    assert len(found.entries) == 3
    assert found.problems == ["over 3 records are waiting: run cibeacon replay again for the rest"]


@given(st.lists(st.binary(max_size=30) | st.integers(0, 5).map(lambda number: told(number).line()[:-1])))
def test_whatever_a_file_holds_every_line_is_read_or_set_aside_or_left(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("any")
    content = b"\n".join(lines)
    file(folder, "x.ndjson", content)
    found = SpoolReader(folder, fresh)
    found.add("x.ndjson")
    assert all(entry.line.strip() in content for entry in found.entries)
    left = sorted(line.strip() for data in tree(folder).values() for line in data.split(b"\n") if line.strip())
    assert left == sorted(line.strip() for line in content.split(b"\n") if line.strip())


def test_lines_from_standard_input_have_no_file(found):
    found.add_lines([told(1).line(), b"bad\n", told(2).line()[:-1]])
    assert records(found) == [told(1), told(2)]
    assert {entry.source for entry in found.entries} == {None}
    assert "standard input: a line cannot be read" in found.problems[0]


# Taking lines out ---------------------------------------------------------------------------------------------------


def test_a_line_leaves_its_file_and_the_others_stay_as_they_are(tmp_path):
    path = file(tmp_path, "x.ndjson", told(1), told(2), b"theirs", b"\n", told(3).line()[:-1])
    SpoolFile(path, fresh).take_out([told(2).line()])
    assert path.read_bytes() == told(1).line() + b"theirs\n" + told(3).line()[:-1]
    SpoolFile(path, fresh).take_out({told(1).line(), b"theirs\n", told(3).line()[:-1]})
    assert list(tmp_path.iterdir()) == []
    SpoolFile(path, fresh).take_out([told(1).line()])  # somebody else did


def test_what_is_refused_goes_to_a_file_beside_its_own(tmp_path):
    path = file(tmp_path, "x.ndjson", told(1), told(2).line()[:-1])
    SpoolFile(path, fresh).take_out([told(2).line()[:-1]], REFUSED)
    SpoolFile(path, fresh).take_out([told(2).line()[:-1]], REFUSED)  # somebody else did
    assert tree(tmp_path) == {"x.ndjson": told(1).line(), "x.ndjson.refused": told(2).line()}
    SpoolFile(path, fresh).take_out([told(1).line()], REFUSED)
    assert tree(tmp_path) == {"x.ndjson.refused": told(2).line() + told(1).line()}
    assert (tmp_path / "x.ndjson.refused").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_rewritten_stays_whole(tmp_path):
    path = file(tmp_path, "spool/x.ndjson", told(1), told(2))
    before = tree(tmp_path)
    with read_only(path.parent):
        for work in (
            lambda: SpoolFile(path, fresh).take_out([told(1).line()]),
            lambda: SpoolFile(path, fresh).take_out([told(1).line()], "x"),
        ):
            with pytest.raises(SpoolError, match=r"Read-only file system|Permission denied"):
                work()
    assert tree(tmp_path) == before


def test_a_rewrite_that_fails_leaves_nothing_beside(tmp_path, monkeypatch):
    path = file(tmp_path, "x.ndjson", told(1), told(2))
    before = tree(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpoolError, match="No space left"):
        SpoolFile(path, fresh).take_out([told(1).line()])
    assert tree(tmp_path) == before


def test_many_who_take_lines_out_at_once_take_out_each_its_own(tmp_path):
    lines = [told(number).line() for number in range(64)]
    path = file(tmp_path, "x.ndjson", *lines, b"stays\n")

    def work(mine):
        for line in mine:
            SpoolFile(path, fresh).take_out([line])

    workers = [Thread(target=work, args=(lines[number::8],)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert tree(tmp_path) == {"x.ndjson": b"stays\n"}


# One replay at a time -----------------------------------------------------------------------------------------------


def test_a_file_is_sent_from_by_one_replay_at_a_time(tmp_path):
    path = file(tmp_path, "x.ndjson", told(1), told(2))
    has, goes = Event(), Event()
    seen = []

    def first():
        with SpoolFile(path, fresh).claim(told(1).line(), minutes()) as ours:
            seen.append(("first", ours))
            has.set()
            goes.wait(20)
            SpoolFile(path, fresh).take_out([told(1).line()])

    def sleep(seconds):
        goes.set()
        time.sleep(seconds)

    worker = Thread(target=first)
    worker.start()
    has.wait(20)
    patient = Deadline(60.0, time.monotonic, sleep, time.monotonic())
    with SpoolFile(path, fresh).claim(told(1).line(), patient) as ours:
        seen.append(("second", ours))
    with SpoolFile(path, fresh).claim(told(2).line(), patient) as ours:
        seen.append(("second, the other line", ours))
    worker.join()
    assert seen == [("first", True), ("second", False), ("second, the other line", True)]


def test_a_file_that_is_replaced_between_its_opening_and_its_lock_is_opened_anew(tmp_path, monkeypatch):
    path = file(tmp_path, "x.ndjson", told(1), told(2))
    lock, late = fcntl.flock, [lambda: SpoolFile(path, fresh).take_out([told(1).line()])]

    def locks(descriptor, how):
        if late:
            late.pop()()
        return lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", locks)
    with SpoolFile(path, fresh).claim(told(1).line(), minutes()) as ours:
        assert not ours, "another replay has just delivered it"


def test_a_replay_that_never_lets_go_costs_another_its_time_and_no_more(tmp_path):
    path = file(tmp_path, "x.ndjson", told(1))
    clock = [0.0]

    def sleep(seconds):
        clock[0] += seconds

    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with SpoolFile(path, fresh).claim(told(1).line(), Deadline(5.0, lambda: clock[0], sleep, 0.0)) as ours:
            assert not ours
    assert 5.0 <= clock[0] < 6.0


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    path = file(tmp_path, "x.ndjson", told(1), told(2))

    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with SpoolFile(path, fresh).claim(told(1).line(), minutes()) as ours:
        assert ours
        SpoolFile(path, fresh).take_out([told(1).line()])
    assert path.read_bytes() == told(2).line()


def test_what_is_gone_is_not_ours(tmp_path):
    path = file(tmp_path, "x.ndjson", told(2))
    for name, line in ((path, told(1).line()), (tmp_path / "gone", told(1).line())):
        with SpoolFile(name, fresh).claim(line, minutes()) as ours:
            assert not ours
