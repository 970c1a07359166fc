"""Whose turn it is and how long it may take: a sink that is down costs the other sinks nothing."""

from __future__ import annotations

import pytest

from cibeacon.delivery.sender import UPLOADS, Sending, SignalSender
from cibeacon.model.report import Outcome, ShownRequest
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings import load_settings
from still_environment import still_environment

REQUEST = ShownRequest("POST", "https://x.example", {})


class Vendors:
    """Take all signals but some, on a clock that only sleeping moves."""

    def __init__(self, tmp_path, *, refused=(), hanging=(), give_up_after=1):
        self.env = still_environment(tmp_path, CIBEACON_DCI_UPLOAD_TIMEOUT="700", CIBEACON_TIMEOUT="20")
        settings = load_settings({}, self.env.environ, {})
        self.sender = SignalSender(self.env, settings, settings.endpoints, give_up_after=give_up_after)
        self.refused, self.hanging = set(refused), set(hanging)
        self.asked, self.allowed = [], {}

    def send(self, position, client, deadline, retry):
        self.asked.append((position, retry))
        self.allowed[position] = deadline.remaining()
        if position in self.hanging:
            deadline.sleep(deadline.remaining())
        status = "spooled" if position in self.refused | self.hanging else "sent"
        return Outcome("pipeline-run", "dx", status, request=REQUEST)

    def run(self, *sendings, seconds=30.0):
        deadline = Deadline(seconds, self.env.clock, self.env.sleep, self.env.clock())
        outcomes = dict(self.sender.send_all(sendings, self.send, deadline))
        return {position: outcome and outcome.status for position, outcome in outcomes.items()}


def signals(*sinks):
    return [Sending(position, sink) for position, sink in enumerate(sinks)]


def test_signals_are_sent_in_their_order_and_failed_requests_are_tried_again(tmp_path):
    vendors = Vendors(tmp_path)
    assert set(vendors.run(*signals("dx", "dx", "dci")).values()) == {"sent"}
    assert vendors.asked == [(0, True), (1, True), (2, True)]


@pytest.mark.parametrize("give_up_after", [1, 3])
def test_a_sink_that_takes_nothing_is_given_up_and_the_others_are_sent(tmp_path, give_up_after):
    vendors = Vendors(tmp_path, refused=range(5), give_up_after=give_up_after)
    outcomes = vendors.run(*signals("dx", "dx", "dx", "dx", "dx", "dci", "dci"))
    assert list(outcomes.values()) == ["spooled"] * give_up_after + [None] * (5 - give_up_after) + ["sent"] * 2
    assert vendors.asked[:5][1:give_up_after] == [(position, False) for position in range(1, give_up_after)]


def test_a_signal_that_is_never_taken_is_followed_by_those_that_are(tmp_path):
    vendors = Vendors(tmp_path, refused=[0, 1, 4], give_up_after=3)
    outcomes = vendors.run(*signals(*["dx"] * 6))
    assert [position for position, status in outcomes.items() if status == "sent"] == [2, 3, 5]
    assert [retry for _, retry in vendors.asked] == [True, False, False, True, True, False]


def test_a_sink_that_hangs_leaves_the_others_their_share_of_the_time(tmp_path):
    vendors = Vendors(tmp_path, hanging=[0])
    outcomes = vendors.run(*signals("dx", "dci", "flow"))
    assert list(outcomes.values()) == ["spooled", "sent", "sent"]
    assert vendors.allowed == {0: 10.0, 1: 10.0, 2: 20.0}


def test_a_signal_that_hangs_leaves_time_to_those_behind_it(tmp_path):
    vendors = Vendors(tmp_path, hanging=[0], give_up_after=3)
    assert list(vendors.run(*signals("dx", "dx", "dx")).values()) == ["spooled", "sent", "sent"]
    assert vendors.allowed[0] == pytest.approx(10.0)


def test_files_have_time_of_their_own_and_what_follows_has_the_whole_timeout_again(tmp_path):
    vendors = Vendors(tmp_path, hanging=[0])
    outcomes = vendors.run(Sending(0, "dci"), Sending(1, "dci", is_file=True), Sending(2, "dci"))
    assert list(outcomes.values()) == ["spooled", "sent", "sent"]
    assert vendors.allowed == {0: 30.0, 1: 700.0, 2: 20.0}


def test_files_of_a_system_that_takes_none_are_not_all_tried_and_what_follows_is_sent(tmp_path):
    vendors = Vendors(tmp_path, refused=range(100))
    files = [Sending(position, "dci", is_file=True) for position in range(100)]
    outcomes = vendors.run(*files, Sending(100, "dci"))
    assert outcomes[100] == "sent"
    assert UPLOADS <= sum(outcomes[position] == "spooled" for position in range(100)) < 2 * UPLOADS


def test_a_file_that_fails_does_not_stop_the_others(tmp_path):
    vendors = Vendors(tmp_path, refused=[0])
    files = [Sending(position, "dci", is_file=True) for position in range(20)]
    assert sorted(vendors.run(*files).items()) == [(0, "spooled"), *((position, "sent") for position in range(1, 20))]


def test_an_outcome_without_a_request_says_nothing_about_the_sink(tmp_path):
    vendors = Vendors(tmp_path)
    send = vendors.send

    def blocked(position, *given):
        outcome = send(position, *given)
        return outcome if position == 2 else outcome._replace(status="spooled", request=None)

    vendors.send = blocked
    assert list(vendors.run(*signals("dci", "dci", "dci")).values()) == ["spooled", "spooled", "sent"]
