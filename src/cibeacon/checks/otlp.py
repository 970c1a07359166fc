"""Tries an OTLP receiver with a request without spans, so it records nothing."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, ok
from cibeacon.checks.network import Asked, answer, ask, refused_token
from cibeacon.model.request import Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import otlp


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What the receiver answers to a request without spans."""
    source = view.settings.origins["otlp_headers" if target.secrets else "otlp_endpoint"].source

    def judge(asked: Asked, response: Response) -> Answer:
        hint = str(asked.outcome.reason)
        if asked.outcome.status == "sent":
            return ok("the receiver accepted a request without spans and recorded nothing", source=source)
        if response.status in (401, 403) and target.secrets:
            return refused_token(target, asked.said, hint, source)
        return fail(f"the receiver does not accept spans: {asked.said}", hint, source)

    return answer(ask(view, target, deadline, otlp.export_nothing(view.settings.otlp.endpoint.form)), target, judge)
