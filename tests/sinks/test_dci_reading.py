"""How DCI is read: page by page, no further than asked, and believing nothing of an answer."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from cibeacon.model.request import Response
from cibeacon.sinks import dci_query as reading

TOPIC = "12345678-1234-4234-8234-123456789abc"


def answer(document, status=200):
    return Response(status, json.dumps(document).encode(), "application/json")


def carried(exchange, reply):
    """The paths that were asked for, and the verdict; `reply` makes an answer of a path and its query."""
    asked = []
    call = next(exchange)
    while True:
        place = urlsplit(call.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        asked.append((place.path, query))
        assert (call.method, call.auth, call.file, call.body) == ("GET", "dci", None, None)
        try:
            call = exchange.send(reply(place.path, query))
        except StopIteration as end:
            return asked, end.value


def pages(name, count):
    """A server with so many rows."""

    def reply(path, query):
        offset, limit = int(query["offset"]), int(query["limit"])
        rows = [{"id": str(number)} for number in range(offset, min(count, offset + min(limit, 200)))]
        return answer({"_meta": {"count": count}, name: rows})

    return reply


@pytest.mark.parametrize(
    ("count", "limit", "asked"),
    [
        (0, None, [(200, 0)]),
        (200, None, [(200, 0)]),
        (201, None, [(200, 0), (200, 200)]),
        (450, None, [(200, 0), (200, 200), (200, 400)]),
        (450, 5, [(5, 0)]),
        (450, 250, [(200, 0), (50, 200)]),
        (3, 250, [(200, 0)]),
    ],
)
def test_pages_are_asked_for_until_there_is_enough(count, limit, asked):
    found = reading.SinkRows()
    calls, result = carried(reading.topics(found, reading.RowFilter({}, limit)), pages("topics", count))
    assert [(int(query["limit"]), int(query["offset"])) for _, query in calls] == asked
    assert result.outcome == "sent"
    assert len(found.rows) == min(count, limit or count)
    assert found.total == count


def test_jobs_come_in_small_pages_since_they_bring_so_much_along():
    calls, _ = carried(reading.jobs(reading.SinkRows(), reading.RowFilter()), pages("jobs", 41))
    assert [query["limit"] for _, query in calls] == ["20", "20", "20"]


def test_conditions_are_written_as_dci_reads_them():
    wanted = reading.RowFilter({"name": "RHEL-8.2", "state": "active"})
    calls, _ = carried(reading.topics(reading.SinkRows(), wanted), pages("topics", 1))
    assert calls[0][1]["where"] == "name:RHEL-8.2,state:active"


def test_columns_may_be_called_like_anything():
    wanted = reading.RowFilter({"limit": "1", "offset": "2", "path": "3"})
    calls, _ = carried(reading.jobs(reading.SinkRows(), wanted), pages("jobs", 1))
    assert calls[0][1]["where"] == "limit:1,offset:2,path:3"


def test_the_latest_is_looked_for_among_all():
    rows = [
        {"id": "1", "type": "a", "state": "inactive"},
        {"id": "2", "type": "a", "state": "active"},
        {"id": "3", "type": "b", "state": "active"},
        {"id": "4", "type": "a", "state": "active"},
    ]

    def reply(path, query):
        if path.endswith("/components"):
            return answer({"_meta": {"count": 4}, "components": rows})
        return answer({"topic": {"id": TOPIC}})

    found = reading.SinkRows()
    exchange = reading.components(found, TOPIC, reading.RowFilter(), latest_by="released")
    assert carried(exchange, reply)[1].outcome == "sent"
    assert [row["id"] for row in found.rows] == ["2", "3"]


HOSTILE = [
    {},
    {"topics": None},
    {"topics": "x"},
    {"topics": [1]},
    {"topics": {"id": "x"}},
    [],
    "text",
    None,
]


@pytest.mark.parametrize("document", HOSTILE, ids=str)
def test_an_answer_that_is_not_dcis_is_said_to_be_none(document):
    found = reading.SinkRows()
    _, result = carried(reading.topics(found, reading.RowFilter()), lambda *_: answer(document))
    assert result.outcome == "failed"
    assert "Check dci_url" in result.reason
    assert found.rows == []


@pytest.mark.parametrize("meta", [None, {}, {"count": None}, {"count": "7"}, {"count": -1}, "x"], ids=str)
def test_a_count_that_is_none_ends_the_reading(meta):
    found = reading.SinkRows()
    document = {"_meta": meta, "topics": [{"id": "1"}]}
    _, result = carried(reading.topics(found, reading.RowFilter()), lambda *_: answer(document))
    assert (result.outcome, len(found.rows)) == ("sent", 1)


def test_a_server_that_promises_more_than_it_has_is_not_asked_for_ever():
    replies = iter([[{"id": "1"}], []])
    found = reading.SinkRows()
    calls, _ = carried(
        reading.topics(found, reading.RowFilter()),
        lambda *_: answer({"_meta": {"count": 9}, "topics": next(replies)}),
    )
    assert len(calls) == 2


@pytest.mark.parametrize(("words", "calls"), [("", 100), ("x" * 5_000, 67)], ids=["rows", "bytes"])
def test_a_list_without_end_ends_with_advice(words, calls):
    page = answer({"_meta": {"count": 10**9}, "topics": [{"id": "1", "name": words}] * 200})
    found = reading.SinkRows()
    asked, result = carried(reading.topics(found, reading.RowFilter()), lambda *_: page)
    assert (result.outcome, len(asked)) == ("failed", calls)
    assert "--limit" in result.reason


@pytest.mark.parametrize(("levels", "outcome"), [(198, "sent"), (300, "failed"), (900, "failed")])
def test_a_row_that_is_nested_more_deeply_than_anybody_reads_is_no_row(levels, outcome):
    deep = f'{{"topics": [{{"id": "1", "data": {"[" * levels}{"]" * levels}}}]}}'.encode()
    found = reading.SinkRows()
    result = carried(reading.topics(found, reading.RowFilter()), lambda *_: Response(200, deep, "application/json"))[1]
    assert (result.outcome, len(found.rows)) == (outcome, 1 if outcome == "sent" else 0)


def test_a_server_that_gives_more_than_it_was_asked_for_is_cut():
    found = reading.SinkRows()
    document = {"_meta": {"count": 3}, "topics": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}
    carried(reading.topics(found, reading.RowFilter({}, 2)), lambda *_: answer(document))
    assert [row["id"] for row in found.rows] == ["1", "2"]


def test_no_secret_of_an_answer_is_kept():
    job = {"id": "1", "remoteci": {"api_secret": "x", "name": "n"}, "topic": {"data": {"registry": {"password": "y"}}}}
    found = reading.SinkRows()
    carried(reading.job(found, TOPIC), lambda *_: answer({"job": job}))
    assert found.rows == [{"id": "1", "remoteci": {"name": "n"}, "topic": {"data": {"registry": {}}}}]
