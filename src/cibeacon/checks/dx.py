"""Asks DX whether it takes the token: an empty request, which must be refused for its content, so nothing is recorded."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, not_checked, ok, warn
from cibeacon.checks.network import Asked, answer, ask, refused_token
from cibeacon.model.ci_systems import DX_CONNECTORS
from cibeacon.model.request import Exchange, Request, Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.settings.general import wants
from cibeacon.sinks import dx

_WRONG = frozenset({"invalid_auth", "not_authed"})


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What DX answers to an empty deployment."""
    method = dx.METHODS[view.settings.dx.dx_api]["deployment"]
    source = view.settings.origins["dx_token"].source

    def judge(asked: Asked, response: Response) -> Answer:
        document = response.json()
        code = document.get("error") if isinstance(document, dict) else None
        hint = str(asked.outcome.reason)
        if response.status == 403 or code == "account_inactive":
            return fail(f"DX knows the token, and it may not call {method} ({asked.said})", hint, source)
        if response.status == 401 or code in _WRONG:
            return refused_token(target, asked.said, hint, source)
        if asked.outcome.status == "sent":
            return warn(f"{target.url} took an empty {method}, which DX refuses", "Check dx_url.", target.url_source)
        refusal = f"it refused an empty {method} for its content ({code})"
        return ok(f"DX takes the token: {refusal}, and recorded nothing", source=source)

    return answer(ask(view, target, deadline, _empty(method)), target, judge)


def _empty(method: str) -> Exchange:
    return dx.judge((yield Request("POST", f"/api/{method}", {})))


def connector(view: View) -> Answer:
    """Whether DX may count pipeline runs twice, which nothing here can see."""
    if not view.targets["dx"].wanted or not wants(view.settings.core.signals, "pipeline-run"):
        return not_checked("no pipeline run is sent to DX")
    if view.context.host not in DX_CONNECTORS:
        return ok("DX has no connector for this CI system: only cibeacon reports its runs")
    title = view.system.title
    message = f"DX has a connector for {title}: where it is on, DX counts pipeline runs twice"
    return ok(message, "To leave ours out, set signals to auto,-pipeline-run; services and deployments stay.")
