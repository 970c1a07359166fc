"""Tries the token with an empty request, which DX must reject because of its content, so DX records nothing."""

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
            return fail(f"DX knows the token, but the token may not call {method} ({asked.said})", hint, source)
        if response.status == 401 or code in _WRONG:
            return refused_token(target, asked.said, hint, source)
        if asked.outcome.status == "sent":
            return warn(
                f"{target.url} accepted an empty {method}, which DX rejects", "Check dx_url.", target.url_source
            )
        rejection = f"it rejected an empty {method} because of its content ({code})"
        return ok(f"DX accepts the token: {rejection} and recorded nothing", source=source)

    return answer(ask(view, target, deadline, _empty(method)), target, judge)


def _empty(method: str) -> Exchange:
    return dx.judge((yield Request("POST", f"/api/{method}", {})))


def connector(view: View) -> Answer:
    """Whether DX may count pipeline runs twice; cibeacon cannot see whether the connector is on."""
    if not view.targets["dx"].wanted or not wants(view.settings.core.signals, "pipeline-run"):
        return not_checked("cibeacon sends no pipeline runs to DX")
    if view.context.host not in DX_CONNECTORS:
        return ok("DX has no connector for this CI system: only cibeacon reports its runs")
    title = view.system.title
    message = f"DX has a connector for {title}: if it is on, DX counts pipeline runs twice"
    return ok(
        message,
        "To send none from cibeacon, set signals to auto,-pipeline-run; services and deployments are still sent.",
    )
