"""Tries the token for workflow runs with a message that has no workflow run, which DX must reject."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, ok, warn
from cibeacon.checks.network import Asked, answer, ask, refused_token
from cibeacon.model.request import Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import dx_workflow


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What DX answers to an empty message."""
    source = view.settings.origins["dx_workflow_token"].source
    method = dx_workflow.MESSAGE.removeprefix("/")

    def judge(asked: Asked, response: Response) -> Answer:
        document = response.json()
        code = document.get("error") if isinstance(document, dict) else None
        hint = str(asked.outcome.reason)
        if response.status == 401 or code in dx_workflow.ADVICE:
            return refused_token(target, asked.said, hint, source)
        if response.status == 403:
            return fail(f"DX knows the token, but the token may not call {method} ({asked.said})", hint, source)
        if asked.outcome.status == "sent":
            return warn(
                f"{target.url} accepted an empty {method}, which DX rejects",
                "Check dx_workflow_url.",
                target.url_source,
            )
        rejection = f"it rejected an empty {method} because of its content ({code})"
        return ok(f"DX accepts the token: {rejection}", source=source)

    return answer(ask(view, target, deadline, dx_workflow.post_nothing()), target, judge)
