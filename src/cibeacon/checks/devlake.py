"""Tries the API key at a webhook of DevLake with an empty deployment, which DevLake must reject because of its content."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, ok, warn
from cibeacon.checks.network import Asked, answer, ask, refused_token
from cibeacon.model.request import Exchange, Request, Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import devlake


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What DevLake answers to an empty deployment, of which it records nothing."""
    source = view.settings.origins["devlake_token"].source

    def judge(asked: Asked, response: Response) -> Answer:
        hint = str(asked.outcome.reason)
        if response.status in (401, 403):
            return refused_token(target, asked.said, hint, source)
        if asked.outcome.status == "sent":
            return warn(
                f"{target.url} accepted an empty deployment, which DevLake rejects", "Check devlake_url.", source
            )
        if response.status != 400:
            return fail(f"DevLake does not accept deployments: {asked.said}", hint, source)
        return ok("DevLake accepts the API key: it rejected an empty deployment and recorded nothing", source=source)

    return answer(ask(view, target, deadline, _empty()), target, judge)


def _empty() -> Exchange:
    return devlake.judge((yield Request("POST", devlake.PATH, {})))
