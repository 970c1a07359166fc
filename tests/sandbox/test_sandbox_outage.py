"""Faults on order: what an order may say, what part of the requests it meets, and an outage from its first minute to its end."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import requests

from cibeacon.sandbox.dx import TOKEN
from cibeacon.sandbox.outage import OrderError, Outage
from cibeacon.sandbox.server import Sandbox
from cibeacon.sandbox.vendors import VENDORS
from processes import cibeacon

PULL = "/api/deployments.setPullServices"
FLOW = "/api/v1/flow/pipeline"
GOOD = {"github_pull_id": 1, "services": ["a"]}
PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
REPORT = (
    "report", "--no-dry-run", "--signals=pipeline-run,deployment", "--run-id=7", "--repository=acme/shop",
    "--commit-sha=abcdef1234", "--pipeline-name=ship", "--status=success", "--deploy-services=payments",
    "--environment=production", "--started-at=1700000000", "--finished-at=1700000100",
)  # fmt: skip


class Drawn(Random):
    """Chance that draws what it is given, over and over."""

    def __new__(cls, *drawn):
        return super().__new__(cls)

    def __init__(self, *drawn):
        self._drawn = drawn

    def random(self):
        first, *rest = self._drawn
        self._drawn = (*rest, first)
        return first


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN, chance=Drawn(0.0, 0.29, 0.3, 0.399, 0.4, 0.99)) as running:
        yield running
        assert running.faults == []


def order(http, sandbox, text, method="POST"):
    return http.request(method, f"{sandbox.url}/sandbox/faults", json={"fault": text})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("dx: 30% 503, 10% lost", {"dx": "30% 503, 10% lost"}),
        ("  dci :5%   429  ", {"dci": "5% 429"}),
        ("all: 100% slow 3s", {"all": "100% slow 3s"}),
        ("flow:1% 400,1% 511", {"flow": "1% 400, 1% 511"}),
        ("dataops: 50% slow 0s, 50% lost", {"dataops": "50% slow 0s, 50% lost"}),
    ],
)
def test_an_order_is_shown_as_it_is_understood(text, shown, sandbox, http):
    assert order(http, sandbox, text).json() == {"ok": True, "faults": shown}
    assert http.get(f"{sandbox.url}/sandbox/faults").json()["faults"] == shown
    assert http.get(f"{sandbox.url}/ledger").json()["faults"] == shown
    assert order(http, sandbox, "", "DELETE").json()["faults"] == {}
    assert http.get(f"{sandbox.url}/ledger").json()["faults"] == {}


@pytest.mark.parametrize(
    "text",
    [
        "", "dx", "dx:", "dx: 503", "dx: 30%", "dx: 0% 503", "dx: 101% 503", "dx: -1% 503", "dx: 1.5% 503", "dx: 30% 200",
        "dx: 30% 600", "dx: 30% los", "dx: 30% slow", "dx: 30% slow 3", "dx: 30% slow 1000s", "dx: 30% 503,", "DX: 30% 503",
        "gitlab: 30% 503", "dx: 30% 503 10% lost", "dx: 30% 503; 10% lost", "dx: ٣٠% 503", "dx: 30% 503\nall: 1% lost",
        "dx: 30% 499",
    ],
)  # fmt: skip
def test_what_is_no_order_is_answered_with_what_would_be_one_and_changes_nothing(text, sandbox, http):
    order(http, sandbox, "dx: 1% lost")
    reply = order(http, sandbox, text)
    assert (reply.status_code, reply.json()["error"]) == (422, "invalid_fault")
    assert f"{', '.join(VENDORS)} or all" in reply.json()["message"]
    assert order(http, sandbox, "", "GET").json()["faults"] == {"dx": "1% lost"}


@pytest.mark.parametrize(
    "body", ["[]", "nonsense", '"dx: 1% lost"', '{"fault": 7}', '{"fault": null}', '{"faults": "dx: 1% lost"}']
)
def test_a_body_without_an_order_is_refused(body, sandbox, http):
    assert http.post(f"{sandbox.url}/sandbox/faults", data=body).status_code == 422


@pytest.mark.parametrize(
    ("first", "second", "vendor"),
    [
        ("dx: 60% 503", "dx: 41% lost", "dx"),
        ("dci: 60% 503", "all: 41% lost", "dci"),
        ("all: 60% 503", "flow: 41% 500", "flow"),
    ],
)
def test_the_faults_of_a_vendor_add_up_to_all_of_its_requests_at_most(first, second, vendor):
    outage = Outage(Random(1), VENDORS)
    outage.order(first)
    with pytest.raises(OrderError, match=f"faults of {vendor} would add up to 101%"):
        outage.order(second)


def test_a_page_elsewhere_orders_nothing(sandbox, http):
    foreign = {"Origin": "https://attacker.example"}
    for method in ("POST", "DELETE"):
        reply = http.request(method, f"{sandbox.url}/sandbox/faults", json={"fault": "dx: 1% lost"}, headers=foreign)
        assert reply.status_code == 403
    assert sandbox.outage.document() == {}


def test_each_vendor_meets_its_own_faults_in_the_part_that_was_ordered(sandbox, http):
    http.headers["Authorization"] = f"Bearer {TOKEN}"
    order(http, sandbox, "dx: 30% 503, 10% lost")
    met = Counter()
    for number in range(1, 7):
        try:
            met[http.post(sandbox.url + PULL, json=GOOD | {"github_pull_id": number}).status_code] += 1
        except requests.ConnectionError:
            met["lost"] += 1
        assert http.get(sandbox.url + FLOW).status_code == 200
    assert met == {503: 2, "lost": 2, 200: 2}
    held = http.get(f"{sandbox.url}/ledger").json()
    assert sorted(held["pull_services"]) == ["3", "4", "5", "6"]
    asked = [entry for entry in held["requests"] if entry["path"] == PULL]
    assert [(entry["status"], entry.get("fault")) for entry in asked] == [
        (503, "503"), (503, "503"), (200, "lost"), (200, "lost"), (200, None), (200, None),
    ]  # fmt: skip


def test_one_request_too_many_is_told_when_to_come_again_by_every_vendor(sandbox, http):
    order(http, sandbox, "all: 100% 429")
    for path in (PULL, FLOW, "/api/v4/version", "/api/v1/jobs"):
        reply = http.post(sandbox.url + path, json=GOOD)
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, "5"), path


def test_a_slow_answer_is_the_right_one(sandbox, http):
    http.headers["Authorization"] = f"Bearer {TOKEN}"
    order(http, sandbox, "dx: 100% slow 0s")
    assert http.post(sandbox.url + PULL, json=GOOD).json() == {"ok": True}
    assert sandbox.ledger.document()["requests"][0]["fault"] == "slow 0s"


def test_chance_that_is_not_given_meets_about_the_part_that_was_ordered():
    outage = Outage(Random(7), VENDORS)
    outage.order("dx: 30% 503")
    assert 240 < sum(outage.draw("dx") is not None for _ in range(1000)) < 360
    assert not any(outage.draw(vendor) for vendor in VENDORS if vendor != "dx")


@pytest.mark.parametrize("fault", ["100% 503", "100% lost", "50% 503, 50% lost", "100% 429"])
def test_what_an_outage_held_up_arrives_once_when_it_is_over(fault, sandbox, http, tmp_path):
    environ = {"CIBEACON_DX_URL": sandbox.url, "DX_API_TOKEN": TOKEN, "CIBEACON_SPOOL": str(tmp_path / "spool")}
    environ |= {"CIBEACON_TIMEOUT": "3"}
    assert order(http, sandbox, f"dx: {fault}").status_code == 200
    report = cibeacon(*REPORT, environ=environ, cwd=tmp_path)
    assert (report.code, "2 spooled" in report.out) == (0, True), report.out
    order(http, sandbox, "", "DELETE")
    for sent in (2, 0):
        before = sandbox.ledger.document()["received"]
        replay = cibeacon("replay", environ=environ, cwd=tmp_path)
        assert (replay.code, sandbox.ledger.document()["received"] - before) == (0, sent), replay.out
    held = http.get(f"{sandbox.url}/ledger").json()
    (run,) = held["pipeline_runs"].values()
    (deployment,) = held["deployments"].values()
    assert (run["status"], deployment["service"]) == ("success", "payments")


def test_the_command_takes_orders_and_says_what_would_be_one(tmp_path):
    ended = cibeacon("sandbox", "--port=0", "--fault=dx: 30% nonsense", cwd=tmp_path)
    assert ended.code == 2
    assert "a status from 400" in " ".join(ended.err.split())


def test_the_orders_of_the_page_can_be_given():
    orders = re.findall(r"""--fault (['"])(.+?)\1""", PAGE) + re.findall(r'(")fault": "([^"]+)"', PAGE)
    assert len(orders) > 1
    for _, text in orders:
        Outage(Random(1), VENDORS).order(text)
