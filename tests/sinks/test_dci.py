"""DCI's wire, one JSON file a dialogue under `dci/`: `why`, the `signal`, the `talk` and the `result` at its end.

A talk is a list of the `call` that is made (`method`, `path`, `body`; of a file `headers` and `file`) and the `reply` to
it: `status` with `json` or `html`, `date`, `location`, or `same` (what was compared), or `lost`. Of a verdict's `reason` a part is enough.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from dciauth.v2.headers import generate_headers
from hypothesis import given
from hypothesis import strategies as st

from cibeacon.http import credential_headers
from cibeacon.http.dci_signature import sign
from cibeacon.model.report import Outcome
from cibeacon.model.request import Endpoint, Request, Response, SinkResult
from cibeacon.model.signals import Attachment, DciJob, Deployment, JobState, JobValue
from cibeacon.model.spool_record import Record
from cibeacon.model.spool_record import read as read_record
from cibeacon.runtime.paths import watched
from cibeacon.sinks import dci, dci_api, dci_jobs, signal_record
from cibeacon.sinks.dci_api import TRIES
from cibeacon.sinks.dci_jobs import STATUSES
from dialogues import conversation, reply_of, shown

CASES = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted((Path(__file__).parent / "dci").glob("*.json"))
}
KINDS = {"DciJob": DciJob, "Attachment": Attachment, "JobValue": JobValue, "JobState": JobState}
JOB = "6f0c9a52-2f0e-4c6f-9d0b-0d4a4d7e0001"
UNREPEATABLE = re.compile(r"/api/v1/(jobs|jobs/schedule|jobs/[^/]+/kv|jobstates|files)")


def signal_of(fields):
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    kind = KINDS[given.pop("type")]
    return kind(**given | ({"path": Path(given["path"])} if "path" in given else {}))


def job(**fields):
    return DciJob(**{"correlation": "ci:x:o/r:1:1:build", "topic": "RHEL-8.2", **fields})


def file(**fields):
    needed = {"correlation": "t", "job_id": None, "path": Path("/a/b.xml"), "name": "b", "mime": "text/xml", "size": 1}
    return Attachment(**{**needed, **fields})


def number(**fields):
    return JobValue(**{"correlation": "t", "job_id": None, "name": "coverage", "value": 80, **fields})


def end(**fields):
    return JobState(**{"correlation": "t", "job_id": None, "status": "success", **fields})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_signal_is_told_in_exactly_this_talk(case):
    signal = signal_of(case["signal"])
    assert dci.faults(signal) is None
    calls, result = conversation(dci.send(signal, ""), [reply_of(step["reply"]) for step in case["talk"]])
    wanted = [step["call"] for step in case["talk"]]
    assert [shown(call) for call in calls] == wanted
    assert [json.dumps(shown(call)) for call in calls] == [json.dumps(call) for call in wanted], "the order on the wire"
    expected = case["verdict"]
    assert expected.get("reason", "") in (result.reason or "")
    assert bool(result.reason) is ("reason" in expected)
    assert result._replace(reason=None) == SinkResult(**{**expected, "reason": None})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_call_is_signed_and_what_would_be_done_twice_is_never_just_repeated(case):
    calls, _ = conversation(dci.send(signal_of(case["signal"]), ""), [reply_of(step["reply"]) for step in case["talk"]])
    for call in calls:
        assert call.auth == "dci"
        assert call.repeatable is (call.method == "GET")
        assert bool(UNREPEATABLE.fullmatch(call.path)) is (call.method == "POST")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_record_is_told_again_word_for_word(case):
    signal = signal_of(case["signal"])
    row = Outcome("dci", "dci", "skipped", subject=signal.subject, key=signal.key)
    call = dci.request(signal, "")
    record = Record.of(call, row, 1.0, signal=dci.spooled_signal(signal, ""))
    again = read_record(record.line())
    assert dci.remembered(again) == signal
    calls, _ = conversation(dci.resume(again).exchange, [reply_of(step["reply"]) for step in case["talk"]])
    assert [shown(call) for call in calls] == [step["call"] for step in case["talk"]]


@pytest.mark.parametrize("late", [False, True])
def test_a_state_that_comes_late_does_not_lead_a_job_back_though_a_person_may(late):
    signal = end(job_id=JOB, status="running")
    row = Outcome("dci", "dci", "skipped", subject=signal.subject, key=signal.key)
    record = Record.of(dci.request(signal, ""), row, 1.0, signal=dci.spooled_signal(signal, ""))
    exchange = dci.resume(record).exchange if late else dci.send(signal, "")
    stands = reply_of({"status": 200, "json": {"jobs": [{"id": JOB, "status": "post-run", "tags": ["t"]}]}})
    told = reply_of({"status": 201, "json": {"jobstate": {}}})
    calls, result = conversation(exchange, [stands] if late else [stands, told])
    assert [call.method for call in calls] == (["GET"] if late else ["GET", "POST"])
    assert result.outcome == ("duplicate" if late else "sent")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_dry_run_shows_is_a_call_that_is_made_with_holes_for_what_is_looked_up(case):
    signal = signal_of(case["signal"])
    call = dci.request(signal, "")
    assert UNREPEATABLE.fullmatch(call.path)
    assert f"/api/v1/{dci.method(signal, '')}" == re.sub("/[^/]+/kv", "/kv", call.path)
    made = [step["call"] for step in case["talk"] if step["call"]["path"] == call.path]
    for each in made if isinstance(signal, DciJob) and signal.job_id is None else []:
        assert {name: value for name, value in call.body.items() if name not in ("topic_id", "components")} == {
            name: value for name, value in each["body"].items() if name not in ("topic_id", "components")
        }


@pytest.mark.parametrize(
    "record",
    [
        {"path": "/api/v1/remotecis"},
        {"method": "PUT"},
        {"path": "/api/v1/files"},
        {"signal": None},
        {"signal": {"type": "JobState"}},
        {"signal": {"type": "Deployment"}},
        {"signal": {"status": "cancelled"}},
        {"signal": {"status": 1}},
        {"signal": {"job_id": "../remotecis"}},
        {"signal": {"job_id": JOB.upper()}},
        {"signal": {"yields": 1}},
    ],
    ids=str,
)
def test_a_record_that_is_no_call_of_ours_is_not_believed(record):
    signal = end(job_id=JOB)
    row = Outcome("dci", "dci", "skipped", subject=signal.subject, key=signal.key)
    whole = Record.of(dci.request(signal, ""), row, 1.0, signal=dci.spooled_signal(signal, ""))
    assert dci.resume(whole) is not None
    told = record.get("signal", {})
    changed = {
        **record,
        "signal": told if told is None or (len(told) == 1 and "type" in told) else {**whole.signal, **told},
    }
    assert dci.resume(whole._replace(**changed)) is None


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda i: st.lists(i, max_size=2))
FIELDS = sorted({name for kind in KINDS.values() for name in kind._fields})


@given(kind=st.sampled_from([*KINDS, "x"]), fields=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_stands_in_a_record_is_a_signal_or_none(kind, fields):
    whole = {
        name: dict(dci.spooled_signal(one, ""))
        for name, one in (
            ("DciJob", job()),
            ("Attachment", file()),
            ("JobValue", number()),
            ("JobState", end()),
        )
    }
    read = signal_record.read({**whole.get(kind, {}), **fields, "type": kind})
    assert read is None or isinstance(read, KINDS[kind])


@pytest.mark.parametrize(
    ("signal", "fault"),
    [
        (job(topic=None), "Set dci_topic"),
        (job(topic=None, job_id=JOB), None),
        (job(topic="a,b"), "to its id"),
        (job(topic="a*"), "to its id"),
        (job(name="n" * 255), None),
        (job(name="n" * 256), "at most 255"),
        (job(tags=("t" * 256,)), "at most 255"),
        (job(change_url="ftp://x"), "Correct dci_change_url"),
        (file(), None),
        (file(name="reports/a b, c.txt"), None),
        (file(name=""), "1 to 255 Latin-1 characters"),
        (file(name="ü"), None),
        (file(name="ł"), "1 to 255 Latin-1 characters"),
        (file(name="a\u00a0b"), "1 to 255 Latin-1 characters"),
        (file(name=" a"), "1 to 255 Latin-1 characters"),
        (file(name="a\nb"), "1 to 255 Latin-1 characters"),
        (file(name="a" * 256), "1 to 255 Latin-1 characters"),
        (number(), None),
        (number(name="n" * 256), "1 to 255 characters"),
        (number(name=""), "1 to 255 characters"),
        (end(status="cancelled"), "not a state of a DCI job"),
        *((end(status=status), None) for status in STATUSES),
        (Deployment("a", 1, "r"), "only signals about its own jobs"),
    ],
)
def test_a_rule_of_dci_that_is_broken_is_found_before_anything_is_sent(signal, fault):
    found = dci.faults(signal)
    assert (found is None) is (fault is None)
    assert fault is None or fault in found


@given(status=st.integers(100, 599), content=st.binary(max_size=40), kind=st.text(max_size=20))
def test_whatever_comes_back_ends_in_a_verdict(status, content, kind):
    exchange = dci.send(end(job_id=JOB), "")
    next(exchange)
    with pytest.raises(StopIteration) as ended:
        exchange.send(Response(status, content, kind))
    result = ended.value.value
    assert result.outcome == "failed"
    assert result.reason
    assert result.error


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(JOB),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["jobs", "job", "id", "status", "tags", "topics", "name", "_meta", "count", "files"]), inner
        )
    ),
    max_leaves=12,
)


@given(
    replies=st.lists(DOCUMENTS, min_size=1, max_size=6), signal=st.sampled_from([job(), job(job_id=JOB), file(), end()])
)
def test_no_document_however_odd_breaks_a_dialogue(replies, signal):
    exchange = dci.send(signal, "")
    call = next(exchange)
    result = None
    for document in replies:
        assert isinstance(call, Request)
        try:
            call = exchange.send(Response(200, json.dumps(document).encode(), "application/json"))
        except StopIteration as ended:
            result = ended.value
            break
    assert result is None or result.outcome in ("sent", "duplicate", "failed")


def test_a_call_whose_answers_are_lost_is_said_so_often_and_no_oftener():
    posts = [step for step in CASES["job-that-is-lost-again-and-again"]["talk"] if step["call"]["method"] == "POST"]
    assert len(posts) == TRIES


def test_the_eleven_entries_of_dcis_documentation_are_calls_of_ours():
    """Identity, topics, topic by name, components, jobs, create and schedule, four states, results."""
    told = {
        (step["call"]["method"], step["call"]["path"].partition("?")[0])
        for case in CASES.values()
        for step in case["talk"]
    }
    topic = "c4171062-e2b4-4b60-9a5f-3e2fb32b4f68"
    for path in ("/topics", f"/topics/{topic}/components", "/jobs"):
        assert ("GET", f"/api/v1{path}") in told
    assert dci_api.get("/identity") == Request("GET", "/api/v1/identity", auth="dci")
    made = ("jobs", "jobs/schedule", "jobstates", "files")
    assert {("POST", f"/api/v1/{name}") for name in made} <= told
    states = {step["call"]["body"]["status"] for case in CASES.values() for step in case["talk"]
              if step["call"]["path"] == "/api/v1/jobstates"}  # fmt: skip
    assert {"pre-run", "running", "success", "failure"} <= states


# Signatures -----------------------------------------------------------------------------------------------------------

KEY = "remoteci/11111111-2222-4333-8444-555555555555"
SIGNED = Endpoint("https://api.distributed-ci.io", "DCI." + 60 * "a", client_id=KEY)
BODY = b'{"job_id": "x", "status": "running"}'


SECOND_OF_JANUARY = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("call", "signature"),
    [
        (dci_api.get("/identity"), "74b1c1eaea21011abcf922d0750396e1947724204a9b6872c36cd877b1ca47d7"),
        (
            dci_api.page("/topics", {"name": "RHEL-8.2"}),
            "e6116a9be2d6d18b13fd2b7e5363449a1d5d8d455f1a9e01aeacfb509b8fa185",
        ),
    ],
    ids=["identity", "topic by name"],
)
def test_a_call_has_the_signature_that_the_server_expects(call, signature):
    scope = "20260102/BHS3/api/dci2_request"
    claim = f"Credential={KEY}/{scope}, SignedHeaders=host;x-dci-date, Signature={signature}"
    assert credential_headers(call, SIGNED, None, SECOND_OF_JANUARY) == {
        "X-DCI-Date": "20260102T030405Z",
        "Authorization": f"DCI2-HMAC-SHA256 {claim}",
        "Host": "api.distributed-ci.io",
    }


def test_a_file_has_the_signature_of_its_content(tmp_path):
    (tmp_path / "body").write_bytes(BODY)
    call = Request("POST", "/api/v1/jobstates", auth="dci", file=tmp_path / "body")
    with watched(call.file, None) as content:
        signed = credential_headers(call, SIGNED, content, SECOND_OF_JANUARY)["Authorization"]
    assert signed.endswith("Signature=0923f429c5af79ad7eb5007b61bd08c9aaad8d67b6c805e056bc34c129a2f53e")


def test_a_body_has_the_signature_of_its_bytes_on_the_wire(tmp_path):
    call = dci_jobs.state_request(JOB, "running", "ü")
    (tmp_path / "body").write_bytes(call.content())
    same = Request("POST", call.path, auth="dci", file=tmp_path / "body")
    with watched(same.file, None) as content:
        assert credential_headers(call, SIGNED, call.content(), SECOND_OF_JANUARY) == credential_headers(
            same, SIGNED, content, SECOND_OF_JANUARY
        )


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.text(st.characters(blacklist_categories=["Cs"])).map(lambda text: f"/api/v1/{quote(text)}"),
    st.dictionaries(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1), st.text(min_size=1, max_size=9)),
    st.binary(),
    st.integers(0, 4_000_000_000),
)
def test_every_call_has_the_signature_that_the_official_library_gives_it(method, path, query, body, seconds):
    query = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
    described = {"method": method, "endpoint": path, "params": query, "host": "dci.example:8080", "data": body}
    official = generate_headers(
        described | {"timestamp": stamp, "datestamp": stamp[:8]}, {"access_key": KEY, "secret_key": SIGNED.token}
    )
    url = f"https://dci.example:8080{path}{'?' if query else ''}{urlencode(query)}"
    assert sign(method, url, body, KEY, SIGNED.token, seconds) == {**official, "Host": "dci.example:8080"}
