"""A bucket without its libraries, and addresses that are none: said plainly, and no signal is lost over it."""

from __future__ import annotations

import importlib.util

import pytest

from cibeacon.errors import SpoolError
from cibeacon.sandbox.server import Sandbox
from cibeacon.spool.bucket import Bucket
from processes import cibeacon
from test_replay import TOKEN

without_extra = pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="the extra is installed here")


@without_extra
@pytest.mark.parametrize(
    ("address", "library"), [("s3://bucket/a", "s3fs"), ("gs://bucket", "gcsfs"), ("az://box/a/b", "adlfs")]
)
def test_a_missing_library_is_named_with_what_to_install(address, library):
    with pytest.raises(SpoolError) as told:
        Bucket(address, lambda: 60.0).put({"a": b"1"})
    assert library in told.value.why
    assert told.value.fix == "Install it: pip install 'cibeacon[remote]'"


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
    with pytest.raises(SpoolError, match="no address of a bucket"):
        Bucket(address, lambda: 60.0).list()


def test_a_secret_in_an_address_is_not_shown():
    with pytest.raises(SpoolError) as told:
        Bucket("s3://AKIA:sEcReT@bucket/a", lambda: 60.0).list()
    assert "sEcReT" not in str(told.value)
