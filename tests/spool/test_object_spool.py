"""A bucket without its libraries, and addresses that are none: said plainly, and no signal is lost over it."""

from __future__ import annotations

import importlib.util
from threading import Event

import pytest

from cibeacon.replay import Replay
from cibeacon.runtime.errors import SpoolError
from cibeacon.sandbox.server import Sandbox
from cibeacon.settings import load_settings
from cibeacon.spool.object_spool import BucketSpool, SpoolObject
from cibeacon.spool.object_store import Bucket
from cibeacon.spool.spool_reader import Entry
from cibeacon.spool.spooled_signal import newest_of_each_key
from processes import cibeacon
from spool_records import kept, run, told
from still_environment import still_environment

TOKEN = "tok-YnVja2V0"
without_extra = pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="the extra is installed here")


@without_extra
@pytest.mark.parametrize(
    ("address", "library"), [("s3://bucket/a", "s3fs"), ("gs://bucket", "gcsfs"), ("az://box/a/b", "adlfs")]
)
def test_a_missing_library_is_named_with_what_to_install(address, library):
    with pytest.raises(SpoolError) as told:
        Bucket(address, lambda: 60.0).put({"a": b"1"})
    assert library in told.value.why
    assert told.value.hint == "Install it: pip install 'cibeacon[remote]'"


@without_extra
def test_a_signal_is_sent_although_it_cannot_be_kept(tmp_path):
    with Sandbox(token=TOKEN) as sandbox:
        environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": "s3://bucket/spool"}
        argv = (
            "--no-dry-run",
            "--signals",
            "pipeline-run",
            "--run-id",
            "7",
            "--repository",
            "acme/shop",
            "--pipeline-name",
            "ci",
            "--format",
            "json",
        )
        ended = cibeacon("report", *argv, environ=environ, cwd=tmp_path)
    assert [each["outcome"] for each in ended.document["signals"]] == ["sent"]
    assert "pip install 'cibeacon[remote]'" in ended.document["notices"][-1]["text"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address",
    [
        "s3://",
        "s3://b",
        "s3://bucket/a b",
        "s3://bucket/*/a",
        "s3://bucket//a",
        "s3://bucket/a?key=1",
        "ftp://bucket/a",
        "file:///tmp/a",
        "https://bucket.example.com/a",
        "S3://bucket/a",
        "s3://bucket/a\n",
    ],
)
def test_what_is_no_address_of_a_bucket_is_refused_before_anything_is_loaded(address):
    with pytest.raises(SpoolError, match="not the URL of a bucket"):
        Bucket(address, lambda: 60.0).list()


class Slow:
    """A library's files that are written only when somebody says so."""

    def __init__(self):
        self.may, self.done, self.files = Event(), Event(), {}

    def pipe(self, files):
        assert self.may.wait(20)
        self.files |= files
        if not self.late:
            self.done.set()

    def rm(self, names):
        for name in names:
            del self.files[name]
        self.done.set()


@pytest.mark.parametrize("late", [True, False])
def test_what_is_written_after_it_was_given_up_does_not_stay_to_be_sent_a_second_time(late):
    library = Slow()
    library.late = late
    bucket = Bucket("s3://bucket/spool", lambda: 0.05 if late else 20.0)
    bucket._opened = library
    if late:
        with pytest.raises(SpoolError, match="no response in time"):
            BucketSpool(bucket).keep([told(1), told(2)])
        library.may.set()
    else:
        library.may.set()
        BucketSpool(bucket).keep([told(1), told(2)])
    assert library.done.wait(20)
    assert len(library.files) == (0 if late else 2)


def test_a_bucket_that_fails_during_a_replay_costs_a_row_and_not_the_replay(tmp_path, monkeypatch):
    def fails(self):
        raise SpoolError("Cannot read from s3://bucket/a", "access is denied", "Check the credentials.")

    monkeypatch.setattr(SpoolObject, "_lines", fails)
    entry = Entry(kept(run()), kept(run()).line(), SpoolObject(Bucket("s3://bucket/a", lambda: 1.0), "x.ndjson"))
    here = still_environment(tmp_path, CIBEACON_DX_URL="http://127.0.0.1:9", DX_API_TOKEN=TOKEN)
    signals = newest_of_each_key([entry], ())
    (row,) = Replay(here, load_settings({}, here.environ, {}), None, signals, dry_run=False).run()
    assert (row.status, row.retryable) == ("spooled", True)
    assert "access is denied" in row.reason


def test_a_secret_in_an_address_is_not_shown():
    with pytest.raises(SpoolError) as told:
        Bucket("s3://AKIA:sEcReT@bucket/a", lambda: 60.0).list()
    assert "sEcReT" not in str(told.value)


def test_trying_a_bucket_takes_away_what_it_wrote(monkeypatch):
    objects = {}
    bucket = Bucket("s3://bucket/spool", lambda: 60.0)
    monkeypatch.setattr(bucket, "put", objects.update)
    monkeypatch.setattr(bucket, "delete", lambda names: [objects.pop(name) for name in names])
    BucketSpool(bucket).try_writing("word")
    assert objects == {}
