"""Asks Instabase Flow which pipelines the token can see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, ok
from cibeacon.checks.network import Asked, answer, ask, refused_token
from cibeacon.model.request import Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import flow


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What Instabase answers when asked for its pipelines."""
    rows: list[Mapping[str, Any]] = []
    source = view.settings.origins["flow_token"].source

    def judge(asked: Asked, response: Response) -> Answer:
        hint = str(asked.outcome.reason)
        if asked.outcome.status == "sent":
            seen = f"{len(rows):,} pipeline{'' if len(rows) == 1 else 's'}"
            return ok(f"Instabase accepts the token, which can see {seen}", source=source)
        if response.status == 401:
            return refused_token(target, asked.said, hint, source)
        return fail(f"Instabase does not list its pipelines: {asked.said}", hint, source)

    exchange = flow.list_pipelines(view.settings.flow.flow_list_path, "*", rows)
    return answer(ask(view, target, deadline, exchange), target, judge)
