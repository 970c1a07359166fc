"""Asks DCI whose credentials these are."""

from __future__ import annotations

from cibeacon.checks import Answer, HostAnswer, Target, View, fail, not_checked, ok
from cibeacon.checks.network import Asked, answer, ask
from cibeacon.model.request import Response
from cibeacon.runtime.deadline import Deadline
from cibeacon.sinks import dci_query

_EXPIRED = "signature is expired"
_MOST_TEAMS = 5


def probe(view: View, target: Target, deadline: Deadline) -> HostAnswer:
    """What DCI answers when asked for the identity."""
    result = dci_query.SinkRows()
    source = view.settings.origins["dci_api_secret"].source

    def judge(asked: Asked, response: Response) -> Answer:
        if asked.outcome.status != "sent":
            if _EXPIRED in asked.said and asked.is_skewed:
                return not_checked(f"DCI says {asked.said} (network.clock)")
            return fail(f"DCI does not accept the signature: {asked.said}", str(asked.outcome.reason), source)
        row = result.rows[0]
        teams = row.get("teams")
        rows = teams.values() if isinstance(teams, dict) else ()
        named = [str(team.get("team_name")) for team in rows if isinstance(team, dict)][:_MOST_TEAMS]
        member = f", of the team{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""
        return ok(f"DCI knows the remote CI {row.get('name') or row.get('id')}{member}", source=source)

    return answer(ask(view, target, deadline, dci_query.identity(result)), target, judge, says_404=True)
